#include "storage/changes.h"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "storage/chain.h"
#include "storage/key_form.h"
#include "storage/key_rows.h"
#include "storage/record_facts.h"
#include "storage/storage_fixture.h"
#include "storage/testing_cut.h"
#include "storage/testing_keys.h"
#include "storage/trail_group.h"
#include "storage/trail_writer.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;

const ImportTerms kNow{.now = kMorning};

KeyRecord key_named(const std::string& id, const std::string& tenant = "acme") {
  KeyRecord key;
  key.id = id;
  key.digest.fill(0xd7);
  key.tenant = tenant;
  key.name = "laptop";
  key.created = kMorning;
  return key;
}

Author root() {
  Author author;
  author.subject = "root";
  return author;
}

std::string digits(const boost::json::value& record, const char* member) {
  const boost::json::value* found = record.get_object().if_contains(member);
  return found == nullptr ? std::string() : boost::json::serialize(*found);
}
std::string text(const boost::json::value& record, const char* pointer) {
  boost::system::error_code none;
  const boost::json::value* found = record.find_pointer(pointer, none);
  return found == nullptr ? std::string() : std::string(found->get_string());
}

class ChangesTest : public StorageTest {
 protected:
  // Oldest first.
  std::vector<boost::json::value> changes(AuditQuery query = {}) {
    query.phase = audit::Phase::kChange;
    std::vector<boost::json::value> all;
    const FaultOr<void> done = export_audit(*database_, query, [&](std::string_view line) {
      all.push_back(boost::json::parse(line));
      return true;
    });
    EXPECT_TRUE(done) << done.error().message;
    return all;
  }
  std::size_t found(const AuditQuery& query) {
    return query_audit(*database_, query, 1000).value().size();
  }
  void expect_proven(std::int64_t records) {
    const FaultOr<Proof> proof = verify_audit(*database_, kChangesChain);
    ASSERT_TRUE(proof) << proof.error().message;
    EXPECT_FALSE(proof->broken) << *proof->broken << ": " << proof->why;
    EXPECT_EQ(proof->records, records);
  }
  std::unique_ptr<Database> patient() const {
    DatabaseOptions options;
    options.busy_timeout = std::chrono::seconds(60);
    options.durability = Durability::kProcess;
    return std::move(Database::open(where(), options).value());
  }

  std::unique_ptr<Database> database_ = connect();
};
class Changes : public ChangesTest, public testing::WithParamInterface<Backend> {};

TEST_P(Changes, TellWhoDidWhatAndHowItWasBeforeAndAfter) {
  Author author = ada();
  author.address = read_address("192.0.2.7");
  ASSERT_TRUE(create_key(*database_, author, key_named("abc")));
  ASSERT_TRUE(revoke_key(*database_, root(), "abc", kMorning));
  const std::vector<AuditRow> rows = query_audit(*database_, {}, 10).value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].gateway, kChangesChain);
  EXPECT_EQ(rows[1].sequence, 1);
  const boost::json::value made = boost::json::parse(rows[1].record);
  std::string members;
  for (const auto& member : made.get_object()) members.append(member.key()).append(" ");
  EXPECT_EQ(
      members,
      "id sequence time phase actor client_ip action object tenant after previous_hash hash ");
  EXPECT_EQ(digits(made, "actor"),
            R"({"kind":"admin_token","subject":"ada","credential_id":"tok_ada","role":"owner"})");
  EXPECT_EQ(text(made, "/client_ip"), "192.0.2.7");
  EXPECT_EQ(text(made, "/action"), "key.create");
  EXPECT_EQ(text(made, "/object"), "abc");
  EXPECT_EQ(text(made, "/tenant"), "acme");
  EXPECT_TRUE(text(made, "/id").starts_with("chg_"));
  EXPECT_EQ(text(made, "/after/name"), "laptop");

  const boost::json::value revoked = boost::json::parse(rows[0].record);
  EXPECT_EQ(digits(revoked, "actor"), R"({"kind":"command","subject":"root"})");
  EXPECT_EQ(digits(revoked, "before"), digits(made, "after"));
  EXPECT_EQ(text(revoked, "/after/revoked"), "2026-03-04T05:30:00Z");
  EXPECT_EQ(text(revoked, "/previous_hash"), text(made, "/hash"));
  // Of the key's digest nothing is told.
  EXPECT_EQ(rows[1].record.find("d7d7"), std::string::npos);
  EXPECT_EQ(rows[1].record.find("digest"), std::string::npos);
  expect_proven(2);
}

