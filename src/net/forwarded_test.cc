#include "net/forwarded.h"

#include <gtest/gtest.h>

#include <random>

#include "net/testing.h"

namespace tollgate::net::testing {
namespace {

using Lines = std::vector<pipeline::Header>;

config::Edge behind(std::initializer_list<const char*> proxies) {
  config::Edge edge;
  for (const char* proxy : proxies) edge.trusted_proxies.push_back(*read_address_range(proxy));
  return edge;
}

std::string client_of(const char* peer, const Lines& lines, const config::Edge& edge) {
  const std::optional<IpAddress> client = client_behind(*read_address(peer), lines, edge);
  return client ? format_address(*client) : "none";
}

TEST(Forwarded, IsReadFromTheRightUpToTheFirstThatIsNoProxy) {
  const config::Edge edge = behind({"10.0.0.0/8", "2001:db8:1::/48"});
  struct Row {
    const char* what;
    const char* peer;
    Lines lines;
    const char* client;
  };
  for (const Row& row : std::vector<Row>{
           {"no header", "10.0.0.1", {}, "10.0.0.1"},
           {"one", "10.0.0.1", {{"X-Forwarded-For", "192.0.2.1"}}, "192.0.2.1"},
           {"what the caller wrote itself is left of it",
            "10.0.0.1",
            {{"x-forwarded-for", "203.0.113.9, 192.0.2.1"}},
            "192.0.2.1"},
           {"two proxies",
            "10.0.0.1",
            {{"x-forwarded-for", "203.0.113.9, 192.0.2.1, 10.1.1.1"}},
            "192.0.2.1"},
           {"over several lines",
            "10.0.0.1",
            {{"x-forwarded-for", "203.0.113.9"},
             {"x-forwarded-for", "192.0.2.1"},
             {"X-FORWARDED-FOR", "10.1.1.1,10.1.1.2"}},
            "192.0.2.1"},
           {"all proxies", "10.0.0.1", {{"x-forwarded-for", "10.1.1.1,10.1.1.2"}}, "10.1.1.1"},
           {"not of a proxy", "192.0.2.7", {{"x-forwarded-for", "203.0.113.9"}}, "192.0.2.7"},
           {"with a port", "10.0.0.1", {{"x-forwarded-for", "192.0.2.1:4711"}}, "192.0.2.1"},
           {"IPv6", "2001:db8:1::1", {{"x-forwarded-for", "2001:db8:2::7"}}, "2001:db8:2::7"},
           {"IPv6 in brackets", "10.0.0.1", {{"x-forwarded-for", "[2001:db8::7]"}}, "2001:db8::7"},
           {"and a port", "10.0.0.1", {{"x-forwarded-for", "[2001:db8::7]:1"}}, "2001:db8::7"},
           {"no address", "10.0.0.1", {{"x-forwarded-for", "192.0.2.1, unknown"}}, "none"},
           {"nothing", "10.0.0.1", {{"x-forwarded-for", ""}}, "none"},
           {"a comma at the end", "10.0.0.1", {{"x-forwarded-for", "192.0.2.1,"}}, "none"},
           {"stops at what is no address",
            "10.0.0.1",
            {{"x-forwarded-for", "192.0.2.1, x, 10.1.1.1"}},
            "none"},
           {"the other header", "10.0.0.1", {{"forwarded", "for=192.0.2.1"}}, "10.0.0.1"},
           {"others",
            "10.0.0.1",
            {{"x-real-ip", "192.0.2.1"}, {"true-client-ip", "192.0.2.1"}},
            "10.0.0.1"},
       }) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(client_of(row.peer, row.lines, edge), row.client);
    EXPECT_EQ(client_of(row.peer, row.lines, {}), row.peer);
  }
}

TEST(Forwarded, ReadsTheStandardHeaderWhereItIsTheOneSaid) {
  config::Edge edge = behind({"10.0.0.0/8"});
  edge.forwarded_header = config::ForwardedHeader::kForwarded;
  struct Row {
    const char* value;
    const char* client;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"for=192.0.2.1", "192.0.2.1"},
           {"For=\"192.0.2.1:4711\"", "192.0.2.1"},
           {"for=\"[2001:db8::7]:4711\";proto=https;by=10.0.0.1", "2001:db8::7"},
           {"proto=https; for=192.0.2.1", "192.0.2.1"},
           {"for=203.0.113.9, for=192.0.2.1;host=a.example, for=10.1.1.1", "192.0.2.1"},
           {"for=unknown", "none"},
           {"for=_hidden", "none"},
           {"proto=https", "none"},
           {"for=192.0.2.1;for=192.0.2.2", "none"},
           {"for=192.0.2.1;", "none"},
           {"for=2001:db8::7", "none"},  // Must be quoted.
           {"192.0.2.1", "none"},
           // What a caller gets a proxy to quote does not speak for the proxy.
           {"for=192.0.2.1;host=\"x, for=203.0.113.9\"", "192.0.2.1"},
           {"for=192.0.2.1;host=\"x, for=203.0.113.9;y=\\\"\"", "192.0.2.1"},
           {"for=192.0.2.1;host=\"x\\\\\", for=203.0.113.9;y=\"\"", "203.0.113.9"},
           {"for=192.0.2.1;host=\"x\"y", "none"},
           {"host=\"a\", for=192.0.2.1\"", "none"},
           {"for=\", for=192.0.2.1", "192.0.2.1"},
       }) {
    EXPECT_EQ(client_of("10.0.0.1", {{"Forwarded", row.value}}, edge), row.client) << row.value;
  }
  EXPECT_EQ(client_of("10.0.0.1", {{"x-forwarded-for", "192.0.2.1"}}, edge), "10.0.0.1");
}

