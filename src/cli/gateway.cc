#include "cli/gateway.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "admin/admin_api.h"
#include "admin/metrics.h"
#include "cli/alert_loop.h"
#include "cli/anomaly_gauge.h"
#include "cli/budget_gauges.h"
#include "cli/buffer_gauges.h"
#include "cli/countdown.h"
#include "cli/endpoint_gauges.h"
#include "cli/health_checks.h"
#include "cli/journal_gauges.h"
#include "cli/tls_contexts.h"
#include "config/current.h"
#include "config/reload.h"
#include "identity/desk.h"
#include "net/net.h"
#include "net/peer_counts.h"
#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"
#include "storage/secret_file.h"

namespace tollgate::cli {

namespace {

// How often whoever waits for the end is asked whether it should come at once.
constexpr Duration kAskEvery = std::chrono::milliseconds(50);

// How often those who came to the admin address are told of, and what could not be written is
// tried again.
constexpr Duration kTendAdminEvery = std::chrono::milliseconds(100);

// One event loop with all that belongs to it. Destroyed in the reverse order: listeners first.
struct Worker {
  // What all workers share.
  struct Shared {
    const config::Current& config;
    pipeline::KeyStore& keys;
    const authentication::Pepper& pepper;
    identity::Identities& identities;
    pipeline::Ledger& ledger;
    pipeline::Trail& trail;
    pipeline::Meter& meter;  // Of this worker alone.
    const pipeline::Vocabularies& vocabularies;
    const pipeline::Outages& outages;
    authentication::Failures& failures;
    tokens::CountErrors& count_errors;
    anomalies::Anomalies& anomalies;
    attempts::Endpoints& endpoints;
    answers::Answers& answers;
    overload::BufferedBytes& buffered;
  };

  Worker(const Shared& shared, net::UpstreamGates& gates)
      : loop(shared.buffered),
        pool(loop, gates),
        callers(shared.identities),
        pipeline({shared.config, loop, shared.keys, shared.pepper, callers, shared.ledger,
                  shared.trail, pool, shared.meter, shared.vocabularies, loop, shared.outages,
                  shared.failures, &shared.count_errors, &shared.anomalies, &shared.endpoints,
                  &shared.answers, &shared.buffered}) {}

  net::Loop loop;
  net::UpstreamPool pool;
  identity::Desk callers;
  pipeline::Pipeline pipeline;
  std::vector<std::unique_ptr<net::Listener>> listeners;
  std::thread thread;
};

FaultOr<pipeline::Vocabularies::Fresh> load_vocabularies(
    const config::Config& config, const pipeline::Vocabularies& vocabularies) {
  std::vector<std::string> names;
  for (const config::Model& model : config.models) {
    if (!model.tokenizer.empty()) names.push_back(model.tokenizer);
  }
  return vocabularies.load(names);
}

std::string url_of(const config::Listener& listener, std::uint16_t port) {
  const bool v6 = listener.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", listener.tls ? "https" : "http", v6 ? "[" : "",
                     listener.host, v6 ? "]" : "", port);
}

std::uint64_t number_of(const authentication::Pepper& pepper, std::string_view purpose) {
  std::uint64_t number = 0;
  std::memcpy(&number, pepper.digest(purpose).data(), sizeof number);
  return number;
}

// The token of the configuration, or the one that lies beside the ledger.
FaultOr<config::Secret> admin_token_of(const config::Config& config, const storage::Store& store) {
  if (!config.admin.token.empty()) return config.admin.token;
  return storage::load_or_make_admin_token(store.beside("admin.token"));
}

}  // namespace

struct Gateway::Parts {
  Parts(std::shared_ptr<const config::Config> first, const GatewayOptions& options)
      : config(std::move(first)), vocabularies(options.vocabularies) {}

  FaultOr<void> open_store(const config::Config& now);
  FaultOr<void> open_listeners(const TlsContexts& tls);
  FaultOr<void> open_admin();
  void register_gauges();
  void register_store_gauges();
  void open_alerts();
  void register_identity_gauges();
  std::array<const identity::Identities*, 2> who_knows() const {
    return {&identities, &admin_oidc->identities()};
  }
  void run_threads();
  FaultOr<void> take_over(const std::shared_ptr<const config::Config>& next);
  void drain(const std::function<bool()>& hurry);
  Task<void> tend_admin();
  void close_admin();

