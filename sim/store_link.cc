#include "sim/store_link.h"

#include <utility>
#include <vector>

#include "storage/allowances.h"
#include "storage/lease_expiry.h"
#include "storage/spend.h"
#include "storage/trail_group.h"
#include "storage/try.h"

namespace tollgate::sim {

using storage::Allowances;
using storage::TrailWriter;
using storage::Transaction;

namespace {

// How the last gateway ended, as the store knows: the machine's run that it was at work in.
constexpr std::string_view kState = "sim_state";
constexpr std::string_view kClean = "clean";
// Whether something that it held may be lacking, until the writer has made up for it.
constexpr std::string_view kLack = "journal_may_lack";

}  // namespace

StoreLink::StoreLink(const Parts& parts)
    : line{parts.cut_off}, parts_(parts), database_(parts.server.connect(line)) {
  if (shared()) seat_.emplace(parts.gateway, parts.process, parts.clock);
}

// ---- Groups ---------------------------------------------------------------------------------

void StoreLink::take_journal() {
  for (; taken_ < parts_.journal.end(); ++taken_) {
    const JournalModel::Entry& entry = parts_.journal.behind(taken_);
    if (!entry.lost && !writer_->take(entry.packed)) throw Violation{"an item is none"};
  }
  writer_->end_group(taken_);
}

// As StoredTrail does it: what failed before goes first.
FaultOr<void> StoreLink::write_groups() {
  FaultOr<void> written;
  if (writer_->keeps()) written = writer_->write();
  if (written) {
    FaultOr<void> ended;
    if (parts_.chance.one_in(2)) ended = writer_->recover_some(parts_.clock.wall());
    take_journal();
    written = writer_->write();
    if (written) written = ended;
  }
  if (!written && shared() && seat_->has_lost()) written = write_again();
  parts_.journal.synced(writer_->journal_written());
  (void)went_well(written, "write");
  healthy_ = written || (shared() && seat_->is_good());
  if (lender_ && !writer_->recovering()) lender_->earlier_leases(storage::EarlierLeases::kEnded);
  return written;
}

// The store failed over and lacks what was committed last.
FaultOr<void> StoreLink::write_again() {
  TRY(fresh, TrailWriter::open(*database_, writer_->gateway()));
  fresh.take_over(*writer_);
  writer_.emplace(std::move(fresh));
  seat_->accept_loss();
  taken_ = writer_->journal_written();
  take_journal();
  return writer_->write();
}

FaultOr<void> StoreLink::write_alone(const std::function<FaultOr<void>()>& work) {
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(writer_->check_seat());
  TRY_DO(work());
  return transaction.commit();
}

void StoreLink::expire_leases(Duration silent_for) {
  if (!shared()) return;
  (void)went_well(write_alone([&] { return storage::expire_leases(*database_, silent_for); }),
                  "expire_leases");
}

void StoreLink::work() {
  if (parts_.chance.one_in(8) || beat_is_due()) {
    beat_at_ = parts_.clock.now();
    ledger_->give_back_idle(parts_.clock.now());
    lender_->beat();
  }
  (void)write_groups();
}

// Its journal is another's by now.
void StoreLink::haunt() {
  ledger_->give_back_idle(parts_.clock.now());
  lender_->beat();
  (void)went_well(writer_->write(), "a ghost's group");
}

bool StoreLink::idle() const {
  return !writer_->keeps() && !writer_->recovering() && taken_ == parts_.journal.end();
}

void StoreLink::abandon() {
  if (lender_) lender_->failed(Fault{FaultKind::kCancelled, "killed"});
}

// ---- Start ----------------------------------------------------------------------------------

FaultOr<void> StoreLink::take_seat() {
  if (!shared()) return {};
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(seat_->take(*database_));
  return transaction.commit();
}

FaultOr<void> StoreLink::mark(std::string_view state, std::string_view lack) {
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(storage::write_mark(*database_, storage::mark_of(parts_.gateway, kState), state));
  if (lack == "yes") {
    TRY_DO(storage::write_mark(*database_, storage::mark_of(parts_.gateway, kLack), lack));
  }
  return transaction.commit();
}

// As Store and StoredTrail do it, in their order.
FaultOr<void> StoreLink::recover() {
  Chance& chance = parts_.chance;
  JournalModel& journal = parts_.journal;
  TRY_DO(take_seat());
  TRY(writer, TrailWriter::open(*database_, parts_.gateway));
  writer_.emplace(std::move(writer));
  TRY(state, storage::read_mark(*database_, storage::mark_of(parts_.gateway, kState)));
  TRY(lack, storage::read_mark(*database_, storage::mark_of(parts_.gateway, kLack)));
  const bool lost_power = state && *state != kClean && *state != parts_.boot;
  const bool may_lack = lost_power || lack == "yes";
  const std::int64_t group = chance.between(1, 20);
  for (std::uint64_t at = writer_->journal_written(); at < journal.end();) {
    for (std::int64_t i = 0; i < group && at < journal.end(); ++i, ++at) {
      const JournalModel::Entry& entry = journal.behind(at);
      if (!entry.lost && !writer_->take(entry.packed)) throw Violation{"an item is none"};
    }
    writer_->end_group(at);
    TRY_DO(writer_->write());
    journal.synced(writer_->journal_written());
  }
  TRY_DO(mark(parts_.boot, may_lack ? "yes" : "no"));
  const auto books = may_lack ? Allowances::Books::kMayLack : Allowances::Books::kWhole;
  TRY_DO(writer_->begin_recovery(books, parts_.clock.wall()));
  // The rest is ended while it serves.
  for (std::int64_t some = chance.between(0, 3); some > 0 && writer_->recovering(); --some) {
    TRY_DO(writer_->recover_some(parts_.clock.wall()));
    writer_->end_group();
    TRY_DO(writer_->write());
  }
  if (seat_) writer_->sit(*seat_);
  return {};
}

void StoreLink::serve(storage::MemoryLedger& ledger) {
  ledger_ = &ledger;
  taken_ = parts_.journal.end();
  lender_ = std::make_unique<storage::StoreLender>(parts_.gateway, parts_.sharing, ledger,
                                                   parts_.clock, [] {});
  if (seat_) lender_->sit(*seat_);
  if (writer_->recovering()) lender_->earlier_leases(storage::EarlierLeases::kOpen);
  writer_->join(*lender_);
  ledger.lend_from(*lender_);
}

// ---- Reload and stop ------------------------------------------------------------------------

// As Store does it: what was spent is summed up before the lock is taken.
FaultOr<void> StoreLink::count(const Settings& settings) {
  struct Counted {
    const cost::Policy* budget;
    WallTime start;
    std::vector<storage::SubjectSpent> subjects;
  };
  TRY_DO(write_groups());
  const WallTime now = parts_.clock.wall();
  std::vector<Counted> all;
  for (std::size_t i = 0; i < settings.budgets.size(); ++i) {
    const cost::Policy& budget = settings.budgets[i];
    if (!settings.in_force[i]) continue;
    const WallTime start = cost::start_of(budget.window, budget.zone, now);
    TRY(subjects, storage::spent_by_subject(*database_, budget.scope, start));
    all.push_back({&budget, start, std::move(subjects)});
  }
  TRY_DO(write_groups());
  return write_alone([&]() -> FaultOr<void> {
    Allowances allowances(*database_, parts_.gateway);
    for (const Counted& counted : all) {
      for (const storage::SubjectSpent& spent : counted.subjects) {
        storage::LeaseAsk ask;
        ask.account = {counted.budget->rule, spent.subject, counted.start};
        ask.limit = counted.budget->limit;
        TRY_DO(allowances.raise(ask.account, spent.cost, now));
        TRY(lease, allowances.lease(ask, now));
        // Without room for it a gateway does not start; here it starts and asks again later.
        (void)ledger_->know(*counted.budget, spent.subject, counted.start, lease);
      }
    }
    return {};
  });
}

bool StoreLink::count_budgets(const Settings& settings) {
  return went_well(count(settings), "count_budgets");
}

FaultOr<void> StoreLink::end() {
  TRY_DO(write_groups());
  TRY_DO(writer_->finish());
  TRY_DO(write_alone([this] {
    return storage::write_mark(*database_, storage::mark_of(parts_.gateway, kState), kClean);
  }));
  return write_alone([this]() -> FaultOr<void> {
    TRY(rest, Allowances(*database_, parts_.gateway)
                  .end_leases(Allowances::Books::kWhole, parts_.clock.wall()));
    (void)rest;
    return {};
  });
}

bool StoreLink::stop() { return went_well(end(), "stop"); }

}  // namespace tollgate::sim
