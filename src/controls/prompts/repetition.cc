#include "controls/prompts/repetition.h"

#include <algorithm>

namespace tollgate::prompts {

namespace {

constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;  // Of the golden ratio (Knuth, 6.4).

}  // namespace

bool Repetition::read(std::string_view piece) {
  for (const char c : piece) {
    if (repeats_) break;
    take(c);
  }
  return repeats_;
}

void Repetition::take(char c) {
  if (period_ > 0 && kept(period_) == c) {
    ++run_;
  } else {
    period_ = run_ = 0;
  }
  kept_[at_ % kKept] = c;
  ++at_;
  last_eight_ = (last_eight_ << 8) | static_cast<unsigned char>(c);
  const std::size_t before = period_here();
  if (period_ == 0 && before != 0) {
    period_ = before;
    run_ = sizeof last_eight_;
  }
  if (period_ > 0 && run_ >= std::max(kBytesLeast, kTimesLeast * period_)) repeats_ = true;
  if (c == '\n') {
    end_line();
  } else {
    line_ = (line_ ^ static_cast<unsigned char>(c)) * kSpread;
    ++line_bytes_;
  }
}

// How far before the last eight bytes stood, or 0. Takes their place.
std::size_t Repetition::period_here() {
  std::uint32_t& slot = seen_[(last_eight_ * kSpread) >> 54];
  const std::size_t back = static_cast<std::uint32_t>(at_) - slot;
  slot = static_cast<std::uint32_t>(at_);
  if (period_ > 0 || back == 0 || back > kPeriodMax || at_ < back + sizeof last_eight_) return 0;
  for (std::size_t i = 1; i <= sizeof last_eight_; ++i) {
    if (kept(i) != kept(i + back)) return 0;
  }
  return back;
}

void Repetition::end_line() {
  if (line_bytes_ > 0) {
    same_lines_ = line_ == last_line_ ? same_lines_ + 1 : 1;
    if (same_lines_ >= std::max(kTimesLeast, kBytesLeast / line_bytes_)) repeats_ = true;
    last_line_ = line_;
  }
  line_ = 0;
  line_bytes_ = 0;
}

}  // namespace tollgate::prompts
