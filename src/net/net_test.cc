// The caller's side over real sockets: what a listener promises to callers and to its handler.
#include "net/net.h"

#include <sys/socket.h>

#include <algorithm>

#include "net/peer_counts.h"
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

TEST_F(Net, ServesPipelinedRequestsInTurn) {
  listen({});
  const auto peer = caller();
  std::string all;
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    const std::string body(static_cast<std::size_t>(i) * 97, static_cast<char>('a' + i % 26));
    all += post("/echo", body);
    expected += body;
  }
  peer->send(all);
  ASSERT_TRUE(until([&] {
    peer->poll();
    return script.bodies.size() == 40;
  }));
  std::string got;
  for (const std::string& body : script.bodies) got += body;
  EXPECT_EQ(got, expected);
}

TEST_F(Net, ReadsBodiesHoweverTheyCome) {
  listen({});
  for (const std::size_t size : {std::size_t{0}, std::size_t{15'000}, std::size_t{16'300},
                                 std::size_t{16'384}, std::size_t{300'000}, std::size_t{1 << 20}}) {
    SCOPED_TRACE(size);
    const auto peer = caller();
    std::string body(size, ' ');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31 >> 3);
    const std::string length = post("/echo", body);
    std::string chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < size; at += 7000) {
      const std::string chunk = body.substr(at, 7000);
      char line[32];
      std::snprintf(line, sizeof line, "%zx\r\n", chunk.size());
      chunked += line + chunk + "\r\n";
    }
    chunked += "0\r\n\r\n";
    for (const std::string& message : {length, chunked}) {
      script.bodies.clear();
      peer->send(message.substr(0, 60));
      peer->poll();
      settle();
      peer->send(message.substr(60));
      ASSERT_TRUE(until([&] {
        peer->poll();
        return !script.bodies.empty();
      }));
      EXPECT_TRUE(script.bodies[0] == body);
    }
  }
}

TEST_F(Net, AsksForTheBodyWhenItIsExpectedTo) {
  listen({});
  const auto peer = caller();
  peer->send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_TRUE(script.bodies.empty());
  peer->send("body");
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nbody"));
}

