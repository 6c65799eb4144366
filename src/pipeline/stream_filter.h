// The content policy of a route, applied to an answer that is streamed: an event goes on to the
// caller once nothing in it, nor in any event before it, can still become a part of a match.
//
// Each text of the answer (a choice's, the arguments of a tool call, a block's) is read by itself,
// as far as it has come (StreamScanner). Where a dialect does not say that one has ended, the next
// of the same choice goes on: after some pieces of that the last word of the first is let go, so
// that it does not hold up what follows, unless the text were refused if it ended there. Rules on
// words read it when it has ended: they refuse
// nothing, as it is out by then. Events are handed on whole and in their order, so one that is held
// holds those behind it. Where the policy only flags or observes nothing is held.
//
// Everything has a bound: an answer that would need more than that is not inspected, and ended.
//
// Pure but for the scanner, which is the loop's. One stream's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/encoded_reader.h"
#include "controls/content/links.h"
#include "controls/content/own_stream.h"
#include "controls/content/smuggling_stream.h"
#include "controls/content/stream_scanner.h"
#include "controls/overload/buffered_bytes.h"
#include "pipeline/answer_filter.h"

namespace tollgate::pipeline {

class StreamFilter final : public dialects::AnswerSink {
 public:
  // Texts of an answer at once; of n choices with their tool calls, say.
  static constexpr std::size_t kTextsMax = 512;
  // Pieces of other texts of the same choice after which a text holds up nothing any more.
  static constexpr std::size_t kBehindMax = 4;
  // Bytes of events that wait…
  static constexpr std::size_t kHeldBytesMax = std::size_t{1} << 20;
  // …and of what is kept of all texts.
  static constexpr std::size_t kWindowBytesMax = std::size_t{2} << 20;

  // Borrows all. What it holds counts in `buffered`; null: nowhere.
  StreamFilter(const config::Route& route, content::Scanner& scanner, const SharedRules& rules,
               overload::BufferedBytes* buffered = nullptr);

  // Of the event that is being read.
  void text(std::string_view place, std::string_view text) override;
  void piece(std::string_view place, std::string_view piece) override;
  void ended(std::string_view places) override;

  // An event has been read, `events` so far, of which these are the bytes. Appends to `out` what
  // may go on. False: the policy ends the stream here, and what it holds is never handed on.
  bool take(std::string_view bytes, std::size_t events, std::string& out);
  // No more comes: as take().
  bool finish(std::string& out);

  // So many events have gone on.
  std::size_t handed_on() const { return handed_on_; }
  // The answer to a caller who has nothing of the answer yet, once the policy has ended it.
  Refusal refusal() const { return *refusal_; }
  const AnswerVerdict& verdict() const { return verdict_; }

 private:
  static constexpr std::size_t kNever = static_cast<std::size_t>(-1);
  struct Text {
    Text(std::string_view at, const content::StreamReads& reads,
         std::span<const std::string> link_hosts)
        : place(at), scanner(reads), encoded(reads), links(link_hosts) {}

    const std::string place;
    std::size_t part = 0;    // The part of the answer that it is of…
    std::size_t turn = 0;    // …and the number of its last piece there.
    std::size_t let_go = 0;  // Up to where it holds up nothing, decided or not.
    std::size_t judged = 0;  // Its size when it was last asked whether it may be.
    std::size_t size = 0;
    content::StreamScanner scanner;
    content::EncodedReader encoded;
    content::LinkReader links;
    content::SmugglingStream hidden;
    std::string all;  // Where rules on words read it, once it has ended.
    content::OwnStream own;
    std::size_t memory = 0;
    std::size_t match = kNever;  // Where the one begins for which the stream is ended.
    bool was_undecided = false;  // When it ended.
  };
  // What has to be decided before an event may go on.
  struct Need {
    std::size_t text = 0;  // kNever: it may not.
    std::size_t bytes = 0;
  };
  struct Held {
    std::size_t bytes = 0;
    std::size_t events = 0;
    std::size_t needs = 0;
  };

  // A choice, a block or an item: texts of one come one after the other.
  struct Part {
    std::string place;
    std::size_t pieces = 0;
  };

  Text* text_at(std::string_view place);
  std::size_t part_of(std::string_view place);
  content::Action note(std::string_view place, const content::StreamMatch& match);
  void take_found(Text& text);
  void read_words(Text& text);
  void give_up();
  content::OwnReader own() { return {own_, scanner_, rules_, forms_}; }
  std::size_t decided_of(const Text& text) const;
  void let_go(Text& text);
  bool refuses_at_end(const Text& text);
  bool is_decided(const Need& need);
  void release(std::string& out);

  const config::Route& route_;
  content::Scanner& scanner_;
  const SharedRules& rules_;
  const bool refuses_;  // Some rule does, and not only flags or observes.
  const content::StreamReads reads_;
  const bool scans_;  // It reads for any of that.
  const bool reads_links_;
  const bool reads_hidden_;
  std::vector<content::Action> words_;  // Of the rules on words alone; empty: none is read by.
  content::OwnReading own_;             // Of width 0: no own rule is for answers.
  content::Forms forms_;                // For them.
  std::vector<std::unique_ptr<Text>> texts_;
  std::size_t last_ = 0;  // The text of the last piece: the next is mostly of the same.
  std::vector<Part> parts_;
  std::vector<content::StreamMatch> found_;
  std::size_t window_bytes_ = 0;

  std::deque<Held> held_;
  std::deque<Need> needs_;         // Of all that are held, in their order…
  std::vector<Need> event_needs_;  // …and of the event that is being read.
  std::string held_bytes_;
  overload::BufferedBytes::Share kept_bytes_;  // Of them.
  std::size_t gone_bytes_ = 0;                 // Of them, from the first on.
  std::size_t handed_on_ = 0;
  AnswerVerdict verdict_;
  std::optional<Refusal> refusal_;
};

}  // namespace tollgate::pipeline
