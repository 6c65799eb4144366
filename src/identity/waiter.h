// One question of a coroutine, answered once, by any thread: the coroutine goes on on its own loop.
//
//   Waiter<Answer> waiter(executor);
//   const auto submit = [&](Waiter<Answer>& asked) { return desk.submit(asked); };
//   const Answer answer = co_await waiter.ask(submit);
//
// `submit` hands the waiter to whoever answers and says kLater; or answers by itself, in place, and
// says kNow. Whoever has it answers it, whatever happens, and does not touch it after.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "base/executor.h"

namespace tollgate::identity {

enum class Answered : bool { kNow, kLater };

template <class Answer>
class Waiter {
 public:
  explicit Waiter(Executor& executor) : executor_(executor) {}
  Waiter(const Waiter&) = delete;

  template <class Submit>
  struct Wait {
    Waiter& waiter;
    const Submit& submit;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiter) {
      waiter.awaiter_ = awaiter;
      return submit(waiter) == Answered::kLater;
    }
    Answer await_resume() { return std::move(*waiter.answer_); }
  };
  template <class Submit>
  Wait<Submit> ask(const Submit& submit) {
    return {*this, submit};
  }

  Answered answer_now(Answer answer) {
    answer_.emplace(std::move(answer));
    return Answered::kNow;
  }
  // Any thread. The waiter may be gone when this returns.
  void answer_later(Answer answer) {
    answer_.emplace(std::move(answer));
    executor_.post([awaiter = awaiter_] { awaiter.resume(); });
  }

 private:
  Executor& executor_;
  std::coroutine_handle<> awaiter_;
  std::optional<Answer> answer_;
};

}  // namespace tollgate::identity
