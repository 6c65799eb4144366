// Requests that are unlike their actor: by its own history, its route's, and what others send.
//
// A request gets a score of 0 to 100 with the signs that make it (signs.h); from the threshold of
// the route's policy on something is done. Every sign is evidence and none a proof: so the standard
// is to record and count, and nothing is refused that an operator has not asked to have refused.
//
// The state is of a fixed size, made with the first request that is observed: 16,384 actors of a
// kilobyte, 256 routes and 65,536 templates. Where a set of eight actors is full, one that has made
// few requests gives way, the one of longest ago, so that a crowd of new ones does not push out
// those that are known; one that is known gives way to a new one only once it was away for a month.
//
// Safe from any thread: a lock for each 32 sets of actors and each 16 routes, and one for the
// templates, each held for some hundred nanoseconds and never two at once but an actor's and its
// route's, in that order. No clock: the caller passes `now`.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "controls/anomalies/actor_state.h"
#include "controls/anomalies/campaigns.h"
#include "controls/anomalies/signs.h"

namespace tollgate::anomalies {

enum class OnAnomaly : std::uint8_t {
  kAlert,     // Only recorded and counted.
  kSlowDown,  // The actor gets one request through in kSlowEvery, for kSlowFor.
  kRefuse,
};
std::string_view name_of(OnAnomaly action);

// What the operator writes under a route's `anomalies`.
struct Policy {
  Mode mode = Mode::kEnforce;
  OnAnomaly on_anomaly = OnAnomaly::kAlert;
  int threshold = 80;  // 1 to 100.
  Signs ignored;       // That count for nothing here.
};

inline constexpr Duration kSlowFor = std::chrono::minutes(5);
inline constexpr Duration kSlowEvery = std::chrono::seconds(10);

struct Verdict {
  Signs signs;
  int score = 0;
  bool is_anomaly = false;        // The score reaches the threshold.
  std::optional<Duration> delay;  // It is slowed down, and would pass after so long.
};

// Refuses with kAnomalyRefused, or with kRateLimited where it is slowed down. `rule` is the route's
// place in the configuration, "routes.chat.anomalies". Enforced or observed is for the caller of
// check() to tell.
Expected<void> check(const Policy& policy, const Verdict& verdict, std::string_view rule);

// The names of the signs, "near_duplicates, new_agent".
std::string in_words(Signs signs);

// What a request says of its client: the first product of its User-Agent, without the version, of
// 32 bytes at most: "OpenAI/Python".
std::string_view agent_family(std::string_view user_agent);

class Anomalies {
 public:
  struct Sizes {
    std::size_t actors = 1 << 14;  // Powers of two, as the others.
    std::size_t routes = 1 << 8;
    std::size_t templates = 1 << 16;
  };

  // `key` must be secret, and the same for the same state: it is what names are kept by.
  explicit Anomalies(std::uint64_t key) : Anomalies(key, Sizes{}) {}
  Anomalies(std::uint64_t key, const Sizes& sizes) : key_(key), sizes_(sizes) {}

  std::uint64_t key() const { return key_; }
  // Never 0. `before` is the hash of what goes before it, for names of several parts.
  std::uint64_t hash_of(std::string_view name, std::uint64_t before = 0) const;

  // A request that would pass. Once for each.
  Verdict observe(const Policy& policy, const Asked& asked);
  // Once it has ended; also one that another control refused before it was observed.
  void learn(std::uint64_t actor, std::uint64_t route, const Ended& ended);

  // Anomalies by their action since the start: alert, slow_down, refuse, and those only observed.
  struct Counts {
    std::array<std::uint64_t, 3> by_action{};
    std::uint64_t observed = 0;
  };
  Counts counts() const;

  // The whole state, to be read by restore() of the same key: some MB at most. Empty: nothing was
  // observed yet. What is observed meanwhile may be in it or not.
  std::string snapshot() const;
  // False: it is no snapshot of this version and key, or damaged, and nothing was taken from it.
  bool restore(std::string_view snapshot);

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kSetsOfLock = 32;
  static constexpr std::size_t kLocks = 64;
  static constexpr std::size_t kRouteLocks = 16;

  struct State {
    explicit State(const Sizes& sizes);
    std::vector<ActorState> actors;
    std::vector<ActorState> routes;
    Campaigns campaigns;
    std::array<std::mutex, kLocks> actor_locks;
    std::array<std::mutex, kRouteLocks> route_locks;
    std::mutex campaigns_lock;

    std::mutex& lock_of(std::size_t set) { return actor_locks[set / kSetsOfLock % kLocks]; }
    std::size_t set_of(std::uint64_t actor) const { return actor & (actors.size() / kWays - 1); }
    // With the lock. Null: there is no room for another.
    ActorState* actor(std::uint64_t name, WallTime now);
    ActorState* known_actor(std::uint64_t name);
    ActorState& route(std::uint64_t name);
    std::mutex& lock_of_route(std::uint64_t name) {
      return route_locks[(name & (routes.size() - 1)) % kRouteLocks];
    }
  };
  State& state();
  static std::optional<Duration> slow(ActorState& actor, bool is_anomaly, WallTime now);

  const std::uint64_t key_;
  const Sizes sizes_;
  std::once_flag once_;
  std::atomic<State*> made_ = nullptr;
  std::unique_ptr<State> state_;
  std::array<std::atomic<std::uint64_t>, 4> counts_{};
};

}  // namespace tollgate::anomalies
