#include "pipeline/guards.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/gone_watch.h"
#include "pipeline/upstream_head.h"

namespace tollgate::pipeline {

namespace {

// A verdict is short; what is longer is none.
constexpr Bytes kAnswerBytesMax = 256 << 10;
// What a server puts around the text before the model reads it.
constexpr Tokens kTemplateTokensMax = 2048;
constexpr std::size_t kFindingsMax = 64;
constexpr std::size_t kGuardsMax = 8;  // Of a route.

Money price_of(const config::Guard& guard, std::size_t text_bytes) {
  if (!guard.prices) return guard.price_per_request;
  cost::Amounts most;
  most.input = static_cast<Tokens>(text_bytes) + kTemplateTokensMax;
  most.output = dialects::kGuardOutputMax;
  return add_saturated(guard.price_per_request, cost::price(*guard.prices, most));
}

// What it cost by its own word, which is believed up to what was held.
Money cost_of(const config::Guard& guard, const FaultOr<dialects::GuardVerdict>& verdict,
              Money held) {
  if (!guard.prices || !verdict || !verdict->input || !verdict->output) return held;
  if (*verdict->input < 0 || *verdict->output < 0) return held;
  cost::Amounts used;
  used.input = std::min(*verdict->input, kTokensMax);
  used.output = std::min(*verdict->output, kTokensMax);
  return std::min(held, add_saturated(guard.price_per_request, cost::price(*guard.prices, used)));
}

std::size_t text_bytes(const dialects::Request& request) {
  std::size_t bytes = 0;
  for (const auto texts : {request.texts, request.carried}) {
    for (const dialects::Text& text : texts) bytes += text.text.size() + 2;
  }
  return bytes;
}

Refusal refused_by(const config::Guard& guard, const dialects::GuardVerdict& verdict) {
  Refusal refusal;
  refusal.reason = Reason::kContentRefused;
  refusal.rule = guard.rule;
  std::string what;
  for (const std::string& category : verdict.categories) {
    if (!what.empty()) what += ", ";
    what += category;
  }
  refusal.message =
      fmt::format("The guard `{}` does not let this request pass: {}.", guard.name, what);
  return refusal;
}

Refusal unasked(const config::Guard& guard) {
  Refusal refusal;
  refusal.reason = Reason::kOverloaded;
  refusal.rule = guard.rule;
  refusal.message = fmt::format(
      "The guard `{}` could not say whether this request may pass, and nothing passes here that "
      "was not judged. Try again.",
      guard.name);
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

std::string_view action_of(const config::Guard& guard) {
  if (guard.mode == Mode::kObserve) return "observe";
  return guard.on_match == config::OnGuardMatch::kFlag ? "flag" : "refuse";
}

// What a judgement gathers before it is told.
struct Gathered {
  std::array<audit::ContentFinding, kFindingsMax> findings;
  std::size_t found = 0;
  std::array<audit::Attempt, kGuardsMax> attempts;
  std::size_t attempted = 0;
  std::array<std::string_view, kGuardsMax> observed;
  std::size_t observed_count = 0;

  void find(Arena& arena, const config::Guard& guard, std::string_view what,
            std::string_view action) {
    if (found == findings.size()) return;
    findings[found++] = {arena.copy(fmt::format("{}.{}", guard.rule, what)), "request", action};
  }
  void observe(const config::Guard& guard) { observed[observed_count++] = guard.rule; }

  void tell(Arena& arena, Judgement& judgement) const {
    judgement.findings = arena.copy(std::span<const audit::ContentFinding>(findings.data(), found));
    judgement.attempts = arena.copy(std::span<const audit::Attempt>(attempts.data(), attempted));
    judgement.observed =
        arena.copy(std::span<const std::string_view>(observed.data(), observed_count));
  }
};

// What became of one guard: whether the request goes on, and what is told of it.
std::optional<Refusal> weigh(const config::Guard& guard,
                             const FaultOr<dialects::GuardVerdict>& verdict, Arena& arena,
                             Gathered& told) {
  const bool enforced = guard.mode == Mode::kEnforce;
  if (!verdict) {
    const bool passes = guard.on_failure == config::OnGuardFailure::kPass;
    told.find(arena, guard, "unavailable", passes ? "pass" : enforced ? "refuse" : "observe");
    if (!passes && enforced) return unasked(guard);
    told.observe(guard);
    return std::nullopt;
  }
  if (verdict->passes) return std::nullopt;
  for (const std::string& category : verdict->categories) {
    told.find(arena, guard, category, action_of(guard));
  }
  if (guard.on_match == config::OnGuardMatch::kFlag) return std::nullopt;
  if (enforced) return refused_by(guard, *verdict);
  told.observe(guard);
  return std::nullopt;
}

}  // namespace

Money guards_cost_at_most(const config::Config& config, const config::Route& route,
                          const dialects::Request& request) {
  Money sum;
  if (route.guards.empty()) return sum;
  const std::size_t bytes = text_bytes(request);
  for (const int index : route.guards) {
    sum = add_saturated(sum, price_of(config.guards[static_cast<std::size_t>(index)], bytes));
  }
  return sum;
}

// What one guard is asked, ready to be sent.
struct Guards::Question {
  std::string body;
  tokens::Hash128 key;
  Money price;
};

auto Guards::question(const Case& of, const config::Guard& guard) const -> Question {
  dialects::GuardQuestion asked;
  asked.kind = guard.kind;
  asked.model = guard.model;
  asked.language = guard.language;
  asked.tenant = of.tenant;
  asked.route = of.route.name;
  asked.texts = of.request.texts;
  asked.carried = of.request.carried;
  Question made;
  dialects::write_question(asked, guard.threshold, made.body);
  // No name has a NUL, so nothing of one part can pass for another.
  std::string known_by;
  for (const std::string_view part :
       {std::string_view(of.config.version), std::string_view(guard.name), of.tenant}) {
    known_by += part;
    known_by += '\0';
  }
  known_by += made.body;
  made.key = tokens::keyed_hash(known_by);
  made.price = price_of(guard, text_bytes(of.request));
  return made;
}

const dialects::GuardVerdict* Guards::known(const Question& question) const {
  if (kept_.empty()) return nullptr;
  const Kept& kept = kept_[question.key.low % kVerdictsMax];
  return kept.key == question.key && clock_.now() < kept.until ? &kept.verdict : nullptr;
}

void Guards::keep(const config::Guard& guard, const Question& question,
                  const dialects::GuardVerdict& verdict) {
  if (guard.cache == Duration{}) return;
  if (kept_.empty()) kept_.resize(kVerdictsMax);
  kept_[question.key.low % kVerdictsMax] = {question.key, clock_.now() + guard.cache, verdict};
}

Task<Guards::Answer> Guards::ask(const Case& of, const config::Guard& guard,
                                 const Question& question) {
  const config::Upstream& upstream = of.config.upstreams[static_cast<std::size_t>(guard.upstream)];
  const int endpoint = static_cast<int>(of.turn % upstream.endpoints.size());
  BufferPool::Lease message = buffers_.lease();
  begin_upstream_head(upstream, endpoint, guard.path, *message);
  *message += "\r\nAccept: application/json";
  end_upstream_head(of.id, question.body.size(), *message);
  *message += question.body;
  Answer answer{fault(FaultKind::kUnreachable, "the guard has no place free"), 0, {}, false};
  const CallHandle call = upstreams_.open({&upstream, endpoint, *message});
  if (call == nullptr) co_return answer;
  const GoneWatch watch(of.exchange, of.stop, *call);
  const Instant began = clock_.now();
  const FaultOr<void> sent = co_await upstreams_.send(*call);
  answer.sent = call->sent();
  if (!sent) {
    answer.verdict = std::unexpected(sent.error());
  } else {
    answer.status = call->status();
    const FaultOr<std::string_view> body = co_await call->read_whole(kAnswerBytesMax);
    if (!body) {
      answer.verdict = std::unexpected(body.error());
    } else if (answer.status != 200) {
      answer.verdict = fault(FaultKind::kBroken, "the guard refused to answer");
    } else {
      answer.verdict = dialects::read_verdict(guard.kind, *body, guard.threshold);
    }
  }
  answer.waited = clock_.now() - began;
  co_return answer;
}

Task<Judgement> Guards::judge(const Case& of) {
  std::vector<Question> questions;
  for (const int index : of.route.guards) {
    questions.push_back(question(of, of.config.guards[static_cast<std::size_t>(index)]));
  }
  Arena& arena = of.exchange.arena();
  Judgement judgement;
  Gathered told;
  for (std::size_t i = 0; i < questions.size() && !judgement.refusal; ++i) {
    const auto index = static_cast<std::size_t>(of.route.guards[i]);
    const config::Guard& guard = of.config.guards[index];
    if (const dialects::GuardVerdict* before = known(questions[i]); before != nullptr) {
      judgement.refusal = weigh(guard, *before, arena, told);
      continue;
    }
    const Answer answer = co_await ask(of, guard, questions[i]);
    // Whoever has the question may have done the work.
    if (answer.sent) {
      judgement.cost =
          add_saturated(judgement.cost, cost_of(guard, answer.verdict, questions[i].price));
    }
    judgement.waited += answer.waited;
    const std::string& upstream =
        of.config.upstreams[static_cast<std::size_t>(guard.upstream)].name;
    told.attempts[told.attempted++] = {upstream, answer.status, answer.waited};
    if (of.exchange.caller_gone() || of.stop.asked()) break;
    if (answer.verdict) keep(guard, questions[i], *answer.verdict);
    judgement.refusal = weigh(guard, answer.verdict, arena, told);
  }
  told.tell(arena, judgement);
  co_return judgement;
}

}  // namespace tollgate::pipeline
