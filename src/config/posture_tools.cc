#include "config/posture_tools.h"

#include <fmt/format.h>

#include "dialects/paid_tools.h"
#include "dialects/request.h"

namespace tollgate::config {

namespace {

// The type of a tool that the provider runs; empty: it is a name of the caller's.
std::string_view type_of(std::string_view entry) {
  constexpr std::string_view kType = "type:";
  return entry.starts_with(kType) ? entry.substr(kType.size()) : std::string_view();
}

// A bare word lets in a function alone, also where a provider's own tool is called so.
void bare_types(const tools::NameSet& allow, const std::string& field,
                std::vector<Weakness>& found) {
  for (const std::string& entry : allow.entries()) {
    if (tools::family_of(entry).empty()) continue;
    found.push_back({"tool-type-by-name", field,
                     fmt::format("`{}` lets in a function of the caller's that is called so, and "
                                 "not the provider's own tool of that type.",
                                 entry),
                     fmt::format("\"type:{}\" for the provider's own", entry)});
  }
}

// Whether a request can tell the provider how often it is called at most.
bool has_bound(dialects::Surface surface, std::string_view type) {
  if (surface == dialects::Surface::kResponses) return true;
  return surface == dialects::Surface::kMessages &&
         dialects::bounds_its_calls(fmt::format("{}_", type));
}

}  // namespace

std::vector<Weakness> weaknesses_of_tools(const Tenant& tenant) {
  std::vector<Weakness> found;
  bare_types(tenant.tools.allow, fmt::format("tenants.{}.tools.allow", tenant.name), found);
  return found;
}

std::vector<Weakness> weaknesses_of_tools(const Config& config, const Route& route,
                                          const std::string& field) {
  std::vector<Weakness> found;
  if (!dialects::makes_output(route.surface)) return found;
  bare_types(route.tools.allow, field + ".tools.allow", found);
  for (const auto& of : route.tools.by_role) bare_types(of.allow, field + ".tools.by_role", found);
  for (const std::string& entry : route.tools.allow.entries()) {
    const std::string_view type = type_of(entry);
    const auto tool =
        type.empty() ? std::optional<dialects::PaidTool>() : dialects::paid_tool_of(type);
    if (!tool || has_bound(route.surface, type)) continue;
    for (const int index : route.models) {
      const Model& model = config.models[static_cast<std::size_t>(index)];
      // One that has another price is refused here, and one without any everywhere.
      const bool is_let_in = model.made.tool_call[static_cast<std::size_t>(*tool)] == Money{};
      if (model.made.tool_call_tokens == 0 || !is_let_in) continue;
      found.push_back(
          {"tool-tokens-without-bound", field + ".tools.allow",
           fmt::format("On this surface nobody can tell the provider how often `{}` is called at "
                       "most: `input_tokens_per_tool_call` of `{}` is held for {} calls, and what "
                       "further ones find is not charged.",
                       entry, model.name, route.tools.calls),
           fmt::format("leave `{}` out, or offer it on a route of responses", entry)});
    }
  }
  return found;
}

}  // namespace tollgate::config
