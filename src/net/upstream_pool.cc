#include "net/upstream_pool.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "net/upstream_call.h"

namespace tollgate::net {

namespace {

// Many servers end an idle connection after a minute or less; one that they ended first is
// seen and dropped at once.
constexpr Duration kWaitingTime = std::chrono::seconds(30);
// So much before an upstream ends a connection, a request may cross its end on the way.
constexpr Duration kBeforeTheirEnd = std::chrono::seconds(1);
// What has waited for less is as the loop last saw it: asking the socket again is a system call.
constexpr Duration kFreshTime = std::chrono::milliseconds(20);
constexpr std::size_t kWaitingPerOrigin = 256;
constexpr std::size_t kOriginsKept = 64;
constexpr std::size_t kCallsKept = 256;

}  // namespace

// ---- Counts --------------------------------------------------------------------------------

struct Counts::State {
  std::mutex mutex;
  std::map<std::string, std::atomic<std::int64_t>, std::less<>> counts;
};

Counts::Counts() : state_(std::make_unique<State>()) {}
Counts::~Counts() = default;

std::atomic<std::int64_t>& Counts::of(std::string_view name) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->counts.find(name);
  if (found != state_->counts.end()) return found->second;
  return state_->counts[std::string(name)];
}

// ---- UpstreamConnection --------------------------------------------------------------------

UpstreamConnection::UpstreamConnection(Loop::State& loop, Origin& origin)
    : stream(loop), inbox(loop.blocks), origin_(origin) {
  noticed_.connection = this;
  ++origin.connections;
  ++origin.pool->connections;
}

UpstreamConnection::~UpstreamConnection() {
  --origin_.connections;
  --origin_.pool->connections;
}

void UpstreamConnection::rest(Duration most) {
  kept = true;
  inbox.rest();
  rested_ = origin_.pool->loop.now();
  stream.set_deadline(rested_ + most);
  stream.on_readable = &noticed_;
}

void UpstreamConnection::work() {
  stream.clear_deadline();
  stream.on_readable = nullptr;
  noticed_.unlink();
}

// Whether it can serve a request: nothing has come that nobody asked for, the end least of all.
// The socket is asked itself, as a request that is sent into a connection that has ended cannot
// be sent again. (What looks readable may be TLS's own, or a read that happened to take exactly
// what was there.)
bool UpstreamConnection::quiet() {
  if (stream.peer_left() || stream.interrupted() != Interrupt::kNone) return false;
  const bool fresh = origin_.pool->loop.now() - rested_ < kFreshTime;
  if (!stream.ready(Side::kRead) && !fresh) stream.look();
  if (!stream.ready(Side::kRead)) return true;
  char byte = 0;
  return stream.read({&byte, 1}).result == Attempt::Result::kWaitRead;
}

// Whatever comes while nothing was asked ends the connection, except what TLS says by itself.
void UpstreamConnection::noticed() {
  if (quiet()) return;
  const auto same = [this](const auto& each) { return each.get() == this; };
  std::erase_if(origin_.waiting, same);
}

// ---- UpstreamPool --------------------------------------------------------------------------

UpstreamPool::State::State(Loop::State& on, UpstreamGates& all)
    : loop(on), gates(all), resolver(on) {}
UpstreamPool::State::~State() = default;

Origin& UpstreamPool::State::origin(const config::Upstream& upstream,
                                    const config::Endpoint& endpoint) {
  const auto is_place = [&](const Origin& each) {
    return each.port == endpoint.port && each.tls == endpoint.tls && each.host == endpoint.host &&
           each.upstream == upstream.name;
  };
  const auto& authority = upstream.certificate_authority.digest;
  for (const std::unique_ptr<Origin>& each : origins) {
    if (is_place(*each) && each->authority.digest == authority) return *each;
  }
  // Who was trusted there before is so no longer: what was kept of it ends.
  std::erase_if(origins, [&](const auto& each) { return each->calls == 0 && is_place(*each); });
  // Those of configurations that are no longer in force.
  if (origins.size() >= kOriginsKept) {
    std::erase_if(origins, [](const auto& each) { return each->calls == 0; });
  }
  auto made = std::make_unique<Origin>();
  made->upstream = upstream.name;
  made->host = endpoint.host;
  made->port = endpoint.port;
  made->tls = endpoint.tls;
  made->authority = upstream.certificate_authority;
  made->gate = &gates.of(upstream.name);
  made->pool = this;
  return *origins.emplace_back(std::move(made));
}

