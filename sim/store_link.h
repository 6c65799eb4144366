// A gateway's way to its store: the shipped seat, writer of the trail, lender and allowances, put
// together as Store and StoredTrail do it, without their threads and the files of the journal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sim/chance.h"
#include "sim/clock.h"
#include "sim/journal_model.h"
#include "sim/server.h"
#include "sim/settings.h"
#include "sim/story.h"
#include "storage/gateway_seat.h"
#include "storage/memory_ledger.h"
#include "storage/store_lender.h"
#include "storage/trail_writer.h"

namespace tollgate::sim {

class StoreLink {
 public:
  // All outlive the link.
  struct Parts {
    std::string gateway;
    std::string process;  // No two have the same.
    std::string boot;     // Of its machine.
    storage::Sharing sharing = storage::Sharing::kAlone;
    Server& server;
    const bool& cut_off;
    JournalModel& journal;
    const pipeline::Clock& clock;
    Chance& chance;
  };
  explicit StoreLink(const Parts& parts);
  StoreLink(const StoreLink&) = delete;

  // What follows asks the store, may be refused by it, and may end with Killed.

  // Takes up what an earlier start left. It may be cut short, and is begun anew then. False: not
  // yet.
  FaultOr<void> recover();
  // Writes what waits.
  void work();
  // A new configuration is about to serve. False: the store cannot be asked, and it is refused.
  bool count_budgets(const Settings& settings);
  // On shutdown all is written, then what is leased and not spent is given back. False: what is
  // left is the next start's.
  bool stop();
  // What a process does of which nobody hears any more: it tries to write, and asks.
  void haunt();

  // From here on `ledger` borrows over this link.
  void serve(storage::MemoryLedger& ledger);
  // The gateway dies: who waits for an answer gets none.
  void abandon();
  // Up to where the journal survives the loss of power.
  std::uint64_t durable() const { return writer_->journal_written(); }
  // Whether decisions are taken, so that requests may leave.
  bool healthy() const { return healthy_; }
  bool idle() const;
  // Ends the leases of whoever was silent for so long, as an upkeep does.
  void expire_leases(Duration silent_for);
  // Whether it is time to say again that this gateway is alive.
  bool beat_is_due() const { return parts_.clock.now() - beat_at_ >= std::chrono::seconds(1); }
  // Whether the end of an earlier start goes on beside new requests, so that
  // more is taken than is spent and held.
  bool recovering() const { return writer_->recovering(); }

  Line line;

 private:
  FaultOr<void> take_seat();
  void take_journal();
  FaultOr<void> write_groups();
  FaultOr<void> write_again();
  FaultOr<void> write_alone(const std::function<FaultOr<void>()>& work);
  FaultOr<void> mark(std::string_view state, std::string_view lack);
  FaultOr<void> count(const Settings& settings);
  FaultOr<void> end();
  bool shared() const { return parts_.sharing == storage::Sharing::kShared; }

  const Parts parts_;
  const std::unique_ptr<storage::Database> database_;
  std::optional<storage::GatewaySeat> seat_;
  std::optional<storage::TrailWriter> writer_;
  std::unique_ptr<storage::StoreLender> lender_;
  storage::MemoryLedger* ledger_ = nullptr;
  std::uint64_t taken_ = 0;
  Instant beat_at_{};
  bool healthy_ = true;
};

// Turns a Fault that nothing in a world explains into a Violation. Whether there was none.
template <class T>
bool went_well(const FaultOr<T>& done, std::string_view what) {
  if (done) return true;
  const FaultKind kind = done.error().kind;
  if (kind == FaultKind::kCorrupt || kind == FaultKind::kBroken) {
    throw Violation{std::string(what) + ": " + done.error().message};
  }
  return false;
}

// The same where there may be none.
template <class T>
T must(FaultOr<T> value, std::string_view what) {
  if (!value) throw Violation{std::string(what) + ": " + value.error().message};
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

}  // namespace tollgate::sim
