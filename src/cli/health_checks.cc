#include "cli/health_checks.h"

#include <algorithm>

#include "config/scalars.h"
#include "pipeline/places.h"
#include "pipeline/upstream_head.h"

namespace tollgate::cli {

namespace {

constexpr Duration kPatienceMax = std::chrono::seconds(2);
constexpr Bytes kAnswerBytesMax = 64 << 10;

// The upstream as it is asked: without a credential, and with less patience.
config::Upstream to_ask(const config::Upstream& upstream, std::size_t endpoint) {
  config::Upstream made;
  made.name = upstream.name;
  made.endpoints = {upstream.endpoints[endpoint]};
  made.certificate_authority = upstream.certificate_authority;
  const Duration patience = std::min(kPatienceMax, upstream.health_check->every);
  made.timeout = {patience, patience, patience, patience};
  return made;
}

}  // namespace

void HealthChecks::tend(const std::shared_ptr<const config::Config>& config) {
  if (closed_) return;
  const Instant now = loop_.now();
  if (asked_ != config) {
    // Nobody is held to the last word of a check that is no longer made.
    endpoints_.forget_words();
    pipeline::make_known(*config, endpoints_);
    due_.clear();
    asked_ = config;
  }
  for (const config::Upstream& upstream : config->upstreams) {
    if (!upstream.health_check) continue;
    for (std::size_t i = 0; i < upstream.endpoints.size(); ++i) {
      Instant& due = due_[upstream.name + " " + config::format_url(upstream.endpoints[i])];
      if (now < due) continue;
      due = now + upstream.health_check->every;
      start(ask(config, upstream, i));
    }
  }
}

Task<void> HealthChecks::ask(std::shared_ptr<const config::Config> config,
                             const config::Upstream& upstream, std::size_t endpoint) {
  ++open_;
  const bool well = co_await is_well(upstream, endpoint);
  --open_;
  // What a check says that is no longer made would hold for ever.
  if (closed_ || asked_ != config) co_return;
  const std::string url = config::format_url(upstream.endpoints[endpoint]);
  attempts::Host& host = endpoints_.host(upstream.name, url);
  if (well && host.unwell.load(std::memory_order_relaxed)) host.well_since.store(loop_.now());
  host.unwell.store(!well, std::memory_order_relaxed);
}

Task<bool> HealthChecks::is_well(const config::Upstream& upstream, std::size_t endpoint) {
  const config::Upstream asked = to_ask(upstream, endpoint);
  config::Endpoint host = asked.endpoints.front();
  host.path_prefix.clear();
  std::string message;
  pipeline::begin_head(host, "GET", upstream.health_check->path, message);
  message += "\r\nUser-Agent: tollgate\r\nAccept: */*\r\n\r\n";
  const pipeline::CallHandle call =
      pool_.open({.upstream = &asked, .endpoint = 0, .message = message});
  if (!call) co_return false;
  calls_.push_back(call.get());
  bool well = false;
  if (co_await pool_.send(*call)) {
    const bool whole = (co_await call->read_whole(kAnswerBytesMax)).has_value();
    well = whole && call->status() >= 200 && call->status() < 300;
  }
  std::erase(calls_, call.get());
  co_return well;
}

void HealthChecks::close() {
  closed_ = true;
  for (pipeline::UpstreamCall* call : std::vector(calls_)) call->cancel();
}

}  // namespace tollgate::cli
