#include "pipeline/headroom.h"

#include <algorithm>
#include <cstring>

#include "tokens/keyed_hash.h"

namespace tollgate::pipeline {

namespace {

constexpr Tokens kBytesPerTokenLeast = 2;
constexpr Tokens kBytesPerTokenMost = 8;

}  // namespace

bool is_far(const Charges& charges, const Hold& hold) {
  for (std::size_t i = 0; i < charges.limits.size(); ++i) {
    const limits::Policy& policy = *charges.limits[i].policy;
    if (!counts_input(policy.figure)) continue;
    if (!leaves_plenty(hold.limits[i].remaining, policy.limit)) return false;
  }
  for (std::size_t i = 0; i < charges.budgets.size(); ++i) {
    const std::int64_t limit = charges.budgets[i].policy->limit.micro_usd;
    if (!leaves_plenty(hold.budgets[i].free.micro_usd, limit)) return false;
  }
  return true;
}

bool is_credible(Tokens reported, const Count& bound) {
  const Tokens around = bound.tokens - bound.text;
  return reported <= around + bound.text / kBytesPerTokenLeast &&
         reported >= around - bound.unsure + bound.text / kBytesPerTokenMost;
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

auto Headroom::model_of(std::string_view name) -> Model& {
  const auto found = std::ranges::find(models_, name, &Model::name);
  return found != models_.end() ? *found : models_.emplace_back(std::string(name));
}

bool Headroom::suffices(std::uint64_t key, std::string_view model) {
  if (far_[key % kPlaces] != key) return false;  // So `model` is one of the configuration.
  Model& known = model_of(model);
  return known.doubts == 0 && ++known.turn % kSampleEvery != 0;
}

void Headroom::held(std::uint64_t key, const Charges& charges, const Hold& hold) {
  if (is_far(charges, hold)) {
    far_[key % kPlaces] = key;
  } else {
    refused(key);
  }
}

void Headroom::refused(std::uint64_t key) {
  if (std::uint64_t& place = far_[key % kPlaces]; place == key) place = 0;
}

void Headroom::compared(std::string_view model, const Count& counted, Tokens reported) {
  Model& known = model_of(model);
  const bool agrees = reported >= (counted.tokens - counted.unsure) / kUnderReport &&
                      reported <= counted.tokens + tokens::kInputSlack;
  if (!agrees) {
    known.doubts = kAgreeing;
  } else if (known.doubts > 0) {
    --known.doubts;
  }
}

}  // namespace tollgate::pipeline
