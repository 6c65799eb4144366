#include "pipeline/tool_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "controls/tools/schema.h"

namespace tollgate::pipeline {

namespace {

// A schema that arguments are to be held to and that is not understood would hold them to nothing.
Expected<void> check_schemas(const tools::Scope& scope, const dialects::Request& request,
                             std::span<const std::size_t> removed) {
  for (std::size_t i = 0; i < request.tools.size(); ++i) {
    const dialects::Tool& tool = request.tools[i];
    if (!tools::goes_by_name({tool.type, tool.name}) || std::ranges::binary_search(removed, i)) {
      continue;
    }
    const auto schema = tools::Schema::of_definition(tool.definition);
    if (schema) continue;
    return refuse(Reason::kUnsupportedParameter,
                  fmt::format("routes.{}.tools.arguments", scope.route),
                  fmt::format("The parameters of the tool `{}` cannot be held to their schema: {}. "
                              "Leave it out of the schema, or ask for `arguments: parse`.",
                              tool.name, schema.error()),
                  fmt::format("tools[{}]", i));
  }
  return {};
}

tools::Tool tool_of(const dialects::Tool& tool) { return {tool.type, tool.name}; }

// What is read is gone once another request is: copies.
std::span<const tools::Offered> offered_of(const Facts& facts, const tools::Policy& policy,
                                           Arena& arena) {
  const auto made = arena.make<tools::Offered>(facts.request.tools.size());
  const bool validates = policy.arguments == tools::Arguments::kValidate;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const dialects::Tool& tool = facts.request.tools[i];
    made[i].tool = {arena.copy(tool.type), arena.copy(tool.name)};
    if (validates) made[i].definition = arena.copy(tool.definition);
  }
  return made;
}

}  // namespace

namespace {

std::span<const std::string_view> copied(std::span<const std::string> texts, Arena& arena) {
  const auto made = arena.make<std::string_view>(texts.size());
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = arena.copy(texts[i]);
  return made;
}

}  // namespace

void tell_of_calls(const ToolWatch& tools, Arena& arena, audit::Record& record) {
  record.tools_called = copied(tools.calls().called(), arena);
  record.tools_refused = copied(tools.calls().refused(), arena);
  const std::span<const std::string_view> rules = copied(tools.calls().observed(), arena);
  const auto observed = arena.make<std::string_view>(record.observed.size() + rules.size());
  std::ranges::copy(rules, std::ranges::copy(record.observed, observed.begin()).out);
  if (!rules.empty()) record.observed = observed;
}

tools::Scope tool_scope(const config::Config& config, const config::Route& route,
                        const authentication::Identity& caller) {
  const config::Tenant* tenant = tenant_named(config, caller.tenant);
  return {route.tools,   route.name,
          caller.tenant, tenant == nullptr ? nullptr : &tenant->tools,
          caller.roles,  caller.reach.tools};
}

Expected<ToolVerdict> check_tools(const Facts& facts, Plan& plan, Arena& arena,
                                  audit::Record& record) {
  const dialects::Request& request = facts.request;
  if (request.tools.empty() && request.calls.empty() && request.chosen.empty()) {
    return ToolVerdict{};
  }
  const tools::Scope scope = tool_scope(facts.config, *plan.route, facts.caller);
  std::vector<tools::Tool> offered;
  offered.reserve(request.tools.size());
  for (const dialects::Tool& tool : request.tools) offered.push_back(tool_of(tool));
  std::vector<tools::PastCall> calls;
  calls.reserve(request.calls.size());
  const bool has_items = request.surface == dialects::Surface::kResponses;
  for (const dialects::Call& call : request.calls) {
    // Calls that the model made together are items one behind the other.
    const bool goes_on = has_items && !calls.empty() && calls.back().place + 1 == call.message;
    const std::int64_t turn = goes_on ? calls.back().turn : call.message;
    calls.push_back({{call.type, call.name}, call.arguments, turn, call.message});
  }
  std::vector<tools::Chosen> chosen;
  for (const dialects::ChosenTool& tool : request.chosen)
    chosen.push_back({{tool.type, tool.name}});

  std::string refused;
  Expected<tools::Verdict> verdict = tools::check(scope,
                                                  {.offered = offered,
                                                   .calls = calls,
                                                   .chosen = chosen,
                                                   .must_call = request.must_call,
                                                   .history = has_items ? "input" : "messages"},
                                                  refused);
  if (!verdict) {
    if (!refused.empty()) {
      const auto told = arena.make<std::string_view>(1);
      told[0] = arena.copy(refused);
      record.tools_refused = told;
    }
    return std::unexpected(std::move(verdict.error()));
  }
  if (plan.route->tools.arguments == tools::Arguments::kValidate) {
    Expected<void> understood = check_schemas(scope, request, verdict->removed);
    if (!understood && plan.route->tools.mode == Mode::kEnforce) {
      return std::unexpected(std::move(understood.error()));
    }
    if (!understood) verdict->observed.push_back(std::move(understood.error().rule));
  }
  plan.tools_removed = arena.copy(std::span<const std::size_t>(verdict->removed));
  plan.tools = offered_of(facts, plan.route->tools, arena);
  return ToolVerdict{copied(verdict->observed, arena)};
}

}  // namespace tollgate::pipeline