  config::Current config;
  net::Loop admin_loop;  // The clock of what is shared, too.
  net::Loop admin_desk;
  net::Loop door_desk;
  pipeline::Vocabularies vocabularies;
  tokens::CountErrors count_errors;
  std::optional<anomalies::Anomalies> anomalies;
  attempts::Endpoints endpoints;
  overload::BufferedBytes buffered;
  answers::Answers answers{answers::kAnswersBytesMax, &buffered};
  admin::Metrics metrics;
  std::unique_ptr<storage::Store> store;
  std::optional<authentication::Pepper> pepper;
  std::optional<authentication::Failures> failures;
  identity::Identities identities;
  net::UpstreamGates upstream_gates;
  net::ListenerCounts listener_counts;
  net::PeerCounts peer_counts;
  std::vector<std::unique_ptr<Worker>> workers;
  std::optional<admin::OidcDesk> admin_oidc;
  identity::NetWeb admin_web{admin_loop};
  HealthChecks health_checks{admin_loop, endpoints};
  std::unique_ptr<admin::AdminApi> admin_api;
  std::unique_ptr<net::Listener> admin_listener;
  std::optional<AlertLoop> alert_loop;
  Countdown admin_tended{1};
  bool admin_closing = false;  // Of the admin loop.
  std::thread admin_thread;
  std::thread desk_thread;
  std::thread door_thread;
  config::Secret admin_token;
  std::vector<Address> addresses;
  std::string admin_url;
  bool running = false;
};

Gateway::Gateway(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Gateway::~Gateway() {
  if (parts_->running) (void)stop();
}

const std::vector<Gateway::Address>& Gateway::listeners() const { return parts_->addresses; }
const std::string& Gateway::admin_url() const { return parts_->admin_url; }
const config::Secret& Gateway::admin_token() const { return parts_->admin_token; }
storage::Store& Gateway::store() { return *parts_->store; }
std::shared_ptr<const config::Config> Gateway::config() const { return parts_->config.get(); }

// The store, and the secrets that lie beside it.
FaultOr<void> Gateway::Parts::open_store(const config::Config& now) {
  FaultOr<std::unique_ptr<storage::Store>> opened =
      storage::Store::open(now.store, now.audit, admin_loop);
  if (!opened) return std::unexpected(opened.error());
  store = std::move(*opened);
  const std::string& named = now.authentication.pepper_file;
  FaultOr<authentication::Pepper> made =
      storage::load_or_make_pepper(named.empty() ? store->beside("pepper") : named);
  if (!made) return std::unexpected(made.error());
  pepper.emplace(std::move(*made));
  failures.emplace(number_of(*pepper, "tollgate failed authentications"));
  anomalies.emplace(number_of(*pepper, "tollgate anomalies"));
  FaultOr<std::unique_ptr<storage::Database>> database = store->reader();
  if (!database) return std::unexpected(database.error());
  if (FaultOr<void> same = storage::check_pepper(**database, *pepper); !same) return same;
  FaultOr<config::Secret> token = admin_token_of(now, *store);
  if (!token) return std::unexpected(token.error());
  admin_token = std::move(*token);
  if (FaultOr<void> known = store->keep(count_errors); !known) return known;
  store->keep(*anomalies);
  return store->count_budgets(now);
}

FaultOr<void> Gateway::Parts::open_listeners(const TlsContexts& tls) {
  const std::shared_ptr<const config::Config> now = config.get();
  for (const config::Listener& listener : now->listeners) {
    std::uint16_t port = listener.port;
    for (const std::unique_ptr<Worker>& worker : workers) {
      net::ListenerOptions options;
      options.name = listener.name;
      options.host = listener.host;
      // The first worker finds the port free, or finds a free one; the others share it.
      options.port = port;
      options.claim = worker == workers.front() ? net::Port::kMustBeFree : net::Port::kIsOurs;
      options.exposure = listener.exposure;
      options.proxy_protocol = listener.proxy_protocol;
      options.connections = &listener_counts.of(listener.name);
      options.peers = &peer_counts;
      if (const auto found = tls.find(listener.name); found != tls.end()) {
        options.tls = found->second;
      }
      options.edge = now->edge;
      FaultOr<std::unique_ptr<net::Listener>> opened =
          net::Listener::open(worker->loop, std::move(options), worker->pipeline);
      if (!opened) return std::unexpected(opened.error());
      port = (*opened)->port();
      worker->listeners.push_back(std::move(*opened));
    }
    addresses.push_back({listener.name, url_of(listener, port)});
  }
  return {};
}

FaultOr<void> Gateway::Parts::open_admin() {
  const std::shared_ptr<const config::Config> now = config.get();
  admin_oidc.emplace(config);
  const admin::AdminApi::Parts parts{config,      *store,     *pepper,    metrics,
                                     admin_loop,  admin_loop, admin_desk, door_desk,
                                     *admin_oidc, admin_web,  admin_token};
  admin_api = std::make_unique<admin::AdminApi>(parts);
  FaultOr<std::shared_ptr<const net::ServerTls>> tls = load_admin_tls(*now);
  if (!tls) return std::unexpected(tls.error());
  net::ListenerOptions options;
  options.name = "admin";
  options.tls = *tls;
  options.host = now->admin.host;
  options.port = now->admin.port;
  options.exposure = authorization::Exposure::kInternal;
  options.edge = now->edge;
  FaultOr<std::unique_ptr<net::Listener>> opened =
      net::Listener::open(admin_loop, std::move(options), *admin_api);
  if (!opened) return std::unexpected(opened.error());
  admin_listener = std::move(*opened);
  config::Listener shown;
  shown.host = now->admin.host;
  shown.tls = now->admin.tls;
  admin_url = url_of(shown, admin_listener->port());
  return {};
}

void Gateway::Parts::register_store_gauges() {
  metrics.gauge({"tollgate_store_degraded",
                 "1 while a store cannot be asked and store.on_fault holds instead.",
                 [this](const admin::Gauge::Emit& emit) {
                   const std::span<const std::string_view> out = store->now();
                   for (const std::string_view name : {"money", "rates", "keys"}) {
                     emit(fmt::format("store=\"{}\"", name), std::ranges::count(out, name));
                   }
                 }});
  if (const storage::RedisRates* rates = store->rates(); rates != nullptr) {
    metrics.gauge({"tollgate_gateways_alive",
                   "Gateways that share the limits, as the store of the limits said last.",
                   [rates](const admin::Gauge::Emit& emit) {
                     emit("", static_cast<double>(rates->state().gateways));
                   }});
    metrics.gauge({"tollgate_rate_leases",
                   "Questions to the store of the limits since the start, by what came of them.",
                   [rates](const admin::Gauge::Emit& emit) {
                     const storage::RedisRates::Counts now = rates->counts();
                     emit("outcome=\"asked\"", static_cast<double>(now.asked));
                     emit("outcome=\"granted\"", static_cast<double>(now.granted));
                     emit("outcome=\"round_failed\"", static_cast<double>(now.faults));
                     emit("outcome=\"data_lost\"", static_cast<double>(now.lost));
                   }});
    metrics.gauge({"tollgate_rate_store_evicts",
                   "1 where the store of the limits may throw them away when its memory is full; "
                   "none where it does not say.",
                   [rates](const admin::Gauge::Emit& emit) {
                     const std::optional<std::string> policy = rates->counts().evicts_by;
                     if (policy) emit("", policy->empty() ? 0 : 1);
                   }});
  }
}

void Gateway::Parts::register_identity_gauges() {
  metrics.gauge({"tollgate_identity_asked",
                 "Questions to those who know callers, since the start: keys of issuers, "
                 "introspection, sessions.",
                 [this](const admin::Gauge::Emit& emit) {
                   for (const identity::Identities* all : who_knows()) {
                     for (const identity::Identities::Count& each : all->counts()) {
                       emit(fmt::format("source=\"{}\",outcome=\"{}\"",
                                        admin::escape_label(each.source), each.outcome),
                            each.value);
                     }
                   }
                 }});
  metrics.gauge({"tollgate_identity_keys", "Keys of each issuer that prove tokens now.",
                 [this](const admin::Gauge::Emit& emit) {
                   for (const identity::Identities* all : who_knows()) {
                     for (const identity::Identities::Keys& each : all->keys()) {
                       emit(fmt::format("issuer=\"{}\"", admin::escape_label(each.issuer)),
                            each.count);
                     }
                   }
                 }});
  metrics.gauge({"tollgate_identity_keys_age_seconds",
                 "Since the keys of an issuer were last fetched; at a day they are dropped.",
                 [this](const admin::Gauge::Emit& emit) {
                   for (const identity::Identities* all : who_knows()) {
                     for (const identity::Identities::Keys& each : all->keys()) {
                       if (!each.age_seconds) continue;
                       emit(fmt::format("issuer=\"{}\"", admin::escape_label(each.issuer)),
                            *each.age_seconds);
                     }
                   }
                 }});
  metrics.gauge({"tollgate_connections_refused",
                 "Connections closed at once since the start: their address had "
                 "edge.connections_per_address.",
                 [this](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(peer_counts.refused()));
                 }});
  metrics.gauge({"tollgate_admin_refused",
                 "Requests to the admin API that were not let in, since the start.",
                 [this](const admin::Gauge::Emit& emit) {
                   for (int i = 0; i < kReasonCount; ++i) {
                     const auto reason = static_cast<Reason>(i);
                     const std::uint64_t count = admin_api->refusals(reason);
                     if (count == 0) continue;
                     emit(fmt::format("reason=\"{}\"", pipeline::row_of(reason).code),
                          static_cast<double>(count));
                   }
                 }});
}

void Gateway::Parts::register_gauges() {
  metrics.gauge({"tollgate_holds_open", "Holds taken and not yet settled.",
                 [this](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(store->ledger().open_holds()));
                 }});
  register_budget_gauges(store->ledger(), admin_loop, metrics);
  register_buffer_gauges(buffered, answers, metrics);
  metrics.gauge(
      {"tollgate_audit_healthy", "Whether decisions are being kept.",
       [this](const admin::Gauge::Emit& emit) { emit("", store->trail().healthy() ? 1 : 0); }});
  register_store_gauges();
  metrics.gauge(anomaly_gauge(*anomalies));
  register_endpoint_gauges(endpoints, metrics);
  metrics.gauge({"tollgate_token_count_margin_ratio",
                 "What is held beyond our count of the input, as a part of it, since the provider "
                 "was seen to count so much more.",
                 [this](const admin::Gauge::Emit& emit) {
                   for (const tokens::CountErrors::Row& row : count_errors.all()) {
                     emit(fmt::format("model=\"{}\",counted_by=\"{}\"",
                                      admin::escape_label(row.model),
                                      admin::escape_label(row.counted_by)),
                          static_cast<double>(row.in_force.millionths) / 1e6);
                   }
                 }});
  metrics.gauge({"tollgate_audit_queue_bytes", "Records that wait for the store.",
                 [this](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(store->trail().queued_bytes()));
                 }});
  register_journal_gauges(metrics, store->trail());
  register_identity_gauges();
  metrics.gauge({"tollgate_audit_refusals_unrecorded",
                 "Refusals of unknown callers that found no room in the queue, since the start.",
                 [this](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(store->trail().refusals_unrecorded()));
                 }});
  metrics.gauge({"tollgate_budget_alerts",
                 "Shares of alert_at that budgets reached since the start.",
                 [this](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(store->trail().budget_alerts()));
                 }});
}

