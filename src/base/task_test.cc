#include "base/task.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {
thread_local long allocations = 0;
}

// Counts what the heap is asked for by this thread.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* made = std::malloc(bytes)) return made;
  std::abort();
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }

namespace tollgate {
namespace {

// Something to wait for, resumed by the test.
struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
  void await_resume() const noexcept {}
  void open() { std::exchange(waiting, {}).resume(); }
};

Task<int> number(int value) { co_return value; }
Task<int> sum_of(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await number(i);
  co_return sum;
}

TEST(Task, GivesItsValueToItsAwaiter) {
  EXPECT_EQ(run_ready(number(7)), 7);
  EXPECT_EQ(run_ready(sum_of(5)), 10);
}

Task<std::unique_ptr<int>> owned() { co_return std::make_unique<int>(3); }

TEST(Task, MovesWhatCannotBeCopied) { EXPECT_EQ(*run_ready(owned()), 3); }

Task<void> note(std::vector<std::string>& log, std::string name, Gate* gate) {
  log.push_back(name + " begins");
  if (gate != nullptr) co_await *gate;
  log.push_back(name + " ends");
}
Task<void> outer(std::vector<std::string>& log, Gate& gate) {
  log.push_back("outer begins");
  co_await note(log, "inner", &gate);
  co_await note(log, "second", nullptr);
  log.push_back("outer ends");
}

TEST(Task, StartsWhenAwaitedAndResumesItsAwaiterAtItsEnd) {
  std::vector<std::string> log;
  Gate gate;
  Task<void> task = outer(log, gate);
  EXPECT_TRUE(log.empty());
  start(std::move(task));
  EXPECT_EQ(log, (std::vector<std::string>{"outer begins", "inner begins"}));
  gate.open();
  EXPECT_EQ(log, (std::vector<std::string>{"outer begins", "inner begins", "inner ends",
                                           "second begins", "second ends", "outer ends"}));
}

TEST(Task, RunsSeveralInTheOrderTheyAreResumed) {
  std::vector<std::string> log;
  Gate first, second;
  start(note(log, "a", &first));
  start(note(log, "b", &second));
  second.open();
  first.open();
  EXPECT_EQ(log, (std::vector<std::string>{"a begins", "b begins", "b ends", "a ends"}));
}

struct Witness {
  bool* gone;
  explicit Witness(bool* out) : gone(out) {}
  Witness(Witness&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
  ~Witness() {
    if (gone != nullptr) *gone = true;
  }
};
Task<void> hold(Witness witness, Gate& gate) {
  co_await gate;
  EXPECT_FALSE(*witness.gone);
}

TEST(Task, FreesWhatItOwnsWhenItEnds) {
  bool gone = false;
  Gate gate;
  start(hold(Witness(&gone), gate));
  EXPECT_FALSE(gone);
  gate.open();
  EXPECT_TRUE(gone);
}

TEST(Task, FreesWhatItOwnsWhenNobodyAwaitsIt) {
  bool gone = false;
  Gate gate;
  {
    const Task<void> never = hold(Witness(&gone), gate);
  }
  EXPECT_TRUE(gone);
}

TEST(Task, AllocatesNoFrameInTheSteadyState) {
  EXPECT_EQ(run_ready(sum_of(1)), 0);  // The first round fills the free lists.
  const long before = allocations;
  for (int round = 0; round < 1000; ++round) ASSERT_EQ(run_ready(sum_of(3)), 3);
  EXPECT_EQ(allocations, before);
}

Task<long> chain(long depth) {
  if (depth == 0) co_return 0;
  const long below = co_await chain(depth - 1);
  co_return below + 1;
}
Task<long> loop(long count) {
  long done = 0;
  for (long i = 0; i < count; ++i) done += co_await number(1);
  co_return done;
}

// Awaiting and ending hand the thread over instead of calling: a chain as deep as this, and a
// loop over tasks that never wait, would fill any stack otherwise.
TEST(Task, UsesNoStackForDeepChainsAndLongLoops) {
  EXPECT_EQ(run_ready(chain(200'000)), 200'000);
  EXPECT_EQ(run_ready(loop(1'000'000)), 1'000'000);
}

Task<void> wait_and_count(Gate& gate, int& ended) {
  co_await gate;
  ++ended;
}

TEST(Task, KeepsNoMoreFramesThanItsBound) {
  constexpr int kTasks = 10'000;
  std::vector<Gate> gates(kTasks);
  int ended = 0;
  for (Gate& gate : gates) start(wait_and_count(gate, ended));
  for (Gate& gate : gates) gate.open();
  EXPECT_EQ(ended, kTasks);
}

Task<void> throws() {
  throw 1;
  co_return;
}
Task<int> waits(Gate& gate) {
  co_await gate;
  co_return 1;
}

TEST(TaskDeathTest, TakesAnEscapedExceptionAndAnUnreadyTaskForBugs) {
  EXPECT_DEATH(start(throws()), "no exception leaves a Task");
  Gate gate;
  EXPECT_DEATH(run_ready(waits(gate)), "CHECK");
}

}  // namespace
}  // namespace tollgate
