// What the books cost and how fast they are: `bench_books tenants | leases | recovery DIRECTORY`.
// One line of JSON on stdout; `./dev bench tenants leases recovery` puts it into the table.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "storage/store.h"
#include "storage/testing_clock.h"

namespace tollgate::storage {
namespace {

using pipeline::Charges;
using pipeline::Hold;
using pipeline::Shortfall;

// A loop of one thread that sleeps while nothing is posted.
class Loop final : public Executor {
 public:
  void post(std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(work));
    }
    wake_.notify_one();
  }
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return !posted_.empty(); });
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      lock.unlock();
      work();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> posted_;
};

double seconds_since(Instant start) {
  return std::chrono::duration<double>(SystemClock().now() - start).count();
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t pages = 0;
  file >> pages >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

std::string tenant(int number) { return fmt::format("tenant-{:08}", number); }

// ---- tenants --------------------------------------------------------------------------------

// Grants at once whatever is asked for.
class RichLender final : public Lender {
 public:
  explicit RichLender(Borrower& borrower) : borrower_(borrower) {}
  void ask(std::span<const LeaseNeed> needs, LeaseWait* wait) override {
    for (const LeaseNeed& need : needs) {
      const Money more = add_saturated(need.least, need.ahead);
      borrower_.answered(need.account, need.hash, 1, Lease{more, {}, more});
      if (wait != nullptr) wait->answered(std::nullopt, SystemClock().now());
    }
  }
  void give_back(std::span<const LeaseReturn>) override {}
  bool exclusive() const override { return true; }

 private:
  Borrower& borrower_;
};

Task<void> hold_once(MemoryLedger& ledger, const Charges& charges, Arena& arena, Executor& executor,
                     const SystemClock& clock) {
  Expected<Hold, Shortfall> hold =
      co_await ledger.hold(charges, arena, executor, clock.now(), clock.wall());
  CHECK(hold.has_value());
  ledger.settle(*hold, charges, {100, 100, {100}}, {}, clock.now(), clock.wall());
}

// Resident memory of so many subjects of one rule.
template <class Charge>
double bytes_each(MemoryLedger& ledger, int count, const Charge& charge) {
  const SystemClock clock;
  Arena arena;
  Loop loop;
  const std::int64_t before = resident_bytes();
  const std::size_t accounts = ledger.accounts();
  for (int i = 0; i < count; ++i) {
    const std::string subject = tenant(i);
    charge(subject, [&](const Charges& charges) {
      bool done = false;
      const auto once = [](MemoryLedger& books, const Charges& of, Arena& memory, Loop& on,
                           const SystemClock& time, bool& ended) -> Task<void> {
        co_await hold_once(books, of, memory, on, time);
        ended = true;
      };
      start(once(ledger, charges, arena, loop, clock, done));
      loop.run_until([&] { return done; });
    });
    arena.reset();
  }
  CHECK(ledger.accounts() - accounts == static_cast<std::size_t>(count));
  return static_cast<double>(resident_bytes() - before) / count;
}

int tenants() {
  constexpr int kTenants = 1'000'000;
  MemoryLedger ledger({.key = 42}, nullptr);
  RichLender lender(ledger);
  ledger.lend_from(lender);
  limits::Policy rate;
  rate.limit = 1'000'000;
  rate.rule = "limits.tenant_id.requests_per_minute";
  cost::Policy budget;
  budget.limit = {500'000'000};
  budget.rule = "budgets.tenant_id";
  const double of_rate = bytes_each(ledger, kTenants, [&](std::string_view subject, auto with) {
    const pipeline::LimitCharge charge[] = {{&rate, subject, 1}};
    with(Charges{charge, {}});
  });
  const double of_budget = bytes_each(ledger, kTenants, [&](std::string_view subject, auto with) {
    const pipeline::BudgetCharge charge[] = {{&budget, subject, {1'000}}};
    with(Charges{{}, charge});
  });
  fmt::print("{{\"tenants\": {}, \"limit_bytes\": {:.0f}, \"budget_bytes\": {:.0f}}}\n", kTenants,
             of_rate, of_budget);
  return 0;
}

// ---- leases ---------------------------------------------------------------------------------

struct Books {
  explicit Books(const std::string& directory) {
    where.sqlite_path = directory + "/tollgate.db";
    where.state_directory = directory;
    cost::Policy budget;
    budget.limit = {500'000'000};
    budget.rule = "budgets.tenant_id";
    config.budgets.push_back(budget);
  }
  void open() {
    FaultOr<std::unique_ptr<Store>> opened = Store::open(where, {}, clock);
    if (!opened) {
      fmt::print(stderr, "{}\n", opened.error().message);
      std::exit(1);
    }
    store = std::move(*opened);
    CHECK(store->count_budgets(config).has_value());
    store->start();
  }
  const cost::Policy& budget() const { return config.budgets.front(); }

  SystemClock clock;
  config::Store where;
  config::Config config;
  std::unique_ptr<Store> store;
};

// One after another, each the first request of a tenant, which waits until its lease is durable.
Task<void> ask_on(Books& books, Executor& executor, int& next, int last, int& ended) {
  Arena arena;
  while (next < last) {
    const std::string subject = tenant(next++);
    const pipeline::BudgetCharge charge[] = {{&books.budget(), subject, {1'000}}};
    const Charges charges{{}, charge};
    co_await hold_once(books.store->ledger(), charges, arena, executor, books.clock);
    arena.reset();
  }
  ++ended;
}

int leases(const std::string& directory) {
  constexpr int kAtOnce = 256;
  constexpr int kLeases = 40'000;
  Books books(directory);
  books.open();
  Loop loop;
  int next = 0;
  int ended = 0;
  const Instant start_at = books.clock.now();
  for (int i = 0; i < kAtOnce; ++i) start(ask_on(books, loop, next, kLeases, ended));
  loop.run_until([&] { return ended == kAtOnce; });
  const double seconds = seconds_since(start_at);
  CHECK(books.store->stop().has_value());
  fmt::print("{{\"leases\": {}, \"at_once\": {}, \"per_second\": {:.0f}}}\n", kLeases, kAtOnce,
             kLeases / seconds);
  return 0;
}

// ---- recovery -------------------------------------------------------------------------------

// Requests that are decided and have not ended when the process is killed.
Task<void> leave_open(Books& books, Executor& executor, int count, bool& done) {
  Arena arena;
  authentication::Identity actor;
  actor.subject = "ada";
  actor.credential_id = "k1k2k3k4k5k6";
  audit::Record record;
  record.actor = &actor;
  record.config_version = "0123456789ab";
  record.listener = "public";
  record.route = "chat";
  record.surface = "chat_completions";
  record.model_asked = record.model_served = "small";
  record.upstream = "vllm";
  record.prompt_bytes = 2048;
  record.input_tokens_counted = 500;
  std::string written;
  for (int i = 0; i < count; ++i) {
    const std::string subject = tenant(i % 1000);
    const std::string id = fmt::format("req_01jc3k4{:019}", i);
    const pipeline::BudgetCharge charge[] = {{&books.budget(), subject, {200}}};
    const Charges charges{{}, charge};
    const Expected<Hold, Shortfall> hold = co_await books.store->ledger().hold(
        charges, arena, executor, books.clock.now(), books.clock.wall());
    CHECK(hold.has_value());
    actor.tenant = subject;
    record.id = id;
    record.time = books.clock.wall();
    record.budgets = hold->budgets;
    written.clear();
    audit::write(record, audit::Phase::kDecision, written);
    while (!books.store->trail().append(record, audit::Phase::kDecision, {200}, written)) {
      CHECK(books.store->trail().flush().has_value());
    }
    arena.reset();
  }
  done = true;
}

int recovery(const std::string& directory, int open_holds) {
  if (const pid_t child = fork(); child != 0) {
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  } else {
    Books books(directory);
    books.open();
    Loop loop;
    bool done = false;
    start(leave_open(books, loop, open_holds, done));
    loop.run_until([&] { return done; });
    CHECK(books.store->trail().flush().has_value());
    kill(getpid(), SIGKILL);
  }
  Books books(directory);
  const Instant start_at = books.clock.now();
  books.open();
  const double ready = seconds_since(start_at);
  const std::int64_t found = books.store->trail().recovered();
  Loop loop;
  int next = 0;
  int ended = 0;
  start(ask_on(books, loop, next, 1000, ended));
  loop.run_until([&] { return ended == 1; });
  const double served = seconds_since(start_at) - ready;
  while (books.store->trail().recovering()) usleep(10'000);
  const double all = seconds_since(start_at);
  CHECK(books.store->stop().has_value());
  fmt::print(
      "{{\"open\": {}, \"ready_s\": {:.2f}, \"first_leases_ms\": {:.1f}, \"ended_s\": {:.1f}}}\n",
      found, ready, served, all);
  return 0;
}

int main_of(const std::vector<std::string>& arguments) {
  const std::string what = arguments.size() > 1 ? arguments[1] : "";
  if (what == "tenants") return tenants();
  if (what == "leases" && arguments.size() > 2) return leases(arguments[2]);
  if (what == "recovery" && arguments.size() > 2) {
    return recovery(arguments[2], arguments.size() > 3 ? std::stoi(arguments[3]) : 1'000'000);
  }
  fmt::print(stderr,
             "usage: bench_books tenants | leases DIRECTORY | recovery DIRECTORY [COUNT]\n");
  return 2;
}

}  // namespace
}  // namespace tollgate::storage

int main(int argc, char** argv) {
  return tollgate::storage::main_of(std::vector<std::string>(argv, argv + argc));
}
