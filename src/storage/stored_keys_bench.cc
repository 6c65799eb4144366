// What looking a key up costs among a million, and what a key takes in memory.
#include <benchmark/benchmark.h>

#include <random>

#include "controls/authentication/authentication.h"
#include "storage/key_table.h"

namespace tollgate::storage {
namespace {

constexpr int kKeys = 1'000'000;

struct Million {
  Million() {
    std::mt19937_64 random{1};
    for (int i = 0; i < kKeys; ++i) {
      std::array<std::uint8_t, 64> bytes{};
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
      const authentication::NewKey made = authentication::make_key(bytes);
      authentication::KeyRecord key;
      key.id = made.id;
      key.digest = pepper.digest(made.secret);
      key.tenant = "tenant-" + std::to_string(i % 1000);
      key.user = "user-" + std::to_string(i) + "@example.com";
      key.roles = {"engineer"};
      keys.put(key);
      secrets.push_back(made.secret);
    }
    std::shuffle(secrets.begin(), secrets.end(), random);
  }
  authentication::Pepper pepper{std::array<std::uint8_t, 32>{1, 2, 3}};
  KeyTable keys;
  std::vector<std::string> secrets;
};

Million& million() {
  static Million made;
  return made;
}

// All that a good key costs, each time another one of a million.
void look_up_and_verify(benchmark::State& state) {
  Million& all = million();
  Arena arena;
  std::size_t next = 0;
  for (auto _ : state) {
    const std::string& secret = all.secrets[next++ % kKeys];
    const auto id = authentication::read_key(secret);
    const auto key = all.keys.find(*id, arena);
    benchmark::DoNotOptimize(
        authentication::verify(all.pepper.digest(secret), *key, {}, WallTime{}).has_value());
    if (next % 16 == 0) arena.reset();
  }
  state.counters["bytes_a_key"] = static_cast<double>(all.keys.memory_bytes()) / kKeys;
}
BENCHMARK(look_up_and_verify);

void look_up(benchmark::State& state) {
  Million& all = million();
  Arena arena;
  std::size_t next = 0;
  for (auto _ : state) {
    const std::string& secret = all.secrets[next++ % kKeys];
    benchmark::DoNotOptimize(
        all.keys.find(std::string_view(secret).substr(8, authentication::kKeyIdLength), arena));
    if (next % 16 == 0) arena.reset();
  }
}
BENCHMARK(look_up);

}  // namespace
}  // namespace tollgate::storage
