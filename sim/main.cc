// Runs seeds until one of them breaks an invariant, and says which.
#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string_view>

#include "sim/world.h"

namespace {

struct Asked {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 300;
  std::int64_t steps = 400;
};

std::uint64_t running_seed = 0;

// A CHECK of the code under test ends the process: at least the seed is told.
void tell_seed(int) {
  fmt::print(stderr, "sim: seed {} ended the process\n", running_seed);
  std::_Exit(1);
}

std::optional<Asked> read_arguments(int count, char** words) {
  Asked asked;
  bool many = false;
  for (int i = 1; i < count; i += 2) {
    const std::string_view name = words[i];
    const std::string_view text = i + 1 < count ? words[i + 1] : "";
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (name == "--seed") {
      asked.seed = value;
      if (!many) asked.seeds = 1;
    } else if (name == "--seeds") {
      asked.seeds = value;
      many = true;
    } else if (name == "--steps") {
      asked.steps = static_cast<std::int64_t>(value);
    } else {
      return std::nullopt;
    }
  }
  return asked;
}

}  // namespace

int main(int count, char** words) {
  const std::optional<Asked> asked = read_arguments(count, words);
  if (!asked) {
    fmt::print(stderr, "usage: sim [--seeds N] [--seed S] [--steps N]\n");
    return 2;
  }
  std::signal(SIGABRT, tell_seed);
  for (std::uint64_t i = 0; i < asked->seeds; ++i) {
    running_seed = asked->seed + i;
    const tollgate::sim::RunResult result =
        tollgate::sim::run_seed(running_seed, asked->steps, asked->seeds == 1 ? 1'000'000 : 60);
    const bool failed = !result.violation.empty();
    if (failed || asked->seeds == 1) {
      for (const std::string& line : result.last_lines) fmt::print("{}\n", line);
    }
    if (!failed) continue;
    fmt::print("\nseed {} breaks a promise: {}\n./dev sim --seed {} --steps {} tells it again\n",
               running_seed, result.violation, running_seed, asked->steps);
    return 1;
  }
  fmt::print("{} seeds of {} steps, from {}: no violation\n", asked->seeds, asked->steps,
             asked->seed);
  return 0;
}
