#include "storage/store.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "config/scalars.h"
#include "storage/allowances.h"
#include "storage/count_error_marks.h"
#include "storage/gateways.h"
#include "storage/random_number.h"
#include "storage/secret_file.h"
#include "storage/spend.h"
#include "storage/try.h"

namespace tollgate::storage {

namespace {

// How often what was learned is kept, and a gateway of a shared store says that it is there and
// looks for leases to give back.
constexpr Duration kTendEvery = std::chrono::milliseconds(500);
// How often the file of how callers behave is written anew.
constexpr Duration kKeepAnomaliesEvery = std::chrono::minutes(1);
// So long what was learned waits for the store before it is tried again.
constexpr Duration kSavePatience = std::chrono::seconds(1);
// How often what other gateways have learned is read.
constexpr Duration kLearnEvery = std::chrono::minutes(1);
// A revocation is heard within so long of a server, and known to be heard within
// StoredKeys::kFresh.
constexpr Duration kSharedPollEvery = std::chrono::milliseconds(200);
// So long the sums of the books may take, at a start and a reload.
constexpr Duration kSumsWait = std::chrono::minutes(1);
// So long a change of a key waits for the lock, and who polls waits for it.
constexpr Duration kSharedKeysWait = std::chrono::milliseconds(500);

std::string lock_file(const std::string& path) { return path + ".lock"; }

}  // namespace

Store::Store(const pipeline::Clock& clock) : clock_(clock) {}

Store::~Store() { (void)stop(); }

FaultOr<std::unique_ptr<Store>> Store::open(const config::Store& where, const audit::Policy& audit,
                                            const pipeline::Clock& clock) {
  std::unique_ptr<Store> store(new Store(clock));
  TRY_DO(store->find_place(where));
  TRY(writing, Database::open(store->where_, store->options_));
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(store->where_, ignored);
  if (!ignored && bytes <= static_cast<std::uintmax_t>(kCheckedBytesMax)) {
    TRY_DO(writing->check_whole());
  }
  if (store->is_shared()) TRY_DO(store->take_seat(*writing));

  TRY(trail, StoredTrail::open(std::move(writing), audit, clock, store->journal_options()));
  store->trail_ = std::move(trail);
  if (store->seat_) store->trail_->sit(*store->seat_);
  TRY_DO(store->load_keys(where));

  MemoryLedger::Options options;
  TRY(key, random_number());
  options.key = key;
  store->ledger_ = std::make_unique<MemoryLedger>(options, store->trail_.get());
  TRY_DO(store->lend());
  if (!where.redis_url.empty()) TRY_DO(store->lend_rates(where));
  return store;
}

// And keeps other gateways out of it, before anything else: opening may change the schema under
// the feet of one.
FaultOr<void> Store::find_place(const config::Store& where) {
  std::string file;
  if (where.in_memory) {
    TRY(temporary, TemporaryDirectory::make());
    temporary_ = std::move(temporary);
    directory_ = temporary_->path();
    where_ = file = directory_ + "/tollgate.db";
    options_.durability = Durability::kProcess;
  } else if (where.postgres_url.empty()) {
    where_ = file = where.sqlite_path;
    directory_ = std::filesystem::path(where_).parent_path().string();
  } else {
    where_ = where.postgres_url.reveal();
    directory_ = where.state_directory;
    TRY_DO(make_state_directory(directory_));
    file = beside("gateway");
    sharing_ = Sharing::kShared;
  }
  TRY(lock, StoreLock::take(lock_file(file), is_shared() ? directory_ : file));
  lock_ = std::move(lock);
  if (!is_shared()) return {};
  TRY(name, load_or_make_gateway_name(beside("gateway.id")));
  gateway_ = name;
  return {};
}

JournalOptions Store::journal_options() const {
  JournalOptions options;
  options.gateway = gateway_;
  if (!is_shared()) return options;
  options.directory = beside("journal");
  options.while_away = WhileAway::kSpool;
  return options;
}

// A retired name: what its journal holds is taken over, and that is all.
FaultOr<void> Store::refuse_retired(Database& database) {
  TRY(retired, retired_since(database, gateway_));
  if (!retired) return {};
  TRY(late, take_in_journal(database, journal_options()));
  std::string journal = "Its journal holds nothing that the store lacks.";
  if (late.items > 0) {
    journal = fmt::format(
        "{} records and bookings that its journal held are in the store now; {} requests stay "
        "booked at what they held, as its retirement booked them (`tollgate audit query --code "
        "{}` names them, `tollgate spend --adjust` corrects them).",
        late.items, late.passed, TrailWriter::kRetiredCode);
  }
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: the gateway {} is retired since {:%Y-%m-%d %H:%M:%S} UTC. {} Start "
                           "with an empty store.state_directory: {} has done its duty.",
                           database.name(), gateway_,
                           fmt::gmtime(std::chrono::system_clock::to_time_t(*retired)), journal,
                           directory_));
}

