// The places at an upstream, over all loops, and who waits for one.
//
// A place is an atomic count, and no lock is taken while there is one free and nobody waits. Once
// it is saturated those who wait are in a queue under a lock (controls/overload/fair_queue.h), and
// whoever leaves lets the next one in, on the loop that it waits on.
//
// Safe from any thread, but for a Turn, which is its loop's.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "controls/overload/concurrency.h"
#include "controls/overload/fair_queue.h"
#include "controls/overload/pace.h"
#include "net/loop_state.h"
#include "net/net.h"
#include "pipeline/ports.h"

namespace tollgate::net {

class UpstreamGate {
 public:
  class Turn;

  // A place; false: there is none, or others wait for it.
  bool enter(const config::Upstream& upstream);
  // Gives it back.
  void leave(Instant now);
  std::int64_t at_work() const { return at_work_.load(std::memory_order_relaxed); }
  // How one that had a place ended.
  void ended(const config::Upstream& upstream, const pipeline::Waiting& waiting, Tokens used,
             pipeline::LoadSample sample);

 private:
  friend class Turn;

  bool take_place();
  // Nothing: it may wait.
  std::optional<Duration> too_long_for(const Turn& turn, Instant now) const;
  // False: it does not wait, as no place would come up in time.
  bool join(Turn& turn, Instant now);
  // Whether it had not been let in, nor sent away, before.
  bool give_up(Turn& turn);
  // These two under the lock.
  void let_in();
  void let_in_at(Instant now);
  std::int64_t limit() const;

  std::atomic<std::int64_t> at_work_{0};
  std::atomic<std::int64_t> waiting_{0};
  std::atomic<std::int64_t> most_{1};  // As the configuration says that asked last.
  std::atomic<bool> adaptive_{false};
  overload::Concurrency learned_;

  std::mutex mutex_;  // Of what follows.
  overload::FairQueue queue_;
  overload::Pace pace_;  // Of places that come up.
  std::unordered_map<overload::FairQueue::Id, Turn*> turns_;
  overload::FairQueue::Id last_id_ = 0;
};

// Waits for a place. Awaited once: true with a place, false without.
class UpstreamGate::Turn final : public pipeline::Cancellable, public Timer {
 public:
  Turn(UpstreamGate& gate, Loop::State& loop, const config::Upstream& upstream,
       pipeline::Waiting& waiting)
      : gate_(gate), loop_(loop), upstream_(upstream), waiting_(waiting) {}
  Turn(const Turn&) = delete;

  // Whoever has left already waits for nothing, nor does one whose key has ended.
  bool await_ready() const {
    return (waiting_.exchange != nullptr && waiting_.exchange->caller_gone()) ||
           (waiting_.stop != nullptr && waiting_.stop->asked());
  }
  // False: it waits for nothing, as no place would come up in time.
  bool await_suspend(std::coroutine_handle<> waiter);
  bool await_resume();

  void cancel() override { give_up(); }
  void expired() override { give_up(); }

 private:
  friend class UpstreamGate;
  struct Resumed final : Runnable {
    void run() override { waiter.resume(); }
    std::coroutine_handle<> waiter;
  };
  void give_up();
  void end(bool is_in);  // From any thread, under the gate's lock.

  UpstreamGate& gate_;
  Loop::State& loop_;
  const config::Upstream& upstream_;
  pipeline::Waiting& waiting_;
  Resumed resumed_;
  overload::FairQueue::Id id_ = 0;
  bool is_in_ = false;
};

}  // namespace tollgate::net
