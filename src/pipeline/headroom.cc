#include "pipeline/headroom.h"

#include <algorithm>
#include <cstring>

#include "tokens/keyed_hash.h"

namespace tollgate::pipeline {

namespace {

constexpr std::int64_t kTimes = 1024;
constexpr Tokens kBytesPerTokenLeast = 2;
constexpr Tokens kBytesPerTokenMost = 8;

bool leaves_plenty(std::int64_t free, std::int64_t limit, std::int64_t amount) {
  return free >= limit / 2 || free / kTimes >= amount;
}

bool counts_input(limits::Figure figure) {
  return figure == limits::Figure::kInputTokensPerMinute ||
         figure == limits::Figure::kTotalTokensPerMinute;
}

}  // namespace

bool is_far(const Charges& charges, const Hold& hold) {
  for (std::size_t i = 0; i < charges.limits.size(); ++i) {
    const LimitCharge& charge = charges.limits[i];
    if (!counts_input(charge.policy->figure)) continue;
    if (!leaves_plenty(hold.limits[i].remaining, charge.policy->limit, charge.amount)) return false;
  }
  for (std::size_t i = 0; i < charges.budgets.size(); ++i) {
    const BudgetCharge& charge = charges.budgets[i];
    if (!leaves_plenty(hold.budgets[i].free.micro_usd, charge.policy->limit.micro_usd,
                       charge.amount.micro_usd)) {
      return false;
    }
  }
  return true;
}

bool is_credible(Tokens reported, Tokens bound) {
  return reported <= bound / kBytesPerTokenLeast && reported >= bound / kBytesPerTokenMost;
}

std::uint64_t Headroom::key_of(const Subject& subject) {
  std::uint64_t key = 0;
  const std::string_view address(reinterpret_cast<const char*>(subject.client_ip.bytes.data()),
                                 subject.client_ip.bytes.size());
  for (const std::string_view part :
       {subject.config_version, subject.tenant, subject.user, subject.credential_id, address,
        subject.path, subject.model}) {
    // Turned, so that two parts do not change places.
    key = (key << 7 | key >> 57) ^ tokens::keyed_hash(part).low;
  }
  return key | 1;  // Nobody's is 0.
}

auto Headroom::doubt_of(std::string_view model) -> Doubt* {
  const auto found = std::ranges::find(doubts_, model, &Doubt::model);
  return found == doubts_.end() ? nullptr : &*found;
}

bool Headroom::suffices(std::uint64_t key, std::string_view model) {
  if (far_[key % kPlaces] != key) return false;
  if (Doubt* const doubt = doubt_of(model); doubt != nullptr && doubt->left > 0) {
    --doubt->left;
    return false;
  }
  return ++turn_ % kSampleEvery != 0;
}

void Headroom::held(std::uint64_t key, const Charges& charges, const Hold& hold) {
  std::uint64_t& place = far_[key % kPlaces];
  if (is_far(charges, hold)) {
    place = key;
  } else if (place == key) {
    place = 0;
  }
}

void Headroom::compared(std::string_view model, Tokens counted, Tokens reported) {
  if (reported >= counted / kUnderReport && reported <= counted + kInputSlack) return;
  Doubt* doubt = doubt_of(model);
  if (doubt == nullptr) doubt = &doubts_.emplace_back(std::string(model));
  doubt->left = kDistrusted;
}

}  // namespace tollgate::pipeline
