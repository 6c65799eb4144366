// The upstream's side over real sockets: what a pool promises to the pipeline.
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "net/stream.h"
#include "net/testing.h"
#include "net/upstream_gate.h"

namespace tollgate::net::testing {
namespace {

constexpr std::string_view kAsk = "POST /proxy HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nq";
constexpr std::string_view kAskStream = "GET /proxy-stream HTTP/1.1\r\nHost: a\r\n\r\n";

class Upstream : public Net {
 protected:
  // Waits until a request is at the upstream, on `up` or on a new connection.
  bool arrives(Peer& peer, std::unique_ptr<Peer>& up) {
    return until([&] {
      peer.poll();
      if (!up) up = server.accept();
      if (up) up->poll();
      return up && up->received.find("\r\n\r\n") != std::string::npos;
    });
  }
  void answer(Peer& up, std::string_view bytes) {
    up.received.clear();
    up.send(bytes);
    up.poll();
  }
};

TEST_F(Upstream, IsForwardedToOnOneKeptConnection) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  const std::vector<std::string> replies = {
      "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\n\r\nanswer",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nans\r\n3\r\nwer\r\n0\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer"};
  for (const std::string& reply : replies) {
    SCOPED_TRACE(reply);
    peer->received.clear();
    peer->send(kAsk);
    ASSERT_TRUE(arrives(*peer, up));
    answer(*up, reply);
    ASSERT_TRUE(until_received(*peer, "\r\n\r\nanswer"));
  }
  EXPECT_EQ(server.accept(), nullptr);
  EXPECT_EQ(pool->connections(), 1);
}

TEST_F(Upstream, ReadsRepliesOfAnySizeAndFraming) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  for (const std::size_t size : {std::size_t{0}, std::size_t{16'000}, std::size_t{500'000}}) {
    const std::string body(size, 'b');
    char line[32];
    std::snprintf(line, sizeof line, "%zx\r\n", size);
    for (const std::string& reply :
         {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
              (size == 0 ? "" : line + body + "\r\n") + "0\r\n\r\n",
          "HTTP/1.1 200 OK\r\n\r\n" + body}) {
      SCOPED_TRACE(reply.substr(0, 60));
      peer->received.clear();
      peer->send(kAsk);
      ASSERT_TRUE(arrives(*peer, up));
      answer(*up, reply);
      const bool ends = reply.starts_with("HTTP/1.1 200 OK\r\n\r\n");
      if (ends) up->half_close();
      const std::string expected = "content-length: " + std::to_string(size) + "\r\n";
      ASSERT_TRUE(until([&] {
        up->poll();
        peer->poll();
        return peer->received.find(expected) != std::string::npos &&
               peer->received.ends_with("\r\n\r\n" + body);
      }));
      if (ends) up.reset();
    }
  }
}

TEST_F(Upstream, ReplacesAKeptConnectionThatEnded) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  peer->send(kAsk);
  ASSERT_TRUE(arrives(*peer, up));
  answer(*up, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "content-length: 0"));
  // It ends just before the next request comes, seen in the same turn or later.
  peer->received.clear();
  up->leave();
  peer->send(kAsk);
  peer->poll();
  std::unique_ptr<Peer> fresh;
  ASSERT_TRUE(arrives(*peer, fresh));
  answer(*fresh, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nok"));
  // It ends while it waits: dropped at once.
  fresh->leave();
  EXPECT_TRUE(until([&] { return pool->connections() == 0; }));
}

