#include "redis/reply.h"

#include <gtest/gtest.h>

#include <random>

namespace tollgate::redis {
namespace {

using Kind = Reply::Kind;

// A reply as one line that can be compared.
std::string told(const Reply& reply) {
  switch (reply.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kText:
      return "'" + reply.text + "'";
    case Kind::kInteger:
      return std::to_string(reply.integer);
    case Kind::kError:
      return "!" + reply.text;
    case Kind::kList:
    case Kind::kPush:
      break;
  }
  std::string text = reply.kind == Kind::kPush ? ">[" : "[";
  for (const Reply& item : reply.items) text += (text.back() == '[' ? "" : " ") + told(item);
  return text + "]";
}

std::string read_all(std::string_view bytes, std::size_t piece = 1) {
  ReplyReader reader;
  std::string all;
  while (true) {
    auto next = reader.next();
    if (!next) return all + "broken";
    if (*next) {
      all += told(**next) + ";";
    } else if (!bytes.empty()) {
      reader.feed(bytes.substr(0, piece));
      bytes.remove_prefix(std::min(piece, bytes.size()));
    } else {
      return all + (reader.within() ? "more" : "");
    }
  }
}

TEST(ReplyReader, ReadsEveryTypeOfBothProtocols) {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"+OK\r\n", "'OK';"},
      {"-ERR no\r\n", "!ERR no;"},
      {":-42\r\n:+7\r\n", "-42;7;"},
      {"$5\r\nhe\r\no\r\n", "'he\r\no';"},
      {"$0\r\n\r\n", "'';"},
      {"$-1\r\n*-1\r\n_\r\n", "null;null;null;"},
      {"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "['a' [1]];"},
      {"*0\r\n%0\r\n~0\r\n", "[];[];[];"},
      {"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "['a' 1 'b' 2];"},
      {"~2\r\n+a\r\n+b\r\n", "['a' 'b'];"},
      {">2\r\n+message\r\n+x\r\n:1\r\n", ">['message' 'x'];1;"},
      {"#t\r\n#f\r\n", "1;0;"},
      {",3.25\r\n,inf\r\n", "'3.25';'inf';"},
      {"(3492890328409238509324850943850943825024385\r\n",
       "'3492890328409238509324850943850943825024385';"},
      {"=8\r\ntxt:abcd\r\n", "'abcd';"},
      {"!7\r\nERR bad\r\n", "!ERR bad;"},
      {"|1\r\n+ttl\r\n:3600\r\n+value\r\n", "'value';"},
      {"*2\r\n|1\r\n+ttl\r\n*1\r\n:3\r\n+a\r\n+b\r\n", "['a' 'b'];"},
      {"*1\r\n*1\r\n", "more"},
      {"$5\r\nhel", "more"},
  };
  for (const auto& [bytes, expected] : table) {
    EXPECT_EQ(read_all(bytes), expected) << bytes;
    EXPECT_EQ(read_all(bytes, bytes.size()), expected) << bytes;
  }
}

TEST(ReplyReader, RefusesWhatIsNoReplyAndWhatIsBeyondAllBounds) {
  const std::string deep = [] {
    std::string text;
    for (std::size_t i = 0; i <= ReplyReader::kDepthMax; ++i) text += "*1\r\n";
    return text + ":1\r\n";
  }();
  const std::string table[] = {
      "HTTP/1.1 400 Bad Request\r\n",
      "\r\n",
      "+a\rb\r\n",
      ":12x\r\n",
      ":\r\n",
      "$-2\r\n",
      "$99999999999\r\n",
      "$3\r\nabcde",
      "*65537\r\n",
      "*-2\r\n",
      "%-1\r\n",
      "#x\r\n",
      "_x\r\n",
      "=2\r\nab\r\n",
      "?1\r\n",
      "$?\r\n",
      ":9223372036854775808\r\n",
      "+" + std::string(ReplyReader::kLineBytesMax + 1, 'a'),
      deep,
  };
  for (const std::string& bytes : table)
    EXPECT_EQ(read_all(bytes, 4'096), "broken") << bytes.substr(0, 40);
  // Many small lists in one reply.
  std::string wide = "*65536\r\n";
  for (int i = 0; i < 40'000; ++i) wide += "*1\r\n:1\r\n";
  EXPECT_EQ(read_all(wide, 4'096), "broken");
}

TEST(ReplyReader, TellsNumbersAndCodes) {
  Reply reply;
  reply.kind = Kind::kText;
  reply.text = "-17";
  EXPECT_EQ(reply.number(), -17);
  reply.text = "1e3";
  EXPECT_FALSE(reply.number());
  reply.kind = Kind::kError;
  reply.text = "NOSCRIPT No matching script";
  EXPECT_TRUE(reply.is_error("NOSCRIPT"));
  EXPECT_FALSE(reply.is_error("NO"));
  EXPECT_FALSE(reply.number());
}

// For any replies, cut anywhere, the same values come out.
TEST(ReplyReader, ReadsAnyReplyCutAnywhere) {
  std::mt19937_64 random{11};
  const auto write = [&](auto& self, std::string& bytes, std::string& expected, int depth) -> void {
    const std::uint64_t kind = random() % (depth < 4 ? 5 : 3);
    if (kind == 0) {
      const auto value = static_cast<std::int64_t>(random());
      bytes += ":" + std::to_string(value) + "\r\n";
      expected += std::to_string(value);
    } else if (kind == 1) {
      std::string text;
      for (std::uint64_t i = random() % 20; i > 0; --i) text += "\r\n$*:a"[random() % 6];
      bytes += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
      expected += "'" + text + "'";
    } else if (kind == 2) {
      bytes += "_\r\n";
      expected += "null";
    } else {
      const std::uint64_t count = random() % 5;
      bytes += (kind == 3 ? "*" : "~") + std::to_string(count) + "\r\n";
      expected += "[";
      for (std::uint64_t i = 0; i < count; ++i) {
        if (i > 0) expected += " ";
        self(self, bytes, expected, depth + 1);
      }
      expected += "]";
    }
  };
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes;
    std::string expected;
    for (std::uint64_t i = 1 + random() % 3; i > 0; --i) {
      write(write, bytes, expected, 0);
      expected += ";";
    }
    ASSERT_EQ(read_all(bytes, 1 + random() % 9), expected) << round;
  }
}

}  // namespace
}  // namespace tollgate::redis
