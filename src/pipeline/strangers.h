// How many answers to those who are not let in get a record of their own.
//
// Whoever has no credential is refused at next to no cost to themselves, and so is who holds one
// that is no longer good. Would each refusal be on record, they could fill the disk: so beyond
// kBurst of an address or of a credential and kBurstInAll of all, which come back at kPerSecond and
// kPerSecondInAll, they are counted. Once a second it is told how many there were, of up to
// kHolders credentials by themselves, of all others together.
//
// No clock: the caller passes `now`. Of one worker.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"

namespace tollgate::pipeline {

class Strangers {
 public:
  static constexpr int kBurst = 100;
  static constexpr int kPerSecond = 10;
  static constexpr int kBurstInAll = 1000;
  static constexpr int kPerSecondInAll = 100;
  static constexpr Duration kTellEvery = std::chrono::seconds(1);
  static constexpr std::size_t kHolders = 16;

  Strangers() : addresses_(kAddresses) {}

  // Whether this one is recorded; counted if not.
  bool records(const IpAddress& from, Instant now);
  // The same of who has proven to hold a credential that is not good.
  bool records(const authentication::Identity& holder, const IpAddress& from, Instant now);

  // Answers that have no record: how many, to whom, and from where the last came.
  struct Untold {
    std::uint64_t count = 0;
    IpAddress last;
    std::string tenant;
    std::string subject;
    std::string credential_id;  // Empty: of callers that nobody knows, or of many credentials.
  };
  // What is to be told now.
  std::vector<Untold> take_untold(Instant now);
  // All that is not told yet.
  std::vector<Untold> take_all();
  bool has_untold() const { return untold_count_ > 0; }

 private:
  static constexpr std::size_t kAddresses = 4096;

  struct Address {
    IpAddress from;
    Instant whole_at{};  // When its burst is whole again.
  };
  struct Holder {
    Untold untold;  // And who it is.
    Instant whole_at{};
  };

  bool takes(Instant& whole_at, Untold& untold, const IpAddress& from, Instant now);

  // By their hash; the last who came has the place.
  std::vector<Address> addresses_;
  std::array<Holder, kHolders> holders_;
  Instant whole_at_{};
  Untold untold_;
  std::uint64_t untold_count_ = 0;  // Of all.
  Instant told_{};
};

}  // namespace tollgate::pipeline
