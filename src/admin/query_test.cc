#include "admin/query.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

namespace tollgate::admin {
namespace {

constexpr WallTime kMorning{Duration(1'772'602'200'000'000)};  // 2026-03-04 05:30 UTC.

TEST(Query, DecodesNamesAndValues) {
  const OrWords<Parameters> parsed = parse_query("a=1&&b=x%20y+z&c&d=%3D%26&=e");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, (Parameters{{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"d", "=&"}, {"", "e"}}));
  EXPECT_TRUE(parse_query("")->empty());
  for (const std::string_view broken : {"a=%", "a=%4", "a=%zz", "%g0=1", "a=1&b=%f"}) {
    EXPECT_FALSE(parse_query(broken)) << broken;
  }
}

TEST(Query, HoldsEachParameterOnce) {
  EXPECT_FALSE(parse_query("tenant=acme&tenant=globex"));
  EXPECT_FALSE(parse_query("tenant=acme&t%65nant=acme"));
  std::string many;
  for (std::size_t i = 0; i < kParametersMax; ++i) many += fmt::format("p{}=1&", i);
  EXPECT_EQ(parse_query(many)->size(), kParametersMax);
  EXPECT_FALSE(parse_query(many + "one=more"));
}

TEST(Query, AsksForKeys) {
  const OrWords<KeyQuestion> all = key_question({});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->limit, 100);
  const OrWords<KeyQuestion> some = key_question({{"tenant", "acme"},
                                                  {"user", "ada"},
                                                  {"state", "revoked"},
                                                  {"limit", "1000"},
                                                  {"after", "abc"}});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->query.tenant, "acme");
  EXPECT_EQ(some->query.user, "ada");
  EXPECT_EQ(some->query.state, storage::KeyState::kRevoked);
  EXPECT_EQ(some->limit, 1000);
  EXPECT_EQ(some->after, "abc");
  for (const char* wrong : {"0", "1001", "-1", "", "x", "1x"}) {
    EXPECT_FALSE(key_question({{"limit", wrong}})) << wrong;
  }
  EXPECT_FALSE(key_question({{"state", "gone"}}));
  EXPECT_FALSE(key_question({{"role", "x"}}));
}

TEST(Query, ReadsSpansAndNothingElse) {
  EXPECT_EQ(parse_span("30s"), std::chrono::seconds(30));
  EXPECT_EQ(parse_span("90d"), std::chrono::hours(24 * 90));
  EXPECT_EQ(parse_span("3653d"), std::chrono::hours(24 * 3653));
  for (const std::string_view wrong : {"", "d", "0d", "-1d", "1.5h", "1 h", "1w", "3654d", "h1",
                                       "99999999999999999999s", "+1d", "1dd"}) {
    EXPECT_FALSE(parse_span(wrong)) << wrong;
  }
}

TEST(Query, ReadsMoments) {
  EXPECT_EQ(parse_moment("24h", kMorning), kMorning - std::chrono::hours(24));
  EXPECT_EQ(parse_moment("2026-03-04", kMorning),
            kMorning - std::chrono::hours(5) - std::chrono::minutes(30));
  EXPECT_EQ(parse_moment("2026-03-04T05:30:00Z", kMorning), kMorning);
  for (const std::string_view wrong :
       {"", "yesterday", "2026-13-01", "2026-02-29", "2026-3-4", "2026-03-04T24:00:00Z",
        "2026-03-04T05:60:00Z", "2026-03-04T05:30:00", "2026-03-04 05:30:00Z"}) {
    const OrWords<WallTime> read = parse_moment(wrong, kMorning);
    ASSERT_FALSE(read) << wrong;
    EXPECT_NE(read.error().find("is no time"), std::string::npos);
  }
}

TEST(Query, NamesWhatItDoesNotKnow) {
  struct Case {
    Parameters parameters;
    std::string_view words;
  };
  for (const Case& each : {Case{{{"by", "moon"}}, "known are total, tenant"},
                           Case{{{"group", "tenant"}}, "`group` is not known"},
                           Case{{{"since", "soon"}}, "`soon` is no time"}}) {
    const OrWords<storage::SpendQuery> query = spend_query(each.parameters, kMorning);
    ASSERT_FALSE(query);
    EXPECT_NE(query.error().find(each.words), std::string::npos) << query.error();
  }
  for (const Case& each :
       {Case{{{"outcome", "maybe"}}, "allowed, refused"}, Case{{{"phase", "x"}}, "decision"},
        Case{{{"limit", "0"}}, "whole number"}, Case{{{"limit", "100001"}}, "100000"},
        Case{{{"limit", "1e3"}}, "whole number"}, Case{{{"before", "-1"}}, "cursor"},
        Case{{{"tennant", "a"}}, "`tennant` is not known"}}) {
    const OrWords<AuditQuestion> question = audit_question(each.parameters, kMorning);
    ASSERT_FALSE(question);
    EXPECT_NE(question.error().find(each.words), std::string::npos) << question.error();
  }
}

TEST(Query, TakesEveryFilterOfTheTrail) {
  const OrWords<AuditQuestion> question = audit_question({{"id", "req_1"},
                                                          {"tenant", "acme"},
                                                          {"user", "ada"},
                                                          {"key", "k"},
                                                          {"route", "chat"},
                                                          {"model", "small"},
                                                          {"code", "rate_limited"},
                                                          {"outcome", "refused"},
                                                          {"phase", "outcome"},
                                                          {"since", "1h"},
                                                          {"until", "2026-03-04"},
                                                          {"limit", "7"},
                                                          {"before", "900000"}},
                                                         kMorning);
  ASSERT_TRUE(question) << question.error();
  EXPECT_EQ(question->query.id, "req_1");
  EXPECT_EQ(question->query.subject, "ada");
  EXPECT_EQ(question->query.key_id, "k");
  EXPECT_EQ(question->query.code, "rate_limited");
  EXPECT_EQ(question->query.outcome, audit::Outcome::kRefused);
  EXPECT_EQ(question->query.phase, audit::Phase::kOutcome);
  EXPECT_EQ(question->query.since, kMorning - std::chrono::hours(1));
  EXPECT_EQ(question->limit, 7);
  EXPECT_EQ(question->before, storage::AuditCursor{900'000});
}

TEST(Query, TakesTheFiltersOfChanges) {
  const OrWords<AuditQuestion> question = audit_question(
      {{"phase", "change"}, {"actor", "root"}, {"action", "key.revoke"}, {"object", "key1"}},
      kMorning);
  ASSERT_TRUE(question) << question.error();
  EXPECT_EQ(question->query.phase, audit::Phase::kChange);
  EXPECT_EQ(question->query.actor, "root");
  EXPECT_EQ(question->query.action, "key.revoke");
  EXPECT_EQ(question->query.object, "key1");
}

// Whatever is asked is understood or told, and what was escaped reads back.
TEST(Query, ReadsBackAnyTextThatWasEscaped) {
  std::mt19937_64 random{3};
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 20, '\0');
    for (char& c : text) c = static_cast<char>(random());
    (void)parse_query(text);
    std::string query = "x=";
    constexpr char kHex[] = "0123456789abcdef";
    for (const char c : text) {
      query += '%';
      query += kHex[static_cast<unsigned char>(c) >> 4];
      query += kHex[c & 15];
    }
    const OrWords<Parameters> parsed = parse_query(query);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->front().second, text);
  }
}

}  // namespace
}  // namespace tollgate::admin
