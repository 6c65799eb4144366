#include "net/proxy_header.h"

#include <gtest/gtest.h>

#include <random>

#include "net/testing.h"

namespace tollgate::net::testing {
namespace {

using State = ProxyHeader::State;
using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

// Version 2: the command, the family, and the bytes behind the length.
std::string binary(int command, int family, const std::string& rest) {
  std::string made = kSignature;
  made += static_cast<char>(command);
  made += static_cast<char>(family);
  made += static_cast<char>(rest.size() >> 8);
  made += static_cast<char>(rest.size());
  return made + rest;
}
const std::string kV4 = "\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x67\x01\xbb"s;
const std::string kV6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07"s +
                        std::string(16, '\0') + "\x12\x67\x01\xbb";

TEST(ProxyHeader, TellsWhoAsks) {
  struct Row {
    const char* what;
    std::string bytes;
    const char* client;  // Empty: the balancer itself.
  };
  for (const Row& row : std::vector<Row>{
           {"v1", "PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n", "192.0.2.1"},
           {"v1, IPv6", "PROXY TCP6 2001:db8::7 ::1 0 65535\r\n", "2001:db8::7"},
           {"v1, unknown", "PROXY UNKNOWN\r\n", ""},
           {"v1, unknown and more", "PROXY UNKNOWN ffff::1 any thing\r\n", ""},
           {"v2", binary(0x21, 0x11, kV4), "192.0.2.1"},
           {"v2, IPv6", binary(0x21, 0x21, kV6), "2001:db8::7"},
           {"v2 with additions", binary(0x21, 0x11, kV4 + std::string(200, 'x')), "192.0.2.1"},
           {"v2, local", binary(0x20, 0x11, kV4), ""},
           {"v2, local and empty", binary(0x20, 0x00, ""), ""},
           {"v2, unspecified", binary(0x21, 0x00, ""), ""},
           {"v2, a socket of Unix", binary(0x21, 0x31, std::string(216, 'u')), ""},
       }) {
    SCOPED_TRACE(row.what);
    for (const std::string& behind : {""s, "GET / HTTP/1.1\r\n"s}) {
      const ProxyHeader read = read_proxy_header(row.bytes + behind);
      ASSERT_EQ(read.state, State::kComplete);
      EXPECT_EQ(read.length, row.bytes.size());
      EXPECT_EQ(read.client ? format_address(*read.client) : "", row.client);
    }
    for (std::size_t part = 0; part < row.bytes.size(); ++part) {
      EXPECT_EQ(read_proxy_header(row.bytes.substr(0, part)).state, State::kMore) << part;
    }
  }
}

TEST(ProxyHeader, IsMalformedOrNotThere) {
  for (const std::string& bytes : {
           "GET / HTTP/1.1\r\n"s,
           "\x16\x03\x01"s,
           "proxy TCP4 "s,
           "PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n"s,
           "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n"s,
           "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n"s,
           "PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n"s,
           "PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n"s,
           "PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n"s,
           "PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n"s,
           "PROXY TCP6 192.0.2.1 ::1 1 2\r\n"s,
           "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n"s,
           "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n"s,
           "PROXY " + std::string(200, 'x'),
           "PROXY UNKNOWN " + std::string(200, 'x') + "\r\n",
           binary(0x31, 0x11, kV4),            // Version 3.
           binary(0x22, 0x11, kV4),            // No such command.
           binary(0x21, 0x12, kV4),            // Datagrams.
           binary(0x21, 0x11, kV4.substr(1)),  // Too short.
           binary(0x21, 0x21, kV4),            // Too short for IPv6.
           binary(0x21, 0x31, std::string(215, 'u')),
           binary(0x21, 0x11, kV4 + std::string(kProxyHeaderBytesMax, 'x')),
       }) {
    EXPECT_EQ(read_proxy_header(bytes).state, State::kMalformed) << bytes;
  }
}

// For any bytes, however they are cut: once malformed is malformed, and what is complete is read
// from its own bytes.
TEST(ProxyHeader, DoesNotChangeItsMindForAnyBytes) {
  std::mt19937_64 random{3};
  const std::vector<std::string> seeds = {"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\nGET",
                                          binary(0x21, 0x11, kV4) + "GET",
                                          binary(0x21, 0x21, kV6) + "GET"};
  for (int step = 0; step < 3000; ++step) {
    SCOPED_TRACE(step);
    std::string bytes = seeds[random() % seeds.size()];
    for (std::size_t changes = random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    State before = State::kMore;
    for (std::size_t part = 0; part <= bytes.size(); ++part) {
      const State now = read_proxy_header(bytes.substr(0, part)).state;
      if (before != State::kMore) {
        ASSERT_EQ(now, before) << part;
      }
      before = now;
    }
  }
}

config::Edge behind_loopback() {
  config::Edge edge;
  edge.trusted_proxies = {*read_address_range("127.0.0.1")};
  return edge;
}

constexpr std::string_view kAsk = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr auto kRequired = config::ProxyProtocol::kRequired;

TEST_F(Net, TakesTheAddressOfItsBalancer) {
  listen(behind_loopback(), nullptr, kRequired);
  for (const std::string& header :
       {"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n"s, binary(0x21, 0x11, kV4)}) {
    for (const bool in_pieces : {false, true}) {
      script.askers.clear();
      const auto peer = caller();
      for (const char byte : in_pieces ? header : ""s) {
        peer->send(std::string(1, byte));
        peer->poll();
        settle();
      }
      if (!in_pieces) peer->send(header);
      peer->send(kAsk);
      peer->send(kAsk);
      ASSERT_TRUE(until([&] {
        peer->poll();
        return script.askers.size() == 2;
      }));
      EXPECT_EQ(script.askers[0], "192.0.2.1");
      EXPECT_EQ(script.askers[1], "192.0.2.1");
    }
  }
  const auto itself = caller();
  itself->send(binary(0x20, 0, "") + std::string(kAsk));
  ASSERT_TRUE(until_received(*itself, "204"));
  EXPECT_EQ(script.askers.back(), "127.0.0.1");
}

TEST_F(Net, ClosesWhatHasNoSoundProxyHeader) {
  listen(behind_loopback(), nullptr, kRequired);
  for (const std::string& bytes :
       {std::string(kAsk), "PROXY TCP4 x y 1 2\r\n" + std::string(kAsk)}) {
    const auto peer = caller();
    peer->send(bytes);
    EXPECT_TRUE(until_closed(*peer));
    EXPECT_EQ(peer->received, "");
  }
  const auto leaver = caller();
  leaver->send("PROXY TCP4 ");
  leaver->half_close();
  EXPECT_TRUE(until_closed(*leaver));
  const auto slow = caller();
  slow->send("PROXY TCP4 ");
  ASSERT_TRUE(until([&] {
    slow->poll();
    return listener->connections() == 1;
  }));
  pass(std::chrono::seconds(11));
  EXPECT_TRUE(until_closed(*slow));
  EXPECT_EQ(script.served + script.malformed, 0);
}

TEST_F(Net, BelievesNoBalancerThatIsNotListed) {
  config::Edge edge;
  edge.trusted_proxies = {*read_address_range("10.0.0.0/8")};
  listen(edge, nullptr, kRequired);
  const auto peer = caller();
  peer->send("PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n" + std::string(kAsk));
  EXPECT_TRUE(until_closed(*peer));
  EXPECT_EQ(script.served, 0);
}

}  // namespace
}  // namespace tollgate::net::testing
