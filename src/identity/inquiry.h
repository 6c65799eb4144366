// Questions about single credentials, put to one server: whoever asks about the same one at the
// same time shares one question and its answer.
//
// Bounded: kAtOnceMax questions at work, kWaitersMax requests that wait. Of those who wait at most
// kOfAddressMax are of one address, and where others' questions wait, so is at most a quarter of
// those at work: who asks much from one place does not keep others from asking. Questions beyond
// the first bound are put in turn as others are answered; where one gets no answer from the server,
// neither does anybody in the queue: nobody waits longer than two questions take. A question whose
// last waiter has left before its turn is not put. What was said to be good for nothing is
// remembered for kRefusedFor, so that a caller who goes on sending it asks nobody. Safe from any
// thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
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
  static constexpr std::size_t kOfAddressMax = kWaitersMax / 4;
  static constexpr std::size_t kOfAddressAtOnceMax = kAtOnceMax / 4;  // While others wait.
  static constexpr std::size_t kRefusedKept = 1024;
  static constexpr Duration kRefusedFor = std::chrono::seconds(10);

  // Both outlive it.
  Inquiry(Web& web, Executor& loop) : web_(web), loop_(loop) {}

  using Asked = Waiter<FaultOr<std::string>>;

  // `request` is sent, in its turn, unless the same is in question already. `from` is who asks.
  Answered ask(const authentication::Digest& credential, WebRequest request, const IpAddress& from,
               Asked& waiter);
  // Answers one who waits no longer, if nobody else does; at once, with kCancelled.
  void withdraw(const authentication::Digest& credential, Asked& waiter);

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

  // What one address has here.
  struct Share {
    std::size_t waiting = 0;
    std::size_t queued = 0;
    std::size_t working = 0;
  };
  using Shares = std::map<std::array<std::uint8_t, 16>, Share>;
  struct Waiting {
    Asked* waiter = nullptr;
    Shares::iterator share;
  };
  using Waiters = std::vector<Waiting>;
  struct Question {
    authentication::Digest credential{};
    WebRequest request;
    Shares::iterator share;  // Of who asked first: whose place it takes.
  };
  using Queue = std::list<Question>;

  Task<void> put(Question question);
  bool is_wanted(const authentication::Digest& credential) const;
  // With mutex_, as all below.
  void begin(Question question);
  void begin_next();
  void take_from_queue(Queue::iterator queued);
  void take_waiters(const authentication::Digest& credential, std::vector<Asked*>& all);
  void give_back(Shares::iterator share, std::size_t Share::* part);
  std::size_t place_of(const authentication::Digest& credential) const;

  Web& web_;
  Executor& loop_;
  mutable std::mutex mutex_;
  Shares shares_;
  std::map<authentication::Digest, Waiters> open_;  // At work or in the queue.
  Queue queue_;
  std::size_t working_ = 0;
  std::size_t waiting_ = 0;
  std::string failure_;
  std::array<Refused, kRefusedKept> refused_{};
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
};

}  // namespace tollgate::identity
