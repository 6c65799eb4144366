// Reads one text that comes in pieces, and says which rules match where and how much of it is
// decided: what may go out, since nothing that follows can make it a part of a match.
//
// Read are rules of `secrets`, `pii` and `special_tokens`. The verdict is that of a Scanner on the
// whole text (scanner.h): the text is read as it is and, from where that differs, in its normal
// form. A window is kept of each: the end of the text where
// a match could still begin, and what a look at it needs of what stands before. What could begin
// one is an anchor that is not there in full, a secret that goes on to the end of what there is,
// or a word that may be the part before an anchor; for personal data also a number that goes on to
// the end or a word that may be of an address, and what has begun like a special token. So of
// ordinary text no more than a word or a number waits; a number that lacks nothing but a word near
// it, 24 bytes longer. The window is no longer than the longest secret that there is.
//
// One thread. What a text costs is linear in its bytes, however it is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/anchors.h"
#include "controls/content/content.h"
#include "controls/content/normal_form.h"
#include "controls/content/pattern_machine.h"
#include "controls/content/pii.h"

namespace tollgate::content {

// What a text is read for.
struct StreamReads {
  bool anchors = false;  // Secrets, and personal data by its name.
  bool tokens = false;
  std::span<const Action> pii;  // One for each of pii_kinds(); empty: none.
};
// By the actions of all_rules(), which are borrowed.
StreamReads reads_of(std::span<const Action> actions);

class StreamScanner {
 public:
  explicit StreamScanner(const StreamReads& reads);

  // The next piece, whole characters of UTF-8. Matches that are known by now are appended to
  // `found`.
  void read(std::string_view piece, std::vector<StreamMatch>& found);
  // There are no further pieces, so that all is decided. One that comes nevertheless is read on
  // behind them.
  void end(std::vector<StreamMatch>& found);

  // In bytes of the text as it came, from its beginning.
  std::size_t size() const { return size_; }
  std::size_t decided() const { return decided_; }

  // Bytes that it keeps.
  std::size_t memory() const;

 private:
  // A byte of a form, and the part of the text that it stands for.
  struct Origin {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  // A secret that goes on to the end of what there is; in bytes of the form.
  struct Open {
    std::uint16_t secret = 0;
    std::size_t begin = 0;
    std::size_t anchor_end = 0;
    std::size_t run = 0;  // Where its characters begin…
    std::size_t at = 0;   // …and up to where they are known to be of it.
  };
  // What has begun like a special token; in bytes of the form.
  struct Begun {
    std::size_t begin = 0;
    PatternMachine::State state = 0;
  };
  // One that is there in full, and is to be checked.
  struct Ended {
    std::uint16_t pattern = 0;
    Extent extent;
  };
  // The text in one of its forms.
  struct Form {
    std::string window;
    std::vector<Origin> origins;  // Of the window; of the text as it is, none.
    std::size_t base = 0;         // Where the window begins in the form.
    Anchors::State exact = Anchors::kStart;
    Anchors::State any_case = Anchors::kStart;
    std::vector<Open> open;
    std::vector<Begun> begun;
    std::vector<Ended> ended;
    PiiPass::Place numbers;             // Of the window…
    std::size_t numbers_undecided = 0;  // …and of the form.
  };
  class Normal;

  void scan(Form& form, std::size_t from, std::vector<StreamMatch>& found);
  void scan_anchors(Form& form, std::size_t from, std::vector<StreamMatch>& found);
  void scan_tokens(Form& form, std::size_t from, std::vector<StreamMatch>& found);
  void tell_tokens(Form& form, MoreText more, std::vector<StreamMatch>& found);
  void scan_numbers(Form& form, MoreText more, std::vector<StreamMatch>& found);
  void go_on(Form& form, std::vector<StreamMatch>& found);
  void look_at(Form& form, std::uint16_t secret, std::size_t anchor_end,
               std::vector<StreamMatch>& found);
  void add(const Form& form, std::string_view rule, const Extent& in_window,
           std::vector<StreamMatch>& found);
  std::size_t undecided(const Form& form) const;
  void read_normal(std::string_view piece, MoreText more, std::vector<StreamMatch>& found);
  void begin_normal();
  void forget(Form& form, std::size_t undecided) const;

  const StreamReads reads_;
  std::size_t behind_ = 0;  // Bytes before what is undecided that a look may need.
  Form as_it_is_;
  std::optional<Form> normal_;  // From where it differs.
  std::optional<Form> tags_;    // The same with tags read.
  std::string carried_;         // Of the text: an escape that is not complete.
  std::vector<StreamMatch> known_;
  std::size_t size_ = 0;
  std::size_t decided_ = 0;
};

}  // namespace tollgate::content
