// Why a request is unusual: a set of signs, and the score that they make together.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tollgate::anomalies {

enum class Sign : std::uint8_t {
  kNearDuplicates,  // Variants of what the actor asked just before.
  kManyTemplates,   // More different ones in an hour than the actor ever sends.
  kTokenShift,      // Its inputs have become larger,
  kSpendShift,      // …or dearer.
  kRefusals,        // Most of what it asks is refused,
  kErrors,          // …or fails.
  kNewModel,
  kNewRoute,
  kNewAgent,
  kOddHour,  // Of the week, in which it never asked before.
  kEncoded,
  kRepetitive,
  kLowEntropy,
  kCampaign,  // Variants of one template come from several actors.
};
inline constexpr int kSignCount = 14;

struct SignRow {
  std::string_view name;
  int points;  // Of the score.
};
// What alone says that a request is not the actor's own has 80; what happens to everybody now and
// then has so few that three of it come together below that.
inline constexpr std::array<SignRow, kSignCount> kSigns{{{"near_duplicates", 40},
                                                         {"many_templates", 30},
                                                         {"token_shift", 30},
                                                         {"spend_shift", 30},
                                                         {"refusals", 40},
                                                         {"errors", 20},
                                                         {"new_model", 10},
                                                         {"new_route", 10},
                                                         {"new_agent", 20},
                                                         {"odd_hour", 10},
                                                         {"encoded", 20},
                                                         {"repetitive", 20},
                                                         {"low_entropy", 20},
                                                         {"campaign", 80}}};

inline std::string_view name_of(Sign sign) { return kSigns[static_cast<std::size_t>(sign)].name; }

class Signs {
 public:
  static Signs all() {
    Signs every;
    every.bits_ = (1U << kSignCount) - 1;
    return every;
  }
  void add(Sign sign) { bits_ |= bit(sign); }
  bool has(Sign sign) const { return (bits_ & bit(sign)) != 0; }
  bool empty() const { return bits_ == 0; }
  Signs without(Signs others) const {
    Signs rest;
    rest.bits_ = static_cast<std::uint16_t>(bits_ & ~others.bits_);
    return rest;
  }
  // 0 to 100.
  int score() const {
    int sum = 0;
    for (int i = 0; i < kSignCount; ++i) sum += has(static_cast<Sign>(i)) ? kSigns[i].points : 0;
    return sum < 100 ? sum : 100;
  }
  bool operator==(const Signs&) const = default;

 private:
  static constexpr std::uint16_t bit(Sign sign) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(sign));
  }
  std::uint16_t bits_ = 0;
};

}  // namespace tollgate::anomalies
