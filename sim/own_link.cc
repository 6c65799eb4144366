#include "sim/own_link.h"

#include "storage/allowances.h"
#include "storage/spend.h"
#include "storage/try.h"

namespace tollgate::sim {

using storage::Allowances;
using storage::kOnlyGateway;
using storage::TrailWriter;

namespace {

// How the last gateway ended, as the database knows: the machine's run that it was at work in.
constexpr std::string_view kState = "sim_state";
constexpr std::string_view kClean = "clean";
// Whether something that it held may be lacking, until the writer has made up for it.
constexpr std::string_view kLack = "journal_may_lack";

}  // namespace

// ---- The writer's group ---------------------------------------------------------------------

FaultOr<void> OwnLink::Part::write(storage::Database& database) {
  if (link_.away_) return fault(FaultKind::kRefusedByPeer, "the disk is full");
  TRY_DO(link_.lender_->write(database));
  if (link_.crash_ != Crash::kBeforeCommit) return {};
  link_.died_ = true;
  return fault(FaultKind::kBroken, "killed");
}

void OwnLink::Part::committed() {
  link_.died_ = link_.crash_ == Crash::kAfterCommit;
  if (!link_.died_) link_.lender_->committed();
}

void OwnLink::Part::failed(const Fault& fault) {
  if (!link_.died_) link_.lender_->failed(fault);
}

void OwnLink::take_journal() {
  for (; taken_ < journal_.end(); ++taken_) {
    const JournalModel::Entry& entry = journal_.behind(taken_);
    if (!entry.lost && !writer_->take(entry.packed)) throw Violation{"an item is none"};
  }
  if (chance_.one_in(2)) must(writer_->recover_some(clock_.wall()), "recover");
  writer_->end_group(taken_);
}

// As StoredTrail does it: what failed before goes first.
bool OwnLink::write_groups() {
  bool written = !writer_->keeps() || writer_->write();
  if (written && !died_) {
    take_journal();
    written = writer_->write().has_value();
  }
  healthy_ = written;
  if (lender_ && !writer_->recovering()) {
    lender_->earlier_leases(storage::EarlierLeases::kEnded);
  }
  return written;
}

bool OwnLink::work(Crash crash) {
  crash_ = crash;
  (void)write_groups();
  crash_ = Crash::kNone;
  journal_.synced(writer_->journal_written());
  return !died_;
}

bool OwnLink::idle() const {
  return writer_->idle() && taken_ == journal_.end() && lender_->idle();
}

bool OwnLink::abandon() {
  if (!lender_) return false;
  lender_->failed(Fault{FaultKind::kCancelled, "killed"});
  return !lender_->idle();
}

// ---- Start and stop -------------------------------------------------------------------------

bool OwnLink::recover() {
  if (away_ || chance_.one_in(8)) return false;
  // As StoredTrail and Store do it, in their order.
  writer_.emplace(must(TrailWriter::open(database_, kOnlyGateway), "open"));
  const std::optional<std::string> state = must(storage::read_mark(database_, kState), "state");
  const auto lack = must(storage::read_mark(database_, kLack), "lack");
  const bool lost_power = state && *state != kClean && *state != std::to_string(boot_);
  const bool may_lack = lost_power || lack == "yes";
  const std::int64_t group = chance_.between(1, 20);
  for (std::uint64_t at = writer_->journal_written(); at < journal_.end();) {
    for (std::int64_t i = 0; i < group && at < journal_.end(); ++i, ++at) {
      const JournalModel::Entry& entry = journal_.behind(at);
      if (!entry.lost && !writer_->take(entry.packed)) throw Violation{"an item is none"};
    }
    writer_->end_group(at);
    must(writer_->write(), "replay");
    journal_.synced(writer_->journal_written());
    if (chance_.one_in(20)) return false;
  }
  const std::string boot = std::to_string(boot_);
  must(mark(boot, may_lack ? "yes" : "no"), "mark");
  if (chance_.one_in(8)) return false;
  const auto books = may_lack ? Allowances::Books::kMayLack : Allowances::Books::kWhole;
  must(writer_->begin_recovery(books, clock_.wall()), "begin_recovery");
  // The rest is ended while it serves.
  for (std::int64_t some = chance_.between(0, 3); some > 0 && writer_->recovering(); --some) {
    if (chance_.one_in(8)) return false;
    must(writer_->recover_some(clock_.wall()), "recover");
    writer_->end_group();
    must(writer_->write(), "recover");
  }
  return true;
}

FaultOr<void> OwnLink::mark(std::string_view state, std::string_view lack) {
  TRY(transaction, storage::Transaction::begin(database_));
  TRY_DO(storage::write_mark(database_, kState, state));
  TRY_DO(storage::write_mark(database_, kLack, lack));
  return transaction.commit();
}

FaultOr<void> OwnLink::end_leases(Allowances::Books books) {
  TRY(transaction, storage::Transaction::begin(database_));
  TRY(rest, Allowances(database_, kOnlyGateway).end_leases(books, clock_.wall()));
  (void)rest;
  TRY_DO(storage::write_mark(database_, kLack, "no"));
  return transaction.commit();
}

bool OwnLink::return_leases() {
  if (away_) return false;
  must(writer_->finish(), "finish");
  must(mark(kClean, "no"), "mark");
  must(end_leases(Allowances::Books::kWhole), "leases");
  return true;
}

void OwnLink::serve(storage::MemoryLedger& ledger) {
  ledger_ = &ledger;
  taken_ = journal_.end();
  lender_ = std::make_unique<storage::StoreLender>(kOnlyGateway, storage::Sharing::kAlone, ledger,
                                                   clock_, [] {});
  if (writer_->recovering()) lender_->earlier_leases(storage::EarlierLeases::kOpen);
  writer_->join(part_);
  ledger.lend_from(*lender_);
}

FaultOr<void> OwnLink::count(const Settings& settings) {
  TRY(transaction, storage::Transaction::begin(database_));
  const WallTime now = clock_.wall();
  Allowances allowances(database_, kOnlyGateway);
  for (std::size_t i = 0; i < settings.budgets.size(); ++i) {
    const cost::Policy& budget = settings.budgets[i];
    if (!settings.in_force[i]) continue;
    const WallTime start = cost::start_of(budget.window, budget.zone, now);
    TRY(subjects, storage::spent_by_subject(database_, budget.scope, start));
    for (const storage::SubjectSpent& spent : subjects) {
      storage::LeaseAsk ask;
      ask.account = {budget.rule, spent.subject, start};
      ask.limit = budget.limit;
      TRY_DO(allowances.raise(ask.account, spent.cost, now));
      TRY(lease, allowances.lease(ask, now));
      // Without room for it a gateway does not start; here it starts and asks again later.
      (void)ledger_->know(budget, spent.subject, start, lease);
    }
  }
  return transaction.commit();
}

bool OwnLink::count_budgets(const Settings& settings) {
  if (!write_groups()) return false;
  journal_.synced(writer_->journal_written());
  must(count(settings), "count_budgets");
  return true;
}

}  // namespace tollgate::sim