// Whoever was killed here a moment ago says nothing any more; whoever serves elsewhere, from a copy
// of the directory, says so again.
FaultOr<void> Store::take_seat(Database& database) {
  TRY_DO(refuse_retired(database));
  TRY(holder, random_holder());
  seat_ = std::make_unique<GatewaySeat>(gateway_, holder, clock_);
  TRY(seen, seat_->last_seen(database));
  TRY(now, database.now());
  if (seen && now - *seen < 2 * kSilentAtMost) {
    std::this_thread::sleep_for(kSilentAtMost);
    TRY(again, seat_->last_seen(database));
    if (again != seen) return seat_->is_taken(database);
  }
  TRY(transaction, Transaction::begin(database));
  TRY_DO(seat_->take(database));
  return transaction.commit();
}

FaultOr<void> Store::load_keys(const config::Store& where) {
  DatabaseOptions reading = options_;
  StoredKeysOptions options;
  options.gateway = gateway_;
  options.on_fault = where.keys_on_fault;
  if (is_shared()) {
    options.poll_every = kSharedPollEvery;
    reading.busy_timeout = kSharedKeysWait;
  }
  TRY(database, Database::open(where_, reading));
  TRY(keys, StoredKeys::load(std::move(database), clock_, options));
  keys_ = std::move(keys);
  return {};
}

FaultOr<void> Store::lend() {
  lender_ = std::make_unique<StoreLender>(gateway_, sharing_, *ledger_, clock_,
                                          [trail = trail_.get()] { trail->write_now(); });
  if (seat_) lender_->sit(*seat_);
  // What an earlier gateway had leased comes back once all that it held is in the books.
  if (trail_->recovering()) lender_->earlier_leases(EarlierLeases::kOpen);
  trail_->when_recovered([this] { lender_->earlier_leases(EarlierLeases::kEnded); });
  trail_->join(*lender_);
  ledger_->lend_from(*lender_);
  return {};
}

FaultOr<void> Store::lend_rates(const config::Store& where) {
  TRY(endpoint, redis::parse_url(where.redis_url.reveal()));
  // A gateway on a file of its own shares its limits under a name of its own all the same.
  TRY(name, load_or_make_gateway_name(beside("gateway.id")));
  RedisRates::Options options;
  options.gateway = name;
  options.on_fault = where.rates_on_fault == config::RatesOnFault::kRefuse ? RateMode::kRefused
                                                                           : RateMode::kLocalShare;
  if (is_shared()) {
    TRY(database, reader());
    TRY(alive, gateways_alive(*database));
    options.gateways = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(alive.size()));
  }
  TRY(rates, RedisRates::create(std::move(endpoint), options, *ledger_, clock_));
  rates_ = std::move(rates);
  ledger_->rates_from(*rates_);
  const FaultOr<void> started = rates_->start();
  if (started) return {};
  if (started.error().kind == FaultKind::kRefusedByPeer) return started;
  fmt::print(stderr, "tollgate: {} Until then store.on_fault.rates holds.\n",
             started.error().message);
  return {};
}

// What the books know is summed up before the lock is taken: it may take long where they are large,
// and other gateways write meanwhile. So it is held against the accounts of the same moment.
FaultOr<void> Store::count_budgets(const config::Config& config) {
  TRY_DO(trail_->flush());
  const WallTime now = clock_.wall();
  TRY(books, sum_up(config, now));
  return trail_->write_with([&](Database& database) -> FaultOr<void> {
    for (const Counted& counted : books.budgets) {
      TRY_DO(count(database, counted, books.last_entry, now));
    }
    return {};
  });
}

