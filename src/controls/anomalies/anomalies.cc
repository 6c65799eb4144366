#include "controls/anomalies/anomalies.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tollgate::anomalies {

namespace {

// From so many requests on an actor is known.
constexpr std::uint32_t kKnownFrom = 32;
constexpr std::int64_t kAway = 30 * 24 * 3600;
constexpr std::size_t kAgentBytesMax = 32;

std::int64_t micros_of(WallTime now) { return now.time_since_epoch().count(); }

}  // namespace

std::string_view name_of(OnAnomaly action) {
  switch (action) {
    case OnAnomaly::kAlert:
      return "alert";
    case OnAnomaly::kSlowDown:
      return "slow_down";
    case OnAnomaly::kRefuse:
      return "refuse";
  }
  return "refuse";
}

std::string in_words(Signs signs) {
  std::string words;
  for (int i = 0; i < kSignCount; ++i) {
    if (!signs.has(static_cast<Sign>(i))) continue;
    words += words.empty() ? "" : ", ";
    words += kSigns[static_cast<std::size_t>(i)].name;
  }
  return words;
}

std::string_view agent_family(std::string_view user_agent) {
  const std::size_t end = user_agent.find_first_of(" (;,0123456789");
  std::string_view family = user_agent.substr(0, std::min(end, kAgentBytesMax));
  while (family.ends_with('/') || family.ends_with('v')) family.remove_suffix(1);
  return family;
}

Expected<void> check(const Policy& policy, const Verdict& verdict, std::string_view rule) {
  if (policy.on_anomaly == OnAnomaly::kRefuse && verdict.is_anomaly) {
    return refuse(Reason::kAnomalyRefused, std::string(rule),
                  fmt::format("This request is unlike what its caller usually sends here ({}), and "
                              "such requests are refused. If it is meant, the operator can tell "
                              "why and let it pass.",
                              in_words(verdict.signs)));
  }
  if (policy.on_anomaly == OnAnomaly::kSlowDown && verdict.delay) {
    Refusal refusal;
    refusal.reason = Reason::kRateLimited;
    refusal.rule = std::string(rule);
    refusal.message =
        "What this caller sent lately is unlike what it usually sends here, so it is slowed down "
        "for some minutes.";
    refusal.retry_after = verdict.delay;
    return std::unexpected(std::move(refusal));
  }
  return {};
}

Anomalies::State::State(const Sizes& sizes)
    : actors(sizes.actors), routes(sizes.routes), campaigns(sizes.templates) {}

Anomalies::State& Anomalies::state() {
  std::call_once(once_, [this] {
    state_ = std::make_unique<State>(sizes_);
    made_.store(state_.get(), std::memory_order_release);
  });
  return *state_;
}

std::uint64_t Anomalies::hash_of(std::string_view name, std::uint64_t before) const {
  std::uint64_t hash = (key_ ^ name.size()) + before;
  while (!name.empty()) {
    std::uint64_t piece = 0;
    const std::size_t size = std::min(name.size(), sizeof piece);
    std::memcpy(&piece, name.data(), size);
    name.remove_prefix(size);
    hash = (hash ^ piece) * 0xff51afd7ed558ccd;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
    hash ^= hash >> 33;
  }
  return hash == 0 ? 1 : hash;
}

ActorState* Anomalies::State::known_actor(std::uint64_t name) {
  ActorState* const set = &actors[set_of(name) * kWays];
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set[way].name == name) return &set[way];
  }
  return nullptr;
}

ActorState* Anomalies::State::actor(std::uint64_t name, WallTime now) {
  if (ActorState* const known = known_actor(name)) return known;
  const std::int64_t seconds = micros_of(now) / 1'000'000;
  ActorState* const set = &actors[set_of(name) * kWays];
  ActorState* taken = nullptr;
  for (std::size_t way = 0; way < kWays; ++way) {
    ActorState& place = set[way];
    if (place.name != 0 && place.requests >= kKnownFrom && seconds - place.last_seconds < kAway) {
      continue;
    }
    if (taken == nullptr || place.last_seconds < taken->last_seconds) taken = &place;
  }
  if (taken == nullptr) return nullptr;
  *taken = ActorState{};
  taken->name = name;
  return taken;
}

