#include "pipeline/answer_guards.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tollgate::pipeline {

AnswerGuards::AnswerGuards(Guards& guards, const Guards::Case& of, std::optional<std::string> asked,
                           Money held, Money& cost)
    : guards_(guards),
      of_(of),
      asked_(std::move(asked)),
      held_(held),
      cost_(cost),
      section_(section_of(of.config, of.route)),
      holds_(section_ != std::numeric_limits<Bytes>::max()),
      is_readable_(asked_.has_value()) {}

void AnswerGuards::text(std::string_view place, std::string_view text) {
  if (text.empty() || dialects::is_name_of_part(place)) return;
  bytes_ += text.size();
  if (!is_readable_) return;
  if (last_ >= texts_.size() || texts_[last_].place != place) {
    const auto known = std::ranges::find(texts_, place, &dialects::AnswerText::place);
    last_ = static_cast<std::size_t>(known - texts_.begin());
    if (known == texts_.end()) texts_.push_back({std::string(place), {}});
  }
  texts_[last_].text += text;
  is_readable_ = bytes_ <= Guards::kAnswerBytesMax && texts_.size() <= kTextsMax;
}

bool AnswerGuards::is_due(std::size_t held_bytes) const {
  if (!holds_ || is_all_judged()) return false;
  return bytes_ - judged_ >= next_section(judged_, section_) || held_bytes >= kHeldBytesMax;
}

Task<Expected<void>> AnswerGuards::judge(Part part) {
  using Asked = Guards::AnswerSoFar::Asked;
  if (bytes_ == 0 || (part == Part::kSoFar && is_all_judged())) co_return Expected<void>();
  Guards::AnswerSoFar answer;
  answer.texts = texts_;
  answer.is_whole = part == Part::kWhole;
  if (part == Part::kSoFar) {
    answer.who = Asked::kThatMayRefuse;
  } else if (is_all_judged()) {
    answer.who = Asked::kAtEnd;
  }
  if (asked_) answer.asked = *asked_;
  answer.is_readable = is_readable_;
  answer.left = {std::max<std::int64_t>(0, held_.micro_usd - cost_.micro_usd)};
  const Judgement judgement = co_await guards_.judge_answer(of_, answer);
  cost_ = add_saturated(cost_, judgement.cost);
  waited_ += judgement.waited;
  judged_ = bytes_;
  gather(judgement);
  if (judgement.refusal) co_return std::unexpected(*judgement.refusal);
  if (of_.stop.asked() || of_.exchange.caller_gone()) co_return std::unexpected(revoked());
  co_return Expected<void>();
}

void AnswerGuards::gather(const Judgement& judgement) {
  for (const audit::ContentFinding& finding : judgement.findings) {
    const bool is_known = std::ranges::any_of(findings_, [&](const audit::ContentFinding& other) {
      return other.rule == finding.rule && other.action == finding.action;
    });
    if (!is_known) findings_.push_back(finding);
  }
  // Calls that ended alike are told as one.
  for (const audit::Attempt& attempt : judgement.attempts) {
    const auto alike = std::ranges::find_if(attempts_, [&](const audit::Attempt& other) {
      return other.upstream == attempt.upstream && other.status == attempt.status;
    });
    if (alike == attempts_.end()) {
      attempts_.push_back(attempt);
    } else {
      alike->duration += attempt.duration;
      alike->calls += attempt.calls;
    }
  }
  for (const std::string_view rule : judgement.observed) {
    if (std::ranges::find(observed_, rule) == observed_.end()) observed_.push_back(rule);
  }
}

}  // namespace tollgate::pipeline