void Gateway::Parts::open_alerts() {
  alert_loop.emplace(
      config, *store, metrics, [this](const std::shared_ptr<const alerts::InForce>& answers) {
        for (const std::unique_ptr<Worker>& worker : workers) {
          worker->loop.post([raw = worker.get(), answers] { raw->pipeline.hold_to(answers); });
        }
      });
}

void Gateway::Parts::run_threads() {
  store->start();
  alert_loop->start();
  identities.start(*config.get());
  admin_oidc->start();
  for (const std::unique_ptr<Worker>& worker : workers) {
    worker->thread = std::thread([raw = worker.get()] { raw->loop.run(); });
  }
  admin_thread = std::thread([this] { admin_loop.run(); });
  desk_thread = std::thread([this] { admin_desk.run(); });
  door_thread = std::thread([this] { door_desk.run(); });
  admin_loop.post([this] { tollgate::start(tend_admin()); });
  running = true;
}

FaultOr<std::unique_ptr<Gateway>> Gateway::start(
    const std::shared_ptr<const config::Config>& config, const GatewayOptions& options) {
  const config::Config& now = *config;
  FaultOr<TlsContexts> tls = load_tls(now);
  if (!tls) return std::unexpected(tls.error());
  auto parts = std::make_unique<Parts>(config, options);
  FaultOr<pipeline::Vocabularies::Fresh> fresh = load_vocabularies(now, parts->vocabularies);
  if (!fresh) return std::unexpected(fresh.error());
  parts->vocabularies.take(std::move(*fresh));
  if (FaultOr<void> opened = parts->open_store(now); !opened) {
    return std::unexpected(opened.error());
  }

  parts->buffered.limit(now.edge.buffered_bytes_max);
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int count = now.edge.workers > 0 ? now.edge.workers : cores;
  for (int i = 0; i < count; ++i) {
    const Worker::Shared shared{
        parts->config,          parts->store->keys(),  *parts->pepper,         parts->identities,
        parts->store->ledger(), parts->store->trail(), parts->metrics.shard(), parts->vocabularies,
        *parts->store,          *parts->failures,      parts->count_errors,    *parts->anomalies,
        parts->endpoints,       parts->answers,        parts->buffered};
    parts->workers.push_back(std::make_unique<Worker>(shared, parts->upstream_gates));
  }
  if (FaultOr<void> opened = parts->open_listeners(*tls); !opened) {
    return std::unexpected(opened.error());
  }
  if (FaultOr<void> opened = parts->open_admin(); !opened) return std::unexpected(opened.error());
  parts->register_gauges();
  parts->open_alerts();
  if (FaultOr<void> opened = parts->alert_loop->open(); !opened) {
    return std::unexpected(opened.error());
  }
  // From here on nothing fails but this: what is on record is in force.
  using storage::TakenOver;
  if (FaultOr<void> kept = parts->store->record_configuration(now, TakenOver::kAtStart); !kept) {
    return std::unexpected(kept.error());
  }
  parts->run_threads();
  return std::unique_ptr<Gateway>(new Gateway(std::move(parts)));
}