// What is written may have been worked on, and be billed: it is never written twice.
// A request that crosses the end of its connection on the way cannot be sent again.
TEST_F(Upstream, LeavesAKeptConnectionBeforeItsUpstreamEndsIt) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  const auto serve = [&](std::string_view keep_alive) {
    peer->received.clear();
    peer->send(kAsk);
    ASSERT_TRUE(arrives(*peer, up));
    answer(*up, "HTTP/1.1 200 OK\r\nKeep-Alive: " + std::string(keep_alive) +
                    "\r\nContent-Length: 6\r\n\r\nanswer");
    ASSERT_TRUE(until_received(*peer, "\r\n\r\nanswer"));
    settle();
  };
  serve("timeout=5");
  EXPECT_EQ(pool->connections(), 1);
  pass(std::chrono::milliseconds(3900));
  EXPECT_EQ(pool->connections(), 1);
  serve("timeout=5");
  EXPECT_EQ(server.accept(), nullptr) << "it was used again";
  pass(std::chrono::milliseconds(4100));
  EXPECT_EQ(pool->connections(), 0);
  up = nullptr;
  serve("timeout=1");
  EXPECT_EQ(pool->connections(), 0) << "it ends in a moment";
}

TEST_F(Upstream, SendsNothingTwice) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  peer->send(kAsk);
  ASSERT_TRUE(arrives(*peer, up));
  answer(*up, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "content-length: 0"));
  peer->received.clear();
  peer->send(kAsk);
  ASSERT_TRUE(arrives(*peer, up));
  up->reset();
  ASSERT_TRUE(until_received(*peer, "502"));
  ASSERT_TRUE(script.fault);
  EXPECT_EQ(script.fault->kind, FaultKind::kBroken);
  EXPECT_EQ(script.sent, true);
  settle();
  EXPECT_EQ(server.accept(), nullptr);
  EXPECT_EQ(pool->connections(), 0);
}

TEST_F(Upstream, SeesAnEndThatTheLoopHasNotTold) {
  std::array<int, 2> files{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, files.data()), 0);
  Stream stream(loop.state());
  stream.adopt(files[0]);
  loop.state().turn(std::chrono::milliseconds(0));
  stream.look();
  EXPECT_FALSE(stream.ready(Side::kRead));
  ::close(files[1]);
  EXPECT_FALSE(stream.ready(Side::kRead));
  stream.look();
  EXPECT_TRUE(stream.ready(Side::kRead));
}

