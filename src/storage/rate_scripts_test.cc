#include "storage/rate_scripts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "storage/rate_fixture.h"

namespace tollgate::storage {
namespace {

using limits::Figure;
using std::chrono::seconds;

constexpr RateId kId{"limits.tenant_id.total_tokens_per_minute", "acme"};
constexpr Duration kTtl = seconds(3);

RateQuestion question(std::string_view gateway, std::int64_t limit, std::int64_t least,
                      std::int64_t ahead = 0) {
  RateQuestion made;
  made.gateway = gateway;
  made.figure = Figure::kTotalTokensPerMinute;
  made.limit = limit;
  made.least = made.all = least;
  made.ahead = ahead;
  made.ttl = kTtl;
  return made;
}

// What the script promises, in exact fractions: time is counted in limit-ths of a microsecond,
// in which a unit costs the whole window.
struct Model {
  struct Hand {
    std::int64_t out = 0, ends = 0, owes = 0;
  };
  using Wide = __int128;
  static constexpr std::int64_t kWindow = 60'000'000;

  Wide level = -1;  // Below 0 and `made` false: not there.
  bool made = false;
  std::int64_t at = 0;
  std::int64_t born = 0;
  std::int64_t returned = 0;
  std::map<std::string, Hand> hands;

  static Wide whole(Wide fine) { return (fine - (fine < 0 ? kWindow - 1 : 0)) / kWindow; }

