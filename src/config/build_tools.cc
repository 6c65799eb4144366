// Which tools may be offered and called: what a table cannot say of names.
#include <algorithm>
#include <utility>

#include "config/build.h"

namespace tollgate::config {

namespace {

// Of the entries in which there is no mistake; the others are told.
tools::NameSet set_of(std::vector<std::string> entries, const View& view, std::string_view key,
                      Report& report) {
  for (const std::string& entry : entries) {
    if (const std::string mistake = tools::NameSet::mistake_in(entry); !mistake.empty()) {
      tell_in(report, view, key, mistake);
    }
  }
  std::erase_if(
      entries, [](const std::string& entry) { return !tools::NameSet::mistake_in(entry).empty(); });
  return tools::NameSet(std::move(entries));
}

std::optional<std::int64_t> count_of(const View& view, std::string_view key) {
  const std::int64_t count = view.count(key);
  if (count == 0) return std::nullopt;
  return count;
}

}  // namespace

tools::Policy build_tools(const View& route, Report& report) {
  const View view = route.section("tools");
  tools::Policy made;
  made.mode = view.choice("mode", Mode::kEnforce);
  made.allow = set_of(view.texts("allow"), view, "allow", report);
  made.deny = set_of(view.texts("deny"), view, "deny", report);
  for (auto& [role, entries] : view.lists("by_role")) {
    if (!is_name(role)) {
      tell_in(report, view, "by_role", fmt::format("`{}` cannot be the name of a role", role));
      continue;
    }
    made.by_role.push_back({role, set_of(std::move(entries), view, "by_role", report)});
  }
  made.unlisted = view.choice("unlisted", made.unlisted);
  made.arguments = view.choice("arguments", made.arguments);
  made.definitions = view.count("definitions");
  made.calls = view.count("calls");
  made.steps = count_of(view, "steps");
  made.repeats = count_of(view, "repeats");
  return made;
}

tools::TenantPolicy build_tenant_tools(const View& tenant, Report& report) {
  const View view = tenant.section("tools");
  tools::TenantPolicy made;
  made.allow = set_of(view.texts("allow"), view, "allow", report);
  made.deny = set_of(view.texts("deny"), view, "deny", report);
  return made;
}

}  // namespace tollgate::config
