#include "pipeline/answer_filter.h"

#include <fmt/format.h>

#include <utility>

#include "controls/content/links.h"
#include "controls/content/normal_form.h"

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

constexpr content::Pack kSecretsPack[] = {content::Pack::kSecrets};

FaultOr<void> find_in(std::string_view text, const config::Route& route, content::Scanner& scanner,
                      const SharedRules& rules, std::vector<content::StreamMatch>& found) {
  if (content::holds_answers_to(route.content, content::Pack::kLinks)) {
    content::LinkReader links(route.content.link_hosts);
    links.read(text, found);
    links.end(found);
  }
  if (!content::holds_answers_to(route.content, content::Pack::kSecrets)) return {};
  if (text.size() < content::shortest_secret() && !content::may_differ(text)) return {};
  if (rules == nullptr) return fault(FaultKind::kBroken, "there are no rules");
  FaultOr<void> read = scanner.begin(rules, kSecretsPack, content::Layers::kNone);
  if (read) read = scanner.read(text);
  if (!read) return read;
  for (const content::Finding& one : scanner.found()) {
    found.push_back({one.rule, {one.offset, one.offset + one.bytes}});
  }
  return {};
}

AnswerFinding finding_of(const config::Route& route, std::string_view place,
                         const content::StreamMatch& match) {
  const content::Extent& extent = match.extent;
  return {match.rule, fmt::format("{}:{}+{}", place, extent.begin, extent.end - extent.begin),
          content::name_of(content::action_of(route.content))};
}

void WholeAnswer::text(std::string_view place, std::string_view text) {
  if (!read_) return;
  matches_.clear();
  read_ = find_in(text, route_, scanner_, rules_, matches_);
  for (const content::StreamMatch& match : matches_) {
    if (found_.found.size() == content::Scanner::kFindingsMax) return;
    if (found_.found.empty()) first_ = place;
    found_.found.push_back(finding_of(route_, place, match));
  }
}

Expected<void> WholeAnswer::judge(AnswerVerdict& verdict) {
  verdict = std::move(found_);
  verdict.unread = !read_;
  if (!read_) return observed_or(route_, refuse_uninspected(route_), verdict);
  if (verdict.found.empty()) return {};
  return observed_or(
      route_,
      content::check_answer(route_.content, verdict.found.front().rule, first_, rule_of(route_)),
      verdict);
}

}  // namespace tollgate::pipeline