// For any list: the client is the peer or stands in the list; if it is a proxy's, all that stands
// right of it are; and what is written left of a caller's address changes nothing.
TEST(Forwarded, NoCallerChoosesItsAddressForAnyList) {
  const config::Edge edge = behind({"10.0.0.0/8"});
  std::mt19937_64 random{17};
  const std::vector<std::string> texts = {"10.0.0.2",       "10.9.9.9", "192.0.2.1",  "203.0.113.9",
                                          "not-an-address", "",         "2001:db8::7"};
  for (int step = 0; step < 3000; ++step) {
    SCOPED_TRACE(step);
    std::string list;
    for (std::size_t i = random() % 5; i > 0; --i) list += texts[random() % texts.size()] + ",";
    const std::string client =
        client_of("10.0.0.1", {{"x-forwarded-for", list + "10.0.0.2"}}, edge);
    EXPECT_NE(client, "10.0.0.1");
    const std::string told =
        client_of("10.0.0.1", {{"x-forwarded-for", list + "198.51.100.4, 10.0.0.2"}}, edge);
    EXPECT_EQ(told, "198.51.100.4");
    EXPECT_EQ(client_of("192.0.2.77", {{"x-forwarded-for", list}}, edge), "192.0.2.77");
  }
}

TEST_F(Net, TakesTheAddressOfItsProxyForEachRequest) {
  listen(behind({"127.0.0.1"}));
  const auto peer = caller();
  for (const char* address : {"192.0.2.1", "192.0.2.2"}) {
    peer->received.clear();
    peer->send(std::string("GET /nothing HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9, ") +
               address + "\r\n\r\n");
    ASSERT_TRUE(until_received(*peer, "204"));
    EXPECT_EQ(script.askers.back(), address);
  }
  peer->received.clear();
  peer->send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "204"));
  EXPECT_EQ(script.askers.back(), "127.0.0.1");
}

TEST_F(Net, TakesNobodyForTheProxyThatNamesNoCaller) {
  listen(behind({"127.0.0.1"}));
  const auto peer = caller();
  peer->send("GET /nothing HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1, x\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "HTTP/1.1 400"));
  EXPECT_TRUE(script.askers.empty());
}

// A proxy that is taken from the list, or put there, is so for its next request.
TEST_F(Net, HoldsStandingConnectionsToTheProxiesInForce) {
  listen(behind({"127.0.0.1"}));
  const auto peer = caller();
  const auto asker = [&] {
    peer->received.clear();
    peer->send("GET /nothing HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    EXPECT_TRUE(until_received(*peer, "204"));
    return script.askers.back();
  };
  EXPECT_EQ(asker(), "192.0.2.1");
  listener->replace(nullptr, config::ProxyProtocol::kOff, behind({}));
  EXPECT_EQ(asker(), "127.0.0.1");
  listener->replace(nullptr, config::ProxyProtocol::kOff, behind({"127.0.0.0/8"}));
  EXPECT_EQ(asker(), "192.0.2.1");
}

}  // namespace
}  // namespace tollgate::net::testing