TEST_P(Changes, ThatChangeNothingAreNoneAndCountNothing) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("abc")));
  ASSERT_TRUE(revoke_key(*database_, ada(), "abc", kMorning));
  ASSERT_TRUE(expire_key(*database_, ada(), "abc", {kMorning, kMorning}));
  const std::int64_t number = key_changes(*database_).value();
  EXPECT_EQ(changes().size(), 3U);
  EXPECT_TRUE(revoke_key(*database_, ada(), "abc", kMorning + Duration(1)).value_or(false));
  EXPECT_EQ(expire_key(*database_, ada(), "abc", {kMorning, kMorning}), KeyVerdict::kDone);
  EXPECT_FALSE(revoke_key(*database_, ada(), "none", kMorning).value_or(true));
  EXPECT_FALSE(create_key(*database_, ada(), key_named("abc")));
  EXPECT_EQ(import_keys(*database_, ada(), std::vector{key_named("abc")}, kNow)->made, 0U);
  EXPECT_EQ(rotate_key(*database_, ada(), "abc", {key_named("def"), kMorning, {}}),
            KeyVerdict::kRevoked);
  EXPECT_EQ(changes().size(), 3U);
  EXPECT_EQ(key_changes(*database_), number);
  EXPECT_EQ(show_key(*database_, "abc").value()->revoked, kMorning);
}

TEST_P(Changes, OfARotationAreThoseOfBothKeys) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("old")));
  ASSERT_EQ(rotate_key(*database_, ada(), "old", {key_named("new"), kMorning, {}}),
            KeyVerdict::kDone);
  const auto all = changes();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(text(all[1], "/object"), "old");
  EXPECT_EQ(text(all[1], "/after/replaced_by"), "new");
  EXPECT_EQ(text(all[2], "/object"), "new");
  EXPECT_EQ(text(all[2], "/after/replaces"), "old");
  EXPECT_EQ(digits(all[2], "before"), "");
}

TEST_P(Changes, OfAnImportAreOneRecordATenantWithItsCountsAndIds) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("one")));
  const std::vector<KeyRecord> keys{key_named("one"), key_named("two"), key_named("three")};
  ASSERT_EQ(import_keys(*database_, ada(), keys, kNow)->made, 2U);
  auto all = changes();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(text(all[1], "/action"), "key.import");
  EXPECT_EQ(text(all[1], "/tenant"), "acme");
  EXPECT_EQ(digits(all[1], "after"), R"({"imported":2,"known_before":1,"ids":["two","three"]})");
  const std::vector<KeyRecord> more{key_named("four", "globex"), key_named("two"),
                                    key_named("five")};
  ASSERT_EQ(import_keys(*database_, ada(), more, kNow)->made, 2U);
  all = changes();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(digits(all[2], "after"), R"({"imported":1,"known_before":1,"ids":["five"]})");
  EXPECT_EQ(text(all[3], "/tenant"), "globex");
  EXPECT_EQ(digits(all[3], "after"), R"({"imported":1,"known_before":0,"ids":["four"]})");
}

