#include "storage/audit_query.h"

#include <boost/json.hpp>
#include <functional>
#include <random>

#include "storage/record_facts.h"
#include "storage/storage_fixture.h"
#include "storage/trail_group.h"

namespace tollgate::storage {
namespace {

// Ten requests, decision and outcome: sequences 1 to 20, three requests to a row. Every third
// is globex's.
class Audit : public StorageTest, public testing::WithParamInterface<Backend> {
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
      if (n % 3 == 0) EXPECT_TRUE(trail->flush());
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

  // `bytes` is for the parameter, where there is one.
  void change(const char* sql, std::string_view bytes = {}) {
    auto statement = database_->prepare(sql);
    ASSERT_TRUE(statement) << statement.error().message;
    if (std::string_view(sql).contains('?')) statement->bind_blob(bytes_of(bytes));
    const FaultOr<void> changed = statement->run();
    ASSERT_TRUE(changed) << changed.error().message;
  }

  std::unique_ptr<Database> database_;
};

using Sequences = std::vector<std::int64_t>;

TEST_P(Audit, FindsByEveryColumn) {
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

TEST_P(Audit, PagesBackAndFollows) {
  const auto page = query_audit(*database_, {}, 3, AuditCursor{4});
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 3U);
  EXPECT_EQ(page->front().sequence, 3);
  const auto last = last_sequence(*database_);
  EXPECT_EQ(last.value_or(0), 20);
  AuditPlaces places = last_places(*database_).value();
  EXPECT_EQ(places, (AuditPlaces{{"gateway", 20}}));
  EXPECT_TRUE(follow_audit(*database_, {}, places, 10)->empty());
  places["gateway"] = 17;
  const auto followed = follow_audit(*database_, {}, places, 2);
  ASSERT_TRUE(followed);
  ASSERT_EQ(followed->size(), 2U);
  EXPECT_EQ(followed->front().sequence, 18);
  EXPECT_EQ(places["gateway"], 19);
  EXPECT_EQ(follow_audit(*database_, {}, places, 2)->size(), 1U);
}

TEST_P(Audit, ExportsLinesUntilItIsTold) {
  int lines = 0;
  const auto take = [&](std::string_view line) {
    EXPECT_TRUE(line.starts_with('{') && line.ends_with('}'));
    EXPECT_EQ(line.find('\n'), std::string_view::npos);
    return ++lines < 7;
  };
  EXPECT_TRUE(export_audit(*database_, {}, take));
  EXPECT_EQ(lines, 7);
}

TEST_P(Audit, ProvesAnUntouchedTrail) {
  const FaultOr<Proof> proof = verify_audit(*database_);
  ASSERT_TRUE(proof);
  EXPECT_FALSE(proof->broken) << proof->why;
  EXPECT_EQ(proof->records, 20);
  EXPECT_EQ(proof->first, 1);
  EXPECT_EQ(proof->last, 20);
}

// Changes the lines of the row that begins with `first`, as someone who knows the format would.
void tamper(Database& database, std::int64_t first,
            const std::function<void(std::vector<std::string>&)>& change) {
  std::string lines;
  std::string packed;
  {
    auto row = database.prepare(
        "SELECT text_bytes, records FROM audit_groups "
        "WHERE first_sequence = ?");
    ASSERT_TRUE(row && row->bind(first).step().value_or(false));
    ASSERT_TRUE(uncompress(row->blob(1), row->integer(0), lines));
  }
  std::vector<std::string> split;
  for (std::string_view rest = lines; !rest.empty();) split.emplace_back(take_line(rest));
  change(split);
  lines.clear();
  for (const std::string& line : split) lines += line + '\n';
  compress(lines, packed);
  auto write = database.prepare(
      "UPDATE audit_groups SET text_bytes = ?, records = ? "
      "WHERE first_sequence = ?");
  ASSERT_TRUE(write && write->bind(static_cast<std::int64_t>(lines.size()))
                           .bind_blob(bytes_of(packed))
                           .bind(first)
                           .run());
}

using Lines = std::vector<std::string>;

TEST_P(Audit, NamesTheFirstRecordThatWasTamperedWithInsideOfARow) {
  struct Case {
    const char* name;
    std::int64_t row;
    std::function<void(Lines&)> change;
    std::int64_t broken;
  };
  const auto replace = [](std::string& text, std::string_view old, std::string_view fresh) {
    text.replace(text.find(old), old.size(), fresh);
  };
  const Case cases[] = {
      {"text", 7, [&](Lines& lines) { replace(lines[4], "globex", "initec"); }, 11},
      {"space", 19, [](Lines& lines) { lines[1] += ' '; }, 20},
      {"empty", 1, [](Lines& lines) { lines[2].clear(); }, 3},
      {"removed", 7, [](Lines& lines) { lines.erase(lines.begin()); }, 7},
      {"cut", 7, [](Lines& lines) { lines.pop_back(); }, 7},
      {"last cut", 19, [](Lines& lines) { lines.pop_back(); }, 19},
      {"added", 13, [](Lines& lines) { lines.push_back(lines.back()); }, 19},
      {"swapped", 1, [](Lines& lines) { std::swap(lines[3], lines[4]); }, 4},
      {"repeated", 1, [](Lines& lines) { lines[5] = lines[4]; }, 6},
      {"renumbered", 1,
       [&](Lines& lines) { replace(lines[1], "\"sequence\":2", "\"sequence\":3"); }, 2},
      {"joined", 13, [](Lines& lines) { lines[0] += lines[1]; }, 13},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const FaultOr<Transaction> given_back = Transaction::begin(*database_);
    ASSERT_TRUE(given_back);
    ASSERT_NO_FATAL_FAILURE(tamper(*database_, one.row, one.change));
    const FaultOr<Proof> proof = verify_audit(*database_);
    ASSERT_TRUE(proof);
    ASSERT_TRUE(proof->broken);
    EXPECT_EQ(*proof->broken, one.broken) << proof->why;
    EXPECT_FALSE(proof->why.empty());
  }
}

TEST_P(Audit, NamesTheFirstRecordOfARowWhoseColumnsLie) {
  struct Case {
    const char* tamper;
    std::int64_t broken;
    std::string bytes = {};
  };
  const Case cases[] = {
      {"DELETE FROM audit_groups WHERE first_sequence = 7", 13},
      {"DELETE FROM audit_groups WHERE first_sequence = 1", 7},
      {"UPDATE audit_groups SET first_sequence = 21 WHERE first_sequence = 19", 21},
      {"UPDATE audit_groups SET last_sequence = 13 WHERE first_sequence = 7", 7},
      {"UPDATE audit_groups SET last_hash = ? WHERE first_sequence = 7", 7, std::string(32, '\0')},
      {"UPDATE audit_groups SET earliest_us = earliest_us + 1 WHERE first_sequence = 13", 13},
      {"UPDATE audit_groups SET latest_us = 0 WHERE first_sequence = 13", 13},
      {"UPDATE audit_groups SET reached_us = reached_us + 1 WHERE first_sequence = 13", 13},
      {"UPDATE audit_groups SET opened = ? WHERE first_sequence = 1", 1,
       '\1' + std::string(15, '\0')},
      {"UPDATE audit_groups SET ended = ? WHERE first_sequence = 13", 13,
       '\7' + std::string(7, '\0')},
      {"UPDATE audit_groups SET records = ? WHERE first_sequence = 7", 7, std::string(1, '\0')},
      {"UPDATE audit_groups SET text_bytes = text_bytes - 1 WHERE first_sequence = 7", 7},
      {"UPDATE audit_groups SET text_bytes = 9000000000000000000 WHERE first_sequence = 7", 7},
      {"UPDATE audit_groups SET records = (SELECT records FROM audit_groups WHERE "
       "first_sequence = 1) WHERE first_sequence = 7",
       7},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.tamper);
    const FaultOr<Transaction> given_back = Transaction::begin(*database_);
    ASSERT_TRUE(given_back);
    ASSERT_NO_FATAL_FAILURE(change(one.tamper, one.bytes));
    const FaultOr<Proof> proof = verify_audit(*database_);
    ASSERT_TRUE(proof);
    ASSERT_TRUE(proof->broken);
    EXPECT_EQ(*proof->broken, one.broken) << proof->why;
    EXPECT_FALSE(proof->why.empty());
  }
}

TEST_P(Audit, SaysWhatIsDamagedToWhoeverAsks) {
  ASSERT_NO_FATAL_FAILURE(change("UPDATE audit_groups SET records = ? WHERE first_sequence = 7",
                                 std::string(50, '\0')));
  const auto rows = query_audit(*database_, {}, 100);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(rows.error().message.find("records 7 to 12"), std::string::npos);
  EXPECT_TRUE(query_audit(*database_, {}, 8));
}

TEST_P(Audit, RefusesToContinueADamagedChain) {
  const struct {
    const char* damage;
    std::string bytes;
  } cases[] = {
      {"UPDATE audit_groups SET records = ? WHERE first_sequence = 19", "\x12\x34"},
      {"UPDATE audit_groups SET last_hash = ? WHERE first_sequence = 19", std::string(32, '\0')},
      {"UPDATE audit_groups SET last_hash = ? WHERE first_sequence = 19", ""},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.damage);
    ASSERT_NO_FATAL_FAILURE(change(one.damage, one.bytes));
    const auto opened = StoredTrail::open(connect(), policy_, clock_, journal_options());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, FaultKind::kCorrupt);
    EXPECT_NE(opened.error().message.find("audit verify"), std::string::npos);
  }
}

