// What it costs to ask whether a caller may use a tool of an MCP server, beside 1,000 names for
// all, 1,000 for their role and 1,000 for their tenant, of 1,000 tenants, with a key that is for
// eight: of a name that each has, and of one that none has.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "controls/authorization/authorization.h"

namespace tollgate::authorization {
namespace {

std::vector<std::string> names(std::string_view of) {
  std::vector<std::string> made;
  for (int i = 0; i < 900; ++i) made.push_back(std::string(of) + "_tool_" + std::to_string(i));
  for (int i = 0; i < 100; ++i)
    made.push_back(std::string(of) + "_area" + std::to_string(i) + "_*");
  return made;
}

void allow_one(benchmark::State& state, std::string_view name) {
  NamedAccess access;
  access.allow = NamePatterns(names("all"));
  for (int i = 0; i < 1'000; ++i) {
    const std::string of = "tenant" + std::to_string(10'000 + i);
    access.by_tenant.push_back({of, i == 500 ? NamePatterns(names("tenant")) : NamePatterns{of}});
  }
  access.by_role = {{"admin", NamePatterns(names("role"))}};
  const std::vector<std::string_view> roles{"engineer", "admin"};
  const std::vector<std::string_view> reach{"a",     "b",      "c",        "d",
                                            "all_*", "role_*", "tenant_*", "x_*"};
  authentication::Identity caller;
  caller.tenant = "tenant10500";
  caller.roles = roles;
  caller.reach.tools = reach;
  for (auto _ : state) {
    benchmark::DoNotOptimize(reaches_tool(caller.reach, name) && allows_name(access, name, caller));
  }
}
BENCHMARK_CAPTURE(allow_one, for_all, "all_tool_500");
BENCHMARK_CAPTURE(allow_one, for_role, "role_area77_of_work");
BENCHMARK_CAPTURE(allow_one, for_tenant, "tenant_tool_899");
BENCHMARK_CAPTURE(allow_one, for_nobody, "x_tool_899");

}  // namespace
}  // namespace tollgate::authorization