TEST_P(Changes, AreWholeWhateverTheirTextsHold) {
  Author author = ada();
  author.subject = "eve\n\"\x1b[31m\xe2\x80\xae\xff";
  KeyRecord key = key_named("abc");
  key.name = "a\nb\"c\\\xe2\x80\xae";
  ASSERT_TRUE(create_key(*database_, author, key));
  const std::string long_text = "{\"x\":\"" + std::string(70'000, 'x') + "\"}";
  {
    auto transaction = Transaction::begin(*database_);
    ASSERT_TRUE(record_change(*database_, author, {"test", "o", {}, long_text, "{}"}));
    ASSERT_TRUE(transaction->commit());
  }
  for (const AuditRow& row : query_audit(*database_, {}, 10).value()) {
    for (const char bad : {'\n', '\x1b', '\xae'}) {
      EXPECT_EQ(row.record.find(bad), std::string::npos) << row.record;
    }
  }
  const auto all = changes();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(text(all[0], "/actor/subject"), "eve\n\"\x1b[31m\xe2\x80\xae\xef\xbf\xbd");
  EXPECT_EQ(text(all[0], "/after/name"), key.name);
  EXPECT_EQ(digits(all[1], "before"), audit::told_by_hash(long_text));
  EXPECT_EQ(digits(all[1], "after"), "{}");
  expect_proven(2);
}

TEST_P(Changes, AreFoundByWhatTheySay) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("abc")));
  ASSERT_TRUE(create_key(*database_, root(), key_named("def", "globex")));
  ASSERT_TRUE(revoke_key(*database_, root(), "abc", kMorning));
  const auto trail = open_trail();
  Request request(1);
  ASSERT_TRUE(request.decide(*trail));
  ASSERT_TRUE(request.end(*trail));
  ASSERT_TRUE(trail->flush());
  AuditQuery query;
  EXPECT_EQ(found(query), 5U);
  query.phase = audit::Phase::kChange;
  EXPECT_EQ(found(query), 3U);
  query.tenant = "globex";
  EXPECT_EQ(found(query), 1U);
  query = {};
  query.only = {"globex", "initech"};
  EXPECT_EQ(found(query), 1U);
  query.tenant = "acme";
  EXPECT_EQ(found(query), 0U);
  query = {};
  query.action = "key.create";
  EXPECT_EQ(found(query), 2U);
  query.object = "abc";
  EXPECT_EQ(found(query), 1U);
  query = {};
  query.actor = "root";
  EXPECT_EQ(found(query), 2U);
  query.actor = "tok_ada";
  EXPECT_EQ(found(query), 1U);
  query.actor = "ada";  // Of the change, and of the request.
  EXPECT_EQ(found(query), 3U);
  query = {};
  query.outcome = audit::Outcome::kAllowed;
  EXPECT_EQ(found(query), 2U);
  query = {};
  query.id = text(changes()[1], "/id");
  EXPECT_EQ(found(query), 1U);
  query.phase = audit::Phase::kOutcome;
  EXPECT_EQ(found(query), 0U);
  query = {};
  query.until = parse_record_time(text(changes()[1], "/time"));
  query.phase = audit::Phase::kChange;
  EXPECT_EQ(found(query), 1U);
}

