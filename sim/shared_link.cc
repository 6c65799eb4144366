#include "sim/shared_link.h"

#include <set>
#include <utility>

#include "storage/accounts.h"
#include "storage/record_facts.h"

namespace tollgate::sim {

using storage::ItemKind;
using Books = storage::Allowances::Books;

// ---- Leases ---------------------------------------------------------------------------------

void SharedLink::ask(std::span<const storage::LeaseNeed> needs, storage::LeaseWait* wait) {
  for (const storage::LeaseNeed& need : needs) {
    Question question;
    question.hash = need.hash;
    question.ask.limit = need.limit;
    question.ask.least = question.ask.all = need.least;
    question.ask.ahead = need.ahead;
    question.wait = wait;
    add_question(need.account, std::move(question));
  }
}

void SharedLink::give_back(std::span<const storage::LeaseReturn> returns) {
  for (const storage::LeaseReturn& back : returns) {
    Question question;
    question.hash = back.hash;
    question.keep = back.keep;
    add_question(back.account, std::move(question));
  }
}

void SharedLink::add_question(const storage::AccountId& account, Question question) {
  question.account.resize(storage::packed_bytes(account));
  storage::pack(account, question.account.data());
  question.asked_us = between_.now_us;
  const std::uint64_t number = between_.store.next_number();
  asked_.emplace(number, std::move(question));
  send_question(number);
}

void SharedLink::send(const std::function<void()>& arrive) {
  const auto deliver = [&away = between_.store_away, &cut_off = cut_off_, arrive] {
    if (!away && !cut_off) arrive();
  };
  between_.network.send(between_.now_us, deliver);
}

void SharedLink::send_question(std::uint64_t number) {
  Question& question = asked_.at(number);
  question.sent_us = between_.now_us;
  const auto arrive = [&between = between_, &cut_off = cut_off_, find = find_, name = name_, number,
                       ask = question.ask, order = SharedStore::Order{number, question.keep},
                       account = question.account] {
    const FaultOr<storage::Lease> lease =
        between.store.lease(name, ask, order, account, between.store_clock());
    if (!lease) return;
    const auto back = [&cut_off, find, number, answer = *lease] {
      SharedLink* const link = cut_off ? nullptr : find();
      if (link != nullptr) link->answer(number, answer);
    };
    between.network.send(between.now_us, back);
  };
  send(arrive);
}

void SharedLink::answer(std::uint64_t number, const storage::Lease& lease) {
  if (const auto question = asked_.find(number); question != asked_.end()) end(question, lease);
}

void SharedLink::end(std::map<std::uint64_t, Question>::iterator question,
                     const std::optional<storage::Lease>& lease) {
  const Question ended = std::move(question->second);
  asked_.erase(question);
  std::string_view packed = ended.account;
  ledger_->answered(*storage::take_account(packed), ended.hash, 1, lease);
  std::optional<Fault> fault;
  if (!lease) fault = Fault{FaultKind::kTimeout, "no answer"};
  if (ended.wait != nullptr) ended.wait->answered(fault, Instant{});
}

bool SharedLink::abandon() {
  while (!asked_.empty()) end(asked_.begin(), std::nullopt);
  return false;
}

// ---- The journal ----------------------------------------------------------------------------

std::vector<SharedStore::Spending> SharedLink::spendings(std::uint64_t from,
                                                         std::uint64_t to) const {
  std::vector<SharedStore::Spending> all;
  for (std::uint64_t at = from; at < to; ++at) {
    const JournalModel::Entry& entry = journal_.behind(at);
    if (entry.lost || entry.kind != ItemKind::kBooking) continue;
    all.push_back({entry.accounts, entry.amount});
  }
  return all;
}

void SharedLink::send_spendings() {
  told_us_ = between_.now_us;
  // What the store has may not be lost here.
  journal_.synced(journal_.end());
  const std::uint64_t from = acknowledged_;
  const std::uint64_t to = std::min(journal_.end(), from + 1 + between_.chance.below(20));
  const auto arrive = [&between = between_, &cut_off = cut_off_, find = find_, name = name_, from,
                       to, all = spendings(from, to)] {
    const FaultOr<std::uint64_t> there =
        between.store.spend(name, from, to, all, between.store_clock());
    if (!there) return;
    const auto back = [&cut_off, find, position = *there] {
      SharedLink* const link = cut_off ? nullptr : find();
      if (link == nullptr || position <= link->acknowledged_) return;
      link->acknowledged_ = position;
      link->told_us_ = INT64_MIN / 2;
    };
    between.network.send(between.now_us, back);
  };
  send(arrive);
}

bool SharedLink::work(Crash crash) {
  if (crash == Crash::kBeforeCommit) between_.store.die_next();
  for (auto question = asked_.begin(); question != asked_.end();) {
    const auto next = std::next(question);
    if (between_.now_us - question->second.asked_us >= kDeadlineUs) {
      end(question, std::nullopt);
    } else if (between_.now_us - question->second.sent_us >= kAskAgainUs) {
      send_question(question->first);
    }
    question = next;
  }
  if (acknowledged_ < journal_.end() && between_.now_us - told_us_ >= kAskAgainUs) {
    send_spendings();
  }
  return crash != Crash::kAfterCommit;
}

// ---- Start and stop -------------------------------------------------------------------------

void SharedLink::book(const JournalModel::Entry& entry) {
  storage::Item held;
  held.kind = ItemKind::kBooking;
  held.amount = Money{entry.amount};
  held.id = entry.id;
  held.accounts = entry.accounts;
  journal_.append(held);
}

// What is open by the journal is booked at what it held, and all of it is in the store before
// any lease is given back.
bool SharedLink::recover() {
  if (!reachable()) return false;
  std::set<std::string> ended;
  for (const JournalModel::Entry& entry : journal_.entries()) {
    if (!entry.lost && entry.kind == ItemKind::kBooking) ended.insert(entry.id);
  }
  // An outcome says what its booking said, where the loss of power took that.
  for (std::size_t i = 0; i < journal_.entries().size(); ++i) {
    const JournalModel::Entry entry = journal_.entries()[i];
    const bool outcome = entry.kind == ItemKind::kRecord && entry.phase == audit::Phase::kOutcome;
    if (entry.lost || !outcome || !ended.insert(entry.id).second) continue;
    book(entry);
  }
  for (std::size_t i = 0; i < journal_.entries().size(); ++i) {
    const JournalModel::Entry entry = journal_.entries()[i];
    const bool left = entry.kind == ItemKind::kRecord && entry.phase == audit::Phase::kDecision &&
                      storage::lets_leave(entry.outcome);
    if (entry.lost || !left || !ended.insert(entry.id).second) continue;
    book(entry);
    if (between_.chance.one_in(20)) return false;
  }
  journal_.synced(journal_.end());
  if (between_.chance.one_in(8)) between_.store.die_next();
  const WallTime now = between_.store_clock();
  const std::uint64_t from = must(between_.store.written(name_), "written");
  if (!between_.store.spend(name_, from, journal_.end(), spendings(from, journal_.end()), now)) {
    return false;
  }
  acknowledged_ = journal_.end();
  if (between_.chance.one_in(8)) return false;
  const auto books = journal_.may_lack ? Books::kMayLack : Books::kWhole;
  if (!between_.store.end_leases(name_, books, now)) return false;
  journal_.may_lack = false;
  return true;
}

void SharedLink::serve(storage::MemoryLedger& ledger) {
  ledger_ = &ledger;
  ledger.lend_from(*this);
}

bool SharedLink::return_leases() {
  return reachable() &&
         between_.store.end_leases(name_, Books::kWhole, between_.store_clock()).has_value();
}

}  // namespace tollgate::sim