FaultOr<void> Gateway::Parts::take_over(const std::shared_ptr<const config::Config>& next) {
  const std::vector<std::string> fixed = config::needs_restart(*config.get(), *next);
  if (!fixed.empty()) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{} changed: that needs a restart; the configuration in force stays",
                             fmt::join(fixed, ", ")));
  }
  FaultOr<config::Secret> token = admin_token_of(*next, *store);
  if (!token) return std::unexpected(token.error());
  FaultOr<TlsContexts> tls = load_tls(*next);
  if (!tls) return std::unexpected(tls.error());
  FaultOr<std::shared_ptr<const net::ServerTls>> admin_tls = load_admin_tls(*next);
  if (!admin_tls) return std::unexpected(admin_tls.error());
  FaultOr<pipeline::Vocabularies::Fresh> fresh = load_vocabularies(*next, vocabularies);
  if (!fresh) return std::unexpected(fresh.error());
  if (FaultOr<void> counted = store->count_budgets(*next); !counted) return counted;
  using storage::TakenOver;
  if (FaultOr<void> kept = store->record_configuration(*next, TakenOver::kAtReload); !kept) {
    return kept;
  }
  identities.replace(*next);
  vocabularies.take(std::move(*fresh));
  config.swap(next);
  buffered.limit(next->edge.buffered_bytes_max);
  // From here on whoever asks at the admin address is judged by the next configuration alone.
  admin_oidc->replace();
  for (const std::unique_ptr<Worker>& worker : workers) {
    worker->loop.post([raw = worker.get(), next, contexts = *tls] {
      for (std::size_t i = 0; i < raw->listeners.size(); ++i) {
        const auto found = contexts.find(next->listeners[i].name);
        raw->listeners[i]->replace(found == contexts.end() ? nullptr : found->second,
                                   next->listeners[i].proxy_protocol, next->edge);
      }
    });
  }
  admin_token = std::move(*token);
  admin_loop.post([this, next, fresh = admin_token, context = *admin_tls] {
    admin_api->set_token(fresh);
    admin_listener->replace(context, config::ProxyProtocol::kOff, next->edge);
  });
  return {};
}

