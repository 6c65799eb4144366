// Alerts of one gateway, from the facts to whoever is told: what is an alert (controls/alerts),
// what is done about it, who is told, and what of that is on record.
//
// On a loop of its own, off the request path: a few times a second it looks at what the loops of
// requests have counted and what the store says of itself. What is done about a caller holds here
// at once and is in the store within a moment, from where the other gateways that share it have it;
// what they do, and what somebody releases, is read from there.
//
// Blocking I/O on its loop's thread, for as long as the store lets it wait (kPatience).
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/mail.h"
#include "admin/metrics.h"
#include "base/task.h"
#include "config/current.h"
#include "controls/alerts/in_force.h"
#include "controls/alerts/outbox.h"
#include "controls/alerts/watch.h"
#include "identity/web.h"
#include "storage/alert_answers.h"
#include "storage/store.h"
#include "storage/whole_file.h"

namespace tollgate::admin {

class Alerting {
 public:
  static constexpr Duration kLookEvery = std::chrono::milliseconds(250);
  static constexpr Duration kReadEvery = std::chrono::milliseconds(500);
  static constexpr Duration kKeepEvery = std::chrono::minutes(5);
  static constexpr Duration kPatience = std::chrono::milliseconds(200);
  static constexpr Duration kDeliveryDeadline = std::chrono::seconds(10);
  static constexpr Bytes kReplyBytesMax = 64 << 10;
  static constexpr std::size_t kNotesMax = 4096;
  static constexpr std::size_t kReachedMax = 1024;

  // All outlive it. `hold` gives every loop what is in force from now on; on the alerts' thread, or
  // before that runs.
  struct Parts {
    const config::Current& config;
    storage::Store& store;
    Metrics& metrics;
    identity::Web& web;
    Mail& mail;
    const pipeline::Clock& clock;
    std::function<void(std::shared_ptr<const alerts::InForce>)> hold;
  };
  explicit Alerting(const Parts& parts) : parts_(parts) {}

  // What is in force holds from the first request on. A Fault where the store cannot be asked.
  FaultOr<void> open();
  // Looks once. On its loop, as all below but where it is said.
  void tick();
  // Nothing is sent from now on; true once nothing is on its way any more.
  bool close();
  // Keeps what was learned. When the loop has ended.
  void keep();

  // A budget has come to a share; on a request's thread.
  void budget_reached(const storage::SettlementSink::BudgetReached& reached);

  // For metrics. Any thread.
  Gauge alerts_gauge() const;
  Gauge deliveries_gauge() const;
  Gauge answers_gauge() const;
  Gauge notes_gauge() const;

 private:
  void follow_configuration();
  void take_reached(WallTime now);
  void act(const alerts::Alert& alert);
  void tell(const alerts::Rule& rule, const alerts::Alert& alert, const alerts::Done& done);
  void note(std::string action, std::string object, std::string tenant, std::string after);
  void read(WallTime now);
  void write(WallTime now);
  void publish();
  FaultOr<void> begin_answers(storage::Database& database, const storage::Author& author,
                              std::size_t& begun) const;
  void send_due();
  Task<void> send(alerts::Letter letter);
  // Once it is there; a Fault says why it is not, without secrets.
  Task<FaultOr<void>> deliver(const alerts::Target& target, const alerts::Letter& letter);
  Task<FaultOr<void>> post(const alerts::Target& target, const alerts::Letter& letter);
  Task<FaultOr<void>> mail(const alerts::Target& target, const alerts::Letter& letter);
  void delivered(const alerts::Letter& letter, std::string_view outcome, std::string_view why);
  std::string file() const;

  const Parts parts_;
  alerts::Watch watch_;
  alerts::Outbox outbox_;
  std::vector<alerts::Answer> answers_;    // In force,
  std::vector<alerts::Answer> beginning_;  // and of them what the store does not have yet.
  alerts::Releases releases_;
  std::vector<storage::AlertNote> notes_;
  std::unique_ptr<storage::Database> reader_;
  std::uint64_t swaps_ = UINT64_MAX;
  Instant read_at_{};
  Instant kept_at_{};
  std::uint64_t letters_ = 0;
  int sending_ = 0;
  bool ends_ = false;  // The store has some that are over.
  bool is_full_ = false;
  bool closing_ = false;

  mutable std::mutex mutex_;  // Guards what follows.
  std::vector<alerts::Watch::Reached> reached_;
  std::array<std::uint64_t, alerts::kConditionCount> raised_{};
  std::map<std::pair<std::string, std::string>, std::uint64_t> deliveries_;  // By target, outcome.
  std::size_t in_force_ = 0;
  std::uint64_t notes_dropped_ = 0;
};

}  // namespace tollgate::admin