// Two gateways, each with a chain of its own, that write in turns, a row a request.
class AuditOfTwo : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  AuditOfTwo() {
    for (const char* name : {"one", "two"}) {
      JournalOptions options = journal_options();
      options.gateway = name;
      options.directory += name;
      auto opened = StoredTrail::open(connect(), policy_, clock_, options);
      EXPECT_TRUE(opened) << opened.error().message;
      trails_[name] = *std::move(opened);
    }
    for (int n = 1; n <= 12; ++n) {
      write(n, n % 3 == 0 ? "two" : "one");
    }
    database_ = connect();
  }

  void write(int n, const char* gateway) {
    StoredTrail& trail = *trails_[gateway];
    Request request(n);
    request.record.time = kMorning + std::chrono::seconds(n);
    EXPECT_TRUE(request.decide(trail));
    EXPECT_TRUE(request.end(trail));
    EXPECT_TRUE(trail.flush());
  }
  void write_more() {
    written_ += 2;
    write(written_, "one");
    write(written_ - 1, "two");
  }

  // "one 16" for record 16 of gateway one.
  static std::vector<std::string> named(const std::vector<AuditRow>& rows) {
    std::vector<std::string> names;
    for (const AuditRow& row : rows)
      names.push_back(row.gateway + " " + std::to_string(row.sequence));
    return names;
  }

  std::map<std::string, std::unique_ptr<StoredTrail>> trails_;
  int written_ = 12;
  std::unique_ptr<Database> database_;
};

