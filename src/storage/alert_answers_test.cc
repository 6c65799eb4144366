#include "storage/alert_answers.h"

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using std::chrono::hours;

class AlertAnswers : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  static alerts::Answer answer_of(std::string id, std::string tenant) {
    alerts::Answer made;
    made.id = std::move(id);
    made.rule = "alerts[0]";
    made.scope = limits::Scope::kTenantId;
    made.subject = tenant;
    made.tenant = std::move(tenant);
    made.action = alerts::Action::kFreeze;
    made.since = kMorning;
    made.until = kMorning + hours(1);
    made.message = "It \"spent\" much.";
    return made;
  }

  void begin(const alerts::Answer& answer) {
    FaultOr<Transaction> transaction = Transaction::begin(*database_);
    ASSERT_TRUE(transaction);
    const FaultOr<bool> done = begin_answer(*database_, author_, answer);
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_TRUE(*done);
    ASSERT_TRUE(transaction->commit());
  }

  std::vector<alerts::Answer> all() { return list_answers(*database_).value(); }

  std::unique_ptr<Database> database_ = connect();
  const Author author_{Author::Kind::kGateway, "gateway", {}, {}, {}};
};

TEST_P(AlertAnswers, AreReadAsTheyWereWritten) {
  alerts::Answer capped = answer_of("ans_b", "globex");
  capped.action = alerts::Action::kCapOutputTokens;
  capped.cap_output_tokens = 64;
  capped.until = {};
  alerts::Answer down = answer_of("ans_c", "initech");
  down.action = alerts::Action::kDowngradeTo;
  down.downgrade_to = "small";
  begin(answer_of("ans_a", "acme"));
  begin(capped);
  begin(down);
  EXPECT_EQ(all(), (std::vector{answer_of("ans_a", "acme"), capped, down}));
  // One of the same id is the one that came last.
  alerts::Answer again = answer_of("ans_a", "acme");
  again.until = kMorning + hours(5);
  begin(again);
  EXPECT_EQ(all().front(), again);
  EXPECT_EQ(all().size(), 3U);
}

TEST_P(AlertAnswers, EndWithTheirTimeAndAreReleasedByWhoMay) {
  begin(answer_of("ans_a", "acme"));
  begin(answer_of("ans_b", "globex"));
  alerts::Answer forever = answer_of("ans_c", "globex");
  forever.until = {};
  begin(forever);
  EXPECT_FALSE(*release_answer(*database_, ada(), "ans_b", {"acme"}, kMorning));
  EXPECT_FALSE(*release_answer(*database_, ada(), "ans_x", {}, kMorning));
  EXPECT_TRUE(*release_answer(*database_, ada(), "ans_b", {"globex"}, kMorning));
  EXPECT_EQ(all().size(), 2U);
  {
    FaultOr<Transaction> transaction = Transaction::begin(*database_);
    ASSERT_TRUE(end_answers(*database_, author_, kMorning + hours(1)));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(all(), std::vector{forever});
}

// A full table fails nothing that is written with it, and takes the next once one has ended.
TEST_P(AlertAnswers, AFullTableIsToldAndStandsInNobodysWay) {
  FaultOr<Transaction> transaction = Transaction::begin(*database_);
  for (std::size_t i = 0; i < alerts::InForce::kAnswersMax; ++i) {
    alerts::Answer one = answer_of("ans_" + std::to_string(i), "acme");
    if (i > 0) one.until = {};
    ASSERT_TRUE(write_mark(*database_, "answer/" + one.id, alerts::written(one)));
  }
  EXPECT_FALSE(begin_answer(*database_, author_, answer_of("ans_new", "globex")).value());
  EXPECT_TRUE(begin_answer(*database_, author_, answer_of("ans_0", "acme")).value());
  ASSERT_TRUE(end_answers(*database_, author_, kMorning + hours(1)));
  EXPECT_TRUE(begin_answer(*database_, author_, answer_of("ans_new", "globex")).value());
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(all().size(), alerts::InForce::kAnswersMax);
}

// What cannot be read is nobody's freeze, and stands in nobody's way.
TEST_P(AlertAnswers, WhatIsNoneIsLeftOut) {
  for (const char* text : {"", "{", "[]", "{}", R"({"id":"a","scope":"tenant","action":"freeze"})",
                           R"({"id":"a","scope":"tenant_id","action":"cap_output_tokens"})"}) {
    ASSERT_TRUE(write_mark(*database_, "answer/a", text));
    EXPECT_TRUE(all().empty()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, AlertAnswers, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
