// The line before a desk: a thread beside the loop of the admin address where what may wait for the
// store is done, one after the other.
//
// Bounded: who finds it full is sent away. Of the loop, except where said.
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <utility>

#include "base/executor.h"

namespace tollgate::admin {

class DeskLine {
 public:
  static constexpr int kWaitingMax = 64;

  // Both outlive it.
  DeskLine(Executor& loop, Executor& desk, int waiting_max = kWaitingMax)
      : loop_(loop), desk_(desk), waiting_max_(waiting_max) {}
  DeskLine(const DeskLine&) = delete;

  // Whoever waits, or would come, is sent away from now on. Any thread; what is posted to the loop
  // afterwards runs when nobody comes to the desk any more.
  void begin_closing() { closing_.store(true, std::memory_order_relaxed); }
  bool is_closing() const { return closing_.load(std::memory_order_relaxed); }
  bool is_full() const { return waiting_ >= waiting_max_; }

  // co_await has `work` done at the desk, and goes on on the loop with what it made, or with
  // `otherwise` where it is sent away.
  template <class T>
  class Turn {
   public:
    Turn(DeskLine& line, std::function<T()> work, T otherwise)
        : line_(line), work_(std::move(work)), made_(std::move(otherwise)) {}
    Turn(const Turn&) = delete;

    bool await_ready() const { return line_.is_closing() || line_.is_full(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      waits_ = true;
      ++line_.waiting_;
      line_.desk_.post([this, waiter] {
        if (!line_.is_closing()) made_ = work_();
        line_.loop_.post([waiter] { waiter.resume(); });
      });
    }
    T await_resume() {
      if (waits_) --line_.waiting_;
      return std::move(made_);
    }

   private:
    DeskLine& line_;
    const std::function<T()> work_;
    T made_;
    bool waits_ = false;
  };

 private:
  Executor& loop_;
  Executor& desk_;
  const int waiting_max_;
  std::atomic<bool> closing_ = false;
  int waiting_ = 0;
};

}  // namespace tollgate::admin
