// How many bytes of requests and answers the process keeps in memory at once, over all loops.
//
// Requests may take three quarters of what there is, so that answers that are already paid for have
// room. Those of one tenant may take a quarter of that, and more while others leave it: up to three
// times what stays free of it (a dynamic threshold: Choudhury and Hahne, 1998). So a tenant that is
// alone has three quarters of it, and whoever comes then finds room. Nobody waits for bytes: what
// does not fit is refused, so nothing can be stuck on them. What is counted is what grows with what
// callers and upstreams send; a share of at most kUncounted bytes is not, as every connection has
// so much of its own, and connections are bounded.
//
// Safe from any thread; a share is its owner's. Without a lock, but for a look-up of its tenant
// when a request's begins to count, and when it goes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/units.h"

namespace tollgate::overload {

// Why bytes are not kept.
enum class Lack : std::uint8_t {
  kMemory,   // All requests, or all there is, take as much as they may.
  kTenant,   // Those of its tenant do.
  kForGood,  // It is more than one request may ever have.
};

class BufferedBytes {
 public:
  static constexpr Bytes kUncounted = 16 << 10;

  enum class For : std::uint8_t { kRequest, kAnswer };

  // What requests may take of `most`, over all tenants…
  static constexpr Bytes requests_max(Bytes most) { return most - most / 4; }
  // …and those of one, where no others are there.
  static constexpr Bytes tenant_max(Bytes most) {
    return requests_max(most) - requests_max(most) / 4;
  }

  // Most of it; before that is said there is no bound.
  void limit(Bytes most) { most_.store(most, std::memory_order_relaxed); }
  Bytes most() const { return most_.load(std::memory_order_relaxed); }
  Bytes bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // How often something found no room.
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

  // All of it or nothing.
  bool take(Bytes bytes, For what) {
    const Bytes room = room_for(what);
    Bytes now = bytes_.load(std::memory_order_relaxed);
    while (bytes <= room && now <= room - bytes) {
      if (bytes_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed)) return true;
    }
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  void give(Bytes bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  // What one owner keeps; given back when it goes.
  class Share {
   public:
    // Null: nothing is counted, and everything fits.
    explicit Share(BufferedBytes* of = nullptr) : of_(of) {}
    Share(const Share&) = delete;
    ~Share() { drop(); }

    // From now on it keeps so many. False: there is no room for more, and it keeps as many as
    // before.
    bool keep(Bytes bytes, For what) {
      if (of_ == nullptr) return true;
      const Bytes counted = bytes > kUncounted ? bytes : 0;
      if (counted > held_ && !of_->take(counted - held_, what)) return false;
      if (counted < held_) of_->give(held_ - counted);
      held_ = counted;
      return true;
    }
    void drop() {
      if (held_ > 0) of_->give(held_);
      held_ = 0;
    }
    Bytes held() const { return held_; }

   private:
    BufferedBytes* of_;
    Bytes held_ = 0;
  };

 private:
  struct Tenant {
    std::atomic<Bytes> bytes{0};
    std::int64_t shares = 0;  // Under the lock.
  };
  // None is forgotten while a share is of it.
  using Tenants = std::map<std::string, Tenant, std::less<>>;

 public:
  // The same of a request, which may be a tenant's.
  class RequestShare {
   public:
    explicit RequestShare(BufferedBytes* of = nullptr) : of_(of) {}
    RequestShare(const RequestShare&) = delete;
    ~RequestShare() { drop(); }

    // Whose it is, until drop(); borrowed until then. Not once it keeps something.
    void belongs_to(std::string_view tenant);
    // As of Share; lack() tells why not.
    bool keep(Bytes bytes);
    // Whether it could, now; takes nothing.
    bool could_keep(Bytes bytes);
    Lack lack() const { return lack_; }
    void drop();

   private:
    bool is_ever_kept(Bytes bytes) const;
    bool take(Bytes more);
    bool lacks(Lack lack);

    BufferedBytes* of_;
    Bytes held_ = 0;
    std::string_view tenant_;                // Empty: nobody's.
    Tenants::value_type* joined_ = nullptr;  // Once it counts there.
    Lack lack_ = Lack::kMemory;
  };

 private:
  Bytes room_for(For what) const { return what == For::kRequest ? requests_max(most()) : most(); }
  // What one tenant may have where so many bytes are kept in all, its own among them.
  Bytes part_of_one(Bytes bytes) const {
    const Bytes room = requests_max(most());
    return std::max(room / 4, 3 * std::clamp<Bytes>(room - bytes, 0, room / 4));
  }
  Tenants::value_type* join(std::string_view tenant);
  void leave(Tenants::value_type* tenant);

  std::atomic<Bytes> bytes_{0};
  std::atomic<Bytes> most_{INT64_MAX};
  std::atomic<std::uint64_t> refused_{0};
  std::mutex mutex_;  // Of what follows.
  Tenants tenants_;
};

}  // namespace tollgate::overload
