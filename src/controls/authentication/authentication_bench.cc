#include <benchmark/benchmark.h>

#include "controls/authentication/authentication.h"

namespace tollgate::authentication {
namespace {

constexpr std::string_view kKey = "tg_live_AbCdEf012345zyxwvutsrqponmlkjihgfedcba9876540gsgVj";

// All that a request with a good key pays, the store's lookup aside.
void identify(benchmark::State& state) {
  const Pepper pepper(std::array<std::uint8_t, 32>{1, 2, 3});
  KeyFacts facts;
  facts.digest = pepper.digest(kKey);
  CredentialHeaders headers;
  headers.authorization = "Bearer tg_live_AbCdEf012345zyxwvutsrqponmlkjihgfedcba9876540gsgVj";
  for (auto _ : state) {
    const auto secret = find_credential(headers);
    const auto id = read_key(*secret);
    benchmark::DoNotOptimize(*id);
    const auto verdict = verify(pepper.digest(*secret), facts, IpAddress{}, WallTime{});
    benchmark::DoNotOptimize(verdict.has_value());
  }
}
BENCHMARK(identify);

void read(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(read_key(kKey));
}
BENCHMARK(read);

}  // namespace
}  // namespace tollgate::authentication
