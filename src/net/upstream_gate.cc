#include "net/upstream_gate.h"

#include <algorithm>

namespace tollgate::net {

// ---- Gates -----------------------------------------------------------------------------------

struct UpstreamGates::State {
  std::mutex mutex;
  std::map<std::string, UpstreamGate, std::less<>> gates;
};

UpstreamGates::UpstreamGates() : state_(std::make_unique<State>()) {}
UpstreamGates::~UpstreamGates() = default;

UpstreamGate& UpstreamGates::of(std::string_view name) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->gates.find(name);
  if (found != state_->gates.end()) return found->second;
  return state_->gates[std::string(name)];
}

// ---- UpstreamGate ----------------------------------------------------------------------------

std::int64_t UpstreamGate::limit() const {
  const std::int64_t most = most_.load(std::memory_order_relaxed);
  return adaptive_.load(std::memory_order_relaxed) ? learned_.limit(most) : most;
}

bool UpstreamGate::take_place() {
  std::int64_t now = at_work_.load();
  while (now < limit()) {
    if (at_work_.compare_exchange_weak(now, now + 1)) return true;
  }
  return false;
}

bool UpstreamGate::enter(const config::Upstream& upstream) {
  // Written only where it differs: all loops read it.
  if (most_.load(std::memory_order_relaxed) != upstream.concurrent_requests) {
    most_.store(upstream.concurrent_requests, std::memory_order_relaxed);
  }
  if (adaptive_.load(std::memory_order_relaxed) != upstream.adaptive_concurrency) {
    adaptive_.store(upstream.adaptive_concurrency, std::memory_order_relaxed);
  }
  return waiting_.load() == 0 && take_place();
}

// Either this one sees who waits, or whoever joins meanwhile sees the place.
void UpstreamGate::leave(Instant now) {
  at_work_.fetch_sub(1);
  if (waiting_.load() == 0) return;
  const std::scoped_lock lock(mutex_);
  let_in_at(now);
}

void UpstreamGate::let_in_at(Instant now) {
  const std::int64_t before = queue_.waiting();
  let_in();
  pace_.came_up(before - queue_.waiting(), now);
  if (queue_.waiting() == 0) pace_.idle();
}

void UpstreamGate::let_in() {
  while (queue_.waiting() > 0 && take_place()) {
    const auto found = turns_.find(*queue_.next());
    Turn* const turn = found->second;
    turns_.erase(found);
    turn->end(true);
  }
  waiting_.store(queue_.waiting());
}

// The first always waits: what is known of the pace may be of another hour, and only who waits
// finds out.
std::optional<Duration> UpstreamGate::too_long_for(const Turn& turn, Instant now) const {
  if (queue_.waiting() == 0) return std::nullopt;
  const std::int64_t ahead =
      queue_.ahead_of({turn.waiting_.flow, turn.waiting_.weight, turn.waiting_.tokens});
  const std::optional<Duration> wait = pace_.wait_for(ahead + 1, now);
  return wait && now + *wait > turn.waiting_.until ? wait : std::nullopt;
}

bool UpstreamGate::join(Turn& turn, Instant now) {
  const std::scoped_lock lock(mutex_);
  if (queue_.waiting() == 0) pace_.begin(now);
  if (const auto wait = too_long_for(turn, now)) {
    turn.waiting_.expected = wait;
    return false;
  }
  turn.id_ = ++last_id_;
  turns_[turn.id_] = &turn;
  const overload::FairQueue::Place place{turn.waiting_.flow, turn.waiting_.weight,
                                         turn.waiting_.tokens};
  const std::int64_t length = turn.upstream_.queue ? turn.upstream_.queue->length : 0;
  if (const auto out = queue_.join(turn.id_, place, length)) {
    const auto found = turns_.find(*out);
    Turn* const gone = found->second;
    turns_.erase(found);
    gone->end(false);
  }
  waiting_.store(queue_.waiting());
  let_in_at(now);
  return true;
}

bool UpstreamGate::give_up(Turn& turn) {
  const std::scoped_lock lock(mutex_);
  if (turns_.erase(turn.id_) == 0) return false;
  queue_.leave(turn.id_);
  waiting_.store(queue_.waiting());
  return true;
}

void UpstreamGate::ended(const config::Upstream& upstream, const pipeline::Waiting& waiting,
                         Tokens used, pipeline::LoadSample sample) {
  using pipeline::LoadSample;
  if (upstream.adaptive_concurrency && sample != LoadSample::kNothing) {
    const std::int64_t others = std::max<std::int64_t>(0, at_work_.load() - 1);
    sample == LoadSample::kOverloaded ? learned_.overloaded(upstream.concurrent_requests, others)
                                      : learned_.answered(upstream.concurrent_requests, others);
  }
  if (!waiting.waited || used >= waiting.tokens) return;
  const std::scoped_lock lock(mutex_);
  queue_.give_back(waiting.flow, waiting.weight, waiting.tokens - used);
}

// ---- Turn ------------------------------------------------------------------------------------

// Once it has joined another loop may let it in: nothing of it is touched behind that.
bool UpstreamGate::Turn::await_suspend(std::coroutine_handle<> waiter) {
  resumed_.waiter = waiter;
  loop_.wheel.set(*this, waiting_.until);
  return gate_.join(*this, loop_.now());
}

bool UpstreamGate::Turn::await_resume() {
  loop_.wheel.clear(*this);
  return is_in_;
}

void UpstreamGate::Turn::end(bool is_in) {
  is_in_ = is_in;
  loop_.post([this] { resumed_.waiter.resume(); });
}

void UpstreamGate::Turn::give_up() {
  if (gate_.give_up(*this)) loop_.enqueue(resumed_);
}

}  // namespace tollgate::net