using Names = std::vector<std::string>;

TEST_P(AuditOfTwo, IsAnsweredFromAllChainsByTime) {
  const auto newest = query_audit(*database_, {}, 7);
  ASSERT_TRUE(newest) << newest.error().message;
  EXPECT_EQ(named(*newest),
            (Names{"two 8", "two 7", "one 16", "one 15", "one 14", "one 13", "two 6"}));
  AuditQuery between;
  between.since = kMorning + std::chrono::seconds(5);
  between.until = kMorning + std::chrono::seconds(7);
  EXPECT_EQ(named(*query_audit(*database_, between, 10)),
            (Names{"two 4", "two 3", "one 8", "one 7"}));
  AuditQuery id;
  id.id = Request(6).id;
  EXPECT_EQ(named(*query_audit(*database_, id, 10)), (Names{"two 4", "two 3"}));
  std::vector<std::string> exported;
  const auto take = [&](std::string_view line) {
    exported.emplace_back(line);
    return true;
  };
  ASSERT_TRUE(export_audit(*database_, {}, take));
  ASSERT_EQ(exported.size(), 24U);
  for (int n = 1; n <= 12; ++n) {
    EXPECT_NE(exported[static_cast<std::size_t>(2 * n - 1)].find(Request(n).id), std::string::npos);
  }
  const auto paged = query_audit(*database_, {}, 7, AuditCursor{4});
  ASSERT_FALSE(paged);
  EXPECT_NE(paged.error().message.find("cursor"), std::string::npos);
}

