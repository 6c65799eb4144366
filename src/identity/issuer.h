// The keys of one issuer of tokens, as this gateway knows them.
//
// Keys are fetched when the gateway starts, anew when the issuer's Cache-Control says that they are
// old (within kRefreshMin and kRefreshMax; every kRefreshEvery where it says nothing), and when a
// token names a key that is not there; in all at most once in kCooldown, however many ask (in
// kFirstCooldown while none are known at all, so that an issuer may start after its gateway).
// Tokens of known keys never wait: they are checked with the keys of the last good fetch, which
// stay when a fetch fails, for kStaleMax. What is fetched is taken as a whole or not at all.
//
// A token of an unknown key waits for the fetch that is at work, or for the one that it begins. In
// the cooldown it is refused at once: as unknown where the last fetch was good, as undecided (503)
// where it failed. So nothing of the keys that tokens name is kept: an issuer that signs with a key
// before it shows it is understood a cooldown later.
//
// keys() and look_for() are for any thread. All else is for the loop that fetches.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "controls/authentication/jwk.h"
#include "controls/authentication/jwt_policy.h"
#include "identity/waiter.h"
#include "identity/web.h"
#include "pipeline/ports.h"

namespace tollgate::identity {

enum class Found : std::uint8_t {
  kFetched,    // There was a good fetch: look again.
  kUnknown,    // There is no such key.
  kUndecided,  // The issuer cannot be asked.
};

// All outlive the issuer.
struct IssuerServices {
  Web& web;
  Executor& loop;
  const pipeline::Clock& clock;
  std::atomic<std::uint64_t>& changes;  // Grows with every change of an issuer's keys.
};

class Issuer {
 public:
  static constexpr Duration kCooldown = std::chrono::seconds(30);
  static constexpr Duration kFirstCooldown = std::chrono::seconds(5);
  static constexpr Duration kRefreshEvery = std::chrono::minutes(10);
  static constexpr Duration kRefreshMin = std::chrono::minutes(1);
  static constexpr Duration kRefreshMax = std::chrono::hours(1);
  static constexpr Duration kStaleMax = std::chrono::hours(24);
  static constexpr Duration kTimeout = std::chrono::seconds(4);  // Of each of the two questions.
  static constexpr std::size_t kWaitersMax = 1024;

  Issuer(const authentication::JwtPolicy& policy, IssuerServices services);

  const authentication::JwtPolicy& policy() const { return policy_; }

  // The keys that prove tokens now; null: none are known.
  std::shared_ptr<const authentication::KeySet> keys() const;

  // After keys() had none of the id and algorithm that is looked for.
  Answered look_for(Waiter<Found>& waiter);
  // How long it takes until there may be one, at the earliest: until it may be asked for again.
  Duration until_next() const;

  // Begins a fetch where one is due, and forgets keys that are too old.
  void tend();
  // Reads a file of keys anew.
  void read_file();
  bool fetching() const;

  struct Counts {
    std::uint64_t fetched = 0;
    std::uint64_t failed = 0;
    std::uint64_t keys = 0;
    std::optional<Duration> age;  // Of the keys; nothing: none were ever fetched.
  };
  Counts counts() const;
  std::string last_failure() const;  // Why the last fetch failed; empty: it did not.

 private:
  struct Loaded {
    authentication::KeySet keys;
    Duration fresh_for = kRefreshEvery;
  };

  bool fetches() const;  // Its keys come over a network.
  Task<void> fetch();
  Task<FaultOr<Loaded>> load();
  FaultOr<authentication::KeySet> read(std::string_view document) const;
  WebRequest request(std::string url, Bytes bytes_max) const;
  void finish(FaultOr<Loaded> loaded);
  // With the lock.
  Duration cooldown() const;
  bool may_fetch(Instant now) const;

  const authentication::JwtPolicy policy_;
  const IssuerServices services_;
  mutable std::mutex mutex_;
  std::shared_ptr<const authentication::KeySet> keys_;
  std::optional<Instant> tried_;  // When the last fetch began.
  std::optional<Instant> good_;   // When the last good one ended.
  Duration fresh_for_ = kRefreshEvery;
  std::string failure_;
  bool fetching_ = false;
  std::vector<Waiter<Found>*> waiting_;
  std::uint64_t fetched_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace tollgate::identity
