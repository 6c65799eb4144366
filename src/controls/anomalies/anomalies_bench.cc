// What a request costs that is looked at: its features and its state, of an actor among many.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "controls/anomalies/anomalies.h"
#include "controls/anomalies/testing_traffic.h"

namespace tollgate::anomalies {
namespace {

// `range` actors take turns, so that their state is as cold as that of so many.
void observe(benchmark::State& state) {
  static Anomalies anomalies(0x5eed);
  testing::Language language(1);
  std::vector<Asked> asked(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i].features = testing::features_of(testing::joined(language.text(40, {})));
    asked[i].actor = anomalies.hash_of(std::to_string(i));
    asked[i].route = anomalies.hash_of("chat");
    asked[i].model = 1;
    asked[i].agent = 1;
    asked[i].now = testing::kStart;
  }
  const Policy policy;
  std::size_t next = 0;
  for (auto _ : state) {
    const Asked& one = asked[next++ % asked.size()];
    benchmark::DoNotOptimize(anomalies.observe(policy, one));
    anomalies.learn(one.actor, one.route, Ended{.input = 100, .cost = Money{5}});
  }
}
BENCHMARK(observe)->Arg(1)->Arg(1000)->Arg(10'000);
BENCHMARK(observe)->Arg(1000)->Threads(2);

}  // namespace
}  // namespace tollgate::anomalies