FaultOr<ssl_ctx_st*> UpstreamPool::State::context(const CertificateAuthority& authority) {
  for (const Context& each : contexts) {
    if (each.authority == authority.digest) return each.tls.get();
  }
  // Connections keep theirs as long as they live.
  std::erase_if(contexts, [this](const Context& context) {
    return std::ranges::none_of(
        origins, [&](const auto& origin) { return origin->authority.digest == context.authority; });
  });
  FaultOr<TlsContext> made = client_tls(authority);
  if (!made) return std::unexpected(std::move(made.error()));
  return contexts.emplace_back(authority.digest, std::move(*made)).tls.get();
}

std::unique_ptr<UpstreamConnection> UpstreamPool::State::take(Origin& origin) {
  while (!origin.waiting.empty()) {
    std::unique_ptr<UpstreamConnection> connection = std::move(origin.waiting.back());
    origin.waiting.pop_back();
    // What was told in this turn has not been noticed yet.
    if (!connection->quiet()) continue;
    connection->work();
    return connection;
  }
  return nullptr;
}

void UpstreamPool::State::keep(std::unique_ptr<UpstreamConnection> connection,
                               std::optional<Duration> theirs) {
  Origin& origin = connection->origin();
  const Duration most = theirs ? std::min(kWaitingTime, *theirs - kBeforeTheirEnd) : kWaitingTime;
  if (origin.waiting.size() >= kWaitingPerOrigin || most <= Duration{}) return;
  connection->rest(most);
  origin.waiting.push_back(std::move(connection));
}

void UpstreamPool::State::recycle(Call& call) {
  std::unique_ptr<Call> owned(&call);
  if (calls.size() < kCallsKept) calls.push_back(std::move(owned));
}

Origin& UpstreamPool::State::origin_of(const pipeline::UpstreamRequest& request) {
  const config::Upstream& upstream = *request.upstream;
  CHECK(request.endpoint >= 0 &&
        static_cast<std::size_t>(request.endpoint) < upstream.endpoints.size());
  return origin(upstream, upstream.endpoints[static_cast<std::size_t>(request.endpoint)]);
}

// Of a request that has its place.
pipeline::CallHandle UpstreamPool::State::call(Origin& origin,
                                               const pipeline::UpstreamRequest& request) {
  std::unique_ptr<Call> made;
  if (calls.empty()) {
    made = std::make_unique<Call>(*this);
  } else {
    made = std::move(calls.back());
    calls.pop_back();
  }
  made->open(origin, request);
  return pipeline::CallHandle(made.release());
}

UpstreamPool::UpstreamPool(Loop& loop, UpstreamGates& gates)
    : state_(std::make_unique<State>(loop.state(), gates)) {}
UpstreamPool::~UpstreamPool() = default;

pipeline::CallHandle UpstreamPool::open(const pipeline::UpstreamRequest& request) {
  Origin& origin = state_->origin_of(request);
  if (!origin.gate->enter(*request.upstream)) return nullptr;
  return state_->call(origin, request);
}

Task<pipeline::CallHandle> UpstreamPool::open_in_turn(const pipeline::UpstreamRequest& request,
                                                      pipeline::Waiting& waiting) {
  // Origins of an old configuration end while nobody is at work there: it is looked up again.
  UpstreamGate& gate = *state_->origin_of(request).gate;
  if (!gate.enter(*request.upstream)) {
    if (!request.upstream->queue) co_return nullptr;
    waiting.waited = true;
    UpstreamGate::Turn turn(gate, state_->loop, *request.upstream, waiting);
    if (waiting.exchange != nullptr) waiting.exchange->on_caller_gone(&turn);
    if (waiting.stop != nullptr) waiting.stop->watch(&turn);
    const bool is_in = co_await turn;
    if (waiting.stop != nullptr) waiting.stop->watch(nullptr);
    if (waiting.exchange != nullptr) waiting.exchange->on_caller_gone(nullptr);
    if (!is_in) co_return nullptr;
  }
  co_return state_->call(state_->origin_of(request), request);
}

void UpstreamPool::ended(const config::Upstream& upstream, const pipeline::Waiting& waiting,
                         Tokens used, pipeline::LoadSample sample) {
  state_->gates.of(upstream.name).ended(upstream, waiting, used, sample);
}

Task<FaultOr<void>> UpstreamPool::send(pipeline::UpstreamCall& call) {
  return static_cast<Call&>(call).send();
}

int UpstreamPool::connections() const { return state_->connections; }

}  // namespace tollgate::net
