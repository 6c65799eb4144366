// Several tasks at once on one loop, and a wait for the end of all of them. Internal to the
// pipeline.
#pragma once

#include <coroutine>
#include <utility>

#include "base/check.h"
#include "base/task.h"

namespace tollgate::pipeline {

class Gather {
 public:
  Gather() = default;
  Gather(const Gather&) = delete;
  ~Gather() { CHECK(at_work_ == 0); }  // Else a task would go on without what it borrows.

  // Runs it up to its first wait. What it borrows lives until all() is over.
  void begin(Task<void> task) {
    ++at_work_;
    start(run(*this, std::move(task)));
  }

  // Once, after the last begin(): until all have ended.
  auto all() {
    struct Wait {
      Gather& gather;
      bool await_ready() const noexcept { return gather.at_work_ == 0; }
      void await_suspend(std::coroutine_handle<> waiter) noexcept { gather.waiter_ = waiter; }
      void await_resume() const noexcept {}
    };
    return Wait{*this};
  }

 private:
  static Task<void> run(Gather& gather, Task<void> task) {
    co_await std::move(task);
    if (--gather.at_work_ == 0 && gather.waiter_) std::exchange(gather.waiter_, {}).resume();
  }

  int at_work_ = 0;
  std::coroutine_handle<> waiter_;
};

}  // namespace tollgate::pipeline
