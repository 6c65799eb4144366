#include "controls/overload/buffered_bytes.h"

namespace tollgate::overload {

BufferedBytes::Tenants::value_type* BufferedBytes::join(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  auto found = tenants_.find(tenant);
  if (found == tenants_.end()) found = tenants_.try_emplace(std::string(tenant)).first;
  ++found->second.shares;
  return &*found;
}

void BufferedBytes::leave(Tenants::value_type* tenant) {
  const std::lock_guard lock(mutex_);
  if (--tenant->second.shares == 0) tenants_.erase(tenants_.find(tenant->first));
}

void BufferedBytes::RequestShare::belongs_to(std::string_view tenant) {
  if (held_ > 0) return;
  drop();
  tenant_ = tenant;
}

bool BufferedBytes::RequestShare::lacks(Lack lack) {
  lack_ = lack;
  of_->refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool BufferedBytes::RequestShare::is_ever_kept(Bytes bytes) const {
  return bytes <= (tenant_.empty() ? requests_max(of_->most()) : tenant_max(of_->most()));
}

bool BufferedBytes::RequestShare::take(Bytes more) {
  if (tenant_.empty()) {
    lack_ = Lack::kMemory;
    return of_->take(more, For::kRequest);
  }
  if (joined_ == nullptr) joined_ = of_->join(tenant_);
  std::atomic<Bytes>& own = joined_->second.bytes;
  const Bytes mine = own.fetch_add(more, std::memory_order_relaxed) + more;
  // Taken before it is judged: of many at once none judges by room that another has taken.
  const bool is_taken = of_->take(more, For::kRequest);
  const bool is_too_much = mine > of_->part_of_one(of_->bytes() + (is_taken ? 0 : more));
  if (is_taken && !is_too_much) return true;
  own.fetch_sub(more, std::memory_order_relaxed);
  lack_ = is_too_much ? Lack::kTenant : Lack::kMemory;
  if (!is_taken) return false;
  of_->give(more);
  return lacks(Lack::kTenant);
}

bool BufferedBytes::RequestShare::keep(Bytes bytes) {
  if (of_ == nullptr) return true;
  const Bytes counted = bytes > kUncounted ? bytes : 0;
  if (counted > held_) {
    if (!is_ever_kept(counted)) return lacks(Lack::kForGood);
    if (!take(counted - held_)) return false;
  } else if (counted < held_) {
    if (joined_ != nullptr) {
      joined_->second.bytes.fetch_sub(held_ - counted, std::memory_order_relaxed);
    }
    of_->give(held_ - counted);
  }
  held_ = counted;
  return true;
}

bool BufferedBytes::RequestShare::could_keep(Bytes bytes) {
  if (of_ == nullptr || bytes <= std::max(kUncounted, held_)) return true;
  if (!is_ever_kept(bytes)) return lacks(Lack::kForGood);
  const Bytes more = bytes - held_;
  const Bytes all = of_->bytes();
  if (!tenant_.empty()) {
    if (joined_ == nullptr) joined_ = of_->join(tenant_);
    const Bytes mine = joined_->second.bytes.load(std::memory_order_relaxed) + more;
    if (mine > of_->part_of_one(all + more)) return lacks(Lack::kTenant);
  }
  return all <= requests_max(of_->most()) - more || lacks(Lack::kMemory);
}

void BufferedBytes::RequestShare::drop() {
  if (held_ > 0) {
    of_->give(held_);
    if (joined_ != nullptr) joined_->second.bytes.fetch_sub(held_, std::memory_order_relaxed);
  }
  held_ = 0;
  if (joined_ != nullptr) of_->leave(std::exchange(joined_, nullptr));
  tenant_ = {};
}

}  // namespace tollgate::overload
