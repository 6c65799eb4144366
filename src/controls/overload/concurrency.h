// How many requests an upstream takes at once, learned from how it does: one more for each round
// of answers, a tenth less each time that it is overloaded or silent (additive increase,
// multiplicative decrease), between 1 and what the operator allows.
//
// It only grows while it is used up, and after it was cut it is cut again only once what was at
// work then has ended: one bad moment is told by many requests at once.
//
// Safe from any thread, without a lock.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tollgate::overload {

class Concurrency {
 public:
  static constexpr double kCut = 0.9;

  // At most `most`; before anything is known it is that.
  std::int64_t limit(std::int64_t most) const {
    return std::clamp<std::int64_t>(limit_.load(std::memory_order_relaxed), 1, most);
  }

  // One has ended, while `at_work` others still are.
  void answered(std::int64_t most, std::int64_t at_work) {
    const std::int64_t now = limit(most);
    patience_.fetch_sub(1, std::memory_order_relaxed);
    if (now >= most || at_work + 1 < now) return;
    if (answered_.fetch_add(1, std::memory_order_relaxed) + 1 < now) return;
    answered_.store(0, std::memory_order_relaxed);
    limit_.store(now + 1, std::memory_order_relaxed);
  }
  void overloaded(std::int64_t most, std::int64_t at_work) {
    if (patience_.fetch_sub(1, std::memory_order_relaxed) > 0) return;
    const std::int64_t now = std::min(limit(most), at_work + 1);
    const auto cut = static_cast<std::int64_t>(static_cast<double>(now) * kCut);
    // By half at most: a bad moment while little was at work says little of more.
    const std::int64_t least = std::max<std::int64_t>(1, limit(most) / 2);
    limit_.store(std::max(least, std::min(cut, now - 1)), std::memory_order_relaxed);
    answered_.store(0, std::memory_order_relaxed);
    patience_.store(at_work, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> limit_{INT64_MAX};
  std::atomic<std::int64_t> answered_{0};
  std::atomic<std::int64_t> patience_{0};  // So many endings more before it is cut again.
};

}  // namespace tollgate::overload
