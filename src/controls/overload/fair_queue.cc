#include "controls/overload/fair_queue.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/check.h"

namespace tollgate::overload {

namespace {

// No tenant is called so.
constexpr std::string_view kOthers = "\x01others";

double cost_of(Tokens tokens, double weight) {
  return static_cast<double>(std::max<Tokens>(tokens, 1)) / weight;
}

}  // namespace

FairQueue::Flows::iterator FairQueue::find(std::string_view name) {
  const auto found = flows_.find(name);
  return found == flows_.end() ? flows_.find(kOthers) : found;
}

FairQueue::Flow& FairQueue::flow_of(std::string_view name) {
  const auto found = flows_.find(name);
  if (found != flows_.end()) return found->second;
  if (flows_.size() >= kFlowsMax) forget_idle();
  const bool has_room = flows_.size() < kFlowsMax;
  return flows_[std::string(has_room ? name : kOthers)];
}

// What is idle and has not run ahead is as good as new.
void FairQueue::forget_idle() {
  std::erase_if(flows_, [this](const auto& each) {
    return each.second.waiting == 0 && each.second.clock <= now_;
  });
}

void FairQueue::drop_left(Flow& flow) {
  while (!flow.entries.empty() && flow.entries.front().left) flow.entries.pop_front();
  while (!flow.entries.empty() && flow.entries.back().left) flow.entries.pop_back();
}

void FairQueue::took(Flow& flow, Id id, Tokens tokens) {
  where_.erase(id);
  --flow.waiting;
  flow.tokens -= tokens;
  --waiting_;
  tokens_ -= tokens;
}

std::optional<FairQueue::Id> FairQueue::join(Id id, const Place& place, std::int64_t length_max) {
  CHECK(place.weight > 0);
  Flow& flow = flow_of(place.flow);
  flow.weight = place.weight;
  if (flow.waiting == 0) {
    flow.clock = std::max(flow.clock, now_);
    flow.floor = flow.clock;
  }
  flow.entries.push_back({id, place.tokens});
  where_[id] = &flow;
  ++flow.waiting;
  flow.tokens += place.tokens;
  ++waiting_;
  tokens_ += place.tokens;
  if (waiting_ <= length_max) return std::nullopt;
  return give_way();
}

// All of its own flow, and of each other one those whose turn comes before.
std::int64_t FairQueue::ahead_of(const Place& place) const {
  if (waiting_ == 0) return 0;
  auto own = flows_.find(place.flow);
  if (own == flows_.end()) own = flows_.find(kOthers);
  double start = now_;
  double ahead = 0;
  if (own != flows_.end()) {
    const Flow& flow = own->second;
    start = flow.waiting > 0 ? flow.clock + cost_of(flow.tokens, place.weight)
                             : std::max(flow.clock, now_);
    ahead = static_cast<double>(flow.waiting);
  }
  for (auto each = flows_.begin(); each != flows_.end(); ++each) {
    const Flow& flow = each->second;
    if (each == own || flow.waiting == 0 || flow.clock > start) continue;
    const double one = cost_of(flow.tokens, flow.weight) / static_cast<double>(flow.waiting);
    ahead +=
        std::min(static_cast<double>(flow.waiting), std::floor((start - flow.clock) / one) + 1);
  }
  return static_cast<std::int64_t>(ahead);
}

FairQueue::Id FairQueue::give_way() {
  const auto crowd = [](const Flow& flow) {
    return static_cast<double>(flow.waiting) / flow.weight;
  };
  auto most = flows_.begin();
  for (auto each = flows_.begin(); each != flows_.end(); ++each) {
    if (crowd(each->second) > crowd(most->second)) most = each;
  }
  drop_left(most->second);
  const Entry last = most->second.entries.back();
  most->second.entries.pop_back();
  took(most->second, last.id, last.tokens);
  return last.id;
}

std::optional<FairQueue::Id> FairQueue::next() {
  Flow* first = nullptr;
  for (auto& [name, flow] : flows_) {
    if (flow.waiting == 0) continue;
    if (first == nullptr || flow.clock < first->clock) first = &flow;
  }
  if (first == nullptr) return std::nullopt;
  drop_left(*first);
  const Entry entry = first->entries.front();
  first->entries.pop_front();
  took(*first, entry.id, entry.tokens);
  now_ = std::max(now_, first->clock);
  first->clock += cost_of(entry.tokens, first->weight);
  return entry.id;
}

bool FairQueue::leave(Id id) {
  const auto found = where_.find(id);
  if (found == where_.end()) return false;
  Flow& flow = *found->second;
  const auto entry = std::ranges::lower_bound(flow.entries, id, {}, &Entry::id);
  CHECK(entry != flow.entries.end() && entry->id == id);
  entry->left = true;
  took(flow, id, entry->tokens);
  drop_left(flow);
  return true;
}

void FairQueue::give_back(std::string_view flow, double weight, Tokens unused) {
  const auto found = find(flow);
  if (found == flows_.end() || unused <= 0) return;
  Flow& to = found->second;
  to.clock = std::max(to.floor, to.clock - cost_of(unused, weight));
}

}  // namespace tollgate::overload
