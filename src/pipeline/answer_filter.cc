#include "pipeline/answer_filter.h"

#include <fmt/format.h>

namespace tollgate::pipeline {

std::string rule_of(const config::Route& route) {
  return fmt::format("routes.{}.content", route.name);
}

std::unexpected<Refusal> refuse_uninspected(const config::Route& route) {
  return content::refuse_unread(
      "The answer could not be inspected, and nothing passes here that was not. The operator has "
      "to look at it.",
      rule_of(route));
}

// What only observes lets everything pass, and says so.
Expected<void> observed_or(const config::Route& route, Expected<void> refused,
                           AnswerVerdict& verdict) {
  if (refused || route.content.mode == Mode::kEnforce) return refused;
  verdict.inspected = Inspected::kObserved;
  return {};
}

WholeAnswer::WholeAnswer(const config::Route& route, content::Scanner& scanner,
                         const SharedRules& rules)
    : route_(route), scanner_(scanner) {
  read_ =
      rules == nullptr ? fault(FaultKind::kBroken, "there are no rules") : scanner_.begin(rules);
}

void WholeAnswer::text(std::string_view place, std::string_view text) {
  if (!read_) return;
  read_ = scanner_.read(text);
  places_.resize(scanner_.found().size(), std::string(place));
}

Expected<void> WholeAnswer::judge(AnswerVerdict& verdict) const {
  verdict.unread = !read_;
  if (!read_) return observed_or(route_, refuse_uninspected(route_), verdict);
  const std::string_view action = content::name_of(content::action_of(route_.content));
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const content::Finding& found = scanner_.found()[i];
    verdict.found.push_back(
        {found.rule, fmt::format("{}:{}+{}", places_[i], found.offset, found.bytes), action});
  }
  if (places_.empty()) return {};
  return observed_or(route_,
                     content::check_answer(route_.content, scanner_.found().front().rule,
                                           places_.front(), rule_of(route_)),
                     verdict);
}

}  // namespace tollgate::pipeline