// Whatever is written between two pages, also with times that are behind.
TEST_P(AuditOfTwo, IsPagedOverAllChainsWhileTheyGrow) {
  AuditQuery decisions;
  decisions.phase = audit::Phase::kDecision;
  for (const AuditQuery& query : {AuditQuery{}, decisions}) {
    for (const std::int64_t size : {1, 3, 24}) {
      SCOPED_TRACE(size);
      const Names all = named(*query_audit(*database_, query, 1000));
      Names paged;
      std::optional<AuditCursor> cursor;
      while (true) {
        const auto page = query_audit(*database_, query, size, cursor);
        ASSERT_TRUE(page) << page.error().message;
        if (page->empty()) break;
        std::ranges::copy(named(*page), std::back_inserter(paged));
        cursor = read_cursor(cursor_behind(page->back()));
        ASSERT_TRUE(cursor);
        if (paged.size() == static_cast<std::size_t>(size)) write_more();
      }
      EXPECT_EQ(paged, all);
    }
  }
  for (const char* bad : {"", "0", "-3", "x", "1.", "1.2", "1.2.", "1.0.one", "1.-2.one", "1.x.one",
                          ".2.one", "99999999999999999999.2.one"}) {
    EXPECT_FALSE(read_cursor(bad)) << bad;
  }
}

TEST_P(AuditOfTwo, IsFollowedInBothChains) {
  AuditPlaces places{{"one", 11}, {"two", 5}};
  EXPECT_EQ(named(*follow_audit(*database_, {}, places, 3)), (Names{"one 12", "two 6", "one 13"}));
  EXPECT_EQ(places, (AuditPlaces{{"one", 13}, {"two", 6}}));
  EXPECT_EQ(named(*follow_audit(*database_, {}, places, 100)),
            (Names{"one 14", "one 15", "one 16", "two 7", "two 8"}));
  EXPECT_EQ(places, last_places(*database_).value());
  EXPECT_TRUE(follow_audit(*database_, {}, places, 100)->empty());
  places.erase("two");
  EXPECT_EQ(follow_audit(*database_, {}, places, 100)->size(), 8U);
}

TEST_P(AuditOfTwo, IsProvenChainByChain) {
  auto proofs = verify_chains(*database_);
  ASSERT_TRUE(proofs) << proofs.error().message;
  ASSERT_EQ(proofs->size(), 2U);
  for (const Proof& proof : *proofs) EXPECT_FALSE(proof.broken) << proof.gateway << proof.why;
  EXPECT_EQ(proofs->front().records, 16);
  EXPECT_EQ(proofs->back().records, 8);
  auto moved = database_->prepare(
      "UPDATE audit_groups SET last_hash = ? WHERE gateway = 'two' AND first_sequence = 3");
  ASSERT_TRUE(moved->bind_blob(bytes_of(std::string(32, 'x'))).run());
  proofs = verify_chains(*database_);
  EXPECT_FALSE(proofs->front().broken);
  EXPECT_EQ(proofs->back().gateway, "two");
  EXPECT_EQ(proofs->back().broken, 3);
}

// More rows than a walk reads at once.
TEST_P(AuditOfTwo, IsWalkedInPages) {
  auto copy = database_->prepare(
      "INSERT INTO audit_groups (gateway, first_sequence, last_sequence, earliest_us, latest_us, "
      "reached_us, last_hash, text_bytes, opened, ended, records) SELECT ?, ?, ?, earliest_us, "
      "latest_us, reached_us + ?, last_hash, text_bytes, opened, ended, records FROM audit_groups "
      "WHERE gateway = 'one' AND first_sequence = 15");
  Transaction transaction = std::move(Transaction::begin(*database_).value());
  for (std::int64_t n = 0; n < 600; ++n) {
    const char* gateway = n % 2 == 0 ? "one" : "two";
    ASSERT_TRUE(copy->bind(gateway).bind(101 + n).bind(101 + n).bind(n / 4).run());
  }
  ASSERT_TRUE(transaction.commit());
  for (const Direction direction : {Direction::kOldestFirst, Direction::kNewestFirst}) {
    for (const char* gateway : {"", "one"}) {
      Stretch stretch;
      stretch.gateway = gateway;
      auto rows = GroupWalk::begin(*database_, stretch, direction);
      ASSERT_TRUE(rows);
      std::vector<std::tuple<std::int64_t, std::string, std::int64_t>> found;
      while (rows->step().value()) {
        found.emplace_back(rows->reached_us(), rows->gateway(), rows->first());
      }
      EXPECT_EQ(found.size(), *gateway ? 308U : 612U);
      if (direction == Direction::kNewestFirst) std::ranges::reverse(found);
      EXPECT_TRUE(std::ranges::is_sorted(found));
      EXPECT_TRUE(std::ranges::adjacent_find(found) == found.end());
    }
  }
}