TEST_F(Upstream, TellsABrokenReply) {
  listen({});
  for (const std::string_view reply :
       {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "nonsense\r\n\r\n", "",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"}) {
    SCOPED_TRACE(reply);
    const auto peer = caller();
    std::unique_ptr<Peer> up;
    script.fault.reset();
    peer->send(kAsk);
    ASSERT_TRUE(arrives(*peer, up));
    answer(*up, reply);
    up->leave();
    ASSERT_TRUE(until_received(*peer, "502"));
    ASSERT_TRUE(script.fault);
    EXPECT_EQ(script.fault->kind, FaultKind::kBroken) << script.fault->message;
  }
}

TEST_F(Upstream, TellsThatNobodyIsThere) {
  listen({});
  const auto peer = caller();
  {
    const Server gone;
    script.upstream.endpoints[0].port = gone.port();
  }
  peer->send(kAsk);
  ASSERT_TRUE(until_received(*peer, "502"));
  EXPECT_EQ(script.fault->kind, FaultKind::kUnreachable);
  EXPECT_NE(script.fault->message.find("refused"), std::string::npos);
}

TEST_F(Upstream, IsFoundByName) {
  listen({});
  script.upstream.endpoints[0].host = "localhost";
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  peer->send(kAsk);
  ASSERT_TRUE(arrives(*peer, up));
}

TEST_F(Upstream, EndsByItsDeadlines) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  peer->send(kAsk);
  ASSERT_TRUE(arrives(*peer, up));
  pass(std::chrono::seconds(61));
  ASSERT_TRUE(until_received(*peer, "timeout.first_byte"));
  EXPECT_EQ(script.fault->kind, FaultKind::kTimeout);

  up.reset();
  peer->received.clear();
  peer->send(kAskStream);
  ASSERT_TRUE(arrives(*peer, up));
  answer(*up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  ASSERT_TRUE(until_received(*peer, "1\r\na\r\n"));
  pass(std::chrono::seconds(31));
  ASSERT_TRUE(until_received(*peer, "0\r\n\r\n"));
  EXPECT_NE(script.fault->message.find("between_chunks"), std::string::npos);

  up.reset();
  peer->received.clear();
  peer->send(kAskStream);
  ASSERT_TRUE(arrives(*peer, up));
  answer(*up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  for (int i = 0; i < 31; ++i) {
    answer(*up, "1\r\nb\r\n");
    pass(std::chrono::seconds(20));
    peer->poll();
  }
  ASSERT_TRUE(until_received(*peer, "0\r\n\r\n"));
  EXPECT_NE(script.fault->message.find("timeout.total"), std::string::npos);
}

// Servers send a head before they have anything to say.
TEST_F(Upstream, HasAnsweredOnceTheFirstByteOfABodyIsThere) {
  listen({});
  script.awaits_body = true;
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  const std::string_view heads[] = {"Transfer-Encoding: chunked", "Content-Length: 2", "X-None: 1"};
  const std::string_view bodies[] = {"2\r\nok\r\n0\r\n\r\n", "ok", "ok"};
  for (std::size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(heads[i]);
    const std::string head = "HTTP/1.1 200 OK\r\n" + std::string(heads[i]) + "\r\n\r\n";
    // It is silent behind its head: the deadline is that of the first byte, from the request on.
    script.fault.reset();
    peer->received.clear();
    peer->send(kAskStream);
    ASSERT_TRUE(arrives(*peer, up));
    pass(std::chrono::seconds(40));
    answer(*up, head);
    peer->poll();
    pass(std::chrono::seconds(21));
    ASSERT_TRUE(until_received(*peer, "fault"));
    EXPECT_EQ(script.fault->kind, FaultKind::kTimeout);
    EXPECT_NE(script.fault->message.find("first_byte"), std::string::npos) << script.fault->message;

    // It ends behind its head: no answer, but for one whose end is its body's.
    up.reset();
    script.fault.reset();
    peer->received.clear();
    peer->send(kAskStream);
    ASSERT_TRUE(arrives(*peer, up));
    answer(*up, head);
    peer->poll();
    up.reset();
    ASSERT_TRUE(until_received(*peer, i < 2 ? "fault" : "0\r\n\r\n"));
    if (i < 2) EXPECT_EQ(script.fault->kind, FaultKind::kBroken);

    peer->received.clear();
    peer->send(kAskStream);
    ASSERT_TRUE(arrives(*peer, up));
    answer(*up, head);
    EXPECT_FALSE(script.streaming);
    answer(*up, bodies[i]);
    up.reset();
    ASSERT_TRUE(until_received(*peer, "ok"));
    ASSERT_TRUE(until_received(*peer, "0\r\n\r\n"));
  }
}

TEST_F(Upstream, IsGivenUpWhenTheCallerLeaves) {
  listen({});
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  peer->send(kAskStream);
  ASSERT_TRUE(arrives(*peer, up));
  answer(*up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  ASSERT_TRUE(until_received(*peer, "1\r\na\r\n"));
  peer->leave();
  ASSERT_TRUE(until_closed(*up));
  ASSERT_TRUE(script.fault);
  EXPECT_EQ(script.fault->kind, FaultKind::kCancelled);
  EXPECT_EQ(pool->connections(), 0);
}

TEST_F(Upstream, ServesNoMoreThanItsConcurrentRequests) {
  listen({});
  script.upstream.concurrent_requests = 1;
  const auto peer = caller();
  std::unique_ptr<Peer> up;
  peer->send(kAsk);
  ASSERT_TRUE(arrives(*peer, up));
  EXPECT_EQ(gates.of("up").at_work(), 1);
  const auto second = caller();
  second->send(kAsk);
  ASSERT_TRUE(until_received(*second, "503"));
  answer(*up, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nok"));
  EXPECT_EQ(gates.of("up").at_work(), 0);
}

}  // namespace
}  // namespace tollgate::net::testing
