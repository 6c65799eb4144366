// A coroutine that starts when it is awaited and resumes its awaiter when it ends.
//
// Coroutines live only where there is I/O. A Task runs on the loop that awaits it and is
// never handed to another thread. Frames come from a free list of the thread, so a request
// in the steady state allocates none. An exception that leaves a Task is a bug and ends the
// process: adapters catch those of their libraries.
//
// Never make a capturing lambda a coroutine, and name every aggregate or capturing lambda
// before the co_await that uses it (docs/decisions/0001-compilers.md).
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/check.h"

namespace tollgate {

namespace task_detail {

// A free list of frames by size class; of the calling thread.
void* allocate_frame(std::size_t bytes);
void release_frame(void* frame, std::size_t bytes);

struct PromiseBase {
  std::coroutine_handle<> awaiter;

  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) { release_frame(frame, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
      const std::coroutine_handle<> next = ended.promise().awaiter;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept {
    check_failed("no exception leaves a Task", __FILE__, __LINE__);
  }
};

}  // namespace task_detail

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type : task_detail::PromiseBase {
    std::optional<T> value;
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    template <class U>
    void return_value(U&& made) {
      value.emplace(std::forward<U>(made));
    }
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    frame_.promise().awaiter = awaiter;
    return frame_;
  }
  T await_resume() { return std::move(*frame_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

template <>
class [[nodiscard]] Task<void> {
 public:
  struct promise_type : task_detail::PromiseBase {
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    void return_void() {}
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    frame_.promise().awaiter = awaiter;
    return frame_;
  }
  void await_resume() {}

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

// Runs `task` now, on this thread, up to its first wait; it goes on by itself from there and
// frees itself at its end. What it borrows must live until then.
void start(Task<void> task);

// Runs `task` to its end and returns what it made. For tests and for tasks that never wait:
// one that is still waiting when it first suspends is a CHECK.
template <class T>
T run_ready(Task<T> task) {
  std::optional<T> made;
  const auto collect = [](Task<T> inner, std::optional<T>* out) -> Task<void> {
    *out = co_await std::move(inner);
  };
  start(collect(std::move(task), &made));
  CHECK(made.has_value());
  return std::move(*made);
}

}  // namespace tollgate
