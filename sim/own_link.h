// One gateway on a SQLite file: the writer of the trail, the lender and the allowances as shipped.
#pragma once

#include <memory>
#include <optional>

#include "pipeline/ports.h"
#include "sim/store_link.h"
#include "storage/store_lender.h"
#include "storage/trail_writer.h"

namespace tollgate::sim {

class OwnLink final : public StoreLink {
 public:
  // All outlive the link. `away`: the disk is full, or locked.
  OwnLink(storage::Database& database, JournalModel& journal, const pipeline::Clock& clock,
          Chance& chance, const bool& away, std::int64_t boot)
      : database_(database),
        journal_(journal),
        clock_(clock),
        chance_(chance),
        away_(away),
        boot_(boot) {}
  OwnLink(const OwnLink&) = delete;

  bool recover() override;
  void serve(storage::MemoryLedger& ledger) override;
  bool work(Crash crash) override;
  std::uint64_t durable() const override { return writer_->journal_written(); }
  bool healthy() const override { return healthy_; }
  bool idle() const override;
  bool recovering() const override { return writer_->recovering(); }
  bool abandon() override;
  bool count_budgets(const Settings& settings) override;
  bool return_leases() override;

 private:
  // The lender writes with each group; what became of it is kept from it where the process dies.
  class Part final : public storage::GroupPart {
   public:
    explicit Part(OwnLink& link) : link_(link) {}
    bool idle() const override { return link_.lender_->idle(); }
    FaultOr<void> write(storage::Database& database) override;
    void committed() override;
    void failed(const Fault& fault) override;

   private:
    OwnLink& link_;
  };

  void take_journal();
  bool write_groups();
  FaultOr<void> mark(std::string_view state, std::string_view lack);
  FaultOr<void> end_leases(storage::Allowances::Books books);
  FaultOr<void> count(const Settings& settings);

  storage::Database& database_;
  JournalModel& journal_;
  const pipeline::Clock& clock_;
  Chance& chance_;
  const bool& away_;
  const std::int64_t boot_;
  storage::MemoryLedger* ledger_ = nullptr;
  std::optional<storage::TrailWriter> writer_;
  std::unique_ptr<storage::StoreLender> lender_;
  Part part_{*this};
  std::uint64_t taken_ = 0;
  Crash crash_ = Crash::kNone;
  bool died_ = false;
  bool healthy_ = true;
};

}  // namespace tollgate::sim
