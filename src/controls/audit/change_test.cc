#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/json_writer.h"
#include "controls/audit/audit.h"

namespace tollgate::audit {
namespace {

ChangeRecord revoked() {
  ChangeRecord change;
  change.id = "chg_01";
  change.time = WallTime{std::chrono::microseconds(1'772'602'200'000'001)};
  change.actor_kind = "admin_token";
  change.subject = "ada";
  change.credential_id = "tok_1";
  change.role = "operator";
  change.client_ip = read_address("192.0.2.1");
  change.action = "key.revoke";
  change.object = "key1";
  change.tenant = "acme";
  change.before = R"({"revoked":null})";
  change.after = R"({"revoked":"2026-03-04T05:30:00Z"})";
  return change;
}

std::string written(const ChangeRecord& change) {
  std::string out;
  write(change, out);
  return out;
}

TEST(Change, TellsWhoDidWhatAndBothStates) {
  EXPECT_EQ(written(revoked()),
            R"({"id":"chg_01","time":"2026-03-04T05:30:00.000001Z","phase":"change",)"
            R"("actor":{"kind":"admin_token","subject":"ada","credential_id":"tok_1",)"
            R"("role":"operator"},"client_ip":"192.0.2.1","action":"key.revoke","object":"key1",)"
            R"("tenant":"acme","before":{"revoked":null},)"
            R"("after":{"revoked":"2026-03-04T05:30:00Z"}})");
}

TEST(Change, LeavesOutWhatThereIsNot) {
  ChangeRecord change;
  change.id = "chg_02";
  change.actor_kind = "gateway";
  change.action = "configuration.start";
  EXPECT_EQ(written(change),
            R"({"id":"chg_02","time":"1970-01-01T00:00:00.000000Z","phase":"change",)"
            R"("actor":{"kind":"gateway"},"action":"configuration.start"})");
}

TEST(Change, TellsAStateThatIsTooLongByItsHash) {
  ChangeRecord change = revoked();
  const std::string most = "{\"x\":\"" + std::string(kChangeTextBytesMax - 8, 'x') + "\"}";
  change.before = most;
  const std::string longer = " " + most;
  change.after = longer;
  const std::string text = written(change);
  EXPECT_NE(text.find("\"before\":" + most + ","), std::string::npos);
  EXPECT_TRUE(text.ends_with(",\"after\":" + told_by_hash(longer) + "}"));
  EXPECT_EQ(told_by_hash("abc"),
            R"({"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",)"
            R"("bytes":3})");
}

TEST(Change, EscapesWhatIsNotSeenAsItIsInStatesToo) {
  ChangeRecord change = revoked();
  change.before = "{\"a\\\\\\n\":\"\x7f\xe2\x80\xae\xc2\xad\xff caf\xc3\xa9\"}";
  EXPECT_NE(written(change).find("\"before\":{\"a\\\\\\n\":\"\\u007f\\u202e\\u00ad\xef\xbf\xbd "
                                 "caf\xc3\xa9\"},"),
            std::string::npos)
      << written(change);
  EXPECT_EQ(visible("a\nb\x1b\xe2\x80\x8b\"c"), "a\\u000ab\\u001b\\u200b\"c");
}

// Any bytes anywhere: one line of balanced JSON, which can be sealed and proven.
TEST(Change, StaysWholeForAnyBytes) {
  std::mt19937_64 random{29};
  Hash previous{};
  for (int step = 0; step < 1'000; ++step) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) {
      c = static_cast<char>(random() % 3 == 0 ? ",\"time\\}{:"[random() % 10] : random() % 256);
    }
    std::string state;
    JsonWriter json(state);
    json.begin_object();
    json.member(bytes, std::string_view(bytes));
    json.end_object();
    ChangeRecord change = revoked();
    change.subject = change.object = change.role = bytes;
    change.before = change.after = state;
    const std::string text = written(change);
    bool quoted = false;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      ASSERT_GE(static_cast<unsigned char>(text[i]), 0x20);
      if (quoted && text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        quoted = !quoted;
      } else if (!quoted) {
        depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
        ASSERT_TRUE(depth > 0 || i + 1 == text.size());
      }
    }
    ASSERT_FALSE(quoted);
    std::string sealed;
    const Hash own = seal(text, static_cast<std::uint64_t>(step), previous, sealed);
    Hash proven{};
    ASSERT_TRUE(verify(sealed, previous, proven));
    ASSERT_EQ(proven, own);
    previous = own;
  }
}

}  // namespace
}  // namespace tollgate::audit
