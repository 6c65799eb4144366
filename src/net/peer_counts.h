// How many connections each address has open, over all listeners and loops: one object for a
// process. Of IPv6 an address is what a subscriber has, a /64. Safe from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/address.h"

namespace tollgate::net {

class PeerCounts {
 public:
  // One connection's; given back with it.
  class Place {
   public:
    Place() = default;
    Place(PeerCounts& counts, std::uint64_t name) : counts_(&counts), name_(name) {}
    Place(Place&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)), name_(other.name_) {}
    Place& operator=(Place&& other) noexcept {
      release();
      counts_ = std::exchange(other.counts_, nullptr);
      name_ = other.name_;
      return *this;
    }
    ~Place() { release(); }

   private:
    void release();

    PeerCounts* counts_ = nullptr;
    std::uint64_t name_ = 0;
  };

  // Nothing where `from` has `most` already.
  std::optional<Place> take(const IpAddress& from, int most);

  // How often there was none.
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, int> open_;  // As many as there are connections at most.
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace tollgate::net
