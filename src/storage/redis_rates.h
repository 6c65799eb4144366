// Lends limits out of Redis, in one pipelined round trip for all that was asked since the last.
//
// One thread of its own asks; requests never touch the connection. Every round has a deadline. When
// one fails, whoever waits goes on at once, as the policy says: each gateway lets its share of a
// limit through, or nothing. Redis is tried again until it answers, and then all is lent anew.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "pipeline/ports.h"
#include "redis/client.h"
#include "storage/rate_lender.h"
#include "storage/rate_scripts.h"

namespace tollgate::storage {

class RedisRates final : public RateLender {
 public:
  // So long what was put in hand counts, from the question on, and a bit less in the gateway. A
  // gateway that dies takes it along for as long.
  static constexpr Duration kTtl = std::chrono::seconds(3);
  static constexpr Duration kTtlMargin = std::chrono::milliseconds(300);
  // What a gateway has is told again after so long, and that it is alive.
  static constexpr Duration kRenewAfter = kTtl / 3;
  static constexpr Duration kRoundDeadline = std::chrono::milliseconds(250);
  static constexpr Duration kRetryAfter = std::chrono::milliseconds(250);
  static constexpr Duration kFirstDeadline = std::chrono::seconds(2);
  // Slots that were given up go back within this time, many at once.
  static constexpr Duration kGiveBackAfter = std::chrono::milliseconds(5);
  // Where slots came for somebody who then did not use them, they are given back after this time.
  static constexpr Duration kLookAgainAfter = std::chrono::milliseconds(50);
  // A round; the rest waits for the next. Those that somebody waits for come first. What is in hand
  // is told again beside them, as it would be lost else.
  static constexpr std::size_t kQuestionsMax = 1'000;
  static constexpr std::size_t kRenewalsMax = 1'000;
  // Redis' clock may run ahead of the one here by so much in a round. Less would not end what is
  // in hand before it is told again.
  static constexpr Duration kLeapMax = std::chrono::seconds(1);

  struct Options {
    std::string gateway;                        // Its name, for the count of those alive.
    RateMode on_fault = RateMode::kLocalShare;  // Or kRefused.
    std::uint32_t gateways = 1;                 // That are alive, until Redis says how many.
    std::string process;                        // One start of it; empty: a random name.
  };
  // All outlive the rates. `clock` goes by the machine's steady clock, as the client's deadlines
  // do. A Fault where the client cannot be made. Nothing is asked yet.
  static FaultOr<std::unique_ptr<RedisRates>> create(redis::Endpoint endpoint,
                                                     const Options& options, RateBorrower& borrower,
                                                     const pipeline::Clock& clock);
  RedisRates(const Options& options, std::unique_ptr<redis::Client> client, RateBorrower& borrower,
             const pipeline::Clock& clock);
  ~RedisRates() override;

  // Asks Redis for the first time and starts the thread, also after a Fault: Redis may come. A
  // Fault of kind kRefusedByPeer is one that waiting does not mend (a wrong password).
  FaultOr<void> start();
  // What the thread does each time that it wakes, for whoever has none.
  void turn();
  // Gives back all that is in hand.
  void stop();

  void ask(std::span<const RateNeed> needs, RateWait* wait) override;
  void give_back(const RateNeed& account) override;

  // Whether Redis cannot be asked now.
  bool degraded() const { return state().mode != RateMode::kLent; }
  struct Counts {
    std::int64_t asked = 0;    // Questions that were sent.
    std::int64_t granted = 0;  // Of them, those that brought something.
    std::int64_t faults = 0;   // Rounds that failed.
    std::int64_t lost = 0;     // Times that Redis had lost its data.
    std::optional<WallTime> degraded_since;
    std::string last_fault;  // What failed last, for the operator; may be empty.
    // How Redis may throw limits away; empty: it keeps them; nothing: it does not say.
    std::optional<std::string> evicts_by;
  };
  Counts counts() const;

 private:
  struct Account {
    std::string rule;
    std::string subject;
    std::uint64_t hash = 0;
    limits::Figure figure{};
    std::int64_t limit = 0;
    RateId id() const { return {rule, subject}; }
  };
  struct Question {
    Account account;
    std::int64_t least = 0;
    std::int64_t all = 0;
    std::int64_t ahead = 0;
    int needs = 0;
    RateTelling telling = RateTelling::kReturning;
    std::vector<RateWait*> waits;
    RateReport report;
  };
  struct InHand {
    Account account;
    Instant renew_at{};
  };
  using DueRenewals = std::set<std::pair<Instant, std::string_view>>;  // Keys of in_hand_.
  using Questions = std::unordered_map<std::string, Question>;
  using Asked = std::vector<std::pair<std::string, Question>>;

  static std::string key_of(const RateId& id);
  enum class Urgency : std::uint8_t { kAwaited, kCanWait };
  Question& question_for(const RateNeed& need, Urgency urgency);

  void run();
  void leave();
  Duration pause() const;
  Asked take_questions();
  void renew_with(Question& question, const std::string& key);
  void add_renewals(Asked& asked);
  FaultOr<void> round(Asked asked, Presence presence, Instant deadline);
  void report_all(Asked& asked);
  FaultOr<std::vector<redis::Reply>> exchange(const Asked& asked, Presence presence,
                                              Instant deadline);
  FaultOr<std::vector<RateAnswer>> read_round(const Asked& asked,
                                              const std::vector<redis::Reply>& replies,
                                              Instant sent_at);
  void answer(std::string key, Question& question, const RateAnswer& replied, Instant sent_at);
  void drop(const std::string& key);
  void leave_unanswered(Asked& asked);
  void fail_questions();
  void forget(RateMode mode);
  void heard_epoch(const Epoch& epoch);
  void heard_clock(std::int64_t store_us, Instant sent_at);
  void renew_at(InHand& held, std::string_view key, Instant at);
  void tell_debts();
  void note(const Fault& fault);
  void note_eviction();

  const Options options_;
  RateBorrower& borrower_;
  const pipeline::Clock& clock_;

  // The thread's own.
  const std::unique_ptr<redis::Client> client_;
  std::string process_;  // Random: one start of one gateway.
  std::int64_t connection_ = 0;
  std::int64_t rounds_ = 0;
  Instant next_round_{};  // Where nobody asks.
  Epoch epoch_;
  bool epoch_changed_ = false;
  StoreClock store_clock_ = StoreClock::kSteady;
  std::optional<Duration> store_ahead_;  // Of the clock here, at most, as of the last round.
  std::unordered_map<std::string, InHand> in_hand_;
  DueRenewals due_;
  std::int64_t slots_in_hand_ = 0;   // Of in_hand_, those of concurrency.
  Instant presence_at_{};            // When to say next that the gateway is alive.
  Instant gateways_return_until_{};  // Until then the others may not have said so yet.
  bool says_presence_ = false;       // In this round.

  mutable std::mutex mutex_;
  std::condition_variable woken_;
  Questions awaited_;  // Somebody waits for them.
  Questions asked_;
  bool urgent_ = false;  // Somebody waits, or more is needed soon.
  bool stopping_ = false;
  Counts counts_;
  bool asked_eviction_ = false;  // The thread's.
  std::thread thread_;
};

}  // namespace tollgate::storage
