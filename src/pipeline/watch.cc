// Whether a request is like its caller: looked at once it would pass, and told how it ended.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/life.h"
#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"

namespace tollgate::pipeline {

namespace {

using dialects::Text;
using dialects::TextKind;

// What a conversation stands in, on each surface that has one; empty: it has none.
std::string_view conversation_of(dialects::Surface surface) {
  using dialects::Surface;
  if (surface == Surface::kResponses) return "input";
  const bool has_messages = surface == Surface::kChatCompletions || surface == Surface::kMessages;
  return has_messages ? "messages" : std::string_view();
}

// The messages that the caller's user wrote last: from the first up to behind the last of them.
struct Turn {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

Turn last_turn(std::span<const Text> texts, std::string_view conversation) {
  Turn turn;
  for (std::size_t i = texts.size(); i > 0; --i) {
    const Text& text = texts[i - 1];
    if (text.kind != TextKind::kRole || text.field != conversation) continue;
    if (text.text == "user") {
      if (turn.end == 0) turn.end = text.index + 1;
      turn.begin = text.index;
    } else if (turn.end != 0) {
      break;
    }
  }
  return turn;
}

// What was written for this request: not what an application puts before each one, nor what was
// said before. Of prompts without messages all of it.
std::span<const std::string_view> written_last(const dialects::Request& request, Arena& arena) {
  const std::string_view conversation = conversation_of(request.surface);
  const Turn turn = last_turn(request.texts, conversation);
  const auto chosen = arena.make<std::string_view>(request.texts.size());
  std::size_t count = 0;
  for (const Text& text : request.texts) {
    if (text.kind != TextKind::kContent && text.kind != TextKind::kQuery) continue;
    // The input of a response may be one text.
    const bool is_one = text.index < 0 && turn.end == 0;
    const bool is_of_turn = text.field == conversation &&
                            (is_one || (text.index >= turn.begin && text.index < turn.end));
    if (conversation.empty() || is_of_turn) chosen[count++] = text.text;
  }
  return chosen.first(count);
}

// Who answers for it: a key by itself, others by their subject, and who has no credential by where
// it asks from.
std::uint64_t actor_of(const anomalies::Anomalies& anomalies,
                       const authentication::Identity& caller, const IpAddress& from) {
  if (caller.credential_kind == authentication::CredentialKind::kAnonymous) {
    const IpAddress subscriber = subscriber_of(from);
    return anomalies.hash_of({reinterpret_cast<const char*>(subscriber.bytes.data()), 16}, 1);
  }
  const bool by_key = caller.verifier.empty() || caller.subject.empty();
  const std::uint64_t tenant = anomalies.hash_of(caller.tenant, by_key ? 2 : 3);
  return anomalies.hash_of(by_key ? caller.credential_id : caller.subject, tenant);
}

// The route that it was refused on, where that is watched, before it was looked at.
const config::Route* watched_route(const config::Config& config, const audit::Record& record) {
  for (const config::Route& route : config.routes) {
    if (route.anomalies && route.name == record.route) return &route;
  }
  return nullptr;
}

}  // namespace

Expected<void> Pipeline::watch(Life& life, const Plan& plan) {
  if (!plan.route->anomalies || services_.anomalies == nullptr || life.actor != 0) return {};
  const anomalies::Policy& policy = *plan.route->anomalies;
  anomalies::Anomalies& anomalies = *services_.anomalies;
  Arena& arena = life.exchange.arena();
  const auto features = arena.make<anomalies::Features>(1);
  features[0] = anomalies::measure(written_last(life.request, arena), anomalies.key());
  life.record.features = features.data();
  life.actor = actor_of(anomalies, life.caller, life.record.client_ip);
  life.watched_route = anomalies.hash_of(plan.route->name);

  anomalies::Asked asked;
  asked.features = features[0];
  asked.actor = life.actor;
  asked.route = life.watched_route;
  asked.model = static_cast<std::uint32_t>(anomalies.hash_of(plan.model->name));
  const std::string_view agent = anomalies::agent_family(life.exchange.head().header("user-agent"));
  if (!agent.empty()) asked.agent = static_cast<std::uint32_t>(anomalies.hash_of(agent)) | 1;
  asked.now = life.wall;
  const anomalies::Verdict verdict = anomalies.observe(policy, asked);

  const bool observes = policy.mode == Mode::kObserve;
  life.record.anomaly.score = verdict.score;
  life.record.anomaly.signs = verdict.signs;
  if (verdict.is_anomaly) {
    life.record.anomaly.action = observes ? "observe" : anomalies::name_of(policy.on_anomaly);
  }
  if (!verdict.is_anomaly && !verdict.delay) return {};
  const std::string rule = fmt::format("routes.{}.anomalies", plan.route->name);
  const Expected<void> passed = anomalies::check(policy, verdict, rule);
  if (passed) return {};
  if (!observes) {
    life.unusual = true;
    return std::unexpected(passed.error());
  }
  const auto observed = arena.make<std::string_view>(life.observed.size() + 1);
  std::ranges::copy(life.observed, observed.begin());
  observed.back() = arena.copy(rule);
  life.observed = observed;
  return {};
}

// What this control refused is no news to it.
void Pipeline::learn_end(Life& life) {
  if (services_.anomalies == nullptr || !life.known || life.unusual) return;
  const audit::Record& record = life.record;
  const bool refused = record.outcome == audit::Outcome::kRefused;
  if (life.actor == 0) {
    const config::Route* const route = refused ? watched_route(*life.config, record) : nullptr;
    if (route == nullptr) return;
    life.actor = actor_of(*services_.anomalies, life.caller, record.client_ip);
    life.watched_route = services_.anomalies->hash_of(route->name);
  }
  anomalies::Ended ended;
  constexpr std::array kFailures = {Reason::kUpstreamError, Reason::kUpstreamTimeout,
                                    Reason::kOverloaded};
  // An attempt before this one failed, though another has answered.
  ended.failed = life.attempt > 1 || (refused && std::ranges::any_of(kFailures, [&](Reason reason) {
                                        return record.code == row_of(reason).code;
                                      }));
  ended.refused = refused && !ended.failed;
  ended.input = record.input;
  ended.cost = record.cost;
  services_.anomalies->learn(life.actor, life.watched_route, ended);
}

}  // namespace tollgate::pipeline
