// Output that repeats itself without an end: what a model does that has lost its way, or was talked
// into it, until its cap is spent.
//
// The output repeats itself where its end is one period of up to 256 bytes over and over, or one
// line of any length, at least 64 times and over at least 8 KiB: more than tables, rulers, padding
// and arrays of zeros have. What changes with each round, as a counter does, is not found.
//
// Pure. One thread; one output's. Constant memory, and constant work a byte: the period is where
// the last eight bytes stood before, as long as what follows goes on like that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tollgate::prompts {

class Repetition {
 public:
  static constexpr std::size_t kPeriodMax = 256;
  static constexpr std::size_t kTimesLeast = 64;
  static constexpr std::size_t kBytesLeast = std::size_t{8} << 10;

  // The next piece, cut anywhere. Whether the output repeats itself by now; once it did, it does.
  bool read(std::string_view piece);

 private:
  static constexpr std::size_t kKept = 2 * kPeriodMax;  // Powers of two, both.
  static constexpr std::size_t kSlots = 1024;

  char kept(std::size_t back) const { return kept_[(at_ - back) % kKept]; }
  void take(char c);
  void end_line();
  std::size_t period_here();

  std::array<char, kKept> kept_{};  // The last bytes, by their place.
  std::array<std::uint32_t, kSlots>
      seen_{};  // Behind which place eight bytes stood, by their hash.
  std::size_t at_ = 0;
  std::uint64_t last_eight_ = 0;
  std::size_t period_ = 0;  // 0: none.
  std::size_t run_ = 0;     // Bytes that are as those a period before.
  std::uint64_t line_ = 0;  // Hash of what there is of the line…
  std::size_t line_bytes_ = 0;
  std::uint64_t last_line_ = 0;  // …and of the one before it.
  std::size_t same_lines_ = 0;
  bool repeats_ = false;
};

}  // namespace tollgate::prompts
