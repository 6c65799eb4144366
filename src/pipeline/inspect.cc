#include "pipeline/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tollgate::pipeline {

std::string place_of(const dialects::Request& request, std::size_t text) {
  if (text < request.texts.size()) return dialects::place_of(request.texts, text);
  return dialects::place_of(request.carried, text - request.texts.size());
}

namespace {

// The arguments of a call are an object, or should be; what a tool of free text is given may be
// anything.
content::ReadAs read_as(const dialects::Text& text) {
  const std::size_t first = text.text.find_first_not_of(" \t\r\n");
  const bool is_json = text.kind == dialects::TextKind::kToolCall &&
                       first != std::string_view::npos &&
                       (text.text[first] == '{' || text.text[first] == '[');
  return is_json ? content::ReadAs::kJson : content::ReadAs::kText;
}

FaultOr<void> scan(const Facts& facts, const config::Route& route, content::Scanner& scanner) {
  if (facts.config.content_rules == nullptr) return fault(FaultKind::kBroken, "there are no rules");
  const std::size_t room =
      route.content.redacts ? content::Scanner::kMaskedMax : content::Scanner::kFindingsMax;
  FaultOr<void> read =
      scanner.begin(facts.config.content_rules, route.content.actions, content::Layers::kAll, room);
  scanner.remember(facts.caller.tenant);
  for (const auto texts : {facts.request.texts, facts.request.carried}) {
    for (const dialects::Text& text : texts) {
      if (read) read = scanner.read(text.text, read_as(text));
    }
  }
  return read;
}

// Of the findings those that most is done about, in their order.
std::vector<const content::Finding*> for_the_record(std::span<const content::Finding> found) {
  std::vector<const content::Finding*> kept;
  for (const content::Finding& finding : found) kept.push_back(&finding);
  if (kept.size() <= content::Scanner::kFindingsMax) return kept;
  std::ranges::sort(kept, [](const content::Finding* a, const content::Finding* b) {
    return std::pair(b->action, a) < std::pair(a->action, b);
  });
  kept.resize(content::Scanner::kFindingsMax);
  std::ranges::sort(kept);
  return kept;
}

void put_on_record(const Facts& facts, const content::Scanner& scanner, Arena& arena,
                   audit::Record& record) {
  const std::vector<const content::Finding*> kept = for_the_record(scanner.found());
  const auto told = arena.make<audit::ContentFinding>(kept.size());
  for (std::size_t i = 0; i < told.size(); ++i) {
    const content::Finding& finding = *kept[i];
    const std::string where = fmt::format("{}:{}+{}", place_of(facts.request, finding.text),
                                          finding.offset, finding.bytes);
    told[i] = {finding.rule, arena.copy(where), content::name_of(finding.action)};
  }
  record.content = told;
}

std::string rule_of(const config::Route& route) {
  return fmt::format("routes.{}.content", route.name);
}

// Whether all was read; what was not says nothing about what stands in it.
Expected<void> is_read(const Facts& facts, const config::Route& route,
                       const content::Scanner& scanner) {
  if (const std::optional<std::size_t> text = scanner.too_deep()) {
    const std::string where = place_of(facts.request, *text);
    return content::refuse_unread(
        fmt::format(
            "'{}' is encoded more than {} times over, one encoding in the other, and is not "
            "read further: send it as it is meant.",
            where, content::Forms::kLayersMax),
        rule_of(route), where);
  }
  if (facts.request.tokens_given > 0) {
    const bool is_vector = facts.request.surface == dialects::Surface::kEmbeddings;
    const std::string_view field = is_vector ? "input" : "prompt";
    return content::refuse_unread(
        fmt::format("'{}' is given as token ids, which cannot be inspected here: send text.",
                    field),
        rule_of(route), field);
  }
  return {};
}

}  // namespace

Expected<Inspected> inspect(const Facts& facts, const config::Route& route,
                            content::Scanner& scanner, Arena& arena, audit::Record& record) {
  if (route.content.request.empty()) return Inspected::kPassed;
  Expected<void> read;
  Inspected inspected = Inspected::kPassed;
  if (scan(facts, route, scanner)) {
    put_on_record(facts, scanner, arena, record);
    const auto found = scanner.found();
    const auto first = [&](content::Action action) {
      return std::ranges::find(found, action, &content::Finding::action);
    };
    // What a rule refuses is refused, whatever holds for the others.
    if (const auto one = first(content::Action::kRefuse); one != found.end()) {
      return content::refuse_found(*one, place_of(facts.request, one->text), rule_of(route));
    }
    if (first(content::Action::kObserve) != found.end()) inspected = Inspected::kObserved;
    read = is_read(facts, route, scanner);
    if (first(content::Action::kRedact) != found.end() &&
        (read || route.content.mode == Mode::kObserve)) {
      return Inspected::kToRedact;
    }
  } else {
    read = content::refuse_unread(
        "The request could not be inspected, and nothing passes here that was not. The operator "
        "has to look at it.",
        rule_of(route));
  }
  if (read) return inspected;
  if (route.content.mode == Mode::kObserve) return Inspected::kObserved;
  return std::unexpected(read.error());
}

}  // namespace tollgate::pipeline
