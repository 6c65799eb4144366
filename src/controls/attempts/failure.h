// Why an attempt at an upstream brought no answer that a caller can use.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tollgate::attempts {

enum class Failure : std::uint8_t {
  kError,          // Not reached, a 5xx, a credential that was not taken, an answer that is none.
  kOverloaded,     // 429, 503 or 529, or as many requests at work there as may be.
  kTimeout,        // No first byte, or no end, in time. What it may have cost is charged.
  kContextLength,  // More than the model's context holds; known before it is sent.
};
inline constexpr std::array<std::string_view, 4> kFailures = {"error", "overloaded", "timeout",
                                                              "context_length"};
constexpr std::string_view name_of(Failure failure) {
  return kFailures[static_cast<std::size_t>(failure)];
}

// A set of them.
class Failures {
 public:
  constexpr void add(Failure failure) { bits_ |= bit(failure); }
  constexpr bool contains(Failure failure) const { return (bits_ & bit(failure)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  static constexpr std::uint8_t bit(Failure failure) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(failure));
  }
  std::uint8_t bits_ = 0;
};

}  // namespace tollgate::attempts
