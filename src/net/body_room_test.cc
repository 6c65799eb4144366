// What bodies take of the memory of all: as they come, and for each tenant its part.
#include "controls/overload/buffered_bytes.h"
#include "net/net.h"
#include "net/testing.h"

namespace tollgate::net::testing {
namespace {

constexpr Bytes kRoom = 768 << 10;  // Of requests.

// Outlives what is at work at the end of a test.
struct Memory {
  overload::BufferedBytes buffered;
};

class BodyRoom : protected Memory, public Net {
 protected:
  BodyRoom() {
    buffered.limit(1 << 20);
    loop.state().buffered = &buffered;
    listen({});
  }
  static std::string head(std::string_view tenant, Bytes bytes) {
    return "POST /echo HTTP/1.1\r\nHost: a\r\nX-Tenant: " + std::string(tenant) +
           "\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
  }
  static std::string body(Bytes bytes) { return std::string(static_cast<std::size_t>(bytes), 'x'); }
  // One that has sent so much of its body, and no more.
  std::unique_ptr<Peer> begin(std::string_view tenant, Bytes promised, Bytes sent) {
    auto peer = caller();
    peer->send(head(tenant, promised) + body(sent));
    EXPECT_TRUE(until([&] {
      peer->poll();
      return peer->sent_all();
    }));
    settle();
    return peer;
  }
  // The upstream, once it has a request of that caller's; null: none came.
  std::unique_ptr<Peer> asked_by(Peer& peer) {
    peer.send("POST /proxy HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nq");
    std::unique_ptr<Peer> up;
    const bool is_there = until([&] {
      peer.poll();
      if (!up) up = server.accept();
      if (up) up->poll();
      return up && up->received.find("\r\n\r\n") != std::string::npos;
    });
    return is_there ? std::move(up) : nullptr;
  }
  std::string answer_to(std::string_view tenant, Bytes bytes) {
    const auto peer = caller();
    peer->send(head(tenant, bytes) + body(bytes));
    EXPECT_TRUE(until_received(*peer, "\r\n\r\n"));
    return peer->received.substr(9, 3);
  }
};

TEST_F(BodyRoom, TakesNothingForWhatIsPromised) {
  std::vector<std::unique_ptr<Peer>> idle;
  for (int i = 0; i < 8; ++i) idle.push_back(begin("a", kRoom / 2, 0));
  // A first piece each, as the others have of their own.
  EXPECT_LE(buffered.bytes(), 8 * (64 << 10));
  EXPECT_EQ(answer_to("b", 150 << 10), "200");
  for (const auto& peer : idle) {
    peer->leave();
  }
  ASSERT_TRUE(until([&] { return buffered.bytes() == 0; }));
}

TEST_F(BodyRoom, HoldsATenantToItsPartWhileOthersAreServed) {
  // All but the last byte of each: as much as the tenant may have, and one more.
  std::vector<std::unique_ptr<Peer>> held;
  for (int i = 0; i < 4; ++i) held.push_back(begin("a", 128 << 10, (128 << 10) - 1));
  EXPECT_EQ(buffered.bytes(), 4 * (128 << 10));
  EXPECT_EQ(answer_to("a", 128 << 10), "429");
  EXPECT_EQ(answer_to("b", 128 << 10), "200");
  EXPECT_EQ(answer_to("b", kRoom / 4), "200");
  EXPECT_EQ(answer_to("a", 8 << 10), "200") << "what is small needs none of it";
  // Each of those that came in is served.
  for (const auto& peer : held) {
    peer->send("x");
    EXPECT_TRUE(until_received(*peer, "HTTP/1.1 200 "));
  }
  held.clear();
  ASSERT_TRUE(until([&] { return buffered.bytes() == 0; }));
}

// What grows beyond its room is ended where it does, and what it had is free at once.
TEST_F(BodyRoom, EndsABodyForWhichThereIsNoRoomAnyMore) {
  const Bytes first = 64 << 10;
  const auto grows = begin("a", 500 << 10, 50 << 10);
  EXPECT_EQ(buffered.bytes(), first);
  ASSERT_TRUE(buffered.take(kRoom - first, overload::BufferedBytes::For::kRequest));
  grows->send(body(100 << 10));
  ASSERT_TRUE(until_received(*grows, "\r\n\r\n"));
  EXPECT_TRUE(grows->received.starts_with("HTTP/1.1 503 ")) << grows->received;
  EXPECT_EQ(buffered.bytes(), kRoom - first);
  buffered.give(kRoom - first);
}

// Neither does what an upstream promises: its answer takes what has come.
TEST_F(BodyRoom, TakesNothingForWhatAnUpstreamPromises) {
  constexpr Bytes kAnswer = 900'000;
  constexpr Bytes kSent = 40 << 10;
  const auto peer = caller();
  const std::unique_ptr<Peer> up = asked_by(*peer);
  ASSERT_NE(up, nullptr);
  up->send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kAnswer) + "\r\n\r\n" +
           body(kSent));
  ASSERT_TRUE(until([&] {
    up->poll();
    return up->sent_all();
  }));
  settle();
  EXPECT_EQ(buffered.bytes(), 64 << 10);
  up->send(body(kAnswer - kSent));
  ASSERT_TRUE(until([&] {
    up->poll();
    peer->poll();
    return peer->received.size() > static_cast<std::size_t>(kAnswer);
  }));
  EXPECT_TRUE(peer->received.starts_with("HTTP/1.1 200 "));
  ASSERT_TRUE(until([&] { return buffered.bytes() == 0; }));
}

// One for which there is no room any more is ended where it is.
TEST_F(BodyRoom, EndsAnAnswerForWhichThereIsNoRoomAnyMore) {
  const auto peer = caller();
  const std::unique_ptr<Peer> up = asked_by(*peer);
  ASSERT_NE(up, nullptr);
  const Bytes others = buffered.most() - (200 << 10);
  ASSERT_TRUE(buffered.take(others, overload::BufferedBytes::For::kAnswer));
  up->send("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + body(300 << 10));
  ASSERT_TRUE(until([&] {
    up->poll();
    peer->poll();
    return peer->received.find("\r\n\r\n") != std::string::npos;
  }));
  ASSERT_TRUE(script.fault);
  EXPECT_EQ(script.fault->kind, FaultKind::kNoRoom);
  ASSERT_TRUE(until([&] { return buffered.bytes() == others; }));
  buffered.give(others);
}

TEST_F(BodyRoom, SaysSoOfABodyThatCanNeverFit) {
  EXPECT_EQ(answer_to("a", kRoom / 4 * 3), "200");
  EXPECT_EQ(answer_to("a", kRoom / 4 * 3 + 1), "413");
}

}  // namespace
}  // namespace tollgate::net::testing
