// Who gets a place at a saturated upstream, and who does not.
#include "net/upstream_gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace tollgate::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One who waits for a place on a loop, and what came of it.
struct Waiter {
  Waiter(UpstreamGate& gate, Loop& loop, const config::Upstream& upstream, std::string flow,
         Tokens tokens = 10, double weight = 1)
      : flow(std::move(flow)),
        waiting{.flow = this->flow,
                .weight = weight,
                .tokens = tokens,
                .exchange = nullptr,
                .until = loop.state().now() + upstream.queue->wait,
                .waited = true},
        turn(gate, loop.state(), upstream, waiting) {}
  Task<void> wait() {
    is_in = co_await turn;
    if (order != nullptr && *is_in) order->push_back(flow);
  }
  std::string flow;
  pipeline::Waiting waiting;
  UpstreamGate::Turn turn;
  std::optional<bool> is_in;
  std::vector<std::string>* order = nullptr;
};

class Gate : public ::testing::Test {
 protected:
  Gate() {
    upstream.concurrent_requests = 1;
    upstream.queue = overload::QueuePolicy{.length = 8, .wait = seconds(2)};
  }
  ~Gate() override {
    for (const auto& waiter : waiters) waiter->turn.cancel();
    turn();
  }
  Waiter& ask(std::string flow, Tokens tokens = 10, double weight = 1) {
    waiters.push_back(
        std::make_unique<Waiter>(gate, loop, upstream, std::move(flow), tokens, weight));
    waiters.back()->order = &order;
    start(waiters.back()->wait());
    return *waiters.back();
  }
  void turn() {
    for (int i = 0; i < 3; ++i) loop.state().turn(Duration{});
  }
  void pass(Duration time) {
    loop.state().skip(time);
    turn();
  }

  Loop loop;
  config::Upstream upstream;
  UpstreamGate gate;
  std::vector<std::string> order;
  std::vector<std::unique_ptr<Waiter>> waiters;
};

TEST_F(Gate, HandsAPlaceToWhoWaitsFairly) {
  ASSERT_TRUE(gate.enter(upstream));
  for (int i = 0; i < 4; ++i) ask("greedy");
  ask("modest");
  turn();
  EXPECT_TRUE(order.empty());
  EXPECT_FALSE(gate.enter(upstream));  // Nobody overtakes.
  for (int i = 0; i < 5; ++i) {
    gate.leave(loop.state().now());
    turn();
    ASSERT_EQ(order.size(), static_cast<std::size_t>(i + 1));
  }
  EXPECT_EQ(order[1], "modest");  // Not behind all that the other has waiting.
  gate.leave(loop.state().now());
  EXPECT_TRUE(gate.enter(upstream));
}

TEST_F(Gate, TellsThoseForWhomNoPlaceCameUpInTime) {
  ASSERT_TRUE(gate.enter(upstream));
  const Waiter& late = ask("late");
  pass(milliseconds(1900));
  EXPECT_FALSE(late.is_in);
  pass(milliseconds(200));
  ASSERT_TRUE(late.is_in);
  EXPECT_FALSE(*late.is_in);
  // It holds nothing: the place is the next one's.
  gate.leave(loop.state().now());
  EXPECT_TRUE(gate.enter(upstream));
}

TEST_F(Gate, LetsGoOfThoseWhoseCallerLeft) {
  ASSERT_TRUE(gate.enter(upstream));
  Waiter& gone = ask("gone");
  const Waiter& next = ask("next");
  gone.turn.cancel();
  turn();
  ASSERT_TRUE(gone.is_in);
  EXPECT_FALSE(*gone.is_in);
  gate.leave(loop.state().now());
  gone.turn.cancel();  // Once more, after its end: nothing.
  turn();
  ASSERT_TRUE(next.is_in);
  EXPECT_TRUE(*next.is_in);
}