TEST_P(Changes, ArePagedAndFollowedAmongRequests) {
  const auto trail = open_trail();
  clock_.set(database_->now().value());
  for (int n = 1; n <= 6; ++n) {
    Request request(n);
    request.record.time = database_->now().value();
    ASSERT_TRUE(request.decide(*trail));
    ASSERT_TRUE(request.end(*trail));
    ASSERT_TRUE(trail->flush());
    ASSERT_TRUE(create_key(*database_, ada(), key_named("key" + std::to_string(n))));
  }
  std::vector<std::string> all;
  for (const AuditRow& row : query_audit(*database_, {}, 100).value()) all.push_back(row.record);
  ASSERT_EQ(all.size(), 18U);
  for (const bool only_changes : {false, true}) {
    AuditQuery query;
    if (only_changes) query.phase = audit::Phase::kChange;
    std::vector<std::string> paged;
    std::optional<AuditCursor> before;
    do {
      const std::vector<AuditRow> page = query_audit(*database_, query, 4, before).value();
      for (const AuditRow& row : page) paged.push_back(row.record);
      before.reset();
      if (page.size() == 4) before = read_cursor(cursor_behind(page.back()));
    } while (before);
    EXPECT_EQ(paged.size(), only_changes ? 6U : 18U);
    if (!only_changes) EXPECT_EQ(paged, all);
  }
  // In a store of one gateway the sequence of a request is a place among changes, too.
  const auto behind = query_audit(*database_, {}, 100, AuditCursor{5}).value();
  ASSERT_EQ(behind.size(), 6U);
  EXPECT_EQ(behind[0].gateway, kChangesChain);
  EXPECT_EQ(behind[0].sequence, 2);
  EXPECT_EQ(behind[1].sequence, 4);
  AuditPlaces places;
  EXPECT_EQ(follow_audit(*database_, {}, places, 100)->size(), 18U);
  ASSERT_TRUE(revoke_key(*database_, ada(), "key1", kMorning));
  const auto followed = follow_audit(*database_, {}, places, 100).value();
  ASSERT_EQ(followed.size(), 1U);
  EXPECT_EQ(followed[0].gateway, kChangesChain);
  EXPECT_EQ(followed[0].sequence, 7);
}

TEST_P(Changes, ArePrunedAndTheRestIsProven) {
  for (int n = 0; n < 5; ++n) {
    ASSERT_TRUE(create_key(*database_, ada(), key_named("key" + std::to_string(n))));
  }
  const WallTime later = database_->now().value() + std::chrono::hours(1);
  ASSERT_TRUE(TrailWriter::open(*database_, kOnlyGateway).value().prune(kMorning));
  EXPECT_EQ(changes().size(), 5U);
  ASSERT_TRUE(TrailWriter::open(*database_, kOnlyGateway).value().prune(later));
  EXPECT_EQ(changes().size(), 1U);
  ASSERT_TRUE(create_key(*database_, ada(), key_named("fresh")));
  const FaultOr<Proof> proof = verify_audit(*database_, kChangesChain);
  ASSERT_TRUE(proof);
  EXPECT_FALSE(proof->broken) << proof->why;
  EXPECT_EQ(proof->first, 5);
  EXPECT_EQ(proof->last, 6);
}

// ---- What goes wrong --------------------------------------------------------------------------

TEST_P(Changes, AreNotMadeWhereTheyCannotBeRecorded) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("abc")));
  const std::int64_t number = key_changes(*database_).value();
  const char* const refuses =
      backend_ == Backend::kSqlite
          ? "CREATE TRIGGER no_more BEFORE INSERT ON audit_groups BEGIN SELECT RAISE(ABORT, 'the "
            "disk is full'); END"
          : "CREATE FUNCTION no_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
            "EXCEPTION 'the disk is full'; END $$; CREATE TRIGGER no_more BEFORE INSERT ON "
            "audit_groups EXECUTE FUNCTION no_more()";
  ASSERT_TRUE(database_->execute(refuses));
  const FaultOr<bool> done = revoke_key(*database_, ada(), "abc", kMorning);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("the disk is full"), std::string::npos)
      << done.error().message;
  EXPECT_FALSE(create_key(*database_, ada(), key_named("def")));
  EXPECT_FALSE(import_keys(*database_, ada(), std::vector{key_named("ghi")}, kNow));
  EXPECT_FALSE(rotate_key(*database_, ada(), "abc", {key_named("jkl"), kMorning, {}}));
  EXPECT_FALSE(show_key(*database_, "abc").value()->revoked);
  EXPECT_EQ(all_keys(*database_).size(), 1U);
  EXPECT_EQ(key_changes(*database_), number);
  expect_proven(1);
}

