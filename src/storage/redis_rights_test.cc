// What a user of Redis must be allowed so that gateways can share limits there.
#include <gtest/gtest.h>

#include "redis/testing_server.h"
#include "storage/memory_ledger.h"
#include "storage/redis_rates.h"
#include "storage/testing_clock.h"

namespace tollgate::storage {
namespace {

// As the operator is told when something is not allowed.
std::vector<std::string> advised_rights() {
  const auto client = *redis::Client::create({.host = "cache"});
  const std::string words =
      client->fault_of({.kind = redis::Reply::Kind::kError, .text = "NOPERM"}).message;
  constexpr std::string_view kBefore = "limits need ";
  const std::size_t begin = words.find(kBefore) + kBefore.size();
  std::vector<std::string> rights;
  for (std::size_t at = begin, end = 0; at < words.find(';', begin); at = end + 1) {
    end = words.find_first_of(" ;", at);
    rights.push_back(words.substr(at, end - at));
  }
  return rights;
}

// A user with these rights and no others. Database 1, which has to be selected.
redis::Endpoint user_with(redis::RedisServer& server, const std::vector<std::string>& rights) {
  redis::Endpoint endpoint = server.endpoint();
  endpoint.user = "gate";
  endpoint.password = "secret";
  endpoint.database = 1;
  server.tell({"ACL", "DELUSER", endpoint.user});
  server.tell({"ACL", "SETUSER", endpoint.user, "on", ">" + endpoint.password});
  for (const std::string& right : rights) {
    const redis::Reply done = server.tell({"ACL", "SETUSER", endpoint.user, right});
    EXPECT_NE(done.kind, redis::Reply::Kind::kError) << right << ": " << done.text;
  }
  return endpoint;
}

// What was not allowed first; empty: nothing. Begins, is alive, holds limits of both kinds and
// gives all back.
std::string refused(const redis::Endpoint& endpoint) {
  SystemClock clock;
  MemoryLedger ledger({.key = 5}, nullptr);
  RedisRates rates({.gateway = "a"}, *redis::Client::create(endpoint), ledger, clock);
  const FaultOr<void> started = rates.start();
  const RedisRates::Counts counts = rates.counts();
  rates.stop();
  if (!started) return started.error().message;
  if (!counts.evicts_by) return "INFO";
  const auto client = *redis::Client::create(endpoint);
  for (const auto figure :
       {limits::Figure::kConcurrentRequests, limits::Figure::kRequestsPerMinute}) {
    RateQuestion question;
    question.gateway = "a";
    question.figure = figure;
    question.limit = 10;
    question.ttl = RedisRates::kTtl;
    for (const std::int64_t least : {1, 0}) {
      question.least = question.all = least;
      add_question(*client, rate_key({"limits.tenant_id.it", "acme"}), question);
      const auto replies = client->exchange(redis::in_time(std::chrono::seconds(20)));
      if (!replies) return replies.error().message;
      const auto answer = read_answer(*client, replies->front());
      if (!answer) return answer.error().message;
    }
  }
  return {};
}

TEST(RedisRights, AreEnoughAsTheyAreAdvisedAndNoneIsTooMany) {
  redis::RedisServer server;
  const std::vector<std::string> rights = advised_rights();
  ASSERT_GT(rights.size(), 3u);
  EXPECT_EQ(refused(user_with(server, rights)), "");
  for (std::size_t without = 0; without < rights.size(); ++without) {
    std::vector<std::string> fewer = rights;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(without));
    server.tell({"FLUSHALL"});
    server.tell({"SCRIPT", "FLUSH"});
    EXPECT_NE(refused(user_with(server, fewer)), "") << rights[without];
  }
}

}  // namespace
}  // namespace tollgate::storage
