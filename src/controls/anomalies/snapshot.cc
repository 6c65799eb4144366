// The state as bytes: a head that says what it is, then actors, routes and templates as they lie in
// memory, and a checksum over all of it. A snapshot is of one machine: what another layout or
// version wrote is not read.
#include <algorithm>
#include <cstring>

#include "base/sha256.h"
#include "controls/anomalies/anomalies.h"

namespace tollgate::anomalies {

namespace {

constexpr std::uint64_t kMagic = 0x31'73'65'69'6C'61'6D'6E;  // "nmalies1"

struct Head {
  std::uint64_t magic = kMagic;
  std::uint64_t key_check = 0;  // Tells a snapshot of another key, and not the key.
  std::uint32_t actor_bytes = sizeof(ActorState);
  std::uint32_t template_bytes = sizeof(Template);
  std::uint64_t actors = 0;
  std::uint64_t routes = 0;
  std::uint64_t templates = 0;
};

template <class Value>
void append(std::string& out, const Value& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class Value>
Value take(std::string_view& bytes) {
  Value value;
  bytes.copy(reinterpret_cast<char*>(&value), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

// What arithmetic could not go on with.
bool is_sound(const ActorState& state) {
  const auto sound = [](float value) { return value >= -1e6F && value <= 1e6F; };
  bool good = state.name != 0 && sound(state.templates_mean);
  for (const Rate& rate : state.rates) good = good && sound(rate.fast) && sound(rate.slow);
  for (const Drift* drift : {&state.tokens, &state.spend}) {
    good = good && sound(drift->mean) && sound(drift->variance) && sound(drift->sum) &&
           drift->variance >= 0;
  }
  for (const Known* known : {&state.models, &state.routes, &state.agents}) {
    good = good && sound(known->novelty);
  }
  return good;
}

}  // namespace

std::string Anomalies::snapshot() const {
  State* const state = made_.load(std::memory_order_acquire);
  std::string out;
  if (state == nullptr) return out;
  Head head;
  head.key_check = hash_of("tollgate anomalies snapshot");
  append(out, head);
  for (std::size_t set = 0; set < state->actors.size() / kWays; ++set) {
    const std::lock_guard lock(state->lock_of(set));
    for (std::size_t way = 0; way < kWays; ++way) {
      const ActorState& actor = state->actors[set * kWays + way];
      if (actor.name == 0) continue;
      append(out, actor);
      ++head.actors;
    }
  }
  for (std::size_t i = 0; i < state->routes.size(); ++i) {
    const std::lock_guard lock(state->lock_of_route(i));
    if (state->routes[i].name == 0) continue;
    append(out, state->routes[i]);
    ++head.routes;
  }
  constexpr std::size_t kAtOnce = 256;  // So that nobody waits for long.
  for (std::size_t i = 0; i < state->campaigns.templates().size(); ++i) {
    if (i % kAtOnce == 0) {
      const std::lock_guard lock(state->campaigns_lock);
      const std::size_t end = std::min(i + kAtOnce, state->campaigns.templates().size());
      for (std::size_t k = i; k < end; ++k) {
        const Template& kept = state->campaigns.templates()[k];
        if (kept.simhash == 0) continue;
        append(out, kept);
        ++head.templates;
      }
    }
  }
  std::memcpy(out.data(), &head, sizeof head);
  const auto digest = sha256(out);
  out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return out;
}

bool Anomalies::restore(std::string_view snapshot) {
  constexpr std::size_t kDigest = 32;
  if (snapshot.size() < sizeof(Head) + kDigest) return false;
  const std::string_view body = snapshot.substr(0, snapshot.size() - kDigest);
  const auto digest = sha256(body);
  if (std::memcmp(digest.data(), snapshot.data() + body.size(), kDigest) != 0) return false;
  std::string_view rest = body;
  const auto head = take<Head>(rest);
  const Head own;
  if (head.magic != own.magic || head.actor_bytes != own.actor_bytes ||
      head.template_bytes != own.template_bytes ||
      head.key_check != hash_of("tollgate anomalies snapshot")) {
    return false;
  }
  constexpr std::uint64_t kMost = 1 << 24;
  if (head.actors > kMost || head.routes > kMost || head.templates > kMost) return false;
  if (rest.size() !=
      (head.actors + head.routes) * sizeof(ActorState) + head.templates * sizeof(Template)) {
    return false;
  }
  State& state = this->state();
  for (std::uint64_t i = 0; i < head.actors + head.routes; ++i) {
    const auto kept = take<ActorState>(rest);
    if (!is_sound(kept)) continue;
    const WallTime last{std::chrono::seconds(kept.last_seconds)};
    if (i >= head.actors) {
      const std::lock_guard lock(state.lock_of_route(kept.name));
      state.route(kept.name) = kept;
      continue;
    }
    const std::lock_guard lock(state.lock_of(state.set_of(kept.name)));
    if (ActorState* const place = state.actor(kept.name, last)) *place = kept;
  }
  const std::lock_guard lock(state.campaigns_lock);
  for (std::uint64_t i = 0; i < head.templates; ++i) state.campaigns.restore(take<Template>(rest));
  return true;
}

}  // namespace tollgate::anomalies
