#include "redis/client.h"

#include <gtest/gtest.h>

#include "redis/testing_server.h"

namespace tollgate::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<Client> client_of(Endpoint endpoint) {
  auto made = Client::create(std::move(endpoint));
  EXPECT_TRUE(made) << made.error().message;
  return made ? std::move(*made) : nullptr;
}

std::string fault_words(Client& client, Duration wait = seconds(5)) {
  client.add({"PING"});
  auto replies = client.exchange(in_time(wait));
  return replies ? "no fault" : replies.error().message;
}

TEST(Client, CarriesOutAPipelineInOrder) {
  RedisServer server;
  auto client = client_of(server.endpoint());
  const std::string bytes("a\0\r\nb", 5);
  client->add({"SET", "key", bytes});
  client->add({"GET", "key"});
  client->add({"INCR", "key"});
  client->add({"HSET", "hash", "a", "1", "b", "2"});
  client->add({"HGETALL", "hash"});
  client->add({"GET", "nothing"});
  auto replies = client->exchange(in_time(seconds(5)));
  ASSERT_TRUE(replies) << replies.error().message;
  ASSERT_EQ(replies->size(), 6u);
  EXPECT_EQ((*replies)[1].text, bytes);
  EXPECT_EQ((*replies)[2].kind, Reply::Kind::kError);
  EXPECT_EQ((*replies)[4].items.size(), 4u);
  EXPECT_EQ((*replies)[5].kind, Reply::Kind::kNull);
  EXPECT_TRUE(client->exchange(in_time(seconds(5)))->empty());
}

TEST(Client, SendsAScriptWholeWhereTheServerDoesNotKnowIt) {
  RedisServer server;
  auto client = client_of(server.endpoint());
  const Script sum("return redis.call('INCRBY', KEYS[1], ARGV[1])");
  const Script other("return KEYS[1] .. ARGV[1]");
  const auto run = [&] {
    const std::string_view seven[] = {"7"};
    client->add(sum, "key", seven);
    client->add(other, "key", seven);
    client->add(sum, "key", seven);
    auto replies = client->exchange(in_time(seconds(5)));
    EXPECT_TRUE(replies) << replies.error().message;
    EXPECT_EQ((*replies)[1].text, "key7");
    return (*replies)[2].number().value_or(-1);
  };
  EXPECT_EQ(run(), 14);
  EXPECT_EQ(run(), 28);
  server.tell({"SCRIPT", "FLUSH"});
  EXPECT_EQ(run(), 42);
}

TEST(Client, LogsInAndSelects) {
  RedisServer server({.password = "s3cret w:rd"});
  Endpoint endpoint = server.endpoint();
  endpoint.database = 3;
  auto client = client_of(endpoint);
  client->add({"SET", "here", "1"});
  ASSERT_TRUE(client->exchange(in_time(seconds(5))));
  auto outside = client_of(server.endpoint());
  outside->add({"GET", "here"});
  EXPECT_EQ(outside->exchange(in_time(seconds(5)))->front().kind, Reply::Kind::kNull);

  endpoint.database = 0;
  endpoint.password = "wrong-secret";
  auto wrong = client_of(endpoint);
  const std::string words = fault_words(*wrong);
  EXPECT_NE(words.find("does not accept this user and password"), std::string::npos) << words;
  EXPECT_EQ(words.find("wrong-secret"), std::string::npos);
  endpoint.password.clear();
  auto none = client_of(endpoint);
  EXPECT_NE(fault_words(*none).find("asks for a password"), std::string::npos);
  endpoint.password = "s3cret w:rd";
  endpoint.database = 99;
  auto nowhere = client_of(endpoint);
  EXPECT_NE(fault_words(*nowhere).find("out of range"), std::string::npos);
}

TEST(Client, SpeaksTheOldProtocolWithServersThatKnowNoOther) {
  RedisServer server({.password = "pw", .old = true});
  auto client = client_of(server.endpoint());
  client->add({"HSET", "hash", "a", "1"});
  client->add({"HGETALL", "hash"});
  client->add({"GET", "nothing"});
  auto replies = client->exchange(in_time(seconds(5)));
  ASSERT_TRUE(replies) << replies.error().message;
  EXPECT_EQ((*replies)[1].items.size(), 2u);
  EXPECT_EQ((*replies)[2].kind, Reply::Kind::kNull);

  Endpoint wrong = server.endpoint();
  wrong.password = "wrong-secret";
  const std::string words = fault_words(*client_of(wrong));
  EXPECT_NE(words.find("does not accept this user and password"), std::string::npos) << words;
  EXPECT_EQ(words.find("wrong-secret"), std::string::npos);
  wrong.password.clear();
  EXPECT_NE(fault_words(*client_of(wrong)).find("asks for a password"), std::string::npos);
}

