// The caller's side over real sockets: what a listener promises to callers and to its handler.
#include "net/net.h"

#include "net/testing.h"

namespace tollgate::net::testing {
namespace {

std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST_F(Net, RepliesWithTheBodyAndKeepsTheConnection) {
  listen({});
  const auto peer = caller();
  peer->send(post("/echo", "hello"));
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nhello"));
  EXPECT_TRUE(peer->received.starts_with("HTTP/1.1 200 OK\r\ndate: "));
  EXPECT_NE(peer->received.find("content-type: text/plain\r\ncontent-length: 5\r\nx-extra: 1\r\n"),
            std::string::npos);
  peer->received.clear();
  peer->send(post("/echo", "again"));
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nagain"));
  EXPECT_FALSE(peer->closed);
  EXPECT_EQ(script.served, 2);
}

TEST_F(Net, StreamsInChunks) {
  listen({});
  const auto peer = caller();
  peer->send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "\r\n0\r\n\r\n"));
  EXPECT_NE(peer->received.find("transfer-encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(peer->received.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"));
}

TEST_F(Net, ForwardsToAnUpstreamAndReusesItsConnection) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    peer->received.clear();
    peer->send(post("/proxy", "question"));
    ASSERT_TRUE(until([&] {
      peer->poll();
      if (!up) up = server.accept();
      if (up) up->poll();
      return up && up->received.ends_with("question");
    }));
    up->received.clear();
    up->send("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\n\r\nanswer");
    up->poll();
    ASSERT_TRUE(until_received(*peer, "\r\n\r\nanswer"));
    EXPECT_NE(peer->received.find("content-type: a/b"), std::string::npos);
  }
  EXPECT_EQ(server.accept(), nullptr);
  EXPECT_EQ(pool->connections(), 1);
}

}  // namespace
}  // namespace tollgate::net::testing
