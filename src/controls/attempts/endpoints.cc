#include "controls/attempts/endpoints.h"

#include <algorithm>
#include <array>

namespace tollgate::attempts {

namespace {

constexpr std::size_t kMost = 64;

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  std::uint64_t hash = (a ^ (b + 0x9e3779b97f4a7c15ULL)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 31U)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 29U);
}

struct Candidate {
  int place = 0;
  double load = 0;  // Of its share, this request included.
};

// Rendezvous hashing: the same conversation has the same home while that is there, and only what
// an endpoint was home to moves when it goes.
int home_of(std::span<const Candidate> candidates, std::uint64_t conversation, double most) {
  int home = -1;
  std::uint64_t best = 0;
  for (const Candidate& each : candidates) {
    if (each.load > most) continue;
    const std::uint64_t score = mixed(conversation, static_cast<std::uint64_t>(each.place));
    if (home < 0 || score > best) {
      home = each.place;
      best = score;
    }
  }
  return home;
}

}  // namespace

int choose(std::span<Endpoint* const> endpoints, const BreakerPolicy& policy, const Wanted& wanted,
           Instant now) {
  std::array<Candidate, kMost> room;
  std::size_t count = 0;
  for (std::size_t i = 0; i < std::min(endpoints.size(), kMost); ++i) {
    const bool tried = ((wanted.tried >> i) & 1U) != 0;
    if (tried || !endpoints[i]->available(wanted.tokens, now)) continue;
    const double tokens =
        static_cast<double>(endpoints[i]->tokens_at_work()) + static_cast<double>(wanted.tokens);
    room[count++] = {static_cast<int>(i), tokens / endpoints[i]->weight(policy, now)};
  }
  if (count == 0) return -1;
  const std::span<const Candidate> candidates(room.data(), count);
  if (count == 1) return candidates.front().place;
  if (wanted.conversation != 0) {
    double sum = 0;
    for (const Candidate& each : candidates) sum += each.load;
    const double least = std::ranges::min(candidates, {}, &Candidate::load).load;
    // Its last turn may not have ended there yet, so that a fleet at rest keeps it too.
    const double slack = kHomeRequests * static_cast<double>(wanted.tokens);
    const double most = std::max(least, kHomeLoad * sum / static_cast<double>(count)) + slack;
    if (const int home = home_of(candidates, wanted.conversation, most); home >= 0) return home;
  }
  const std::size_t first = wanted.turn % count;
  Candidate best = candidates[first];
  for (std::size_t i = 1; i < count; ++i) {
    const Candidate& each = candidates[(first + i) % count];
    if (each.load < best.load) best = each;
  }
  return best.place;
}

Instant available_from(std::span<Endpoint* const> endpoints, Tokens tokens, Instant now) {
  Instant first = Instant::max();
  for (const Endpoint* each : endpoints) first = std::min(first, each->available_from(tokens, now));
  return first;
}

Endpoint& Endpoints::of(std::string_view upstream, std::string_view url, std::uint64_t whom) {
  const std::scoped_lock lock(mutex_);
  std::unique_ptr<Endpoint>& found = all_[{std::string(upstream), std::string(url), whom}];
  if (!found) {
    found = std::make_unique<Endpoint>(hosts_[{std::string(upstream), std::string(url)}]);
  }
  return *found;
}

Host& Endpoints::host(std::string_view upstream, std::string_view url) {
  const std::scoped_lock lock(mutex_);
  return hosts_[{std::string(upstream), std::string(url)}];
}

void Endpoints::forget_words() {
  const std::scoped_lock lock(mutex_);
  for (auto& [name, host] : hosts_) host.unwell.store(false, std::memory_order_relaxed);
}

void Endpoints::each(const Visit& visit) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, endpoint] : all_) {
    visit(std::get<0>(name), std::get<1>(name), *endpoint);
  }
}

}  // namespace tollgate::attempts
