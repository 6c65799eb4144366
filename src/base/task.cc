#include "base/task.h"

#include <array>
#include <new>

#include "base/poison.h"

namespace tollgate {

namespace task_detail {

namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kClasses = 64;  // Frames up to 4 KiB are kept.
constexpr int kKeptPerClass = 4096;   // At most; the rest goes back to the heap.

struct Free {
  Free* next;
};

struct FrameLists {
  std::array<Free*, kClasses> heads{};
  std::array<int, kClasses> kept{};
  ~FrameLists() {
    for (std::size_t size = 0; size < kClasses; ++size) {
      while (Free* head = heads[size]) {
        heads[size] = head->next;
        unpoison(head, size * kStep);
        ::operator delete(static_cast<void*>(head));
      }
    }
  }
};

thread_local FrameLists lists;

constexpr std::size_t class_of(std::size_t bytes) { return (bytes + kStep - 1) / kStep; }

}  // namespace

void* allocate_frame(std::size_t bytes) {
  const std::size_t size = class_of(bytes);
  if (size >= kClasses) return ::operator new(bytes);
  if (Free* head = lists.heads[size]; head != nullptr) {
    lists.heads[size] = head->next;
    --lists.kept[size];
    unpoison(head, size * kStep);
    return head;
  }
  return ::operator new(size * kStep);
}

void release_frame(void* frame, std::size_t bytes) {
  const std::size_t size = class_of(bytes);
  if (size >= kClasses || lists.kept[size] >= kKeptPerClass) {
    ::operator delete(frame);
    return;
  }
  Free* head = static_cast<Free*>(frame);
  head->next = lists.heads[size];
  lists.heads[size] = head;
  ++lists.kept[size];
  poison(head + 1, size * kStep - sizeof(Free));
}

}  // namespace task_detail

namespace {

// The root of a started task: it has no awaiter and destroys itself when it ends.
struct Root {
  struct promise_type {
    static void* operator new(std::size_t bytes) { return task_detail::allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) {
      task_detail::release_frame(frame, bytes);
    }
    Root get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept {
      check_failed("no exception leaves a Task", __FILE__, __LINE__);
    }
  };
};

Root run(Task<void> task) { co_await std::move(task); }

}  // namespace

void start(Task<void> task) { run(std::move(task)); }

}  // namespace tollgate
