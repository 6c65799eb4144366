// How many further attempts there may be: a share of what was let through, so that retries and
// fallbacks together cannot multiply a load that an upstream cannot carry.
//
// Each first attempt at an upstream earns `share`, each further one that it causes takes one. What
// is earned is kept up to kReserve. One loop's, of one upstream.
#pragma once

#include <algorithm>

namespace tollgate::attempts {

class RetryBudget {
 public:
  // A rested upstream may fail so many requests before its budget counts.
  static constexpr double kReserve = 10;

  void admitted(double share) { left_ = std::min(kReserve, left_ + share); }
  // Whether one more attempt may follow; takes it.
  bool take() {
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }
  // It was not made after all.
  void give_back() { left_ = std::min(kReserve, left_ + 1); }
  double left() const { return left_; }

 private:
  double left_ = kReserve;
};

}  // namespace tollgate::attempts