FaultOr<void> Store::record_configuration(const config::Config& config, TakenOver how) {
  return trail_->write_with([&](Database& database) {
    return storage::record_configuration(database, gateway_, how, config);
  });
}

FaultOr<Store::Books> Store::sum_up(const config::Config& config, WallTime now) {
  DatabaseOptions patient = options_;
  patient.statement_deadline = kSumsWait;
  TRY(database, Database::open(where_, patient));
  TRY(moment, Snapshot::begin(*database));
  (void)moment;  // Of all that is read here.
  Books books;
  TRY(last_entry, Allowances(*database, gateway_).last_entry());
  books.last_entry = last_entry;
  for (const cost::Policy& budget : config.budgets) {
    const WallTime start = cost::start_of(budget.window, budget.zone, now);
    TRY(subjects, spent_by_subject(*database, budget.scope, start));
    books.budgets.push_back({&budget, start, std::move(subjects), {}});
  }
  for (const config::Tenant& tenant : config.tenants) {
    if (!tenant.budget) continue;
    const WallTime start = cost::start_of(tenant.budget->window, tenant.budget->zone, now);
    TRY(spent, spent_since(*database, limits::Scope::kTenantId, tenant.name, start));
    books.budgets.push_back({&*tenant.budget, start, {{tenant.name, spent}}, {}});
  }
  for (Counted& counted : books.budgets) TRY_DO(find_uncounted(*database, counted));
  return books;
}

FaultOr<void> Store::find_uncounted(Database& database, Counted& counted) const {
  Allowances allowances(database, gateway_);
  std::vector<AccountId> accounts;
  for (const SubjectSpent& spent : counted.subjects) {
    accounts.push_back({counted.budget->rule, spent.subject, counted.start});
  }
  TRY_DO(allowances.look_up(accounts));
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    TRY(uncounted, allowances.uncounted(accounts[i], counted.subjects[i].cost));
    counted.uncounted.push_back(uncounted);
  }
  return {};
}

FaultOr<void> Store::count(Database& database, const Counted& counted, std::int64_t seen,
                           WallTime now) {
  const cost::Policy& budget = *counted.budget;
  Allowances allowances(database, gateway_);
  LeaseAsk ask;
  ask.limit = budget.limit;
  std::vector<AccountId> accounts;
  for (const SubjectSpent& spent : counted.subjects) {
    accounts.push_back({budget.rule, spent.subject, counted.start});
  }
  TRY_DO(allowances.look_up(accounts));
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    ask.account = accounts[i];
    TRY_DO(allowances.raise(ask.account, counted.uncounted[i], seen, now));
    TRY(lease, allowances.lease(ask, now));
    if (ledger_->know(budget, counted.subjects[i].subject, counted.start, lease)) continue;
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the ledger has no room for all that have spent under {}.",
                             database.name(), budget.rule));
  }
  return {};
}

void Store::start() {
  keys_->start();
  trail_->start();
  if (tending_.joinable()) return;
  stopping_ = false;
  tending_ = std::thread([this] {
    std::unique_lock lock(tending_mutex_);
    while (!wake_.wait_for(lock, kTendEvery, [this] { return stopping_; })) {
      tend_count_errors();
      if (clock_.now() - anomalies_kept_ >= kKeepAnomaliesEvery) tend_anomalies();
      if (!is_shared()) continue;
      ledger_->give_back_idle(clock_.now());
      lender_->beat();
    }
  });
}