// An id as the pipeline gives them: "req_", ten characters of milliseconds, sixteen of chance.
std::string id_at(WallTime time, std::int64_t chance) {
  const std::int64_t ms = to_microseconds(time) / 1000;
  std::string id = "req_";
  for (int i = 9; i >= 0; --i) id += "0123456789abcdefghjkmnpqrstvwxyz"[(ms >> (5 * i)) & 31];
  return id + std::to_string(1'000'000'000'000'000 + chance);
}

// Whatever is asked of whatever trail, with clocks that jump and requests that take long: the
// answer is what holding every record to the question gives.
class AnyAudit : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  static constexpr int kRequests = 300;

  void write_trail() {
    const auto trail = open_trail();
    WallTime now = kMorning;
    std::vector<std::unique_ptr<Request>> at_work;
    for (int n = 1; n <= kRequests; ++n) {
      now += Duration(random_() % 3'000'000);
      if (random_() % 50 == 0) now -= std::chrono::seconds(20);
      auto request = std::make_unique<Request>(n);
      request->id = id_at(now, n);
      request->record.id = request->id;
      request->record.time = now;
      if (random_() % 4 == 0) request->record.model_served = "large";
      if (random_() % 5 == 0) request->record.code = "rate_limited";
      ids_.push_back(request->id);
      ASSERT_TRUE(request->decide(*trail));
      at_work.push_back(std::move(request));
      while (at_work.size() > 3 && random_() % 3 != 0) {
        const std::size_t ended = random_() % at_work.size();
        ASSERT_TRUE(at_work[ended]->end(*trail));
        at_work.erase(at_work.begin() + static_cast<std::ptrdiff_t>(ended));
      }
      if (random_() % 10 == 0) {
        ASSERT_TRUE(trail->flush());
      }
    }
    ASSERT_TRUE(trail->flush());
    end_ = now;
  }

  AuditQuery any_query() {
    AuditQuery query;
    if (random_() % 3 == 0) query.id = ids_[random_() % ids_.size()];
    if (random_() % 3 == 0) query.tenant = "globex";
    if (random_() % 3 == 0) query.model = "large";
    if (random_() % 3 == 0) query.code = "rate_limited";
    if (random_() % 3 == 0) query.phase = audit::Phase::kOutcome;
    const auto moment = [&] {
      const Duration span = end_ - kMorning;
      return kMorning + Duration(random_() % static_cast<std::uint64_t>(span.count()));
    };
    if (random_() % 3 == 0) query.since = moment();
    if (random_() % 3 == 0) query.until = moment();
    return query;
  }

  static bool fits(const AuditQuery& query, std::string_view line) {
    const boost::json::value record = boost::json::parse(line);
    const auto text = [&](const char* pointer) {
      boost::system::error_code none;
      const boost::json::value* found = record.find_pointer(pointer, none);
      return found != nullptr ? std::string_view(found->get_string()) : std::string_view();
    };
    // Times of one form compare as text.
    const auto written = [](WallTime time) {
      std::string out;
      audit::Record bare;
      bare.time = time;
      audit::write(bare, audit::Phase::kOutcome, out);
      return std::string(boost::json::parse(out).at("time").get_string());
    };
    return (query.id.empty() || text("/id") == query.id) &&
           (query.tenant.empty() || text("/actor/tenant") == query.tenant) &&
           (query.model.empty() || text("/model/served") == query.model) &&
           (query.code.empty() || text("/decision/code") == query.code) &&
           (!query.phase || text("/phase") == "outcome") &&
           (!query.since || text("/time") >= written(*query.since)) &&
           (!query.until || text("/time") < written(*query.until));
  }

  std::mt19937_64 random_{5};
  std::vector<std::string> ids_;
  WallTime end_{};
};

