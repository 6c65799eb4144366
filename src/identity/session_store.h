// Sessions that web applications keep in Redis, looked up by key.
//
// The client of Redis blocks, so a thread of its own gathers the questions that wait and asks them
// in one round trip. Nobody waits longer than kPatience: a store that does not answer is an answer,
// and the same to all who wait by then.
// Bounded: kWaitingMax questions, kAtOnceMax of them in a round trip.
//
// Safe from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fault.h"
#include "base/secret.h"
#include "identity/waiter.h"
#include "redis/client.h"

namespace tollgate::identity {

// What is kept under a key; nothing where nothing is.
using Stored = FaultOr<std::optional<std::string>>;

class SessionStore {
 public:
  static constexpr Duration kPatience = std::chrono::milliseconds(500);
  static constexpr std::size_t kWaitingMax = 4096;
  static constexpr std::size_t kAtOnceMax = 256;

  explicit SessionStore(Secret url);
  ~SessionStore();  // After stop().
  SessionStore(const SessionStore&) = delete;

  const Secret& url() const { return url_; }

  Answered get(std::string key, Waiter<Stored>& waiter);

  // Answers what waits and is asked from now on with a Fault.
  void stop();

  std::uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
  std::uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  struct Question {
    std::string key;
    Instant asked{};
    Waiter<Stored>* waiter = nullptr;
  };

  void run();
  void answer(std::vector<Question>& questions);
  FaultOr<std::vector<redis::Reply>> exchange(const std::vector<Question>& questions);

  const Secret url_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::vector<Question> waiting_;
  bool stopped_ = false;
  std::unique_ptr<redis::Client> client_;  // Of the thread.
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::thread thread_;
};

}  // namespace tollgate::identity