FaultOr<void> Gateway::reload(const std::shared_ptr<const config::Config>& next) {
  FaultOr<void> done = parts_->take_over(next);
  parts_->metrics.reloaded(done.has_value());
  return done;
}

void Gateway::reload_failed() { parts_->metrics.reloaded(false); }

// Ends every connection: when it is done by itself, or cut.
void Gateway::Parts::drain(const std::function<bool()>& hurry) {
  // Whoever routes requests here must hear it before the first connection is refused.
  admin_api->begin_draining();
  int listeners = 0;
  for (const auto& worker : workers) listeners += static_cast<int>(worker->listeners.size());
  const auto open = std::make_shared<Countdown>(listeners);
  const auto each_listener = [&](const auto& act) {
    for (const std::unique_ptr<Worker>& worker : workers) {
      worker->loop.post([raw = worker.get(), act] {
        for (const std::unique_ptr<net::Listener>& listener : raw->listeners) act(*listener);
      });
    }
  };
  each_listener([open](net::Listener& listener) { listener.drain([open] { open->done(); }); });
  Duration left = config.get()->edge.drain_timeout;
  while (!open->wait(std::min(left, kAskEvery))) {
    left -= kAskEvery;
    if (left > Duration(0) && (!hurry || !hurry())) continue;
    each_listener([](net::Listener& listener) { listener.cut(); });
    if (!open->wait(kCutGrace)) {
      std::fputs("tollgate: some requests did not end in time and are cut off\n", stderr);
    }
    break;
  }
}