TEST_F(Net, RefusesABodyOverTheLimitAndTheCallerGetsTheAnswer) {
  listen({});
  script.body_limit = 100;
  for (const std::string& message :
       {post("/echo", std::string(900'000, 'x')),
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" +
            std::string(101, 'x') + "\r\n0\r\n\r\n"}) {
    const auto peer = caller();
    peer->send(message);
    ASSERT_TRUE(until_closed(*peer));
    EXPECT_TRUE(peer->received.starts_with("HTTP/1.1 413 ")) << peer->received;
    EXPECT_NE(peer->received.find("connection: close\r\n"), std::string::npos);
  }
  EXPECT_TRUE(script.bodies.empty());
}

TEST_F(Net, DropsASmallBodyThatNobodyAskedFor) {
  listen({});
  const auto peer = caller();
  peer->send(post("/none", "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n") + post("/echo", "next"));
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nnext"));
  EXPECT_EQ(script.served, 2);
}

TEST_F(Net, AnswersMalformedRequestsAndCloses) {
  listen({});
  for (const std::string_view bytes :
       {"GET / HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"}) {
    SCOPED_TRACE(bytes);
    const auto peer = caller();
    peer->send(std::string(bytes) + "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(until_closed(*peer));
    EXPECT_TRUE(peer->received.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_NE(peer->received.find("x-refused: 1\r\nconnection: close\r\n"), std::string::npos);
  }
  EXPECT_EQ(script.served, 0);
  EXPECT_EQ(script.malformed, 6);
}

TEST_F(Net, RefusesAHeadThatIsTooLarge) {
  listen({});
  const auto peer = caller();
  peer->send("GET / HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 40; ++i) peer->send("A: " + std::string(1000, 'a') + "\r\n");
  ASSERT_TRUE(until_closed(*peer));
  EXPECT_TRUE(peer->received.starts_with("HTTP/1.1 400 "));
  const auto large = caller();
  large->send("GET /stream HTTP/1.1\r\nHost: a\r\nA: " + std::string(15'000, 'a') +
              "\r\nB: " + std::string(12'000, 'b') + "\r\n\r\n");
  ASSERT_TRUE(until_received(*large, "\r\n0\r\n\r\n"));
}

TEST_F(Net, ServesHttp10WithoutChunks) {
  listen({});
  const auto peer = caller();
  peer->send("GET /stream HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(until_closed(*peer));
  EXPECT_TRUE(peer->received.ends_with("connection: close\r\n\r\nonetwothree"));
}

TEST_F(Net, SendsNoBodyToHeadAndWithNoContent) {
  listen({});
  const auto peer = caller();
  peer->send("HEAD /none HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "204 No Content"));
  ASSERT_TRUE(until([&] { return script.served == 2; }));
  EXPECT_NE(peer->received.find("content-length: 4\r\n\r\nHTTP/1.1 204"), std::string::npos);
}

TEST_F(Net, TellsTheHandlerWhenTheCallerLeaves) {
  listen({});
  for (const bool reset : {false, true}) {
    script.cancelled = 0;
    const auto peer = caller();
    peer->send(post("/hold", "x"));
    const int before = script.served;
    ASSERT_TRUE(until([&] {
      peer->poll();
      return script.served > before;
    }));
    settle();
    EXPECT_EQ(script.cancelled, 0);
    reset ? peer->reset() : peer->leave();
    ASSERT_TRUE(until([&] { return script.cancelled == 1; }));
    ASSERT_TRUE(until([&] { return listener->connections() == 0; }));
  }
}

TEST_F(Net, EndsSlowHeadsAndIdleConnections) {
  listen({});
  const auto slow = caller();
  slow->send("GET / HTTP/1.1\r\nHost: a\r\n");
  slow->poll();
  const auto idle = caller();
  idle->send(post("/echo", "x"));
  ASSERT_TRUE(until_received(*idle, "\r\n\r\nx"));
  for (int second = 0; second < 9; ++second) {
    slow->send("A: b\r\n");
    slow->poll();
    pass(std::chrono::seconds(1));
  }
  slow->poll();
  EXPECT_FALSE(slow->closed);
  pass(std::chrono::seconds(2));
  EXPECT_TRUE(until_closed(*slow));
  idle->poll();
  EXPECT_FALSE(idle->closed);
  pass(std::chrono::seconds(60));
  EXPECT_TRUE(until_closed(*idle));
}

TEST_F(Net, RefusesABodyThatIsTooSlow) {
  listen({});
  const auto peer = caller();
  peer->send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  peer->poll();
  pass(std::chrono::seconds(59));
  EXPECT_TRUE(script.served == 1 && !script.replied);
  pass(std::chrono::seconds(2));
  ASSERT_TRUE(until_received(*peer, "too slowly"));
  pass(std::chrono::seconds(3));
  EXPECT_TRUE(until_closed(*peer));
}

TEST_F(Net, WaitsForACallerThatDoesNotReadAndKeepsNothing) {
  listen({});
  const auto peer = caller();
  peer->reading = false;
  peer->send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  peer->poll();
  settle();
  const std::size_t held_back = script.written;
  EXPECT_LT(held_back, std::size_t{800} * (64 << 10));
  settle();
  EXPECT_EQ(script.written, held_back);
  peer->reading = true;
  ASSERT_TRUE(until_received(*peer, "\r\n0\r\n\r\n"));
  EXPECT_EQ(script.written, std::size_t{800} * (64 << 10));
}

TEST_F(Net, GivesUpOnACallerThatStalls) {
  listen({});
  const auto peer = caller();
  peer->reading = false;
  peer->send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  peer->poll();
  settle();
  pass(std::chrono::seconds(29));
  EXPECT_EQ(listener->connections(), 1);
  pass(std::chrono::seconds(2));
  ASSERT_TRUE(until([&] { return listener->connections() == 0; }));
  EXPECT_EQ(script.replied, false);
}

// A caller that takes a little now and then makes progress, and still may not do so for ever.
TEST_F(Net, GivesUpOnACallerThatTakesTooLongForAWholeReply) {
  config::Edge edge;
  edge.stalled_reply_timeout = std::chrono::seconds(3000);
  listen(edge);
  const auto peer = caller();
  peer->reading = false;
  peer->send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  peer->poll();
  settle();
  std::string some(256 << 10, ' ');
  // 32 MiB at 16 KiB a second, and 3000 seconds.
  for (const int seconds : {2000, 2000, 1000}) {
    pass(std::chrono::seconds(seconds));
    EXPECT_EQ(listener->connections(), 1);
    ssize_t taken = 0;
    EXPECT_TRUE(until([&] {
      taken += std::max<ssize_t>(0, recv(peer->file(), some.data(), some.size(), MSG_DONTWAIT));
      return taken >= 5 << 20;
    }));
  }
  EXPECT_EQ(script.replied, std::nullopt);
  pass(std::chrono::seconds(60));
  ASSERT_TRUE(until([&] { return listener->connections() == 0; }));
  EXPECT_EQ(script.replied, false);
}

TEST_F(Net, DrainsIdleConnectionsAtOnceAndOthersAfterTheirReply) {
  listen({});
  const auto idle = caller();
  const auto busy = caller();
  busy->send(post("/hold", "x"));
  ASSERT_TRUE(until([&] {
    busy->poll();
    return script.served == 1 && listener->connections() == 2;
  }));
  settle();
  bool drained = false;
  listener->drain([&drained] { drained = true; });
  EXPECT_TRUE(until_closed(*idle));
  EXPECT_FALSE(drained);
  script.cancel();
  ASSERT_TRUE(until_received(*busy, "connection: close\r\n\r\nheld"));
  EXPECT_TRUE(until([&] { return drained; }));
}

TEST_F(Net, AcceptsNoMoreThanItsConnections) {
  config::Edge edge;
  edge.connections_max = 2;
  listen(edge);
  const auto first = caller();
  const auto second = caller();
  const auto third = caller();
  third->send(post("/echo", "third"));
  third->poll();
  settle();
  EXPECT_EQ(listener->connections(), 2);
  EXPECT_EQ(script.served, 0);
  first->leave();
  ASSERT_TRUE(until_received(*third, "\r\n\r\nthird"));
}

TEST_F(Net, ClosesWhatAnAddressHasTooManyOf) {
  PeerCounts peers;
  ListenerOptions options;
  options.host = "127.0.0.1";
  options.edge.connections_per_address = 2;
  options.peers = &peers;
  auto one = Listener::open(loop, options, script);
  auto other = Listener::open(loop, options, script);
  ASSERT_TRUE(one && other);
  const auto first = Peer::connect((*one)->port());
  auto second = Peer::connect((*other)->port());
  settle();
  const auto third = Peer::connect((*one)->port());
  ASSERT_TRUE(until([&] {
    third->poll();
    return third->closed;
  }));
  EXPECT_EQ(peers.refused(), 1u);
  EXPECT_EQ((*one)->connections() + (*other)->connections(), 2);
  // Whoever leaves makes room, and a proxy that is trusted needs none.
  second->leave();
  ASSERT_TRUE(until([&] { return (*other)->connections() == 0; }));
  const auto fourth = Peer::connect((*one)->port());
  config::Edge edge = options.edge;
  edge.trusted_proxies = {*read_address_range("127.0.0.0/8")};
  settle();
  (*other)->replace(nullptr, config::ProxyProtocol::kOff, edge);
  const auto fifth = Peer::connect((*other)->port());
  settle();
  EXPECT_EQ((*one)->connections(), 2);
  EXPECT_EQ((*other)->connections(), 1);
  EXPECT_EQ(peers.refused(), 1u);
  for (Listener* each : {one->get(), other->get()}) {
    bool drained = false;
    each->drain([&drained] { drained = true; });
    each->cut();
    EXPECT_TRUE(until([&drained] { return drained; }));
  }
}

TEST_F(Net, SharesItsConnectionsWithListenersOnOtherLoops) {
  ListenerCounts listeners;
  ListenerOptions options;
  options.name = "public";
  options.host = "127.0.0.1";
  options.edge.connections_max = 2;
  options.connections = &listeners.of("public");
  auto one = Listener::open(loop, options, script);
  ASSERT_TRUE(one);
  // Not on the same port, so that the test knows which of them gets a caller.
  auto other = Listener::open(loop, options, script);
  ASSERT_TRUE(other);
  const auto first = Peer::connect((*one)->port());
  auto second = Peer::connect((*one)->port());
  settle();
  const auto third = Peer::connect((*other)->port());
  third->send(post("/echo", "third"));
  third->poll();
  settle();
  EXPECT_EQ((*one)->connections(), 2);
  EXPECT_EQ((*other)->connections(), 0);
  EXPECT_EQ(listeners.of("public"), 2);
  second->leave();
  pass(std::chrono::seconds(1));
  ASSERT_TRUE(until_received(*third, "\r\n\r\nthird"));
  EXPECT_EQ((*other)->connections(), 1);
  one->reset();
  other->reset();
  ASSERT_TRUE(until([&] { return listeners.of("public") == 0; }));
}

TEST_F(Net, SaysWhyItCannotListen) {
  ListenerOptions options;
  options.name = "public";
  options.host = "192.0.2.1";
  const auto opened = Listener::open(loop, options, script);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("not one of this machine"), std::string::npos);
}

TEST_F(Net, TakesNoPortThatAnotherListensOn) {
  listen({});
  ListenerOptions options;
  options.name = "mesh";
  options.host = "127.0.0.1";
  options.port = listener->port();
  const auto second = Listener::open(loop, options, script);
  ASSERT_FALSE(second);
  const std::string in_use = "port " + std::to_string(options.port) + " is in use";
  EXPECT_NE(second.error().message.find(in_use), std::string::npos) << second.error().message;
  EXPECT_NE(second.error().message.find("127.0.0.1"), std::string::npos);

  // One that listens on all addresses would take the port's other half.
  options.host = "0.0.0.0";
  EXPECT_FALSE(Listener::open(loop, options, script));

  options.host = "127.0.0.1";
  options.claim = Port::kIsOurs;
  const auto shared = Listener::open(loop, options, script);
  ASSERT_TRUE(shared) << shared.error().message;
  EXPECT_EQ((*shared)->port(), listener->port());
}

TEST_F(Net, TakesAPortAgainWhoseConnectionsHaveJustEnded) {
  listen({});
  const auto peer = caller();
  peer->send("GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(until_closed(*peer));
  ListenerOptions options;
  options.name = "public";
  options.host = "127.0.0.1";
  options.port = listener->port();
  listener.reset();
  settle();
  const auto again = Listener::open(loop, options, script);
  EXPECT_TRUE(again) << again.error().message;
}

TEST_F(Net, RunsPostedWorkAndSleeps) {
  struct Sleeper {
    static Task<void> rest(Loop& loop, bool& woke) {
      co_await loop.sleep(std::chrono::seconds(5));
      woke = true;
    }
  };
  bool woke = false;
  bool posted = false;
  start(Sleeper::rest(loop, woke));
  loop.post([&posted] { posted = true; });
  settle();
  EXPECT_TRUE(posted && !woke);
  pass(std::chrono::seconds(6));
  EXPECT_TRUE(woke);
  loop.post([this] { loop.stop(); });
  loop.run();
}

}  // namespace
}  // namespace tollgate::net::testing