TEST(Client, VerifiesTheCertificateOverTls) {
  RedisServer server({.password = "pw", .tls = true});
  Endpoint endpoint;
  endpoint.host = "localhost";
  endpoint.port = server.port();
  endpoint.password = "pw";
  endpoint.tls = true;
  auto unknown = client_of(endpoint);
  EXPECT_NE(fault_words(*unknown).find("certificate was not accepted"), std::string::npos);
  endpoint.certificate_authority = server.file("server.pem");
  auto client = client_of(endpoint);
  const std::string large(300'000, 'x');
  for (int i = 0; i < 20; ++i) client->add({"ECHO", large});
  auto replies = client->exchange(in_time(seconds(10)));
  ASSERT_TRUE(replies) << replies.error().message;
  EXPECT_EQ(replies->back().text, large);
  // The certificate is another host's.
  endpoint.host = "127.0.0.1";
  auto other = client_of(endpoint);
  EXPECT_NE(fault_words(*other).find("certificate was not accepted"), std::string::npos);
  // No TLS at all behind the port, and no TLS towards one that speaks it.
  endpoint.host = "localhost";
  endpoint.tls = false;
  auto plain = client_of(endpoint);
  EXPECT_NE(fault_words(*plain), "no fault");
  endpoint.tls = true;
  endpoint.certificate_authority = server.file("nothing.pem");
  EXPECT_FALSE(Client::create(endpoint));
}

TEST(Client, ShowsACertificateWhereItIsAskedFor) {
  RedisServer server({.tls = true, .asks_certificate = true});
  Endpoint endpoint;
  endpoint.host = "localhost";
  endpoint.port = server.port();
  endpoint.tls = true;
  endpoint.certificate_authority = server.file("server.pem");
  EXPECT_NE(fault_words(*client_of(endpoint)), "no fault");
  endpoint.certificate = server.file("server.pem");
  endpoint.key = server.file("server.key");
  EXPECT_EQ(fault_words(*client_of(endpoint)), "no fault");
  endpoint.key = server.file("server.pem");
  EXPECT_FALSE(Client::create(endpoint));
  endpoint.certificate = server.file("nothing.pem");
  EXPECT_FALSE(Client::create(endpoint));
}

TEST(Client, HearsWhetherKeysMayBeThrownAway) {
  RedisServer server;
  const auto policy = [&] {
    auto client = client_of(server.endpoint());
    EXPECT_EQ(fault_words(*client), "no fault");
    return client->evicts_by();
  };
  EXPECT_EQ(policy(), "");
  server.tell({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  EXPECT_EQ(policy(), "");  // There is no bound at which it applies.
  server.tell({"CONFIG", "SET", "maxmemory", "1gb"});
  EXPECT_EQ(policy(), "allkeys-lru");
  server.tell({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  EXPECT_EQ(policy(), "");
  for (const char* unsaid : {"", "ERR unknown command", "# Memory\r\nmaxmemory:5\r\n"})
    EXPECT_EQ(eviction_in(unsaid), std::nullopt) << unsaid;
  // Who may not look cannot say that they are kept.
  server.tell({"ACL", "SETUSER", "default", "-info"});
  EXPECT_EQ(policy(), std::nullopt);
}

TEST(Client, KeepsItsDeadlineAndConnectsAgain) {
  RedisServer server;
  auto client = client_of(server.endpoint());
  EXPECT_EQ(fault_words(*client), "no fault");
  server.pause();
  const Instant before = in_time(Duration(0));
  EXPECT_NE(fault_words(*client, milliseconds(100)).find("no answer in time"), std::string::npos);
  EXPECT_FALSE(client->connected());
  // Whoever connects meanwhile waits no longer than allowed either.
  EXPECT_NE(fault_words(*client, milliseconds(100)), "no fault");
  EXPECT_LT(in_time(Duration(0)) - before, seconds(5));
  server.resume();
  EXPECT_EQ(fault_words(*client), "no fault");
  server.kill();
  EXPECT_NE(fault_words(*client), "no fault");
  EXPECT_NE(fault_words(*client).find(server.socket()), std::string::npos);
  server.start();
  EXPECT_EQ(fault_words(*client), "no fault");
}

TEST(Client, SaysWhatToDoAboutAnError) {
  auto client = client_of(Endpoint{.host = "cache", .password = "hunter2"});
  constexpr FaultKind kNo = FaultKind::kRefusedByPeer;
  constexpr FaultKind kNotNow = FaultKind::kUnreachable;  // Waiting may mend it.
  struct Row {
    std::string_view text;
    std::string_view words;
    FaultKind kind;
  };
  const Row table[] = {
      {"MOVED 3999 10.0.0.1:6381", "cluster", kNo},
      {"ASK 3999 10.0.0.1:6381", "cluster", kNo},
      {"READONLY You can't write against a read only replica.", "primary", kNotNow},
      {"OOM command not allowed", "memory is full", kNotNow},
      {"LOADING Redis is loading the dataset in memory", "not ready", kNotNow},
      {"MASTERDOWN Link with MASTER is down", "not ready", kNotNow},
      {"NOPERM this user has no permissions", "may not", kNo},
      {"ERR something\x1b[31m", "ERR something?[31m", kNo},
  };
  for (const auto& [text, words, kind] : table) {
    Reply error;
    error.kind = Reply::Kind::kError;
    error.text = text;
    const Fault fault = client->fault_of(error);
    EXPECT_EQ(fault.kind, kind) << text;
    EXPECT_NE(fault.message.find(words), std::string::npos) << fault.message;
    EXPECT_EQ(fault.message.find("hunter2"), std::string::npos);
  }
}

TEST(Client, NamesWhatCannotBeReached) {
  auto nobody = client_of(Endpoint{.host = "nobody.invalid"});
  EXPECT_NE(fault_words(*nobody).find("nobody.invalid"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::redis
