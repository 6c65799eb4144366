// How one model at one endpoint of an upstream does, as all workers see it: whether it is to be
// left alone for a while (a circuit breaker), and how much the endpoint is at work on.
//
//   closed ──(failures in a row, or a share of the last)──> open ──(time passes)──> half open
//      ^                                                     ^                          │
//      └─────────── a probe is answered ─────────────────────┼─────── it fails ─────────┘
//
// Half open lets one request through; where that says nothing for `open_max`, another. Its first
// byte closes it, its end decides: where it breaks off before another was served, it is open again,
// and for longer. Closed again, it gets its share back little by little (slow start). Whoever asked
// to be left alone (Retry-After) is, without having failed, and so is who says that it is not well.
//
// Safe from any thread, without a lock: figures are atomics, each true by itself. Instants are the
// caller's own.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/units.h"
#include "controls/attempts/policy.h"

namespace tollgate::attempts {

enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };

// What an attempt says of the endpoint.
enum class Ending : std::uint8_t {
  kAnswered,  // All of its answer came.
  kFailed,
  kSilent,   // No first byte, but for less long than the upstream is given.
  kUnknown,  // Nothing: the caller left, or was told what is theirs to mend.
};

// One attempt at an endpoint, from begin() to end(). Its loop's.
struct Visit {
  bool probes = false;       // By it a half-open endpoint is judged…
  Instant until;             // …which lets nobody else through for so long.
  bool answers = false;      // The first byte of its answer came…
  int row = 0;               // …when so many had failed in a row…
  int silent = 0;            // …so many had said nothing…
  std::uint64_t served = 0;  // …and so many had been answered whole.
};

// What all models and credentials of an endpoint have in common: what it is at work on, and whether
// it said, when it was asked, that it is not well. Until it says that it is it is left alone.
struct Host {
  std::atomic<Tokens> tokens{0};
  std::atomic<std::int64_t> requests{0};
  std::atomic<bool> unwell{false};
  std::atomic<Instant> well_since{
      Instant{}};  // Since it was not well last; the epoch: it never was.
};

class Endpoint {
 public:
  // The endings that BreakerPolicy::failed_share is of: the last so many, and at least so many.
  static constexpr int kWindow = 32;
  static constexpr int kLeast = 16;
  // The least part of its share that slow start gives it.
  static constexpr double kLeastWeight = 0.1;

  Endpoint() : host_(&own_) {}
  // `host` outlives it.
  explicit Endpoint(Host& host) : host_(&host) {}

  State state(Instant now) const;
  // Whether a request that may take `tokens` may be sent there.
  bool available(Tokens tokens, Instant now) const;
  // When it may be again; now, where it may be.
  Instant available_from(Tokens tokens, Instant now) const;
  // Whether it is left alone because it failed, not because it asked for it.
  bool is_ill(Instant now) const;

  // A place for a request that may take `tokens` there. False: it may not go there after all.
  bool begin(const BreakerPolicy& policy, Tokens tokens, Instant now, Visit& visit);
  // The first byte of its answer came, which may go on for minutes.
  void answers(Visit& visit, Instant now);
  // How it ended, once: a failure behind a first byte counts like any other.
  void judge(const BreakerPolicy& policy, Visit& visit, Ending ending, Instant now);
  // Once for each that began.
  void end(Tokens tokens, const Visit& visit);
  // Leaves it alone until then, as it asked for; never shorter than it was told before.
  void leave_alone(Instant until);
  // So many tokens it takes until then, by its own word.
  void told_left(Tokens tokens, Instant until);

  Tokens tokens_at_work() const { return host_->tokens.load(std::memory_order_relaxed); }
  std::int64_t at_work() const { return host_->requests.load(std::memory_order_relaxed); }
  std::uint64_t times_opened() const { return opened_.load(std::memory_order_relaxed); }
  // The part of its share that it gets, kLeastWeight to 1.
  double weight(const BreakerPolicy& policy, Instant now) const;

 private:
  void failed(const BreakerPolicy& policy, const Visit& visit, Instant now);
  void served(Visit& visit, Instant now);
  // Keeps that one ended so; the share of failures among the last ones.
  double note(bool failed);

  Host own_;
  Host* host_;
  std::atomic<int> in_a_row_{0};
  std::atomic<int> silent_{0};  // In a row, with no first byte of any other between them.
  std::atomic<std::uint64_t> served_{0};
  std::atomic<std::uint64_t> last_{1};  // A bit an ending, the newest lowest, behind a first 1.
  std::atomic<bool> open_{false};
  std::atomic<Instant> probing_{Instant{}};  // One is on its way, which has until then.
  std::atomic<int> trips_{0};                // Openings since an answer of it was whole.
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<Instant> until_{Instant{}};       // Open until then.
  std::atomic<Instant> alone_{Instant{}};       // Asked to be left alone until then.
  std::atomic<Tokens> left_{0};                 // Of tokens…
  std::atomic<Instant> left_until_{Instant{}};  // …until then.
  std::atomic<Instant> closed_{Instant{}};      // When it was closed again; the epoch: never open.
};

}  // namespace tollgate::attempts
