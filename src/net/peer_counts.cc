#include "net/peer_counts.h"

#include <algorithm>
#include <cstring>

namespace tollgate::net {

namespace {

// The half that tells addresses apart: of IPv4 the last bytes, of IPv6 the first. What begins with
// ::ffff:0:0 is IPv4, and no subscriber of IPv6 has ::/64.
std::uint64_t name_of(const IpAddress& address) {
  const bool first_is_empty = std::all_of(address.bytes.begin(), address.bytes.begin() + 8,
                                          [](std::uint8_t byte) { return byte == 0; });
  std::uint64_t name = 0;
  std::memcpy(&name, address.bytes.data() + (first_is_empty ? 8 : 0), sizeof name);
  return name;
}

}  // namespace

std::optional<PeerCounts::Place> PeerCounts::take(const IpAddress& from, int most) {
  const std::uint64_t name = name_of(from);
  const std::lock_guard lock(mutex_);
  int& open = open_[name];
  if (open >= most) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  ++open;
  return Place(*this, name);
}

void PeerCounts::Place::release() {
  if (counts_ == nullptr) return;
  const std::lock_guard lock(counts_->mutex_);
  const auto found = counts_->open_.find(name_);
  if (--found->second == 0) counts_->open_.erase(found);
  counts_ = nullptr;
}

}  // namespace tollgate::net
