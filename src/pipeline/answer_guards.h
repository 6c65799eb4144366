// The guards of a route, asked about an answer before the caller has it.
//
// What the model writes is gathered as it comes. A whole answer is judged once. A streamed one is
// judged section by section, each time all of it so far, so that the last verdict is the one that
// the whole answer would have had; nothing goes out that was not judged. Guards that never refuse
// hold nothing, and are asked once at the end.
//
// What asking costs is added to the record before the request is settled, and is never more than
// what was held for it.
//
// One request's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "controls/audit/audit.h"
#include "dialects/answer.h"
#include "dialects/guard.h"
#include "pipeline/guards.h"

namespace tollgate::pipeline {

class AnswerGuards final : public dialects::AnswerSink {
 public:
  // Texts of an answer at once; one with more is not judged.
  static constexpr std::size_t kTextsMax = 512;
  // A section ends early where so many bytes of events wait for it. Around a byte of text an event
  // has some 60, so this is seldom, and no more is asked than was held for.
  static constexpr std::size_t kHeldBytesMax = std::size_t{4} << 20;

  // Borrows all but `asked`, what was asked as one text, where a guard judges by that; nothing:
  // it could not be read. `cost` is what guards have cost so far, of `held`.
  AnswerGuards(Guards& guards, const Guards::Case& of, std::optional<std::string> asked, Money held,
               Money& cost);

  void text(std::string_view place, std::string_view text) override;
  void piece(std::string_view place, std::string_view piece) override { text(place, piece); }
  void ended(std::string_view) override {}

  // Whether nothing may go on that was not judged.
  bool holds() const { return holds_; }
  bool is_all_judged() const { return bytes_ == judged_; }
  // Whether what is not judged is a section, with so many bytes of events that wait.
  bool is_due(std::size_t held_bytes) const;

  enum class Part : std::uint8_t { kSoFar, kWhole };
  // Asks. A refusal: nothing more of the answer goes on. So it is where the caller is gone.
  Task<Expected<void>> judge(Part part);

  // Of all times that it was asked, in the arena of the request.
  std::span<const audit::ContentFinding> findings() const { return findings_; }
  std::span<const audit::Attempt> attempts() const { return attempts_; }
  std::span<const std::string_view> observed() const { return observed_; }
  Duration waited() const { return waited_; }

 private:
  void gather(const Judgement& judgement);

  Guards& guards_;
  const Guards::Case of_;
  const std::optional<std::string> asked_;
  const Money held_;
  Money& cost_;
  const Bytes section_;
  const bool holds_;
  std::vector<dialects::AnswerText> texts_;
  std::size_t last_ = 0;  // The text of the last piece: the next is mostly of the same.
  std::size_t bytes_ = 0;
  std::size_t judged_ = 0;
  bool is_readable_ = true;
  std::vector<audit::ContentFinding> findings_;
  std::vector<audit::Attempt> attempts_;
  std::vector<std::string_view> observed_;
  Duration waited_{};
};

// Tells both.
class BothSinks final : public dialects::AnswerSink {
 public:
  // Borrows both; null: nobody.
  BothSinks(dialects::AnswerSink* first, dialects::AnswerSink* second)
      : first_(first), second_(second) {}

  // What is to be told, or null where nobody is.
  dialects::AnswerSink* get() {
    if (first_ != nullptr && second_ != nullptr) return this;
    return first_ != nullptr ? first_ : second_;
  }

  void text(std::string_view place, std::string_view text) override {
    first_->text(place, text);
    second_->text(place, text);
  }
  void piece(std::string_view place, std::string_view piece) override {
    first_->piece(place, piece);
    second_->piece(place, piece);
  }
  void ended(std::string_view places) override {
    first_->ended(places);
    second_->ended(places);
  }

 private:
  dialects::AnswerSink* const first_;
  dialects::AnswerSink* const second_;
};

}  // namespace tollgate::pipeline