TEST_F(Gate, IsBounded) {
  ASSERT_TRUE(gate.enter(upstream));
  for (int i = 0; i < 8; ++i) ask("greedy");
  const Waiter& modest = ask("modest");
  turn();
  EXPECT_FALSE(modest.is_in);
  EXPECT_EQ(waiters[7]->is_in, false);  // Who had the most gave way, the last of them.
  const Waiter& more = ask("greedy");
  turn();
  EXPECT_EQ(more.is_in, false);
  EXPECT_FALSE(waiters[6]->is_in);
}

TEST_F(Gate, TakesTheLimitOfTheConfigurationThatAskedLast) {
  ASSERT_TRUE(gate.enter(upstream));
  const Waiter& waits = ask("a");
  upstream.concurrent_requests = 2;
  EXPECT_FALSE(gate.enter(upstream));  // Somebody waits; but now two have room.
  gate.leave(loop.state().now());
  turn();
  EXPECT_EQ(waits.is_in, true);
  EXPECT_TRUE(gate.enter(upstream));
  EXPECT_FALSE(gate.enter(upstream));
}

TEST_F(Gate, SendsFewerWhileTheUpstreamIsOverloaded) {
  upstream.concurrent_requests = 10;
  upstream.adaptive_concurrency = true;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(gate.enter(upstream));
  const pipeline::Waiting waiting;
  gate.ended(upstream, waiting, 0, pipeline::LoadSample::kOverloaded);
  gate.leave(loop.state().now());
  EXPECT_FALSE(gate.enter(upstream));  // Nine are at work, and nine it takes.
  gate.leave(loop.state().now());
  EXPECT_TRUE(gate.enter(upstream));
}

// Places come up every 100 ms: whoever would come too late is told so at once, with the wait.
TEST_F(Gate, TellsAtOnceWhoWouldWaitForTooLong) {
  upstream.queue->length = 100;
  ASSERT_TRUE(gate.enter(upstream));
  for (int i = 0; i < 10; ++i) ask("a");
  for (int i = 0; i < 10; ++i) {
    pass(milliseconds(100));
    gate.leave(loop.state().now());
    turn();
  }
  ASSERT_EQ(order.size(), 10U);
  for (int i = 0; i < 4; ++i) ask("a");
  Waiter hurried(gate, loop, upstream, "a");
  hurried.waiting.until = loop.state().now() + milliseconds(400);
  start(hurried.wait());
  ASSERT_EQ(hurried.is_in, false);
  ASSERT_TRUE(hurried.waiting.expected);
  EXPECT_NEAR(static_cast<double>(hurried.waiting.expected->count()), 500'000, 50'000);
  // Who has the time waits, and so does one of a tenant that has nothing waiting.
  Waiter patient(gate, loop, upstream, "a");
  patient.waiting.until = loop.state().now() + milliseconds(600);
  start(patient.wait());
  Waiter modest(gate, loop, upstream, "b");
  modest.waiting.until = loop.state().now() + milliseconds(400);
  start(modest.wait());
  turn();
  EXPECT_FALSE(patient.is_in);
  EXPECT_FALSE(modest.is_in);
  EXPECT_FALSE(patient.waiting.expected);
  patient.turn.cancel();
  modest.turn.cancel();
  turn();
}

// A bad start is forgotten: one always waits and finds out, so that others may again.
TEST_F(Gate, FindsOutThatPlacesComeUpFasterThanTheyDid) {
  upstream.queue->length = 100;
  upstream.queue->wait = seconds(60);
  ASSERT_TRUE(gate.enter(upstream));
  for (int i = 0; i < 8; ++i) ask("a");
  upstream.queue->wait = seconds(2);
  for (int i = 0; i < 8; ++i) {
    pass(seconds(5));
    gate.leave(loop.state().now());
    turn();
  }
  ASSERT_EQ(order.size(), 8U);
  // From here on a place is thought to take five seconds, which is more than anybody waits.
  const Waiter& first = ask("a");
  EXPECT_FALSE(first.is_in);
  EXPECT_EQ(ask("a").is_in, false);
  for (int i = 0; i < 40; ++i) {
    if (i > 0) ASSERT_FALSE(ask("a").is_in) << i;
    pass(milliseconds(10));
    gate.leave(loop.state().now());
    turn();
  }
  EXPECT_EQ(order.size(), 48U);
  ask("a");
  EXPECT_FALSE(ask("a").is_in) << "the second waits as well";
}

