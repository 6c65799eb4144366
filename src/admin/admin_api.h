// The admin address: health, metrics, logins and the admin API.
//
//   GET  /livez /readyz /healthz       open; ?verbose tells of each part, to administrators why
//   GET  /metrics                      open, or as `admin.metrics` says; Prometheus text format
//   GET  /admin/login /admin/callback  a login in the browser (login.h)
//   …    /admin/v1/…                   wants an administrator with the right to it (endpoints.h)
//
// Of /admin/v1/:
//   GET  keys?tenant=&user=&state=&limit=&after=   {"data", "has_more", "next"}
//   POST keys            {"tenant", "user"?, "roles"?, "name"?, "expires"?, "scopes"?}
//   POST keys/import     GET keys/ID          POST keys/ID/revoke
//   POST keys/ID/rotate  {"overlap"?: "24h"}  POST keys/ID/expire  {"expires": "90d"}
//   GET  spend?by=&since=&until=&tenant=      GET budgets
//   GET  audit?id=&tenant=&user=&key=&route=&model=&code=&outcome=&phase=
//             &since=&until=&limit=&before=   newest first; `Link` names the next page
//   GET  gateways        who shares the store, and what each has leased and left open
//   POST gateways/NAME/retire                 of one that never comes back; 409 while it may live
//   GET  alerts          what is done about callers after alerts, in force
//   POST alerts/ID/release                    ends that
//   GET  config          in force, secrets masked
//   GET  tokens?limit=&after=                 {"data", "has_more", "next"}
//   POST tokens          {"name", "role", "tenants"?: […], "expires"?: "90d"}
//   POST tokens/ID/revoke                     {"with_made"?: true}
//   GET  metrics         GET  readyz          as /metrics and /readyz?verbose
//   GET  session         who somebody is      POST session  begins one  DELETE session  ends it
//
// Everything else is 404. Errors are RFC 9457 problem+json. It runs on a loop of its own. What may
// wait for the store is answered one after the other on a thread beside it, the desk: neither a
// request of the gateway nor a question after its health waits for that. Nor does whoever is to be
// known, for which there is one more (door.h).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admin/answers.h"
#include "admin/desk_line.h"
#include "admin/door.h"
#include "admin/login.h"
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
    Executor& loop;       // That serves.
    Executor& desk;       // Another thread,
    Executor& door_desk;  // …and one more.
    OidcDesk& oidc;       // Who verifies tokens of issuers…
    identity::Web& web;   // …and who asks them, on the loop.
    const Secret& token;  // The first; copied.
  };
  explicit AdminApi(const Parts& parts);
  ~AdminApi() override;

  // The first token from now on, where the configuration has none. From the loop that serves.
  void set_token(Secret token) { door_.set_token(std::move(token)); }
  // /readyz tells from now on that the gateway goes. From any thread.
  void begin_draining() { draining_.store(true, std::memory_order_relaxed); }
  // Whoever waits for the store or an issuer, or would, is sent away with 503 from now on. From any
  // thread; what is posted to the loop afterwards runs when nobody comes to a desk any more.
  void begin_closing() {
    line_.begin_closing();
    door_.begin_closing();
    parts_.oidc.begin_closing();
  }
  // Has on record what is not yet of those who came. From the loop that serves, from time to time.
  void tend() { door_.tend(); }
  // Posts all of that to the door's desk. From the loop that serves, when nobody comes any more.
  void close() { door_.close(); }

  Task<void> serve(pipeline::Exchange& exchange) override;
  void refuse_malformed(const pipeline::RequestHead& head, std::string_view message,
                        std::string& headers, std::string& out) override;

  // Who was refused why, for metrics. Any thread.
  std::uint64_t refusals(Reason reason) const { return door_.refusals(reason); }

 private:
  struct Target;
  // Whoever asks, as far as it is known.
  struct Asker {
    std::string_view credential_id;  // The public part of what he showed, if any.
    std::optional<Known> known;
  };

  // How much of what the gateway is ready for: whether; of each part whether; and why not.
  enum class Detail : std::uint8_t { kWhole, kParts, kCauses };
  Answer ready(Detail detail) const;
  Answer exposition() const;
  std::optional<Answer> health(const pipeline::RequestHead& head, const Target& target) const;
  std::optional<Answer> open(const pipeline::RequestHead& head, const Target& target) const;
  Task<Answer> respond(pipeline::Exchange& exchange, const Target& target);
  Task<Answer> administer(pipeline::Exchange& exchange, const Target& target,
                          std::string_view path);
  Task<Answer> admit(pipeline::Exchange& exchange, const Target& target,
                     const std::optional<Match>& match, Asker& asker);
  Expected<void> check_call(const pipeline::RequestHead& head, const Known& known) const;
  Task<Answer> ask(pipeline::Exchange& exchange, const Match& match, const Target& target,
                   const administration::Proven& proven);
  Task<Answer> session(pipeline::Exchange& exchange, Endpoint endpoint, const Known& known,
                       const Shown& shown);

  const Parts parts_;
  DeskLine line_;
  Answers answers_;  // The desk's.
  Door door_;
  Login login_;
  std::atomic<bool> draining_ = false;
};

}  // namespace tollgate::admin
