#include "net/http_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tollgate::net {
namespace {

// What a request of these bytes is told, or "" when it is served.
std::string complaint(std::string_view bytes) {
  const HeadLimits limits{.bytes = 4096, .line_bytes = 512, .value_bytes = 1024, .fields = 10};
  HeadScan scan(limits);
  switch (scan.scan(bytes)) {
    case HeadScan::State::kMore:
      return "incomplete";
    case HeadScan::State::kMalformed:
      return std::string(scan.complaint());
    case HeadScan::State::kComplete:
      break;
  }
  std::vector<pipeline::Header> fields;
  ParsedHead parsed;
  return std::string(parse_request(bytes.substr(0, scan.length()), limits, fields, parsed));
}

std::string with(std::string_view lines) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}

TEST(HttpParser, RefusesWhateverAnotherMightReadDifferently) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"CL and TE", with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")},
      {"TE and CL", with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")},
      {"CL twice", with("Content-Length: 3\r\nContent-Length: 3\r\n")},
      {"CL unequal", with("Content-Length: 3\r\nContent-Length: 4\r\n")},
      {"CL list", with("Content-Length: 3, 3\r\n")},
      {"CL plus", with("Content-Length: +3\r\n")},
      {"CL minus", with("Content-Length: -3\r\n")},
      {"CL hex", with("Content-Length: 0x3\r\n")},
      {"CL underscore", with("Content-Length: 1_0\r\n")},
      {"CL empty", with("Content-Length: \r\n")},
      {"CL words", with("Content-Length: 3 3\r\n")},
      {"CL huge", with("Content-Length: 99999999999999999999\r\n")},
      {"TE gzip", with("Transfer-Encoding: gzip, chunked\r\n")},
      {"TE twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"TE list", with("Transfer-Encoding: chunked, chunked\r\n")},
      {"TE identity", with("Transfer-Encoding: identity\r\n")},
      {"TE quoted", with("Transfer-Encoding: \"chunked\"\r\n")},
      {"TE parameter", with("Transfer-Encoding: chunked;q=1\r\n")},
      {"TE vertical tab", with("Transfer-Encoding: \vchunked\r\n")},
      {"TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"fold", with("A: b\r\n c\r\n")},
      {"fold with tab", with("A: b\r\n\tc\r\n")},
      {"space before first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"bare LF", "GET / HTTP/1.1\nHost: a\n\n"},
      {"bare LF in field", with("A: b\nC: d\r\n")},
      {"bare CR in field", with("A: b\rC: d\r\n")},
      {"NUL in value", with(std::string("A: b\0c\r\n", 8))},
      {"NUL in target", std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28)},
      {"space before colon", with("A : b\r\n")},
      {"no colon", with("A\r\n")},
      {"empty name", with(": b\r\n")},
      {"control in value", with("A: b\x01\r\n")},
      {"no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n"},
      {"Host twice", with("Host: b\r\n")},
      {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {"version 0.9", "GET /\r\nHost: a\r\n\r\n"},
      {"version words", "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"},
      {"method empty", " / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"method no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"Upgrade", with("Upgrade: websocket\r\n")},
      {"Expect", with("Content-Length: 1\r\nExpect: 200-ok\r\n")},
      {"GET with body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"},
      {"HEAD with chunks", "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"underscore in a name", with("X_Forwarded_For: b\r\n")},
      {"underscore in a known name", with("Content_Length: 3\r\n")},
      {"compressed", with("Content-Length: 3\r\nContent-Encoding: gzip\r\n")},
      {"compressed chunks", with("Transfer-Encoding: chunked\r\nContent-Encoding: br\r\n")},
      {"compressed as well", with("Content-Length: 3\r\nContent-Encoding: identity\r\n"
                                  "Content-Encoding: zstd\r\n")},
      {"compressed in a list", with("Content-Length: 3\r\nContent-Encoding: identity, gzip\r\n")},
      {"empty first line", "\r\n\r\n"},
      {"TLS", "\x16\x03\x01\x02\x0a\x01\n"},
      {"many fields", with("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n")},
      {"long line", "GET /" + std::string(600, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"long line without end", "GET /" + std::string(600, 'a')},
      {"long field", with("A: " + std::string(1100, 'a') + "\r\n")},
      {"long head", with("A: " + std::string(5000, 'a'))},
  };
  for (const auto& [name, bytes] : rows) {
    SCOPED_TRACE(name);
    const std::string told = complaint(bytes);
    EXPECT_NE(told, "");
    EXPECT_NE(told, "incomplete");
  }
}

// Agents name their sessions with an underscore; whatever else has one stays refused.
TEST(HttpParser, TakesTheSessionOfAnAgentForNoForgedField) {
  EXPECT_EQ(complaint(with("session_id: a\r\nConversation_ID: b\r\n")), "");
  for (const std::string_view other : {"X_Real_IP", "session_id_", "session_", "content_length"}) {
    EXPECT_NE(complaint(with("session_id: a\r\n" + std::string(other) + ": b\r\n")), "") << other;
  }
}

TEST(HttpParser, ServesWhatIsCorrect) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.0\r\n\r\n"), with("Content-Length: 3\r\n"), with(""),
        with("Transfer-Encoding: Chunked\r\n"), with("Upgrade: h2c\r\nConnection: Upgrade\r\n"),
        with("content-length: 000\r\n"), with("A:\r\nB: \t c \t\r\n"),
        std::string("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")}) {
    EXPECT_EQ(complaint(bytes), "") << bytes;
  }
}

TEST(HttpParser, TellsFramingAndWhatComesAfter) {
  std::vector<pipeline::Header> fields;
  const auto parse = [&fields](std::string_view head) {
    ParsedHead parsed;
    EXPECT_EQ(parse_request(head, HeadLimits{}, fields, parsed), "");
    return parsed;
  };
  const std::string head = with("Content-Length: 12\r\nExpect: 100-Continue\r\n");
  const ParsedHead length = parse(head);
  EXPECT_EQ(length.framing, Framing::kLength);
  EXPECT_EQ(length.length, 12U);
  EXPECT_TRUE(length.expects_continue);
  EXPECT_TRUE(length.keep_alive);
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[1].value, "12");
  EXPECT_EQ(parse(with("Transfer-Encoding: chunked\r\n")).framing, Framing::kChunked);
  EXPECT_FALSE(parse(with("Connection: x, Close\r\n")).keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(HttpParser, ReadsForHowLongAPeerKeepsAConnection) {
  std::vector<pipeline::Header> fields;
  const auto parse = [&fields](std::string_view value) {
    ParsedHead parsed;
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: " + std::string(value) + "\r\n\r\n";
    EXPECT_EQ(parse_reply(head, HeadLimits{}, ReplyTo::kOther, fields, parsed), "") << value;
    return parsed.keep_alive_timeout;
  };
  EXPECT_EQ(parse("timeout=5"), std::chrono::seconds(5));
  EXPECT_EQ(parse("max=100, timeout=75"), std::chrono::seconds(75));
  EXPECT_EQ(parse("timeout=0"), Duration{});
  EXPECT_EQ(parse("max=100"), std::nullopt);
  EXPECT_EQ(parse("timeout=soon"), std::nullopt);
  EXPECT_EQ(parse("timeout="), std::nullopt);
  // Longer than anything waits, and no number that overflows.
  EXPECT_GT(parse("timeout=99999999999999999999"), std::chrono::hours(1));
}

TEST(HttpParser, FramesReplies) {
  std::vector<pipeline::Header> fields;
  const auto parse = [&fields](std::string_view head, ReplyTo to, std::string& told) {
    ParsedHead parsed;
    told = parse_reply(head, HeadLimits{}, to, fields, parsed);
    return parsed;
  };
  std::string told;
  const std::string_view plain = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
  EXPECT_EQ(parse(plain, ReplyTo::kOther, told).framing, Framing::kLength);
  EXPECT_EQ(parse(plain, ReplyTo::kHead, told).framing, Framing::kNone);
  EXPECT_EQ(parse("HTTP/1.1 204 x\r\nContent-Length: 3\r\n\r\n", ReplyTo::kOther, told).framing,
            Framing::kNone);
  const ParsedHead end = parse("HTTP/1.1 200 OK\r\n\r\n", ReplyTo::kOther, told);
  EXPECT_EQ(end.framing, Framing::kUntilClose);
  EXPECT_FALSE(end.keep_alive);
  EXPECT_EQ(told, "");
  parse("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ReplyTo::kOther, told);
  EXPECT_NE(told, "");
  parse("HTTP/1.1 20 OK\r\n\r\n", ReplyTo::kOther, told);
  EXPECT_NE(told, "");
}

struct Decoded {
  std::string body;
  bool done = false;
  bool malformed = false;
  std::size_t used = 0;
};

// Decodes `bytes` that come in pieces of the lengths that `next` tells.
template <class Next>
Decoded decode(std::string_view bytes, Trailers trailers, Next next) {
  ChunkDecoder decoder(trailers);
  Decoded made;
  std::string buffer;
  while (!decoder.done() && !decoder.malformed() && !bytes.empty()) {
    const std::size_t part = std::min<std::size_t>(next(), bytes.size());
    buffer += bytes.substr(0, part);
    bytes.remove_prefix(part);
    const ChunkDecoder::Step step = decoder.decode(buffer.data(), buffer.size());
    made.body.append(buffer, 0, step.decoded);
    buffer.erase(0, step.consumed);
    made.used += step.consumed;
  }
  made.done = decoder.done();
  made.malformed = decoder.malformed();
  return made;
}

TEST(HttpParser, RefusesBrokenChunks) {
  for (const std::string& bytes :
       {std::string("-3\r\nabc\r\n0\r\n\r\n"), std::string("+3\r\nabc\r\n0\r\n\r\n"),
        std::string("0x3\r\nabc\r\n0\r\n\r\n"), std::string("1_0\r\nabc\r\n"),
        std::string("3\r\nabcd\r\n0\r\n\r\n"), std::string("fffffffffffffffff\r\nabc"),
        std::string("\r\n"), std::string("g\r\n"), std::string(" 3\r\nabc\r\n"),
        "3;" + std::string(100, 'a') + "\r\nabc\r\n0\r\n\r\n",
        std::string("00000000000000003\r\nabc\r\n0\r\n\r\n"),
        std::string("3\r\nabc\r\n00000000000000003;a\r\nabc\r\n0\r\n\r\n"),
        std::string("3\r\nabc\r\n00000000000000000\r\n\r\n"),
        std::string("3;a\nb\r\nabc\r\n0\r\n\r\n"), std::string("3\r\nabc\r\n0\r\nA: b\r\n\r\n")}) {
    const Decoded made = decode(bytes, Trailers::kRefused, [] { return 4096; });
    EXPECT_FALSE(made.done) << bytes;
    EXPECT_TRUE(made.malformed) << bytes;
  }
}

TEST(HttpParser, TakesASizeOfSixteenDigitsWhereverItIsCut) {
  const std::string bytes =
      "0000000000000003\r\nabc\r\n000000000000000A;a\r\n0123456789\r\n0000000000000000\r\n\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Decoded made = decode(bytes, Trailers::kRefused, [piece] { return piece; });
    EXPECT_TRUE(made.done) << piece;
    EXPECT_EQ(made.body, "abc0123456789") << piece;
  }
}

TEST(HttpParser, EndsNoChunkWithBareLf) {
  const Decoded made = decode("3\nabc\n0\n\n", Trailers::kRefused, [] { return 4096; });
  EXPECT_FALSE(made.done);
  EXPECT_EQ(made.body, "");
}

TEST(HttpParser, SkipsTheTrailersOfReplies) {
  const Decoded made =
      decode("3\r\nabc\r\n0\r\nA: b\r\n\r\nrest", Trailers::kSkipped, [] { return 4096; });
  EXPECT_TRUE(made.done);
  EXPECT_EQ(made.body, "abc");
  EXPECT_EQ(made.used, 19U);
}

// However a body was chunked and however the bytes were cut on their way, it is the same body,
// and what lies behind it is not touched.
TEST(HttpParser, DecodesTheSameBodyForAnyHistory) {
  std::mt19937_64 random{7};
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE(round);
    std::string body;
    std::string bytes;
    for (std::uint64_t chunks = random() % 6; chunks > 0; --chunks) {
      std::string chunk(1 + random() % (random() % 4 == 0 ? 5000 : 20), ' ');
      for (char& c : chunk) c = static_cast<char>(random());
      char size[32];
      std::snprintf(size, sizeof size, random() % 2 == 0 ? "%zx" : "%zX", chunk.size());
      bytes += size + std::string(random() % 3 == 0 ? ";a=b" : "") + "\r\n" + chunk + "\r\n";
      body += chunk;
    }
    bytes += random() % 2 == 0 ? "0\r\n\r\n" : "000\r\n\r\n";
    const std::size_t length = bytes.size();
    bytes += "GET / HTTP/1.1\r\n";
    const std::uint64_t longest = 1 + random() % 700;
    const Decoded made =
        decode(bytes, Trailers::kRefused, [&random, longest] { return 1 + random() % longest; });
    ASSERT_TRUE(made.done);
    ASSERT_EQ(made.body, body);
    ASSERT_EQ(made.used, length);
  }
}

TEST(HttpParser, FindsTheSameHeadHoweverItIsCut) {
  const std::string head = with("A: b\r\nC: d\r\n");
  for (std::size_t step = 1; step < head.size(); ++step) {
    HeadScan scan{HeadLimits{}};
    HeadScan::State state = HeadScan::State::kMore;
    for (std::size_t end = step; state == HeadScan::State::kMore; end += step) {
      state = scan.scan(std::string_view(head + "more").substr(0, std::min(end, head.size() + 4)));
    }
    EXPECT_EQ(state, HeadScan::State::kComplete);
    EXPECT_EQ(scan.length(), head.size());
  }
}

}  // namespace
}  // namespace tollgate::net
