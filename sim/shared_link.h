// One of several gateways, whose store is behind the network.
//
// What a lender and a writer for such a store have to do: a question is asked again until it is
// answered or its deadline has passed, an answer counts once, the spendings of the journal are
// told in their order and acknowledged by position. All of it dies with the gateway; messages do
// not, and arrive where the next start listens.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "sim/network.h"
#include "sim/shared_store.h"
#include "sim/store_link.h"

namespace tollgate::sim {

// The world between the two.
struct Between {
  Network& network;
  SharedStore& store;
  Chance& chance;
  const bool& store_away;
  const std::int64_t& now_us;
  std::function<WallTime()> store_clock;
};

class SharedLink final : public StoreLink, public storage::Lender {
 public:
  // Finds the link that a gateway has now; null where it is down or another start's.
  using Find = std::function<SharedLink*()>;

  SharedLink(std::string name, Between& between, JournalModel& journal, const bool& cut_off,
             Find find)
      : name_(std::move(name)),
        between_(between),
        journal_(journal),
        cut_off_(cut_off),
        find_(std::move(find)) {}

  bool recover() override;
  void serve(storage::MemoryLedger& ledger) override;
  bool work(Crash crash) override;
  std::uint64_t durable() const override { return journal_.synced(); }
  bool healthy() const override { return true; }
  bool idle() const override { return asked_.empty() && acknowledged_ == journal_.end(); }
  bool abandon() override;
  bool count_budgets(const Settings&) override { return true; }
  bool return_leases() override;

  void ask(std::span<const storage::LeaseNeed> needs, storage::LeaseWait* wait) override;
  void give_back(std::span<const storage::LeaseReturn> returns) override;
  bool exclusive() const override { return false; }

 private:
  static constexpr std::int64_t kAskAgainUs = 200'000;
  static constexpr std::int64_t kDeadlineUs = 1'000'000;

  struct Question {
    std::string account;
    std::uint64_t hash = 0;
    storage::LeaseAsk ask;
    std::optional<Money> keep;
    storage::LeaseWait* wait = nullptr;
    std::int64_t asked_us = 0;
    std::int64_t sent_us = 0;
  };

  bool reachable() const { return !cut_off_ && !between_.store_away; }
  std::vector<SharedStore::Spending> spendings(std::uint64_t from, std::uint64_t to) const;
  void add_question(const storage::AccountId& account, Question question);
  void send_question(std::uint64_t number);
  void book(const JournalModel::Entry& entry);
  void send_spendings();
  void answer(std::uint64_t number, const storage::Lease& lease);
  void end(std::map<std::uint64_t, Question>::iterator question,
           const std::optional<storage::Lease>& lease);
  // Arrives at the store unless something is between.
  void send(const std::function<void()>& arrive);

  const std::string name_;
  Between& between_;
  JournalModel& journal_;
  const bool& cut_off_;
  const Find find_;
  storage::MemoryLedger* ledger_ = nullptr;
  std::map<std::uint64_t, Question> asked_;
  std::uint64_t acknowledged_ = 0;
  std::int64_t told_us_ = INT64_MIN / 2;
};

}  // namespace tollgate::sim