Task<void> Gateway::Parts::tend_admin() {
  while (!admin_closing) {
    admin_api->tend();
    health_checks.tend(config.get());
    co_await admin_loop.sleep(kTendAdminEvery);
  }
  health_checks.close();
  while (!health_checks.is_idle()) co_await admin_loop.sleep(kTendAdminEvery);
  admin_tended.done();
}

// Waits for no more than the one question that each desk is at, and for no issuer.
void Gateway::Parts::close_admin() {
  admin_api->begin_closing();
  const auto turned = std::make_shared<Countdown>(1);
  admin_loop.post([this, turned] {
    admin_web.close();
    turned->done();
  });
  turned->wait(kCutGrace);
  // From here on nobody begins to wait for an issuer. Who does is answered before this ends.
  admin_oidc->stop();
  // And nobody comes to the desks. Who waits there gets an answer before they stop, so that no
  // connection is left behind that waits for one.
  admin_loop.post([this] { admin_desk.post([this] { admin_desk.stop(); }); });
  const std::shared_ptr<Countdown> closed = begin_closing(admin_loop, *admin_listener);
  desk_thread.join();
  closed->wait(kCutGrace);
  admin_loop.post([this] { admin_closing = true; });
  admin_tended.wait(kCutGrace);
  admin_loop.post([this] {
    admin_api->close();
    door_desk.post([this] { door_desk.stop(); });
  });
  door_thread.join();
  admin_loop.stop();
  admin_thread.join();
}

FaultOr<void> Gateway::stop(const std::function<bool()>& hurry) {
  Parts& parts = *parts_;
  if (!parts.running) return {};
  parts.running = false;
  parts.drain(hurry);
  // From here on every request is settled and recorded; what is left is to keep that.
  for (const std::unique_ptr<Worker>& worker : parts.workers) {
    worker->loop.stop();
    worker->thread.join();
    worker->pipeline.close();
  }
  parts.alert_loop->stop();
  parts.identities.stop();
  parts.close_admin();
  return parts.store->stop();
}

}  // namespace tollgate::cli
