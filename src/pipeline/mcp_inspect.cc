#include "pipeline/mcp_inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "controls/content/links.h"
#include "controls/content/rules.h"

namespace tollgate::pipeline {

using content::Action;
using dialects::McpText;

bool McpInspection::inspects(const config::Route& route, Of of) {
  return !(of == Of::kRequest ? route.content.request : route.content.response).empty();
}

void McpInspection::begin() {
  texts_ = 0;
  places_.clear();
  too_deep_.reset();
  refused_ = false;
  refusal_.reset();
  if (rules_ == nullptr) {
    read_ = fault(FaultKind::kBroken, "there are no rules");
    return;
  }
  const content::Policy& policy = route_.content;
  read_ = scanner_.begin(rules_, of_ == Of::kRequest ? policy.actions : policy.answer_actions);
}

void McpInspection::text(std::string_view place, std::string_view text, McpText kind) {
  const bool reads_links =
      of_ == Of::kAnswer && content::holds_answers_to(route_.content, content::Pack::kLinks);
  if (reads_links && kind != McpText::kJson) {
    links_.clear();
    content::LinkReader links(route_.content.link_hosts);
    links.read(text, links_);
    links.end(links_);
    for (const content::StreamMatch& match : links_) {
      tell(match.rule, place, match.extent, action_of(route_, match));
    }
  }
  if (!read_ || kind == McpText::kPartOfJson) return;
  const std::size_t number = texts_++;
  read_ = scanner_.read(text);
  // Findings are in the order of the texts.
  const auto found = scanner_.found();
  if (!found.empty() && found.back().text == number) places_.emplace_back(number, place);
  if (!too_deep_ && scanner_.too_deep() == number) too_deep_ = place;
}

std::string_view McpInspection::place_of(std::size_t text) const {
  const auto at =
      std::ranges::lower_bound(places_, text, {}, &decltype(places_)::value_type::first);
  return at == places_.end() ? std::string_view() : std::string_view(at->second);
}

void McpInspection::tell(std::string_view rule, std::string_view place,
                         const content::Extent& extent, Action action) {
  if (action == Action::kNone) return;
  if (action == Action::kObserve) verdict_.inspected = Inspected::kObserved;
  if (action == Action::kRefuse && !refused_) {
    refused_ = true;
    const std::size_t bytes = extent.end - extent.begin;
    refusal_ =
        of_ == Of::kRequest
            ? content::refuse_found({rule, 0, extent.begin, bytes, action}, place, rule_of(route_))
                  .error()
            : refuse(Reason::kContentRefused, rule_of(route_),
                     fmt::format("What the MCP server answered holds what this route does "
                                 "not let out, so it was not sent: {} in '{}'.",
                                 rule, place))
                  .error();
  }
  if (verdict_.found.size() == content::Scanner::kFindingsMax) return;
  verdict_.found.push_back({rule,
                            fmt::format("{}:{}+{}", place, extent.begin, extent.end - extent.begin),
                            content::name_of(action)});
}

// What was not read says nothing about what stands in it.
void McpInspection::judge_unread() {
  verdict_.unread = true;
  if (route_.content.mode == Mode::kObserve) {
    verdict_.inspected = Inspected::kObserved;
    return;
  }
  refused_ = true;
  const std::string why =
      too_deep_ ? fmt::format(
                      "'{}' is encoded more than {} times over, one encoding in the other, "
                      "and is not read further.",
                      *too_deep_, content::Forms::kLayersMax)
                : std::string(
                      "The message could not be inspected, and nothing passes here that "
                      "was not. The operator has to look at it.");
  refusal_ = content::refuse_unread(why, rule_of(route_)).error();
}

bool McpInspection::passes() {
  for (const content::Finding& one : read_ ? scanner_.found() : std::span<const content::Finding>())
    tell(one.rule, place_of(one.text), {one.offset, one.offset + one.bytes}, one.action);
  if (!refused_ && (!read_ || too_deep_)) judge_unread();
  return !refused_;
}

std::span<const audit::ContentFinding> McpInspection::told(Arena& arena) const {
  const auto made = arena.make<audit::ContentFinding>(verdict_.found.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    const AnswerFinding& found = verdict_.found[i];
    made[i] = {found.rule, arena.copy(found.where), found.action};
  }
  return made;
}

}  // namespace tollgate::pipeline