ActorState& Anomalies::State::route(std::uint64_t name) {
  // The places of a lock are each kRouteLocks apart.
  constexpr std::size_t kProbes = 4;
  ActorState* least = nullptr;
  for (std::size_t probe = 0; probe < kProbes; ++probe) {
    ActorState& place = routes[(name + probe * kRouteLocks) & (routes.size() - 1)];
    if (place.name == name) return place;
    if (least == nullptr || place.last_seconds < least->last_seconds) least = &place;
  }
  *least = ActorState{};
  least->name = name;
  return *least;
}

// One passes in each kSlowEvery. What an anomaly is slows down what comes after it.
std::optional<Duration> Anomalies::slow(ActorState& actor, bool is_anomaly, WallTime now) {
  const std::int64_t micros = micros_of(now);
  const bool is_slow = micros < actor.slow_until && actor.slow_until - micros <= kSlowFor.count();
  if (is_anomaly) actor.slow_until = micros + kSlowFor.count();
  const std::int64_t wait = actor.slow_next - micros;
  if (is_slow && wait > 0 && wait <= kSlowEvery.count()) return Duration{wait};
  if (is_slow || is_anomaly) actor.slow_next = micros + kSlowEvery.count();
  return std::nullopt;
}

Verdict Anomalies::observe(const Policy& policy, const Asked& asked) {
  State& state = this->state();
  Verdict verdict;
  bool is_campaign = false;
  if (asked.features.simhash != 0) {
    const std::lock_guard lock(state.campaigns_lock);
    is_campaign = state.campaigns.observe(asked.features, asked.actor, asked.now);
  }
  {
    const std::lock_guard lock(state.lock_of(state.set_of(asked.actor)));
    std::optional<ActorState> nobody;  // Where there is no room: one without a history.
    ActorState* const known = state.actor(asked.actor, asked.now);
    ActorState& actor = known != nullptr ? *known : nobody.emplace();
    {
      const std::lock_guard of_route(state.lock_of_route(asked.route));
      verdict.signs = anomalies::observe(actor, state.route(asked.route), asked);
    }
    if (is_campaign) verdict.signs.add(Sign::kCampaign);
    verdict.signs = verdict.signs.without(policy.ignored);
    verdict.score = verdict.signs.score();
    verdict.is_anomaly = verdict.score >= policy.threshold;
    if (policy.on_anomaly == OnAnomaly::kSlowDown) {
      verdict.delay = slow(actor, verdict.is_anomaly, asked.now);
    }
  }
  if (verdict.is_anomaly) {
    const auto action = static_cast<std::size_t>(policy.on_anomaly);
    counts_[policy.mode == Mode::kObserve ? 3 : action].fetch_add(1, std::memory_order_relaxed);
  }
  return verdict;
}

void Anomalies::learn(std::uint64_t actor, std::uint64_t route, const Ended& ended) {
  if (made_.load(std::memory_order_acquire) == nullptr) return;
  State& state = *state_;
  const std::lock_guard lock(state.lock_of(state.set_of(actor)));
  ActorState* const known = state.known_actor(actor);
  if (known == nullptr) return;
  const std::lock_guard of_route(state.lock_of_route(route));
  anomalies::learn(*known, state.route(route), ended);
}

Anomalies::Counts Anomalies::counts() const {
  Counts told;
  for (std::size_t i = 0; i < told.by_action.size(); ++i) {
    told.by_action[i] = counts_[i].load(std::memory_order_relaxed);
  }
  told.observed = counts_[3].load(std::memory_order_relaxed);
  return told;
}

}  // namespace tollgate::anomalies
