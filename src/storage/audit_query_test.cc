#include "storage/audit_query.h"

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

// Ten requests, decision and outcome: sequences 1 to 20. Every third is globex's.
class Audit : public StorageTest {
 protected:
  Audit() {
    const auto trail = open_trail();
    for (int n = 1; n <= 10; ++n) {
      Request request(n);
      request.record.time = kMorning + Duration(n);
      if (n == 4) {
        request.record.outcome = audit::Outcome::kRefused;
        request.record.code = "rate_limited";
        request.record.model_served = "large";
      }
      EXPECT_TRUE(request.decide(*trail));
      EXPECT_TRUE(request.end(*trail));
    }
    EXPECT_TRUE(trail->stop());
    database_ = connect();
  }

  std::vector<std::int64_t> ask(const AuditQuery& query, std::int64_t limit = 100) {
    std::vector<std::int64_t> found;
    const auto rows = query_audit(*database_, query, limit);
    EXPECT_TRUE(rows) << rows.error().message;
    for (const AuditRow& row : *rows) found.push_back(row.sequence);
    return found;
  }

  std::unique_ptr<Database> database_;
};

using Sequences = std::vector<std::int64_t>;

TEST_F(Audit, FindsByEveryColumn) {
  AuditQuery id;
  id.id = Request(5).id;
  EXPECT_EQ(ask(id), (Sequences{10, 9}));
  AuditQuery tenant;
  tenant.tenant = "globex";
  EXPECT_EQ(ask(tenant), (Sequences{18, 17, 12, 11, 6, 5}));
  EXPECT_EQ(ask(tenant, 2), (Sequences{18, 17}));
  tenant.phase = audit::Phase::kDecision;
  EXPECT_EQ(ask(tenant), (Sequences{17, 11, 5}));
  AuditQuery refused;
  refused.outcome = audit::Outcome::kRefused;
  EXPECT_EQ(ask(refused), (Sequences{8, 7}));
  AuditQuery code;
  code.code = "rate_limited";
  EXPECT_EQ(ask(code), (Sequences{8, 7}));
  AuditQuery model;
  model.model = "large";
  EXPECT_EQ(ask(model), (Sequences{8, 7}));
  AuditQuery nobody;
  nobody.subject = "ada' OR '1'='1";
  EXPECT_EQ(ask(nobody), Sequences{});
  AuditQuery several;
  several.subject = "ada";
  several.key_id = "key1";
  several.route = "chat";
  several.since = kMorning + Duration(9);
  several.until = kMorning + Duration(10);
  EXPECT_EQ(ask(several), (Sequences{18, 17}));
}

TEST_F(Audit, PagesBackAndFollows) {
  const auto page = query_audit(*database_, {}, 3, 4);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 3U);
  EXPECT_EQ(page->front().sequence, 3);
  const auto last = last_sequence(*database_);
  EXPECT_EQ(last.value_or(0), 20);
  EXPECT_TRUE(follow_audit(*database_, {}, *last, 10)->empty());
  const auto followed = follow_audit(*database_, {}, 17, 2);
  ASSERT_TRUE(followed);
  ASSERT_EQ(followed->size(), 2U);
  EXPECT_EQ(followed->front().sequence, 18);
}

TEST_F(Audit, ExportsLinesUntilItIsTold) {
  int lines = 0;
  const auto take = [&](std::string_view line) {
    EXPECT_TRUE(line.starts_with('{') && line.ends_with('}'));
    EXPECT_EQ(line.find('\n'), std::string_view::npos);
    return ++lines < 7;
  };
  EXPECT_TRUE(export_audit(*database_, {}, take));
  EXPECT_EQ(lines, 7);
}

TEST_F(Audit, ProvesAnUntouchedTrail) {
  const FaultOr<Proof> proof = verify_audit(*database_);
  ASSERT_TRUE(proof);
  EXPECT_FALSE(proof->broken) << proof->why;
  EXPECT_EQ(proof->records, 20);
  EXPECT_EQ(proof->first, 1);
  EXPECT_EQ(proof->last, 20);
}

TEST_F(Audit, NamesTheFirstRecordThatWasTamperedWith) {
  struct Case {
    const char* tamper;
    std::int64_t broken;
  };
  const Case cases[] = {
      {"UPDATE audit SET record = replace(record, 'globex', 'initec') WHERE sequence = 11", 11},
      {"UPDATE audit SET record = record || ' ' WHERE sequence = 20", 20},
      {"UPDATE audit SET record = '' WHERE sequence = 3", 3},
      {"DELETE FROM audit WHERE sequence = 7", 8},
      {"DELETE FROM audit WHERE sequence = 1", 2},
      {"UPDATE audit SET sequence = 21 WHERE sequence = 20", 21},
      {"UPDATE audit SET record = (SELECT record FROM audit WHERE sequence = 5) "
       "WHERE sequence = 6", 6},
      {"UPDATE audit SET tenant = 'initech' WHERE sequence = 9", 9},
      {"UPDATE audit SET user = 'eve' WHERE sequence = 9", 9},
      {"UPDATE audit SET id = 'req_x' WHERE sequence = 2", 2},
      {"UPDATE audit SET outcome = 0 WHERE sequence = 7", 7},
      {"UPDATE audit SET outcome = 77 WHERE sequence = 7", 7},
      {"UPDATE audit SET code = '' WHERE sequence = 8", 8},
      {"UPDATE audit SET phase = 1 WHERE sequence = 13", 13},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.tamper);
    const FaultOr<Transaction> given_back = Transaction::begin(*database_);
    ASSERT_TRUE(given_back);
    ASSERT_TRUE(database_->execute(one.tamper));
    const FaultOr<Proof> proof = verify_audit(*database_);
    ASSERT_TRUE(proof);
    ASSERT_TRUE(proof->broken);
    EXPECT_EQ(*proof->broken, one.broken) << proof->why;
    EXPECT_FALSE(proof->why.empty());
  }
}

TEST_F(Audit, RefusesToContinueADamagedChain) {
  ASSERT_TRUE(database_->execute("UPDATE audit SET record = '{}' WHERE sequence = 20"));
  const auto opened = StoredTrail::open(connect(), policy_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(opened.error().message.find("audit verify"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::storage
