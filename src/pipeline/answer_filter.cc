#include "pipeline/answer_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controls/content/encoded_reader.h"
#include "controls/content/links.h"
#include "controls/content/normal_form.h"
#include "controls/content/rules.h"

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

FaultOr<void> find_in(std::string_view text, const config::Route& route, content::Scanner& scanner,
                      const SharedRules& rules, std::vector<content::StreamMatch>& found) {
  if (content::holds_answers_to(route.content, content::Pack::kLinks)) {
    content::LinkReader links(route.content.link_hosts);
    links.read(text, found);
    links.end(found);
    leave_out(route, found);
  }
  const auto is_link = [](content::Pack pack) { return pack == content::Pack::kLinks; };
  const std::vector<content::Pack>& packs = route.content.response;
  if (std::ranges::all_of(packs, is_link)) return {};
  const bool reads_secrets_alone = std::ranges::all_of(
      packs, [&](content::Pack pack) { return is_link(pack) || pack == content::Pack::kSecrets; });
  if (reads_secrets_alone && text.size() < content::shortest_secret() &&
      !content::may_differ(text)) {
    return {};
  }
  if (rules == nullptr) return fault(FaultKind::kBroken, "there are no rules");
  FaultOr<void> read = scanner.begin(rules, route.content.answer_actions, content::Layers::kNone);
  if (read) read = scanner.read(text);
  if (!read) return read;
  for (const content::Finding& one : scanner.found()) {
    found.push_back({one.rule, {one.offset, one.offset + one.bytes}});
  }
  if (text.size() < content::EncodedReader::kRunMin) return {};
  content::EncodedReader encoded(content::reads_of(route.content.answer_actions));
  encoded.read(text, found);
  encoded.end(found);
  leave_out(route, found);
  return {};
}

content::Action action_of(const config::Route& route, const content::StreamMatch& match) {
  return content::answer_action_of(route.content, match.rule);
}

void leave_out(const config::Route& route, std::vector<content::StreamMatch>& found) {
  std::erase_if(found, [&](const content::StreamMatch& match) {
    return action_of(route, match) == content::Action::kNone;
  });
}

AnswerFinding finding_of(const config::Route& route, std::string_view place,
                         const content::StreamMatch& match) {
  const content::Extent& extent = match.extent;
  return {match.rule, fmt::format("{}:{}+{}", place, extent.begin, extent.end - extent.begin),
          content::name_of(action_of(route, match))};
}

void WholeAnswer::text(std::string_view place, std::string_view text) {
  if (!read_) return;
  matches_.clear();
  read_ = find_in(text, route_, scanner_, rules_, matches_);
  for (const content::StreamMatch& match : matches_) {
    const content::Action action = action_of(route_, match);
    if (action == content::Action::kObserve) found_.inspected = Inspected::kObserved;
    if (action == content::Action::kRefuse && !refusal_) {
      refusal_ = content::refuse_answer(match.rule, place, rule_of(route_)).error();
    }
    if (found_.found.size() == content::Scanner::kFindingsMax) continue;
    found_.found.push_back(finding_of(route_, place, match));
  }
}

Expected<void> WholeAnswer::judge(AnswerVerdict& verdict) {
  verdict = std::move(found_);
  verdict.unread = !read_;
  if (refusal_) return std::unexpected(*std::move(refusal_));
  if (!read_) return observed_or(route_, refuse_uninspected(route_), verdict);
  return {};
}

}  // namespace tollgate::pipeline
