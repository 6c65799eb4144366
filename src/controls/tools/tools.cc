#include "controls/tools/tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace tollgate::tools {

namespace {

constexpr std::size_t kQuotedBytesMax = 64;

// What a caller wrote, in words of ours: nothing that is unseen, and not at length.
std::string quoted(std::string_view text) {
  std::string made;
  for (const char c : text.substr(0, kQuotedBytesMax)) {
    const bool is_plain = c > ' ' && c <= '~' && c != '`';
    if (is_plain) {
      made += c;
    } else {
      made += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return made;
}

std::string described(const Tool& tool) {
  return fmt::format("{}`{}`", goes_by_name(tool) || tool.type.empty() ? "" : "type ",
                     quoted(label_of(tool)));
}

bool is_allowed_to_role(const Scope& scope, const Tool& tool) {
  return std::ranges::any_of(scope.policy.by_role, [&](const OfRole& of) {
    return std::ranges::find(scope.roles, of.role) != scope.roles.end() && of.allow.lets_in(tool);
  });
}

std::string why(Denial denial) {
  switch (denial) {
    case Denial::kNoName:
      return "is no name of a tool: names are of 1 to 128 letters, digits, `_`, `-` and `.`";
    case Denial::kBeyondCredential:
      return "may not be offered to the model with this key";
    case Denial::kDenied:
    case Denial::kDeniedForTenant:
      return "is denied";
    default:
      return "may not be offered to the model here";
  }
}

Refusal refusal_of(const Scope& scope, const Tool& tool, Denial denial, std::string param) {
  return refuse(Reason::kToolNotAllowed, rule_of(scope, denial),
                fmt::format("The tool {} {}. Leave it out, or ask for it to be allowed.",
                            described(tool), why(denial)),
                std::move(param))
      .error();
}

std::string lower(std::string_view name) {
  std::string made(name);
  for (char& c : made) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return made;
}

// What is alike to a model, or to whoever runs the calls, is one name.
std::optional<Refusal> find_twice(const Scope& scope, const Asked& asked, std::string& refused) {
  std::vector<std::pair<std::string, std::size_t>> names;
  for (std::size_t i = 0; i < asked.offered.size(); ++i) {
    if (!asked.offered[i].name.empty()) names.emplace_back(lower(asked.offered[i].name), i);
  }
  std::ranges::sort(names);
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (names[i].first != names[i - 1].first) continue;
    const Tool& tool = asked.offered[names[i].second];
    refused = label_of(tool);
    return refuse(Reason::kInvalidRequest, fmt::format("routes.{}.tools", scope.route),
                  fmt::format("Two tools have the name `{}`, or names that differ in case alone. "
                              "Give each a name of its own.",
                              quoted(tool.name)),
                  fmt::format("tools[{}]", names[i].second))
        .error();
  }
  return std::nullopt;
}

// Goes on where the route only observes.
class Checking {
 public:
  Checking(const Scope& scope, Verdict& verdict) : scope_(scope), verdict_(verdict) {}

  // Whether it ends here.
  bool refuse(Refusal refusal) {
    if (scope_.policy.mode == Mode::kObserve && refusal.rule.starts_with("routes.")) {
      auto& observed = verdict_.observed;
      if (std::ranges::find(observed, refusal.rule) == observed.end()) {
        observed.push_back(std::move(refusal.rule));
      }
      return false;
    }
    refusal_ = std::move(refusal);
    return true;
  }
  bool refuse_over(std::string_view figure, std::int64_t most, std::string message,
                   std::string param) {
    return refuse(tollgate::refuse(Reason::kToolNotAllowed,
                                   fmt::format("routes.{}.tools.{}", scope_.route, figure),
                                   fmt::format("{} At most {} are allowed here.", message, most),
                                   std::move(param))
                      .error());
  }
  Refusal take() { return *std::move(refusal_); }

 private:
  const Scope& scope_;
  Verdict& verdict_;
  std::optional<Refusal> refusal_;
};

bool fails_offered(const Scope& scope, const Asked& asked, Checking& checking, Verdict& verdict,
                   std::string& refused) {
  const auto count = static_cast<std::int64_t>(asked.offered.size());
  if (count > scope.policy.definitions &&
      checking.refuse_over("definitions", scope.policy.definitions,
                           fmt::format("The request offers {} tools.", count), "tools")) {
    return true;
  }
  for (std::size_t i = 0; i < asked.offered.size(); ++i) {
    const Tool& tool = asked.offered[i];
    const Denial denial = denial_of(scope, tool);
    if (denial == Denial::kNothing) continue;
    const bool enforces = scope.policy.mode == Mode::kEnforce;
    if (scope.policy.unlisted == Unlisted::kRemove && enforces && denial != Denial::kNoName) {
      verdict.removed.push_back(i);
      continue;
    }
    if (!checking.refuse(refusal_of(scope, tool, denial, fmt::format("tools[{}]", i)))) continue;
    refused = label_of(tool);
    return true;
  }
  return false;
}

// What the model will be told of, and what it would have been.
class Offered {
 public:
  Offered(const Scope& scope, const Asked& asked, const Verdict& verdict) {
    auto removed = verdict.removed.begin();
    for (std::size_t i = 0; i < asked.offered.size(); ++i) {
      const Tool& tool = asked.offered[i];
      const std::string_view key = tool.name.empty() ? tool.type : tool.name;
      if (removed != verdict.removed.end() && *removed == i) {
        ++removed;
        removed_.insert(key);
        continue;
      }
      kept_.insert(key);
      if (!goes_by_name(tool) && denial_of(scope, tool) == Denial::kNothing) own_.insert(key);
    }
  }

  bool has(const Tool& tool) const { return kept_.contains(label_of(tool)); }
  bool had(const Tool& tool) const { return removed_.contains(label_of(tool)); }
  // One of a provider's own, which is allowed by its type and called by its name.
  bool has_own(const Tool& tool) const { return own_.contains(tool.name); }

 private:
  std::unordered_set<std::string_view> kept_, removed_, own_;
};

bool fails_chosen(const Scope& scope, const Asked& asked, const Offered& offered,
                  Checking& checking, const Verdict& verdict, std::string& refused) {
  const std::string rule = fmt::format("routes.{}.tools", scope.route);
  for (const Chosen& chosen : asked.chosen) {
    if (offered.has(chosen.tool)) continue;
    const bool was_removed = offered.had(chosen.tool);
    std::string message =
        fmt::format("The tool {} {}", described(chosen.tool),
                    was_removed ? "may not be offered to the model here, so it cannot be chosen."
                                : "is chosen and not among those that are offered.");
    const Reason reason = was_removed ? Reason::kToolNotAllowed : Reason::kInvalidRequest;
    if (!checking.refuse(refuse(reason, rule, std::move(message), "tool_choice").error())) continue;
    refused = label_of(chosen.tool);
    return true;
  }
  const bool has_none =
      asked.must_call && !asked.offered.empty() && verdict.removed.size() == asked.offered.size();
  return has_none &&
         checking.refuse(refuse(Reason::kToolNotAllowed, rule,
                                "A tool has to be called, and none of those that are offered is "
                                "allowed here.",
                                "tool_choice")
                             .error());
}

// Of the arguments without the blanks between their parts, which mean nothing.
std::string written_alike(const PastCall& call) {
  std::string made(call.tool.name);
  made += '\n';
  bool is_inside = false;
  bool is_escaped = false;
  for (const char c : call.arguments) {
    const bool is_blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (is_inside || !is_blank) made += c;
    if (c == '"' && !is_escaped) is_inside = !is_inside;
    is_escaped = c == '\\' && !is_escaped;
  }
  return made;
}

bool fails_repeats(const Scope& scope, const Asked& asked, Checking& checking,
                   std::string& refused) {
  if (!scope.policy.repeats) return false;
  std::unordered_map<std::string, std::int64_t> seen;
  for (const PastCall& call : asked.calls) {
    const std::int64_t times = ++seen[written_alike(call)];
    if (times <= *scope.policy.repeats) continue;
    if (!checking.refuse_over("repeats", *scope.policy.repeats,
                              fmt::format("The tool {} was called {} times with the same "
                                          "arguments: the agent may be in a loop.",
                                          described(call.tool), times),
                              std::string(asked.history))) {
      return false;
    }
    refused = label_of(call.tool);
    return true;
  }
  return false;
}

bool fails_history(const Scope& scope, const Asked& asked, const Offered& offered,
                   Checking& checking, std::string& refused) {
  std::int64_t steps = 0;
  std::int64_t last = -1;
  for (const PastCall& call : asked.calls) {
    if (call.turn != last) ++steps;
    last = call.turn;
    Tool tool = call.tool;
    if (tool.type.empty()) tool.type = "function";
    const Denial denial = offered.has_own(tool) ? Denial::kNothing : denial_of(scope, tool);
    if (denial == Denial::kNothing) continue;
    const std::string param = fmt::format("{}[{}]", asked.history, call.place);
    if (!checking.refuse(refusal_of(scope, tool, denial, param))) continue;
    refused = label_of(tool);
    return true;
  }
  if (scope.policy.steps && steps > *scope.policy.steps &&
      checking.refuse_over(
          "steps", *scope.policy.steps,
          fmt::format("Tools were called in {} turns of this conversation.", steps),
          std::string(asked.history))) {
    return true;
  }
  return fails_repeats(scope, asked, checking, refused);
}

}  // namespace

std::string_view label_of(const Tool& tool) { return tool.name.empty() ? tool.type : tool.name; }

std::string_view metric_label(const Scope& scope, std::string_view label) {
  const auto found_in = [&](const NameSet& names) { return names.named(label); };
  std::string_view found = found_in(scope.policy.allow);
  if (found.empty()) found = found_in(scope.policy.deny);
  for (const OfRole& of : scope.policy.by_role) {
    if (found.empty()) found = found_in(of.allow);
  }
  if (found.empty() && scope.of_tenant != nullptr) found = found_in(scope.of_tenant->deny);
  return found.empty() ? "other" : found;
}

Denial denial_of(const Scope& scope, const Tool& tool) {
  if (goes_by_name(tool) ? !is_name(tool.name) : !tool.name.empty() && !is_name(tool.name)) {
    return Denial::kNoName;
  }
  if (!scope.reach.empty() && std::ranges::none_of(scope.reach, [&](std::string_view entry) {
        return lets_in(entry, tool);
      })) {
    return Denial::kBeyondCredential;
  }
  if (scope.policy.deny.keeps_out(tool)) return Denial::kDenied;
  if (!scope.policy.allow.lets_in(tool) && !is_allowed_to_role(scope, tool)) {
    return Denial::kUnlisted;
  }
  if (scope.of_tenant == nullptr) return Denial::kNothing;
  if (scope.of_tenant->deny.keeps_out(tool)) return Denial::kDeniedForTenant;
  const NameSet& allow = scope.of_tenant->allow;
  return allow.empty() || allow.lets_in(tool) ? Denial::kNothing : Denial::kUnlistedForTenant;
}

std::string rule_of(const Scope& scope, Denial denial) {
  switch (denial) {
    case Denial::kDenied:
      return fmt::format("routes.{}.tools.deny", scope.route);
    case Denial::kUnlistedForTenant:
      return fmt::format("tenants.{}.tools.allow", scope.tenant);
    case Denial::kDeniedForTenant:
      return fmt::format("tenants.{}.tools.deny", scope.tenant);
    case Denial::kBeyondCredential:
      return "authentication.api_keys.scopes";
    default:
      return fmt::format("routes.{}.tools", scope.route);
  }
}

Expected<Verdict> check(const Scope& scope, const Asked& asked, std::string& refused) {
  Verdict verdict;
  Checking checking(scope, verdict);
  if (fails_offered(scope, asked, checking, verdict, refused)) {
    return std::unexpected(checking.take());
  }
  // Now there are no more of them than may be sorted.
  if (asked.offered.size() > 1 &&
      static_cast<std::int64_t>(asked.offered.size()) <= scope.policy.definitions) {
    if (auto twice = find_twice(scope, asked, refused); twice && checking.refuse(*twice)) {
      return std::unexpected(checking.take());
    }
  }
  if (asked.chosen.empty() && asked.calls.empty() && !asked.must_call) return verdict;
  const Offered offered(scope, asked, verdict);
  if (fails_chosen(scope, asked, offered, checking, verdict, refused) ||
      fails_history(scope, asked, offered, checking, refused)) {
    return std::unexpected(checking.take());
  }
  return verdict;
}

}  // namespace tollgate::tools