TEST_F(Gate, LearnsNothingOfWhatWasNeverAnswered) {
  using pipeline::LoadSample;
  upstream.concurrent_requests = 10;
  upstream.adaptive_concurrency = true;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(gate.enter(upstream));
  const pipeline::Waiting waiting;
  gate.ended(upstream, waiting, 0, LoadSample::kOverloaded);
  gate.leave(loop.state().now());
  for (int i = 0; i < 100; ++i) gate.ended(upstream, waiting, 0, LoadSample::kNothing);
  EXPECT_FALSE(gate.enter(upstream));  // Still nine.
  for (int i = 0; i < 100; ++i) gate.ended(upstream, waiting, 0, LoadSample::kAnswered);
  EXPECT_TRUE(gate.enter(upstream));
}

// What was waited for and not used is given back, whatever is learned.
TEST_F(Gate, GivesBackTokensOfWhatWasNeverSent) {
  ASSERT_TRUE(gate.enter(upstream));
  for (const char* flow : {"a", "b"}) ask(flow, 1000);
  gate.leave(loop.state().now());
  turn();
  ASSERT_EQ(order, std::vector<std::string>{"a"});
  gate.ended(upstream, waiters[0]->waiting, 0, pipeline::LoadSample::kNothing);
  gate.leave(loop.state().now());
  turn();
  ASSERT_EQ(order.size(), 2U);
  for (const char* flow : {"b", "a"}) ask(flow, 1000);
  gate.leave(loop.state().now());
  turn();
  EXPECT_EQ(order[2], "a") << "it has had nothing yet";
}

TEST_F(Gate, LetsGoOfThoseWhoseKeyHasEnded) {
  ASSERT_TRUE(gate.enter(upstream));
  pipeline::Stop stop;
  Waiter ended(gate, loop, upstream, "ended");
  ended.waiting.stop = &stop;
  stop.watch(&ended.turn);
  start(ended.wait());
  EXPECT_FALSE(ended.is_in);
  stop.ask();
  turn();
  EXPECT_EQ(ended.is_in, false);
  stop.watch(nullptr);
  Waiter late(gate, loop, upstream, "late");
  late.waiting.stop = &stop;
  start(late.wait());
  EXPECT_EQ(late.is_in, false);
}

// Loops of their own threads ask and leave: never more at work than may be, and nobody is
// forgotten.
TEST(GateOfMany, KeepsItsLimitAndForgetsNobody) {
  UpstreamGate gate;
  config::Upstream upstream;
  upstream.concurrent_requests = 3;
  upstream.queue = overload::QueuePolicy{.length = 10'000, .wait = std::chrono::hours(1)};
  constexpr int kLoops = 4;
  constexpr int kEach = 2'000;
  std::atomic<int> at_work{0};
  std::atomic<int> most{0};
  std::atomic<int> served{0};
  const auto serve = [&](Loop& loop, int number) -> Task<void> {
    if (!gate.enter(upstream)) {
      Waiter waiter(gate, loop, upstream, "flow" + std::to_string(number % 7));
      co_await waiter.wait();
      EXPECT_EQ(waiter.is_in, true);
    }
    const int now = at_work.fetch_add(1) + 1;
    for (int before = most.load(); before < now && !most.compare_exchange_weak(before, now);) {
    }
    at_work.fetch_sub(1);
    gate.leave(loop.state().now());
    served.fetch_add(1);
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(kLoops);
    for (int i = 0; i < kLoops; ++i) {
      threads.emplace_back([&] {
        Loop loop;
        int begun = 0;
        while (served.load() < kLoops * kEach) {
          for (int n = 0; n < 50 && begun < kEach; ++n) start(serve(loop, begun++));
          loop.state().turn(milliseconds(1));
        }
        loop.state().turn(Duration{});
      });
    }
  }
  EXPECT_EQ(served.load(), kLoops * kEach);
  EXPECT_LE(most.load(), 3);
  EXPECT_TRUE(gate.enter(upstream));
}

}  // namespace
}  // namespace tollgate::net
