// An answer as it passes, in no dialect: what one dialect's is read into and another's is written
// from. Internal to translation.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "dialects/reply.h"
#include "dialects/sse.h"
#include "translation/translation.h"

namespace tollgate::translation {

using dialects::Surface;
using dialects::Usage;

enum class Finish : std::uint8_t { kStop, kStopSequence, kLength, kCalls, kFiltered };

// Takes an answer in the order of its generation. Borrows what it is given for the call alone.
class AnswerParts {
 public:
  virtual ~AnswerParts() = default;

  // Once, before anything else. An empty id or model, or 0: it is not told.
  virtual void begin(std::string_view id, std::string_view model, std::int64_t created) = 0;
  virtual void text(std::string_view piece) = 0;
  virtual void thought(std::string_view piece) = 0;
  virtual void refusal(std::string_view piece) = 0;
  virtual void call(std::string_view id, std::string_view name, bool is_custom) = 0;
  // Of the call that has begun last.
  virtual void arguments(std::string_view piece) = 0;
  // What comes next is of another part.
  virtual void part_ends() = 0;
  virtual void finish(Finish reason, std::string_view stop_sequence) = 0;
  virtual void usage(const Usage& told) = 0;
  virtual void done() = 0;
  virtual void error(std::string_view type, std::string_view message) = 0;
};

// Reads the answers of one dialect. A Fault: it is broken, or holds what cannot be carried over.
class AnswerSource {
 public:
  virtual ~AnswerSource() = default;
  virtual void start() = 0;
  virtual FaultOr<void> whole(simdjson::dom::object answer, AnswerParts& parts) = 0;
  virtual FaultOr<void> event(std::string_view type, simdjson::dom::object event,
                              AnswerParts& parts) = 0;
  // Of a stream: the text that ends it.
  virtual FaultOr<void> last(AnswerParts& parts) {
    parts.done();
    return {};
  }
};
std::unique_ptr<AnswerSource> make_chat_source();
std::unique_ptr<AnswerSource> make_messages_source();
std::unique_ptr<AnswerSource> make_response_source();

// What has come of an answer.
struct Answer {
  enum class Kind : std::uint8_t { kText, kThought, kRefusal, kCall };
  struct Piece {
    Kind kind = Kind::kText;
    std::string text;  // Of a call its arguments.
    std::string id;
    std::string name;
    bool is_custom = false;
  };
  std::string id;
  std::string model;
  std::int64_t created = 0;
  std::vector<Piece> pieces;
  Finish finish = Finish::kStop;
  std::string stop_sequence;
  std::optional<Usage> usage;

  bool has_calls() const;
  // Why it ended, where it holds calls that nobody said so of.
  Finish reason() const;
};

// Keeps an answer to its end.
class AnswerKeeper : public AnswerParts {
 public:
  void clear(const AnswerTerms& terms);

  void begin(std::string_view id, std::string_view model, std::int64_t created) override;
  void text(std::string_view piece) override { add(Answer::Kind::kText, piece); }
  void thought(std::string_view piece) override { add(Answer::Kind::kThought, piece); }
  void refusal(std::string_view piece) override { add(Answer::Kind::kRefusal, piece); }
  void call(std::string_view id, std::string_view name, bool is_custom) override;
  void arguments(std::string_view piece) override;
  void part_ends() override { is_open_ = false; }
  void finish(Finish reason, std::string_view stop_sequence) override;
  void usage(const Usage& told) override { answer.usage = told; }
  void done() override {}
  void error(std::string_view type, std::string_view message) override;
  void add(Answer::Kind kind, std::string_view piece);

  Answer answer;
  std::string failure;  // What an error said; empty: there was none.

 private:
  bool is_open_ = false;
};

// Appends the whole answer to `out`.
void write_chat_answer(const Answer& answer, std::string& out);
void write_messages_answer(const Answer& answer, std::string& out);
void write_response_answer(const Answer& answer, std::string& out);

// Writes the events of a stream.
class AnswerStream : public AnswerParts {
 public:
  // `out` is appended to.
  virtual void start(const AnswerTerms& terms, std::string& out) = 0;
};
std::unique_ptr<AnswerStream> make_chat_stream();
std::unique_ptr<AnswerStream> make_messages_stream();
std::unique_ptr<AnswerStream> make_response_stream();

std::unexpected<Fault> broken(std::string_view what);
// The string under `key`, or nothing where there is none; anything else is a Fault.
FaultOr<std::string_view> told_string(simdjson::dom::object object, std::string_view key);

}  // namespace tollgate::translation
