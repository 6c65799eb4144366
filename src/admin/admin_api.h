// The admin address: health, metrics and the admin API.
//
//   GET  /livez /readyz /healthz       open; /readyz?verbose says why
//   GET  /metrics                      open; Prometheus text format
//   GET  /admin/v1/keys[?tenant=]      the rest wants `Authorization: Bearer <admin token>`
//   POST /admin/v1/keys                {"tenant", "user"?, "roles"?, "name"?, "expires"?: "90d"}
//   GET  /admin/v1/keys/ID
//   POST /admin/v1/keys/ID/revoke
//   POST /admin/v1/keys/ID/rotate      {"overlap"?: "24h"}
//   GET  /admin/v1/spend?by=&since=&until=&tenant=
//   GET  /admin/v1/budgets
//   GET  /admin/v1/gateways            who shares the store, and what each has leased and left open
//   POST /admin/v1/gateways/NAME/retire  of one that never comes back; 409 while it may be alive
//   GET  /admin/v1/audit?id=&tenant=&user=&key=&route=&model=&code=&outcome=&phase=
//                        &actor=&action=&object=           phase=change: who changed what
//                        &since=&until=&limit=&before=     newest first; `Link` names the next page
//   GET  /admin/v1/config              in force, secrets masked
//
// Everything else is 404. Errors are RFC 9457 problem+json. It runs on a loop of its own. What may
// wait for the store is answered one after the other on a thread beside it, the desk: neither a
// request of the gateway nor a question after its health waits for that.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "admin/metrics.h"
#include "base/executor.h"
#include "config/current.h"
#include "pipeline/ports.h"
#include "storage/store.h"

namespace tollgate::admin {

class AdminApi final : public pipeline::Handler {
 public:
  // All but the token outlive the API.
  struct Parts {
    const config::Current& config;
    storage::Store& store;
    const authentication::Pepper& pepper;
    const Metrics& metrics;
    const pipeline::Clock& clock;
    Executor& loop;               // That serves.
    Executor& desk;               // Another thread.
    const config::Secret& token;  // The first; copied.
  };
  explicit AdminApi(const Parts& parts);
  ~AdminApi() override;

  // The token that is asked for from now on. From the loop that serves.
  void set_token(config::Secret token) { token_ = std::move(token); }
  // /readyz tells from now on that the gateway goes. From any thread.
  void begin_draining() { draining_.store(true, std::memory_order_relaxed); }
  // Whoever waits at the desk, or would come there, is sent away with 503 from now on. From any
  // thread; what is posted to the loop afterwards runs when nobody comes to the desk any more.
  void begin_closing() { closing_.store(true, std::memory_order_relaxed); }

  Task<void> serve(pipeline::Exchange& exchange) override;
  void refuse_malformed(const pipeline::RequestHead& head, std::string_view message,
                        std::string& headers, std::string& out) override;

 private:
  struct Answer;
  struct Question;
  class AtDesk;
  static constexpr int kWaitingMax = 64;  // Questions, at the desk.

  bool is_closing() const { return closing_.load(std::memory_order_relaxed); }
  bool is_admin(const pipeline::RequestHead& head) const;
  Answer ready(std::string_view query) const;
  Answer answer(const Question& question);
  Answer keys(const Question& question);
  Answer one_key(const Question& question, std::string_view rest);
  Answer create_key(const Question& question);
  Answer import_keys(const Question& question);
  Answer rotate_key(const Question& question, const std::string& id);
  Answer spend(const Question& question);
  Answer audit(const Question& question);
  Answer gateways();
  Answer retire(std::string_view rest);
  FaultOr<storage::Database*> reader();

  const Parts parts_;
  config::Secret token_;
  std::atomic<bool> draining_ = false;
  std::atomic<bool> closing_ = false;
  int waiting_ = 0;                            // The loop's.
  std::unique_ptr<storage::Database> reader_;  // The desk's.
};

}  // namespace tollgate::admin
