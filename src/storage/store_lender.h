// Lends from the store, in the transactions of the trail's writer: what was asked for since the
// last group is answered together, and one fsync serves all of it.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/ports.h"
#include "storage/allowances.h"
#include "storage/gateway_seat.h"
#include "storage/group_part.h"
#include "storage/lender.h"

namespace tollgate::storage {

// Whether a store has other gateways too: a SQLite file is one gateway's.
enum class Sharing : std::uint8_t { kAlone, kShared };
// What an earlier process of this gateway had leased: somebody else's until it ends.
enum class EarlierLeases : std::uint8_t { kOpen, kEnded };

class StoreLender final : public Lender, public GroupPart {
 public:
  // `wake` makes the writer begin a group now; any thread. All outlive the lender.
  StoreLender(std::string_view gateway, Sharing sharing, Borrower& borrower,
              const pipeline::Clock& clock, std::function<void()> wake);

  void ask(std::span<const LeaseNeed> needs, LeaseWait* wait) override;
  void give_back(std::span<const LeaseReturn> returns) override;
  bool exclusive() const override { return sharing_ == Sharing::kAlone; }

  // While the store is away whoever asks is told so at once; this asks it again. The next group is
  // written even where nothing is asked. Any thread.
  void beat();

  bool idle() const override;
  FaultOr<void> write(Database& database) override;
  void committed() override;
  void failed(const Fault& fault) override;

  // From here on what was leased is said anew, and nothing more is lent, where the seat finds that
  // the store has failed over. The seat outlives the lender.
  void sit(const GatewaySeat& seat) { seat_ = &seat; }

  // Any thread.
  void earlier_leases(EarlierLeases are);
  bool is_current(Instant asked) const override {
    return exclusive() && asked > alone_since_.load(std::memory_order_relaxed);
  }

 private:
  // What is asked for one account, by all that need it.
  struct Question {
    std::string account;  // Packed.
    std::uint64_t hash = 0;
    LeaseAsk ask;
    std::optional<Money> keep;  // First of all only so much stays leased.
    int needs = 0;
    std::vector<LeaseWait*> waits;
    Lease answer;
    bool held_back = false;  // More may be there, and nobody may have it yet.
  };

  Question& question_of(const AccountId& account, std::uint64_t hash);
  void put(std::span<const LeaseNeed> needs, LeaseWait* wait);
  void take_questions();
  FaultOr<void> say_anew(Allowances& allowances);
  void answer(const std::optional<Fault>& fault);

  std::atomic<Instant> alone_since_{Instant::min()};  // When the earlier leases ended.
  const std::string gateway_;
  const Sharing sharing_;
  Borrower& borrower_;
  const pipeline::Clock& clock_;
  const std::function<void()> wake_;
  const GatewaySeat* seat_ = nullptr;

  mutable std::mutex mutex_;  // Guards what follows.
  std::unordered_map<std::string, Question> asked_;
  bool beats_ = false;
  std::optional<Fault> away_;      // Of the last group, where it failed.
  std::vector<Question> writing_;  // The writer's own.
};

}  // namespace tollgate::storage
