// How many refusals of nobody get a record of their own.
//
// Whoever has no credential is refused at next to no cost to themselves. Would each refusal be on
// record, they could fill the disk: so beyond kBurst of an address and kBurstInAll of all, which
// come back at kPerSecond and kPerSecondInAll, refusals are counted, and one record a second tells
// how many there were.
//
// No clock: the caller passes `now`. Of one worker.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/units.h"

namespace tollgate::pipeline {

class Strangers {
 public:
  static constexpr int kBurst = 100;
  static constexpr int kPerSecond = 10;
  static constexpr int kBurstInAll = 1000;
  static constexpr int kPerSecondInAll = 100;
  static constexpr Duration kTellEvery = std::chrono::seconds(1);

  Strangers() : addresses_(kAddresses) {}

  // Whether this one is recorded; counted if not.
  bool records(const IpAddress& from, Instant now);

  // What is to be told now of those that were not: how many, and from where the last came.
  struct Untold {
    std::uint64_t count = 0;  // 0: nothing.
    IpAddress last;
  };
  Untold take_untold(Instant now);
  bool has_untold() const { return untold_.count > 0; }

 private:
  static constexpr std::size_t kAddresses = 4096;

  struct Address {
    IpAddress from;
    Instant whole_at{};  // When its burst is whole again.
  };

  std::vector<Address> addresses_;  // By their hash; the last who came has the place.
  Instant whole_at_{};
  Untold untold_;
  Instant told_{};
};

}  // namespace tollgate::pipeline
