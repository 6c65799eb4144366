// Questions about single credentials, put to one server: whoever asks about the same one at the
// same time shares one question and its answer.
//
// Bounded: kAtOnceMax questions at work, kWaitersMax requests that wait. Questions beyond the first
// bound are put in turn as others are answered; where one gets no answer from the server, neither
// does anybody in the queue: nobody waits longer than two questions take. What was said to be good
// for nothing is remembered for kRefusedFor, so that a caller who goes on sending it asks
// nobody. Safe from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/fault.h"
#include "base/refusal.h"
#include "controls/authentication/authentication.h"
#include "identity/waiter.h"
#include "identity/web.h"
#include "pipeline/ports.h"

namespace tollgate::identity {

class Inquiry {
 public:
  static constexpr std::size_t kAtOnceMax = 64;
  static constexpr std::size_t kWaitersMax = 1024;
  static constexpr std::size_t kRefusedKept = 1024;
  static constexpr Duration kRefusedFor = std::chrono::seconds(10);

  // Both outlive it.
  Inquiry(Web& web, Executor& loop) : web_(web), loop_(loop) {}

  // `request` is sent, in its turn, unless the same is in question already.
  Answered ask(const authentication::Digest& credential, WebRequest request,
               Waiter<FaultOr<std::string>>& waiter);

  void refuse(const authentication::Digest& credential, Reason why, Instant now);
  // Why it is good for nothing, as long as that is remembered.
  std::optional<Reason> refused(const authentication::Digest& credential, Instant now) const;

  bool at_work() const;
  std::uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
  std::uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }
  std::string last_failure() const;  // Why the last question failed; empty: it did not.

 private:
  struct Refused {
    authentication::Digest credential{};
    Reason why = Reason::kInvalidCredential;
    Instant until{};
  };

  using Waiters = std::vector<Waiter<FaultOr<std::string>>*>;
  struct Queued {
    authentication::Digest credential{};
    WebRequest request;
  };

  void begin(Queued question);
  Task<void> put(Queued question);
  // Off the list, with mutex_.
  void take_waiters(const authentication::Digest& credential, Waiters& all);
  std::size_t place_of(const authentication::Digest& credential) const;

  Web& web_;
  Executor& loop_;
  mutable std::mutex mutex_;
  std::map<authentication::Digest, Waiters> open_;  // At work or in the queue.
  std::deque<Queued> queue_;
  std::size_t working_ = 0;
  std::size_t waiting_ = 0;
  std::string failure_;
  std::array<Refused, kRefusedKept> refused_{};
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
};

}  // namespace tollgate::identity
