#include "net/peer_counts.h"

#include <algorithm>
#include <cstring>

namespace tollgate::net {

namespace {

// Of what a subscriber has one half is empty; the other tells them apart.
std::uint64_t name_of(const IpAddress& address) {
  const IpAddress subscriber = subscriber_of(address);
  std::uint64_t halves[2];
  std::memcpy(halves, subscriber.bytes.data(), sizeof halves);
  return halves[0] | halves[1];
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