TEST_P(Changes, AreNotMadeInAStoreThatIsOnlyRead) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("abc")));
  refuse_writes(*database_);
  EXPECT_FALSE(revoke_key(*database_, ada(), "abc", kMorning));
  allow_writes(*database_);
  EXPECT_FALSE(show_key(*database_, "abc").value()->revoked);
  EXPECT_TRUE(revoke_key(*database_, ada(), "abc", kMorning));
  expect_proven(2);
}

TEST_P(Changes, AreNotMadeBehindADamagedChain) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("abc")));
  const auto other = std::array<std::uint8_t, 32>{1};
  {
    auto lie = database_->prepare("UPDATE audit_groups SET last_hash = ?");
    ASSERT_TRUE(lie && lie->bind_blob(other).run());
  }
  const FaultOr<bool> done = revoke_key(*database_, ada(), "abc", kMorning);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(done.error().message.find("audit verify"), std::string::npos);
  EXPECT_FALSE(show_key(*database_, "abc").value()->revoked);
  EXPECT_EQ(verify_audit(*database_, kChangesChain)->broken, 1);
}

TEST_P(Changes, ThatWereTamperedWithAreNamed) {
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(create_key(*database_, ada(), key_named(id)));
  }
  std::string line;
  {
    auto row =
        database_->prepare("SELECT text_bytes, records FROM audit_groups WHERE first_sequence = 2");
    ASSERT_TRUE(row && row->step().value_or(false));
    ASSERT_TRUE(uncompress(row->blob(1), row->integer(0), line));
  }
  line.replace(line.find("laptop"), 6, "pillow");
  std::string packed;
  compress(line, packed);
  {
    auto write = database_->prepare("UPDATE audit_groups SET records = ? WHERE first_sequence = 2");
    ASSERT_TRUE(write && write->bind_blob(bytes_of(packed)).run());
  }
  EXPECT_EQ(verify_audit(*database_, kChangesChain)->broken, 2);
}