FaultOr<void> Store::stop() {
  {
    const std::lock_guard lock(tending_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (tending_.joinable()) tending_.join();
  if (keys_) keys_->stop();
  if (rates_) rates_->stop();
  tend_anomalies();
  anomalies_.reset();
  if (!trail_) return {};
  tend_count_errors();
  count_errors_ = nullptr;
  TRY_DO(trail_->stop());
  return is_shared() ? return_leases() : FaultOr<void>();
}

FaultOr<void> Store::keep(tokens::CountErrors& errors) {
  TRY(database, reader());
  count_errors_reader_ = std::move(database);
  TRY_DO(load_count_errors(*count_errors_reader_, errors, clock_.wall()));
  count_errors_ = &errors;
  count_errors_read_ = clock_.now();
  count_errors_kept_ = errors.changes();
  return {};
}

void Store::keep(anomalies::Anomalies& anomalies) {
  const std::string path = is_shared() ? beside("anomalies") : where_ + ".anomalies";
  if (const FaultOr<bool> loaded = load_anomalies(path, anomalies); !loaded) {
    fmt::print(stderr, "tollgate: {}\n", loaded.error().message);
  }
  anomalies_.emplace(path, anomalies);
  anomalies_kept_ = clock_.now();
}

// What cannot be written is tried again, and said once.
void Store::tend_anomalies() {
  if (!anomalies_) return;
  anomalies_kept_ = clock_.now();
  const FaultOr<void> saved = anomalies_->save();
  if (!saved && !anomalies_failed_) {
    fmt::print(stderr,
               "tollgate: {} What was learned of callers is lost if the gateway ends before it can "
               "be written.\n",
               saved.error().message);
  }
  anomalies_failed_ = !saved;
}

// What cannot be read or written is tried again.
void Store::tend_count_errors() {
  if (count_errors_ == nullptr || !trail_->reachable()) return;
  count_errors_->turn(clock_.wall());
  if (is_shared() && clock_.now() - count_errors_read_ >= kLearnEvery) {
    count_errors_read_ = clock_.now();
    (void)load_count_errors(*count_errors_reader_, *count_errors_, clock_.wall());
  }
  const std::uint64_t changes = count_errors_->changes();
  if (changes == count_errors_kept_) return;
  const FaultOr<void> saved = trail_->write_within(kSavePatience, [this](Database& database) {
    return save_count_errors(database, *count_errors_, clock_.wall());
  });
  if (saved) count_errors_kept_ = changes;
}

// Nothing is held any more, and all that was spent is in the books.
FaultOr<void> Store::return_leases() {
  if (!lender_ || ledger_->open_holds() > 0) return {};
  return trail_->write_with([this](Database& database) -> FaultOr<void> {
    TRY(rest, Allowances(database, gateway_).end_leases(Allowances::Books::kWhole, clock_.wall()));
    (void)rest;
    return {};
  });
}

std::span<const std::string_view> Store::now() const {
  if (!is_shared() && !rates_) return {};
  static constexpr std::array<std::string_view, 3> kAll = {"money", "rates", "keys"};
  static constexpr std::array<std::string_view, 2> kMoneyAndKeys = {"money", "keys"};
  const bool money = is_shared() && !trail_->reachable();
  const bool keys = is_shared() && !keys_->fresh();
  const bool rates = rates_ && rates_->degraded();
  if (money && keys && !rates) return kMoneyAndKeys;
  const std::size_t first = money ? 0 : rates ? 1 : 2;
  return std::span(kAll).subspan(first, (money ? 1 : 0) + (rates ? 1 : 0) + (keys ? 1 : 0));
}

FaultOr<std::unique_ptr<Database>> Store::reader() const {
  return Database::open(where_, options_);
}

std::string Store::beside(std::string_view name) const {
  return (std::filesystem::path(directory_) / name).string();
}

FaultOr<std::unique_ptr<Database>> open_for_command(const config::Store& where) {
  if (where.in_memory) {
    return fault(FaultKind::kRefusedByPeer,
                 "store.ledger is `memory`: what that gateway keeps is seen through its admin "
                 "address only. Name a sqlite:// file or a postgres:// database to use this "
                 "command.");
  }
  // A question over long books may take its time: nobody else waits for the answer.
  DatabaseOptions patient;
  patient.statement_deadline = std::chrono::minutes(1);
  return Database::open(
      where.postgres_url.empty() ? where.sqlite_path : where.postgres_url.reveal(), patient);
}

FaultOr<bool> gateway_runs(Database& database, const config::Store& where) {
  if (where.postgres_url.empty()) return gateway_runs(where.sqlite_path);
  TRY(gateways, gateways_alive(database));
  return !gateways.empty();
}

bool gateway_runs(const std::string& path) { return StoreLock::is_taken(lock_file(path)); }

std::string beside(std::string_view path, std::string_view name) {
  return (std::filesystem::path(path).parent_path() / name).string();
}

}  // namespace tollgate::storage
