// Questions about single credentials, put to one server: whoever asks about the same one at the
// same time shares one question and its answer.
//
// Bounded: kAtOnceMax credentials in question, kWaitersMax requests that wait. What was said to be
// good for nothing is remembered for kRefusedFor, so that a caller who goes on sending it asks
// nobody. Safe from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
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

  // `request` is sent unless the same is in question already.
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

  Task<void> put(authentication::Digest credential, WebRequest request);
  std::size_t place_of(const authentication::Digest& credential) const;

  Web& web_;
  Executor& loop_;
  mutable std::mutex mutex_;
  std::map<authentication::Digest, std::vector<Waiter<FaultOr<std::string>>*>> open_;
  std::size_t waiting_ = 0;
  std::string failure_;
  std::array<Refused, kRefusedKept> refused_{};
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
};

}  // namespace tollgate::identity
