#include "identity/inquiry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "controls/authentication/token_cache.h"
#include "identity/testing_web.h"

namespace tollgate::identity {
namespace {

using Answer = FaultOr<std::string>;
using testing::HandWeb;
using testing::Running;

constexpr char kUrl[] = "https://login.example.com/introspect";

struct World {
  void settle() {
    while (loop.run() || web.answer()) {
    }
    worker.run();
  }

  HandWeb web;
  HandExecutor loop;
  HandExecutor worker;
  pipeline::testing::HandClock clock;
  Inquiry inquiry{web, loop};
};

IpAddress address(std::size_t number) { return *read_address(fmt::format("192.0.2.{}", number)); }

// `leave`, where it is set, is how whoever asks goes away.
Task<Answer> ask(World& world, std::string token, IpAddress from = address(1),
                 std::function<void()>* leave = nullptr) {
  WebRequest request;
  request.url = kUrl;
  request.body = token;
  Waiter<Answer> waiter(world.worker);
  const authentication::Digest digest = authentication::digest_of(token);
  const auto submit = [&](Waiter<Answer>& waits) {
    return world.inquiry.ask(digest, std::move(request), from, waits);
  };
  if (leave != nullptr) *leave = [&] { world.inquiry.withdraw(digest, waiter); };
  co_return co_await waiter.ask(submit);
}

TEST(Inquiry, WhoAsksAboutTheSameSharesOneQuestion) {
  World world;
  world.web.pages[kUrl] = "yes";
  std::vector<std::unique_ptr<Running<Answer>>> asking;
  for (int i = 0; i < 100; ++i) {
    asking.push_back(std::make_unique<Running<Answer>>(ask(world, i % 2 == 0 ? "a" : "b")));
  }
  world.settle();
  for (const auto& each : asking) {
    ASSERT_TRUE(each->done());
    EXPECT_EQ(each->value().value_or(""), "yes");
  }
  EXPECT_EQ(world.web.bodies, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(world.inquiry.at_work());
  // It is not an answer for good: the next asks anew.
  const Running<Answer> later(ask(world, "a"));
  world.settle();
  EXPECT_EQ(world.web.bodies.size(), 3u);
}

TEST(Inquiry, AFaultIsEverybodysAnswer) {
  World world;
  const Running<Answer> first(ask(world, "a"));
  const Running<Answer> second(ask(world, "a"));
  world.settle();
  EXPECT_FALSE(first.value());
  EXPECT_FALSE(second.value());
  EXPECT_EQ(world.inquiry.failed(), 1u);
  EXPECT_EQ(world.inquiry.last_failure(), "nobody answers");
  world.web.pages[kUrl] = "yes";
  const Running<Answer> third(ask(world, "a"));
  world.settle();
  EXPECT_EQ(world.inquiry.last_failure(), "");
}

TEST(Inquiry, BoundsWhatIsAtWorkAndWhoWaits) {
  World world;
  world.web.pages[kUrl] = "yes";
  std::vector<std::unique_ptr<Running<Answer>>> asking;
  for (std::size_t i = 0; i < Inquiry::kWaitersMax; ++i) {
    const IpAddress from = address(1 + i % 8);
    asking.push_back(std::make_unique<Running<Answer>>(ask(world, fmt::format("{}", i / 2), from)));
  }
  const Running<Answer> one_more(ask(world, "0", address(9)));
  ASSERT_TRUE(one_more.done());
  EXPECT_FALSE(one_more.value());
  std::size_t most = 0;
  while (world.loop.run() || world.web.held() > 0) {
    most = std::max(most, world.web.held());
    world.web.answer();
  }
  world.worker.run();
  EXPECT_EQ(most, Inquiry::kAtOnceMax);
  for (const auto& each : asking) ASSERT_TRUE(each->done() && each->value());
  EXPECT_EQ(world.web.asked.size(), Inquiry::kWaitersMax / 2);
  EXPECT_FALSE(world.inquiry.at_work());
}

// The tokens that are in question now, in the order in which they were put.
std::vector<std::string> put_next(World& world) {
  const std::size_t before = world.web.bodies.size();
  world.web.answer();
  world.loop.run();
  return {world.web.bodies.begin() + static_cast<std::ptrdiff_t>(before), world.web.bodies.end()};
}

// Who asks much from one address does not keep others from asking.
TEST(Inquiry, OneAddressHasAQuarterWhileOthersWait) {
  World world;
  world.web.pages[kUrl] = "yes";
  std::vector<std::unique_ptr<Running<Answer>>> asking;
  for (std::size_t i = 0; i < Inquiry::kOfAddressMax; ++i) {
    asking.push_back(std::make_unique<Running<Answer>>(ask(world, fmt::format("much {}", i))));
  }
  const Running<Answer> beyond(ask(world, "much beyond"));
  ASSERT_TRUE(beyond.done());
  EXPECT_FALSE(beyond.value());
  // Nobody else asked, so all places were its own.
  world.loop.run();
  EXPECT_EQ(world.web.held(), Inquiry::kAtOnceMax);
  for (std::size_t i = 0; i < 2 * Inquiry::kAtOnceMax; ++i) {
    asking.push_back(std::make_unique<Running<Answer>>(
        ask(world, fmt::format("few {}", i), address(2 + i % 100))));
  }
  const std::vector<std::string> next = put_next(world);
  EXPECT_EQ(next.size(), Inquiry::kAtOnceMax);
  const auto of_much = std::ranges::count_if(
      next, [](const std::string& token) { return token.starts_with("much"); });
  EXPECT_EQ(of_much, static_cast<std::ptrdiff_t>(Inquiry::kOfAddressAtOnceMax));
  world.settle();
  for (const auto& each : asking) ASSERT_TRUE(each->done() && each->value());
  EXPECT_FALSE(world.inquiry.at_work());
}

TEST(Inquiry, WhomNobodyWaitsForIsNotAskedAbout) {
  World world;
  world.web.pages[kUrl] = "yes";
  std::vector<std::unique_ptr<Running<Answer>>> asking;
  for (std::size_t i = 0; i < Inquiry::kAtOnceMax; ++i) {
    asking.push_back(std::make_unique<Running<Answer>>(ask(world, fmt::format("{}", i))));
  }
  world.loop.run();
  std::function<void()> leave_queue;
  std::function<void()> leave_shared;
  const Running<Answer> alone(ask(world, "alone", address(2), &leave_queue));
  const Running<Answer> leaves(ask(world, "shared", address(2), &leave_shared));
  const Running<Answer> stays(ask(world, "shared", address(3)));
  leave_queue();
  leave_shared();
  leave_shared();  // Its answer is on its way.
  world.worker.run();
  ASSERT_TRUE(alone.done() && leaves.done());
  EXPECT_EQ(alone.value().error().kind, FaultKind::kCancelled);
  EXPECT_FALSE(stays.done());
  world.settle();
  ASSERT_TRUE(stays.done() && stays.value());
  EXPECT_EQ(std::ranges::count(world.web.bodies, "alone"), 0);
  EXPECT_EQ(std::ranges::count(world.web.bodies, "shared"), 1);
  // Who asks about it later is a new question.
  const Running<Answer> later(ask(world, "alone", address(2)));
  world.settle();
  EXPECT_TRUE(later.value());
  EXPECT_EQ(world.inquiry.failed(), 0u);
  EXPECT_FALSE(world.inquiry.at_work());
}

TEST(Inquiry, WhoLeavesBeforeItIsSentEndsTheQuestion) {
  World world;
  world.web.pages[kUrl] = "yes";
  std::function<void()> leave;
  const Running<Answer> gone(ask(world, "a", address(1), &leave));
  leave();
  world.settle();
  EXPECT_TRUE(world.web.bodies.empty());
  EXPECT_FALSE(world.inquiry.at_work());
  // One that is sent already is answered, for those who come meanwhile.
  const Running<Answer> sent(ask(world, "b", address(1), &leave));
  world.loop.run();
  leave();
  const Running<Answer> other(ask(world, "b", address(2)));
  world.settle();
  EXPECT_TRUE(other.value());
  EXPECT_EQ(world.web.bodies, (std::vector<std::string>{"b"}));
}

// Whoever comes, leaves and is answered when: each is answered once, no bound is passed, and
// nothing is left in the end.
TEST(Inquiry, AnswersEverybodyOnceForAnyHistory) {
  std::mt19937_64 random{5};
  World world;
  world.web.pages[kUrl] = "yes";
  struct Asked {
    std::function<void()> leave;
    std::unique_ptr<Running<Answer>> running;
  };
  std::vector<std::unique_ptr<Asked>> all;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t what = random() % 100;
    if (what < 70) {
      all.push_back(std::make_unique<Asked>());
      const std::string token = fmt::format("{}", random() % 400);
      all.back()->running = std::make_unique<Running<Answer>>(
          ask(world, token, address(1 + random() % 6), &all.back()->leave));
    } else if (what < 90 && !all.empty()) {
      Asked& one = *all[all.size() - 1 - random() % std::min<std::size_t>(all.size(), 900)];
      if (!one.running->done()) one.leave();
    } else if (what < 95) {
      world.loop.run();
    } else if (what < 96) {
      world.web.answer();
    } else {
      world.worker.run();
    }
    ASSERT_LE(world.web.held(), Inquiry::kAtOnceMax);
  }
  world.settle();
  for (const auto& each : all) ASSERT_TRUE(each->running->done());
  EXPECT_FALSE(world.inquiry.at_work());
  const Running<Answer> later(ask(world, "later"));
  world.settle();
  EXPECT_TRUE(later.value());
}

TEST(Inquiry, WhereNobodyAnswersTheQueueWaitsNoLonger) {
  World world;
  std::vector<std::unique_ptr<Running<Answer>>> asking;
  for (std::size_t i = 0; i < 3 * Inquiry::kAtOnceMax; ++i) {
    asking.push_back(std::make_unique<Running<Answer>>(ask(world, fmt::format("{}", i))));
  }
  world.settle();
  for (const auto& each : asking) ASSERT_TRUE(each->done() && !each->value());
  EXPECT_EQ(world.web.asked.size(), Inquiry::kAtOnceMax);
  EXPECT_FALSE(world.inquiry.at_work());
  world.web.pages[kUrl] = "yes";
  const Running<Answer> later(ask(world, "later"));
  world.settle();
  EXPECT_TRUE(later.value());
}

TEST(Inquiry, RemembersForAWhileWhatIsGoodForNothing) {
  World world;
  const authentication::Digest token = authentication::digest_of(std::string_view("a"));
  EXPECT_FALSE(world.inquiry.refused(token, world.clock.now()));
  world.inquiry.refuse(token, Reason::kExpiredCredential, world.clock.now());
  EXPECT_EQ(world.inquiry.refused(token, world.clock.now()), Reason::kExpiredCredential);
  EXPECT_FALSE(
      world.inquiry.refused(authentication::digest_of(std::string_view("b")), world.clock.now()));
  world.clock.pass(Inquiry::kRefusedFor);
  EXPECT_FALSE(world.inquiry.refused(token, world.clock.now()));
}

}  // namespace
}  // namespace tollgate::identity
