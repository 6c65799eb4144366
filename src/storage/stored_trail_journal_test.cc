// What the trail keeps across a kill, and what it does with a journal that does not fit.
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "base/executor.h"
#include "storage/journal_open.h"
#include "storage/storage_fixture.h"
#include "storage/trail_group.h"

namespace tollgate::storage {
namespace {

class Posted final : public Executor {
 public:
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    came_.notify_one();
  }
  std::size_t run() {
    std::vector<std::function<void()>> now;
    {
      const std::lock_guard lock(mutex_);
      std::swap(now, posted_);
    }
    for (const auto& work : now) work();
    return now.size();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [this] { return !posted_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::function<void()>> posted_;
};

// A coroutine that nobody awaits, for the answer of one that is awaited.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};
struct Answer {
  bool here = false;
  FaultOr<void> is;
};
Detached ask(StoredTrail& trail, const std::string& id, Posted& executor, Answer& answer) {
  answer.is = co_await trail.committed(id, executor);
  answer.here = true;
}

class Journaled : public StorageTest {
 protected:
  Journaled() { options_.segment_bytes = 16 << 10; }

  FaultOr<std::unique_ptr<StoredTrail>> try_open() {
    return StoredTrail::open(connect(), policy_, clock_, options_);
  }
  std::unique_ptr<StoredTrail> open() {
    auto opened = try_open();
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  std::string journal() const { return journal_directory(path()); }

  // From here on the test goes on in a directory as a kill at this moment would have left it.
  void kill() {
    const std::filesystem::path copy = directory_ / ("after-" + std::to_string(++kills_));
    std::filesystem::create_directory(copy);
    const std::filesystem::path from = place();
    place_ = copy;
    for (const char* file : {"tollgate.db", "tollgate.db-wal"}) {
      if (std::filesystem::exists(from / file)) {
        std::filesystem::copy_file(from / file, copy / file);
      }
    }
    std::filesystem::copy(from / "tollgate.db.journal", copy / "tollgate.db.journal");
  }
  std::filesystem::path place() const { return place_.empty() ? directory_ : place_; }
  std::string path() const { return (place() / "tollgate.db").string(); }
  std::unique_ptr<Database> connect() const {
    DatabaseOptions options;
    options.busy_timeout = Duration{};
    options.durability = Durability::kProcess;
    auto opened = Database::open(path(), options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  Totals totals() { return totals_of(*connect()); }
  Proof prove() {
    const FaultOr<Proof> proof = verify_audit(*connect());
    EXPECT_TRUE(proof) << proof.error().message;
    return proof.value_or(Proof{});
  }
  // The ids of the decisions and of the outcomes in the trail, in their order.
  std::vector<std::string> ids(std::string_view phase) {
    const auto database = connect();
    auto rows = GroupWalk::begin(*database, {}, Direction::kOldestFirst);
    std::vector<std::string> found;
    const std::string mark = "\"phase\":\"" + std::string(phase) + "\"";
    while (rows->step().value()) {
      std::string_view lines = rows->lines().value();
      while (!lines.empty()) {
        const std::string_view line = take_line(lines);
        if (line.find(mark) != std::string_view::npos) found.emplace_back(line.substr(7, 12));
      }
    }
    return found;
  }
  void expect_refused(std::string_view says) {
    const auto opened = try_open();
    ASSERT_FALSE(opened) << says;
    EXPECT_EQ(opened.error().kind, FaultKind::kCorrupt);
    EXPECT_NE(opened.error().message.find(says), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find(journal()), std::string::npos);
  }

  static void book(StoredTrail& trail, const Request& request) {
    pipeline::Booking booking;
    booking.id = request.id;
    booking.tenant = request.actor.tenant;
    pipeline::Used used;
    used.cost = Money{request.n};
    trail.booked(booking, used, {}, kMorning);
  }
  static FaultOr<void> tell_end(StoredTrail& trail, Request& request) {
    request.record.cost = Money{request.n};
    request.record.usage_source = audit::UsageSource::kProvider;
    std::string written;
    audit::write(request.record, audit::Phase::kOutcome, written);
    return trail.append(request.record, audit::Phase::kOutcome, Money{}, written);
  }

  JournalOptions options_;
  std::filesystem::path place_;
  int kills_ = 0;
};

TEST_F(Journaled, TakesUpWhatAKilledGatewayHadNotWritten) {
  const auto killed = open();
  for (int n = 1; n <= 200; ++n) {
    Request request(n);
    ASSERT_TRUE(request.decide(*killed));
    if (n % 2 == 0) {
      ASSERT_TRUE(request.end(*killed));
    }
  }
  EXPECT_EQ(totals().decisions, 0);
  EXPECT_EQ(std::filesystem::status(journal()).permissions(), std::filesystem::perms::owner_all);
  kill();
  const auto trail = open();
  EXPECT_EQ(trail->replayed(), 200 + 2 * 100);
  EXPECT_EQ(trail->recovered(), 100);
  const Totals all = totals();
  EXPECT_EQ(all.decisions, 200);
  EXPECT_EQ(all.outcomes, 200);
  EXPECT_EQ(all.cut, 100);
  EXPECT_EQ(all.booked, all.recorded);
  EXPECT_EQ(all.booked, Money{2 * 100 * 100 + 100 * 101});
  EXPECT_EQ(all.requests_booked, 200);
  EXPECT_FALSE(prove().broken) << prove().why;
}

// Settled, and killed before its outcome was told: what it cost is booked, not what it held.
TEST_F(Journaled, BooksASettlementWithoutAnOutcomeAtWhatItCost) {
  const auto killed = open();
  std::deque<Request> requests;
  for (int n = 1; n <= 4; ++n) requests.emplace_back(n);
  for (Request& request : requests) ASSERT_TRUE(request.decide(*killed));
  book(*killed, requests[0]);
  ASSERT_TRUE(killed->flush());  // Its booking is off the journal.
  book(*killed, requests[1]);
  ASSERT_TRUE(requests[2].end(*killed));
  ASSERT_TRUE(killed->flush());
  ASSERT_TRUE(tell_end(*killed, requests[1]));  // Its booking is, its outcome is not.
  kill();
  for (int start = 0; start < 2; ++start) {
    const auto trail = open();
    EXPECT_EQ(trail->recovered(), start == 0 ? 2 : 0);
    const Totals all = totals();
    EXPECT_EQ(all.booked, Money{1 + 2 + 3 + 2 * 4});
    EXPECT_EQ(all.booked, all.recorded);
    EXPECT_EQ(all.requests_booked, 4);
    EXPECT_EQ(all.outcomes, 4);
    EXPECT_EQ(all.cut, 2);
  }
}

// Whatever is appended, committed, refused by the database and killed in whatever order: all of
// it is in the database once and in its order, and the books are the sum of the records.
TEST_F(Journaled, KeepsAllOnceForAnyHistoryOfKills) {
  std::mt19937_64 random{23};
  std::vector<std::unique_ptr<StoredTrail>> trails;  // The killed ones only hold their memory.
  trails.push_back(open());
  std::int64_t next = 1;
  std::map<std::int64_t, bool> at_work;  // Whether it is booked.
  std::vector<std::string> decided;
  std::set<std::string> ended;
  std::int64_t cut = 0;
  Money spent;
  for (int step = 0; step < 2500; ++step) {
    SCOPED_TRACE(step);
    StoredTrail& trail = *trails.back();
    const std::uint64_t what = random() % 100;
    if (what < 35) {
      Request request(next++);
      if (!request.decide(trail)) continue;
      at_work[request.n] = false;
      spent.micro_usd += request.n;
      decided.push_back(request.id);
    } else if (what < 80 && !at_work.empty()) {
      auto one = at_work.begin();
      std::advance(one, static_cast<std::ptrdiff_t>(random() % at_work.size()));
      Request request(one->first);
      if (!one->second) {
        book(trail, request);
        one->second = true;
        if (random() % 2 == 0) continue;
      }
      ASSERT_TRUE(tell_end(trail, request));
      ended.insert(request.id);
      at_work.erase(one);
    } else if (what < 93) {
      (void)trail.flush();
    } else if (what < 95) {
      refuse_writes(trail.database());
    } else if (what < 98) {
      allow_writes(trail.database());
    } else {
      kill();
      trails.push_back(open());
      const std::vector<std::string> decisions = ids("decision");
      ASSERT_EQ(decisions, decided);
      std::vector<std::string> outcomes = ids("outcome");
      std::ranges::sort(outcomes);
      ASSERT_TRUE(std::ranges::adjacent_find(outcomes) == outcomes.end());
      ASSERT_EQ(outcomes.size(), decided.size());
      for (const std::string& id : ended) {
        ASSERT_TRUE(std::ranges::binary_search(outcomes, id));
      }
      for (const auto& [n, booked] : at_work) {
        ++cut;
        if (!booked) spent.micro_usd += n;  // What it held is twice what it would have cost.
        ended.insert(Request(n).id);
      }
      at_work.clear();
      const Totals all = totals();
      ASSERT_EQ(all.cut, cut);
      ASSERT_EQ(all.booked, all.recorded);
      ASSERT_EQ(all.booked, spent);
      ASSERT_EQ(all.requests_booked, all.outcomes);
      ASSERT_FALSE(prove().broken) << prove().why;
    }
  }
  EXPECT_GT(kills_, 15);
}

// ---- Journals that do not fit ---------------------------------------------------------------

TEST_F(Journaled, MakesAJournalAnewOnlyWhereNothingCanBeMissing) {
  {
    const auto trail = open();
    ASSERT_TRUE(Request(1).decide(*trail));
    ASSERT_TRUE(trail->stop());
  }
  std::filesystem::remove_all(journal());
  {
    const auto trail = open();  // The end was clean: nothing was in it.
    ASSERT_TRUE(Request(2).decide(*trail));
    ASSERT_TRUE(trail->flush());
    kill();
  }
  std::filesystem::remove_all(journal());
  expect_refused("missing");
  expect_refused("mkdir -p");
  std::filesystem::create_directory(journal());
  expect_refused("missing");
  std::ofstream(journal() + "/accept-loss").close();
  testing::internal::CaptureStderr();
  const auto trail = open();
  EXPECT_NE(
      testing::internal::GetCapturedStderr().find("set aside as " + journal() + ".set-aside-1"),
      std::string::npos);
  EXPECT_EQ(totals().decisions, 2);
  ASSERT_TRUE(Request(3).decide(*trail));
  kill();
  EXPECT_EQ(open()->replayed(), 1);
}

TEST_F(Journaled, RefusesTheJournalOfAnotherDatabase) {
  {
    const auto trail = open();
    ASSERT_TRUE(Request(1).decide(*trail));
    kill();
  }
  const std::filesystem::path mine = place_;
  std::filesystem::remove(path());
  std::filesystem::remove(path() + "-wal");
  expect_refused("belongs to another database");  // Never a silent fresh start.
  place_ = directory_ / "other";
  std::filesystem::create_directory(place_);
  {
    const auto trail = open();
    kill();
  }
  std::filesystem::remove_all(journal());
  std::filesystem::copy(mine / "tollgate.db.journal", journal());
  expect_refused("belongs to another database");
}

TEST_F(Journaled, RefusesAJournalThatHasGoneOnWithoutTheDatabase) {
  const auto trail = open();
  ASSERT_TRUE(Request(1).decide(*trail));
  ASSERT_TRUE(trail->flush());
  const std::filesystem::path backup = directory_ / "backup.db";
  std::filesystem::copy_file(path(), backup);
  if (std::filesystem::exists(path() + "-wal")) {
    std::filesystem::copy_file(path() + "-wal", backup.string() + "-wal");
  }
  for (int n = 2; n < 500; ++n) {
    ASSERT_TRUE(Request(n).decide(*trail));
    if (n % 10 == 0) {
      ASSERT_TRUE(trail->flush());
    }
  }
  kill();
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path() + end);
  std::filesystem::copy_file(backup, path());
  std::filesystem::copy_file(backup.string() + "-wal", path() + "-wal");
  expect_refused("restored from a backup");
}

TEST_F(Journaled, TellsWhatItCannotReadAtTheEndAndGoesOn) {
  const auto killed = open();
  for (int n = 1; n <= 3; ++n) ASSERT_TRUE(Request(n).decide(*killed));
  const std::size_t last = killed->journal().end().offset();
  kill();
  std::string file;
  for (const std::string& each : segment_files(journal()).value()) {
    std::ifstream stream(each, std::ios::binary);
    if (stream.get() != 0) file = each;
  }
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(last - 50));
  stream << "torn";
  stream.close();
  testing::internal::CaptureStderr();
  const auto trail = open();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("cannot be read and are passed over\n"), std::string::npos) << said;
  EXPECT_EQ(trail->replayed(), 2);
  EXPECT_EQ(totals().outcomes, 2);
}

TEST_F(Journaled, TakesAllThatIsWholeAfterALossOfPower) {
  options_.boot = "before";
  const auto killed = open();
  for (int n = 1; n <= 100; ++n) ASSERT_TRUE(Request(n).decide(*killed));
  kill();
  // Pages reach the disk in any order: one in the middle did not.
  const std::string file = segment_files(journal()).value().front();
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(4096);
  stream << std::string(4096, '\0');
  stream.close();
  expect_refused("cannot be read");
  options_.boot = "after";
  const auto trail = open();
  EXPECT_GT(trail->replayed(), 70);
  EXPECT_LT(trail->replayed(), 100);
  EXPECT_EQ(trail->recovered(), trail->replayed());
  EXPECT_TRUE(trail->may_lack());
  kill();
  EXPECT_FALSE(open()->may_lack());
  EXPECT_FALSE(prove().broken) << prove().why;
}

// ---- A disk without room --------------------------------------------------------------------

TEST_F(Journaled, RefusesDecisionsWithoutRoomAndKeepsWhatMustBeKept) {
  const auto trail = open();
  trail->journal().disk_is(Journal::Disk::kFull);
  std::vector<std::unique_ptr<Request>> left;
  FaultOr<void> taken;
  while (true) {
    auto request = std::make_unique<Request>(static_cast<std::int64_t>(left.size() + 1));
    taken = request->decide(*trail);
    if (!taken) break;
    left.push_back(std::move(request));
  }
  EXPECT_NE(taken.error().message.find("no room"), std::string::npos) << taken.error().message;
  EXPECT_FALSE(trail->healthy());
  EXPECT_NE(trail->unhealthy_because().find("no room"), std::string::npos);
  for (const auto& request : left) ASSERT_TRUE(request->end(*trail));
  EXPECT_FALSE(Request(900).decide(*trail));
  ASSERT_TRUE(trail->flush());
  const Totals all = totals();
  EXPECT_EQ(all.decisions, static_cast<std::int64_t>(left.size()));
  EXPECT_EQ(all.outcomes, all.decisions);
  EXPECT_EQ(all.booked, all.recorded);
  EXPECT_EQ(all.requests_booked, all.outcomes);
  EXPECT_FALSE(trail->healthy());  // There is no segment to go on in.
  trail->journal().disk_is(Journal::Disk::kFree);
  ASSERT_TRUE(trail->flush());
  EXPECT_TRUE(trail->healthy());
  EXPECT_TRUE(Request(901).decide(*trail));
  kill();
  EXPECT_EQ(open()->recovered(), 1);
  EXPECT_FALSE(prove().broken) << prove().why;
}

// What is longer than a segment is no reason to lose what must be kept, nor to refuse for longer
// than until the next group.
TEST_F(Journaled, KeepsAnOutcomeThatIsLongerThanASegment) {
  const auto trail = open();
  Request request(1);
  ASSERT_TRUE(request.decide(*trail));
  std::string written;
  audit::write(request.record, audit::Phase::kOutcome, written);
  written.insert(written.size() - 1, ",\"more\":\"" + std::string(20'000, 'x') + "\"");
  ASSERT_TRUE(trail->append(request.record, audit::Phase::kOutcome, Money{}, written));
  const FaultOr<void> behind = Request(2).decide(*trail);
  ASSERT_FALSE(behind);
  EXPECT_NE(behind.error().message.find("longer than a segment"), std::string::npos);
  ASSERT_TRUE(trail->flush());
  EXPECT_TRUE(Request(2).decide(*trail));
  ASSERT_TRUE(trail->flush());
  const std::vector<std::string> outcomes = ids("outcome");
  EXPECT_EQ(outcomes.size(), 1U);
  EXPECT_FALSE(prove().broken) << prove().why;
}

// ---- Decisions that survive the loss of power -----------------------------------------------

TEST_F(Journaled, GoesOnWithADecisionWhenItsGroupIsCommitted) {
  const auto trail = open();
  Posted loop;
  std::deque<Request> requests;
  for (int n = 1; n <= 50; ++n) requests.emplace_back(n);
  std::vector<Answer> answers(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(requests[i].decide(*trail));
    ask(*trail, requests[i].id, loop, answers[i]);
  }
  EXPECT_EQ(loop.run(), 0U);
  ASSERT_TRUE(trail->flush());
  for (const Answer& answer : answers) EXPECT_FALSE(answer.here);  // On their own loop only.
  EXPECT_EQ(loop.run(), 50U);
  for (const Answer& answer : answers) EXPECT_TRUE(answer.here && answer.is);
  const auto database = connect();
  auto rows = database->prepare("SELECT count(*) FROM audit_groups");
  ASSERT_TRUE(rows && rows->step());
  EXPECT_EQ(rows->integer(0), 1);  // All shared one commit.
  Answer at_once;
  ask(*trail, requests[0].id, loop, at_once);
  EXPECT_TRUE(at_once.here && at_once.is);  // It is in the database already.
}

TEST_F(Journaled, RefusesADecisionWhoseCommitFailsAndKeepsItsEnd) {
  const auto trail = open();
  Posted loop;
  Request request(1);
  Answer answer;
  ASSERT_TRUE(request.decide(*trail));
  refuse_writes(trail->database());
  ask(*trail, request.id, loop, answer);
  ASSERT_FALSE(trail->flush());
  EXPECT_EQ(loop.run(), 1U);
  ASSERT_TRUE(answer.here);
  EXPECT_FALSE(answer.is);
  // It never left; its end is kept although decisions are refused now.
  request.record.outcome = audit::Outcome::kRefused;
  request.record.code = "audit_unavailable";
  EXPECT_FALSE(request.decide(*trail));
  std::string written;
  audit::write(request.record, audit::Phase::kOutcome, written);
  ASSERT_TRUE(trail->append(request.record, audit::Phase::kOutcome, Money{}, written));
  EXPECT_FALSE(trail->append(request.record, audit::Phase::kOutcome, Money{}, written));
  allow_writes(trail->database());
  ASSERT_TRUE(trail->flush());
  kill();
  EXPECT_EQ(open()->recovered(), 0);
  EXPECT_EQ(totals().booked, Money{});
}

TEST_F(Journaled, CommitsAtOnceForWhoWaitsOnManyThreads) {
  const auto trail = open();
  trail->start();
  std::vector<std::thread> loops;
  for (int t = 0; t < 3; ++t) {
    loops.emplace_back([&, t] {
      Posted loop;
      for (int n = 0; n < 60; ++n) {
        Request request(t * 1000 + n + 1);
        Answer answer;
        EXPECT_TRUE(request.decide(*trail));
        ask(*trail, request.id, loop, answer);
        while (!answer.here) {
          loop.wait();
          loop.run();
        }
        EXPECT_TRUE(answer.is);
        EXPECT_TRUE(request.end(*trail));
      }
    });
  }
  for (std::thread& loop : loops) loop.join();
  ASSERT_TRUE(trail->stop());
  const Totals all = totals();
  EXPECT_EQ(all.outcomes, 180);
  EXPECT_EQ(all.booked, all.recorded);
}

}  // namespace
}  // namespace tollgate::storage