  std::int64_t ask(const RateQuestion& q, std::int64_t now) {
    const Wide full = Wide{q.limit} * kWindow;
    Wide others = 0;
    Wide was_out = 0;  // What the others have in hand, ended or not.
    for (auto& [name, hand] : hands) {
      if (name == q.gateway) continue;
      was_out += Wide{hand.out} * kWindow;
      others +=
          Wide{hand.out} * kWindow + Wide{std::max<std::int64_t>(hand.owes - now, 0)} * q.limit;
      if (hand.ends > now) continue;
      if (hand.out > 0)
        hand.owes = std::max(hand.owes, now) + (hand.out * kWindow + q.limit - 1) / q.limit;
      hand.out = 0;
    }
    Hand& mine = hands[std::string(q.gateway)];
    const bool alive = mine.ends > now;
    Wide in_hand = alive ? q.report.in_hand : std::min<std::int64_t>(q.report.in_hand, 0);
    const Wide back = alive ? q.report.back : 0;
    if (!made) level = full, at = now, made = true;
    const Wide cap =
        full - others - (in_hand + back) * kWindow - Wide{q.report.debt.count()} * q.limit;
    level = std::max(level, std::min(level + Wide{now - at} * q.limit, cap));
    at = now;
    if (whole(level) > whole(cap) + 1) level = (whole(cap) + 1) * kWindow;
    level += back * kWindow;
    std::int64_t debt = q.report.debt.count();
    if (const RateClaim& claim = q.report.claim;
        claim.units > 0 && born != 0 && claim.born_us == born) {
      const Wide room = full - level - was_out - std::max<Wide>(in_hand, 0) * kWindow;
      const Wide since = (Wide{returned - claim.returned} * kWindow + q.limit - 1) / q.limit;
      const Wide left = std::min<Wide>({claim.until_us - now - since, kWindow, room / q.limit});
      if (room > 0 && left > 0) {
        const Wide taken_back = std::min(left * q.limit, Wide{claim.units} * kWindow);
        level += taken_back;
        debt = std::max<std::int64_t>(debt - static_cast<std::int64_t>(taken_back / q.limit), 0);
        returned += claim.units;
      }
    }
    if (in_hand < 0) level += std::exchange(in_hand, 0) * kWindow;
    level = std::min(level, full);
    const auto units = static_cast<std::int64_t>(level < 0 ? -1 : level / kWindow);
    std::int64_t granted = 0;
    if (units >= q.least && units > 0) {
      granted = std::min(units, q.all);
      granted += std::min(q.ahead, (units - granted) / 4);
    }
    level -= Wide{granted} * kWindow;
    mine = {static_cast<std::int64_t>(in_hand) + granted, now + q.ttl.count(), now + debt};
    return granted;
  }
};

TEST(RateScripts, GrantsWhatIsNeededAndAQuarterOfTheRest) {
  SharedRedis shared;
  EXPECT_EQ(shared.ask(kId, question("a", 100, 20, 1'000)).granted, 40);
  EXPECT_EQ(shared.ask(kId, question("b", 100, 61)).granted, 0);
  const RateAnswer most = shared.ask(kId, question("b", 100, 60));
  EXPECT_EQ(most.granted, 60);
  EXPECT_EQ(most.level, 0);
  // Half a minute later b has used all of it, as far as it tells.
  shared.pass(seconds(30));
  RateQuestion again = question("b", 100, 1);
  again.report.debt = seconds(6);  // 10 units.
  EXPECT_EQ(shared.ask(kId, again).granted, 1);
}

TEST(RateScripts, AgreesWithAModelForAnyHistory) {
  std::mt19937_64 random{29};
  int taken_back = 0;
  for (int history = 0; history < 6; ++history) {
    SharedRedis shared;
    Model model;
    const std::int64_t limits[] = {7, 397, 80'000, 20'000'000};
    const std::int64_t limit = limits[history % 4];
    const std::string names[] = {"a", "b", "c"};
    std::map<std::string, std::int64_t> out;
    for (int step = 0; step < 400; ++step) {
      SCOPED_TRACE(fmt::format("history {} step {}", history, step));
      const std::string& name = names[random() % 3];
      const auto some = [&](std::int64_t most) {
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1));
      };
      RateQuestion asked = question(name, limit, some(limit / 2), some(limit));
      asked.all = asked.least + some(limit / 4);
      asked.report.in_hand = some(out[name]) - (random() % 8 == 0 ? some(limit / 8) : 0);
      asked.report.back = random() % 3 == 0
                              ? some(std::max<std::int64_t>(
                                    out[name] - std::max<std::int64_t>(asked.report.in_hand, 0), 0))
                              : 0;
      asked.report.debt = Duration(some(40'000'000));
      if (random() % 3 == 0) {
        const Duration time(some(random() % 4 == 0 ? 70'000'000 : 2'000'000));
        shared.pass(time);
      }
      if (random() % 3 == 0) {
        asked.report.claim = {some(limit / 4), shared.now_us() + some(70'000'000) - 5'000'000,
                              std::max<std::int64_t>(model.returned - some(limit / 4), 0),
                              random() % 8 == 0 ? 1 : model.born};
      }
      const RateAnswer answer = shared.ask(kId, asked);
      model.born = answer.born_us;
      const std::int64_t granted = model.ask(asked, answer.now_us);
      ASSERT_EQ(answer.granted, granted);
      ASSERT_EQ(answer.level,
                static_cast<std::int64_t>(
                    (model.level - (model.level < 0 ? Model::kWindow - 1 : 0)) / Model::kWindow));
      ASSERT_EQ(answer.returned, model.returned);
      taken_back += answer.took_back > Duration(0) ? 1 : 0;
      out[name] = answer.in_hand + answer.granted;
      ASSERT_EQ(out[name], model.hands[name].out);
    }
  }
  EXPECT_GT(taken_back, 50);
}

TEST(RateScripts, NumbersBeyondWhatLuaCountsExactlyNeverGrantTooMuch) {
  SharedRedis shared;
  constexpr std::int64_t kLimit = 1'000'000'000'000;
  EXPECT_EQ(shared.ask(kId, question("a", kLimit, kLimit)).granted, kLimit);
  shared.pass(seconds(30));
  const RateAnswer half = shared.ask(kId, question("a", kLimit, 1, 0));
  EXPECT_NEAR(static_cast<double>(half.level), kLimit / 2.0, kLimit / 1e3);
  RateQuestion owing = question("b", kLimit, 0);
  owing.report.in_hand = -kTokensMax;
  EXPECT_LT(shared.ask(kId, owing).level, 0);
}

TEST(RateScripts, AClockThatGoesBackEarnsNothingUntilItHasCaughtUp) {
  SharedRedis shared;
  EXPECT_EQ(shared.ask(kId, question("a", 600, 600)).granted, 600);
  shared.pass(-seconds(20));
  shared.pass(seconds(10));
  EXPECT_EQ(shared.ask(kId, question("a", 600, 1)).granted, 0);
  shared.pass(seconds(11));
  EXPECT_EQ(shared.ask(kId, question("a", 600, 1)).granted, 1);
  // Farther back than a window: it begins anew from there.
  shared.pass(-std::chrono::hours(24));
  EXPECT_EQ(shared.ask(kId, question("a", 600, 300)).granted, 0);
  shared.pass(seconds(40));
  EXPECT_EQ(shared.ask(kId, question("a", 600, 300)).granted, 300);
}

// Who used it tells so while nobody gets anything; from then on there is what that leaves.
TEST(RateScripts, WhatWasLostIsNotGrantedTwice) {
  SharedRedis shared;
  EXPECT_EQ(shared.ask(kId, question("a", 600, 400)).granted, 400);
  EXPECT_EQ(shared.ask(kId, question("b", 600, 100)).granted, 100);
  shared.server.tell({"FLUSHALL"});
  const std::int64_t lost_since = shared.now_us();
  const auto ask = [&](const char* gateway, std::int64_t least, Duration debt) {
    RateQuestion asked = question(gateway, 600, least);
    asked.lost_since = lost_since;
    asked.report.debt = debt;
    return shared.ask(kId, asked).granted;
  };
  EXPECT_EQ(ask("a", 1, seconds(40)), 0);
  EXPECT_EQ(ask("b", 1, seconds(10)), 0);
  EXPECT_EQ(ask("c", 1, seconds(0)), 0);
  shared.pass(kTtl);
  // Of 600 a owes 370 by now and b 70.
  EXPECT_EQ(ask("c", 165, seconds(0)), 0);
  EXPECT_EQ(ask("c", 155, seconds(0)), 155);
  EXPECT_EQ(ask("a", 10, seconds(37)), 0);
}

// A limit of a day that was hardly used is not empty for hours.
TEST(RateScripts, WhatNobodyUsedIsThereSoonAfterALoss) {
  SharedRedis shared;
  RateQuestion asked = question("a", 1'000, 900);
  asked.figure = limits::Figure::kRequestsPerDay;
  asked.lost_since = shared.now_us();
  asked.report.debt = std::chrono::minutes(2);
  EXPECT_EQ(shared.ask(kId, asked).granted, 0);
  shared.pass(kTtl);
  EXPECT_EQ(shared.ask(kId, asked).granted, 900);
}

TEST(RateScripts, ABucketOfWhoDidNotKnowOfTheLossIsMendedByWhoDoes) {
  SharedRedis shared;
  EXPECT_EQ(shared.ask(kId, question("new", 600, 1)).granted, 1);
  RateQuestion knows = question("old", 600, 1);
  knows.lost_since = shared.now_us();
  EXPECT_EQ(shared.ask(kId, knows).granted, 0);
  EXPECT_EQ(shared.ask(kId, question("new", 600, 1)).granted, 0);
}

TEST(RateScripts, SlotsAreNeverMoreThanTheLimit) {
  SharedRedis shared;
  constexpr RateId kWork{"limits.tenant_id.concurrent_requests", "acme"};
  const auto ask = [&](std::string_view gateway, std::int64_t has, std::int64_t least,
                       std::int64_t connection = 0) {
    RateQuestion made = question(gateway, 6, least);
    made.figure = Figure::kConcurrentRequests;
    made.report.in_hand = has;
    made.connection = connection;
    return shared.ask(kWork, made);
  };
  EXPECT_EQ(ask("a", 0, 4).granted, 4);
  EXPECT_EQ(ask("b", 0, 3).granted, 0);
  EXPECT_EQ(ask("b", 0, 2).granted, 2);
  EXPECT_EQ(ask("a", 3, 0).level, 1);
  EXPECT_EQ(ask("b", 2, 1).granted, 1);
  // A new connection forgets what the old one had.
  EXPECT_EQ(ask("a", 1, 2, 1).granted, 2);
  // What comes late on the old one changes nothing.
  EXPECT_EQ(ask("a", 0, 1, 0).granted, 0);
  EXPECT_EQ(ask("b", 3, 1).granted, 0);
  // b dies.
  shared.pass(kTtl + seconds(1));
  EXPECT_EQ(ask("a", 3, 3, 1).granted, 3);
}

TEST(RateScripts, AnEpochTellsWhetherDataWereLost) {
  redis::RedisServer server;
  auto client = std::move(*redis::Client::create(server.endpoint()));
  const auto epoch = [&](std::string_view known, std::string_view fresh) {
    add_epoch(*client, known, fresh);
    auto replies = client->exchange(redis::in_time(seconds(5)));
    return read_epoch(*client, replies->front()).value();
  };
  EXPECT_EQ(epoch("", "one").name, "one");
  EXPECT_EQ(epoch("", "two").name, "one");
  EXPECT_EQ(epoch("one", "two").lost_since, 0);
  server.tell({"FLUSHALL"});
  EXPECT_EQ(epoch("", "three").lost_since, 0);    // Who starts knows nothing of it,
  EXPECT_GT(epoch("one", "four").lost_since, 0);  // but who was there does,
  EXPECT_GT(epoch("", "five").lost_since, 0);     // and from then on all.
  EXPECT_EQ(epoch("three", "five").name, "three");
  // A leap of the clock is a loss, once for all who see it.
  const auto leapt = [&] {
    add_epoch(*client, "three", "six", StoreClock::kLeapt);
    auto replies = client->exchange(redis::in_time(seconds(5)));
    return read_epoch(*client, replies->front()).value();
  };
  server.tell({"HSET", "tollgate:{epoch}", "made", "1000000"});
  const Epoch first = leapt();
  EXPECT_EQ(first.name, "three");
  EXPECT_EQ(first.lost_since, first.now_us);
  EXPECT_EQ(leapt().lost_since, first.lost_since);
  EXPECT_EQ(epoch("three", "seven").lost_since, first.lost_since);

  const auto alive = [&](std::string_view name, Presence presence) {
    add_presence(*client, name, presence, kTtl);
    auto replies = client->exchange(redis::in_time(seconds(5)));
    return read_presence(*client, replies->front()).value();
  };
  EXPECT_EQ(alive("a", Presence::kAlive), 1);
  EXPECT_EQ(alive("b", Presence::kAlive), 2);
  EXPECT_EQ(alive("a", Presence::kAlive), 2);
  EXPECT_EQ(alive("a", Presence::kLeaves), 1);
}

TEST(RateScripts, AnswersThatNoRedisGivesAreFaults) {
  auto client = std::move(*redis::Client::create({.host = "cache"}));
  redis::Reply reply;
  EXPECT_FALSE(read_answer(*client, reply));
  EXPECT_FALSE(read_epoch(*client, reply));
  EXPECT_FALSE(read_presence(*client, reply));
  reply.kind = redis::Reply::Kind::kList;
  reply.items.resize(9);
  EXPECT_FALSE(read_answer(*client, reply));
  for (redis::Reply& item : reply.items) item.kind = redis::Reply::Kind::kInteger;
  EXPECT_TRUE(read_answer(*client, reply));
  reply.items[0].integer = -1;
  EXPECT_FALSE(read_answer(*client, reply));
  reply.items[0].integer = 1;
  reply.items[2].integer = INT64_MIN;
  EXPECT_FALSE(read_answer(*client, reply));
  reply.kind = redis::Reply::Kind::kError;
  reply.text = "MOVED 1 10.0.0.1:6379";
  EXPECT_NE(read_answer(*client, reply).error().message.find("cluster"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::storage
