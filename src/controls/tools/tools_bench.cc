// What one check costs beside 1,000 rules: of a name that is listed, of one that a prefix lets in,
// of one that nothing does, and of a provider's own type.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "controls/tools/tools.h"

namespace tollgate::tools {
namespace {

Policy policy_of_a_thousand() {
  std::vector<std::string> allow;
  for (int i = 0; i < 600; ++i) allow.push_back("tool_number_" + std::to_string(i));
  for (int i = 0; i < 150; ++i) allow.push_back("area" + std::to_string(i) + "_*");
  for (int i = 0; i < 50; ++i) allow.push_back("*_ending" + std::to_string(i));
  std::vector<std::string> deny;
  for (int i = 0; i < 100; ++i) deny.push_back("drop_" + std::to_string(i));
  for (int i = 0; i < 98; ++i) deny.push_back("delete" + std::to_string(i) + "_*");
  allow.emplace_back("type:web_search");
  deny.emplace_back("type:computer");
  Policy policy;
  policy.allow = NameSet(std::move(allow));
  policy.deny = NameSet(std::move(deny));
  return policy;
}

void check_one(benchmark::State& state, std::string_view type, std::string_view name) {
  const Policy policy = policy_of_a_thousand();
  const Scope scope{policy, "chat", "acme", nullptr, {}, {}};
  const Tool tool{type, name};
  for (auto _ : state) benchmark::DoNotOptimize(denial_of(scope, tool));
}
BENCHMARK_CAPTURE(check_one, listed, "function", "tool_number_300");
BENCHMARK_CAPTURE(check_one, by_prefix, "function", "area77_of_some_work");
BENCHMARK_CAPTURE(check_one, by_ending, "function", "list_of_things_ending33");
BENCHMARK_CAPTURE(check_one, unlisted, "function", "delete_all_of_it_at_once");
BENCHMARK_CAPTURE(check_one, by_type, "web_search_20250305", "web_search");

}  // namespace
}  // namespace tollgate::tools
