#include "identity/inquiry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

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

Task<Answer> ask(World& world, std::string token) {
  WebRequest request;
  request.url = kUrl;
  request.body = token;
  Waiter<Answer> waiter(world.worker);
  const auto submit = [&](Waiter<Answer>& waits) {
    return world.inquiry.ask(authentication::digest_of(token), std::move(request), waits);
  };
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
    asking.push_back(std::make_unique<Running<Answer>>(ask(world, fmt::format("{}", i / 2))));
  }
  const Running<Answer> one_more(ask(world, "0"));
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