TEST_P(AnyAudit, AnswersAsIfEveryRecordWereReadForAnyQuestion) {
  ASSERT_NO_FATAL_FAILURE(write_trail());
  // Some were never ended: the next gateway does it, long after the moments of their ids.
  clock_.set(end_ + std::chrono::hours(30));
  EXPECT_GT(open_trail()->recovered(), 0);
  const auto database = connect();
  EXPECT_FALSE(verify_audit(*database)->broken) << verify_audit(*database)->why;
  Lines all;
  ASSERT_TRUE(export_audit(*database, {}, [&](std::string_view line) {
    all.emplace_back(line);
    return true;
  }));
  ASSERT_EQ(all.size(), 2U * kRequests);
  for (int step = 0; step < 600; ++step) {
    SCOPED_TRACE(step);
    const AuditQuery query = any_query();
    SCOPED_TRACE(query.id + ' ' + query.tenant + ' ' + query.model + ' ' + query.code + ' ' +
                 std::to_string(to_microseconds(query.since.value_or(WallTime{}))) + ' ' +
                 std::to_string(to_microseconds(query.until.value_or(WallTime{}))));
    const auto from = static_cast<std::int64_t>(random_() % all.size());
    Lines expected;
    Lines newest;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto sequence = static_cast<std::int64_t>(i) + 1;
      if (!fits(query, all[i])) continue;
      if (sequence > from && expected.size() < 20) expected.push_back(all[i]);
      if (sequence < from) newest.insert(newest.begin(), all[i]);
    }
    newest.resize(std::min<std::size_t>(newest.size(), 20));
    Lines found;
    AuditPlaces places{{std::string(kOnlyGateway), from}};
    const auto followed = follow_audit(*database, query, places, 20);
    ASSERT_TRUE(followed);
    for (const AuditRow& row : *followed) {
      EXPECT_EQ(row.record, all[static_cast<std::size_t>(row.sequence) - 1]);
      found.push_back(row.record);
    }
    ASSERT_EQ(found, expected);
    found.clear();
    const auto asked = query_audit(*database, query, 20, AuditCursor{from});
    ASSERT_TRUE(asked);
    for (const AuditRow& row : *asked) found.push_back(row.record);
    ASSERT_EQ(found, newest);
  }
}

TEST(Record, TellsItsTimeAndThatOfItsId) {
  EXPECT_EQ(parse_record_time("2026-03-04T05:30:00.000000Z"), kMorning);
  EXPECT_EQ(parse_record_time("2026-03-04T05:30:00.000001Z"), kMorning + Duration(1));
  for (const char* bad : {"", "2026-02-30T05:30:00.000000Z", "2026-03-04T24:30:00.000000Z",
                          "2026-03-04 05:30:00.000000Z", "2026-03-04T05:30:00.00000xZ",
                          "2026-03-04T05:30:00.000000", "0000-00-00T00:00:00.000000Z"}) {
    EXPECT_FALSE(parse_record_time(bad)) << bad;
  }
  const std::string id = id_at(kMorning + Duration(1999), 7);
  EXPECT_EQ(time_of_id(id), kMorning + Duration(1000));
  for (const char* bad : {"", "req_", "req_10000001", "req_01m8a5r1a7zeswr0qem4w3y3r",
                          "rex_01m8a5r1a7zeswr0qem4w3y3rn", "req_01m8a5r1u7zeswr0qem4w3y3rn",
                          "req_zzzzzzzzzzzzzzzzzzzzzzzzzz"}) {
    EXPECT_FALSE(time_of_id(bad)) << bad;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, Audit, testing::ValuesIn(each_store()), store_name);

INSTANTIATE_TEST_SUITE_P(Stores, AuditOfTwo, testing::ValuesIn(each_store()), store_name);

INSTANTIATE_TEST_SUITE_P(Stores, AnyAudit, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
