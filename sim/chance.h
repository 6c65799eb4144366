// All that is random in a run comes from here, so that a seed is the whole run.
#pragma once

#include <cstdint>
#include <random>

namespace tollgate::sim {

// The distributions of the standard library differ from one library to the next: these do not.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}

  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(bound));
  }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  // Once in so many times; 0: never.
  bool one_in(std::int64_t times) { return times > 0 && below(times) == 0; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tollgate::sim