TEST_P(Changes, OfAProcessThatIsKilledBeforeItsCommitAreNotThere) {
  ASSERT_TRUE(create_key(*database_, ada(), key_named("abc")));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::unique_ptr<Database> own = connect();
    auto transaction = Transaction::begin(*own);
    const bool recorded =
        transaction && own->execute("UPDATE keys SET revoked_us = 1") &&
        record_change(*own, ada(), {"key.revoke", "abc", "acme", "{}", "{}"}).has_value() &&
        end_of_chain(*own, kChangesChain)->value().sequence == 2;
    _exit(recorded ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_FALSE(show_key(*database_, "abc").value()->revoked);
  EXPECT_EQ(changes().size(), 1U);
  expect_proven(1);
}

// ---- Several writers, any history -------------------------------------------------------------

TEST_P(Changes, OfManyWritersAtOnceAreOneChain) {
  constexpr int kWriters = 8;
  constexpr int kEach = 25;
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      const std::unique_ptr<Database> own = patient();
      for (int n = 0; n < kEach; ++n) {
        const std::string id = std::to_string(writer) + "-" + std::to_string(n);
        if (!create_key(*own, root(), key_named(id))) ++failed;
        // All of them revoke the same few: who comes second changes nothing.
        if (!revoke_key(*own, root(), "0-" + std::to_string(n / 5), kMorning)) ++failed;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 0);
  std::int64_t revoked = 0;
  const std::vector<KeyRecord> keys = all_keys(*database_);
  for (const KeyRecord& key : keys) revoked += key.revoked ? 1 : 0;
  EXPECT_EQ(keys.size(), 200U);
  expect_proven(kWriters * kEach + revoked);
}

// For any history the chain proves, and what it tells of a key is one story without a gap, which
// ends with the key as it is.
TEST_P(Changes, TellOneStoryOfEachObjectForAnyHistory) {
  std::mt19937_64 random{15};
  const std::unique_ptr<Database> elsewhere = connect();
  std::int64_t next = 0;
  const auto any_id = [&] { return "k" + std::to_string(random() % (next + 1)); };
  for (int step = 0; step < 300; ++step) {
    Database& database = random() % 2 == 0 ? *database_ : *elsewhere;
    const Author author = random() % 2 == 0 ? ada() : root();
    const WallTime moment = kMorning + std::chrono::seconds(random() % 100);
    switch (random() % 5) {
      case 0:
        ASSERT_TRUE(create_key(database, author, key_named("k" + std::to_string(next++))));
        break;
      case 1:
        ASSERT_TRUE(revoke_key(database, author, any_id(), moment));
        break;
      case 2:
        ASSERT_TRUE(expire_key(database, author, any_id(), {moment, moment}));
        break;
      case 3:
        ASSERT_TRUE(rotate_key(database, author, any_id(),
                               {key_named("k" + std::to_string(next)), moment, {}}));
        if (show_key(database, "k" + std::to_string(next)).value()) ++next;
        break;
      default:
        ASSERT_TRUE(write_uses(database, std::vector<KeyUse>{{any_id(), moment}}));
    }
  }
  const auto all = changes();
  std::map<std::string, std::string> latest;
  std::string hash;
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(boost::json::serialize(all[i]));
    EXPECT_EQ(digits(all[i], "sequence"), std::to_string(i + 1));
    if (i > 0) EXPECT_EQ(text(all[i], "/previous_hash"), hash);
    hash = text(all[i], "/hash");
    const std::string object = text(all[i], "/object");
    EXPECT_EQ(digits(all[i], "before"), latest[object]);
    EXPECT_NE(digits(all[i], "after"), latest[object]);
    latest[object] = digits(all[i], "after");
  }
  for (const KeyRecord& key : all_keys(*database_)) {
    EXPECT_EQ(latest[key.id], boost::json::serialize(boost::json::parse(key_form(key))));
  }
  EXPECT_EQ(std::cmp_equal(latest.size(), next), true);
  expect_proven(static_cast<std::int64_t>(all.size()));
}

// Wherever the connection is cut, also in the middle of a commit: a key is there with its record or
// not at all.
TEST_F(ChangesTest, AreThereWithWhatTheyTellOrNotAtAllWhenConnectionsBreak) {
  using Cut = CutConnection::Cut;
  PostgresServer* const server = PostgresServer::shared();
  ASSERT_NE(server, nullptr) << "PostgreSQL is not installed: run ./dev setup";
  const std::string url = server->fresh_url();
  DatabaseOptions options;
  options.durability = Durability::kProcess;
  options.statement_deadline = std::chrono::milliseconds(500);
  database_ = std::move(Database::open(url, options).value());
  CutConnection cut(*server);
  const auto broken =
      std::move(Database::open(cut.url_of(url.substr(url.rfind("%3D") + 3)), options).value());
  std::mt19937_64 random{31};
  std::int64_t known = 0;
  for (int step = 0; step < 60; ++step) {
    if (random() % 2 == 0) {
      cut.cut(random() % 2 == 0 ? Cut::kBeforeTheServer : Cut::kBeforeTheClient);
    }
    if (create_key(*broken, ada(), key_named("k" + std::to_string(step)))) ++known;
  }
  cut.cut(Cut::kNever);
  const std::vector<KeyRecord> keys = all_keys(*database_);
  EXPECT_GE(std::ssize(keys), known);
  EXPECT_LT(known, 60);
  std::set<std::string> told;
  for (const boost::json::value& change : changes()) {
    EXPECT_TRUE(told.insert(text(change, "/object")).second);
  }
  EXPECT_EQ(told.size(), keys.size());
  for (const KeyRecord& key : keys) EXPECT_TRUE(told.contains(key.id)) << key.id;
  expect_proven(std::ssize(keys));
}

INSTANTIATE_TEST_SUITE_P(Stores, Changes, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
