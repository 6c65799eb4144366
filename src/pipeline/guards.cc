#include "pipeline/guards.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "controls/content/content.h"
#include "pipeline/answer_guards.h"
#include "pipeline/gone_watch.h"
#include "pipeline/upstream_head.h"

namespace tollgate::pipeline {

namespace {

// A verdict is short; what is longer is none.
constexpr Bytes kVerdictBytesMax = 256 << 10;
// What a server puts around the text before the model reads it.
constexpr Tokens kTemplateTokensMax = 2048;
constexpr std::size_t kFindingsMax = 64;
constexpr std::size_t kGuardsMax = 8;  // Of a route.
// Between two texts that are judged as one.
constexpr std::size_t kBetweenBytes = 2;
// Of output, and what goes beside it: on average a token of no model is as long.
constexpr std::size_t kBytesPerTokenMost = 16;

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
    for (const dialects::Text& text : texts) bytes += text.text.size() + kBetweenBytes;
  }
  return bytes;
}

std::size_t most_bytes_of(Tokens output) {
  return std::min(Guards::kAnswerBytesMax, static_cast<std::size_t>(output) * kBytesPerTokenMost);
}

std::unexpected<Fault> unpaid() {
  return fault(FaultKind::kRefusedByPeer, "what was held for asking guards is spent");
}

std::unexpected<Fault> unreadable() {
  return fault(FaultKind::kBroken, "the answer is too long to be judged");
}

// What is judged, in the words of a refusal.
std::string_view name_of(Judged judged) {
  return judged == Judged::kRequest ? "request" : "answer";
}

Refusal refused_by(const config::Guard& guard, Judged judged,
                   const dialects::GuardVerdict& verdict) {
  Refusal refusal;
  refusal.reason = Reason::kContentRefused;
  refusal.rule = guard.rule;
  std::string what;
  for (const std::string& category : verdict.categories) {
    if (!what.empty()) what += ", ";
    what += category;
  }
  refusal.message = fmt::format("The guard `{}` does not let this {} pass: {}.", guard.name,
                                name_of(judged), what);
  return refusal;
}

// An answer that is asked for once more is made and paid for once more, so no retry is proposed.
Refusal unasked(const config::Guard& guard, Judged judged) {
  Refusal refusal;
  refusal.reason = Reason::kOverloaded;
  refusal.rule = guard.rule;
  refusal.message = fmt::format(
      "The guard `{}` could not say whether this {} may pass, and nothing passes here that was not "
      "judged. Try again{}.",
      guard.name, name_of(judged), judged == Judged::kRequest ? "" : " later");
  if (judged == Judged::kRequest) refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

std::string_view action_of(const config::Guard& guard) {
  if (guard.mode == Mode::kObserve) return "observe";
  return guard.on_match == config::OnGuardMatch::kFlag ? "flag" : "refuse";
}

// What a judgement gathers before it is told.
struct Gathered {
  explicit Gathered(Judged of) : judged(of) {}

  std::array<audit::ContentFinding, kFindingsMax> findings;
  std::size_t found = 0;
  std::array<audit::Attempt, kGuardsMax> attempts;
  std::size_t attempted = 0;
  std::array<std::string_view, kGuardsMax> observed;
  std::size_t observed_count = 0;

  const Judged judged;

  void find(Arena& arena, const config::Guard& guard, std::string_view what,
            std::string_view action) {
    if (found == findings.size()) return;
    findings[found++] = {arena.copy(fmt::format("{}.{}", guard.rule, what)),
                         judged == Judged::kRequest ? "request" : "response", action};
  }
  void observe(const config::Guard& guard) { observed[observed_count++] = guard.rule; }

  void tell(Arena& arena, Judgement& judgement) const {
    judgement.findings = arena.copy(std::span<const audit::ContentFinding>(findings.data(), found));
    judgement.attempts = arena.copy(std::span<const audit::Attempt>(attempts.data(), attempted));
    judgement.observed =
        arena.copy(std::span<const std::string_view>(observed.data(), observed_count));
  }
};

// What became of one guard: whether it goes on, and what is told of it.
std::optional<Refusal> weigh(const config::Guard& guard,
                             const FaultOr<dialects::GuardVerdict>& verdict, Arena& arena,
                             Gathered& told) {
  const bool enforced = guard.mode == Mode::kEnforce;
  if (!verdict) {
    const bool passes = guard.on_failure == config::OnGuardFailure::kPass;
    told.find(arena, guard, "unavailable", passes ? "pass" : enforced ? "refuse" : "observe");
    if (!passes && enforced) return unasked(guard, told.judged);
    told.observe(guard);
    return std::nullopt;
  }
  if (verdict->passes) return std::nullopt;
  for (const std::string& category : verdict->categories) {
    told.find(arena, guard, category, action_of(guard));
  }
  if (guard.on_match == config::OnGuardMatch::kFlag) return std::nullopt;
  if (enforced) return refused_by(guard, told.judged, *verdict);
  told.observe(guard);
  return std::nullopt;
}

}  // namespace

bool may_refuse(const config::Guard& guard) {
  return guard.mode == Mode::kEnforce && (guard.on_match == config::OnGuardMatch::kRefuse ||
                                          guard.on_failure == config::OnGuardFailure::kRefuse);
}

// The guard that wants to be asked most often decides.
Bytes section_of(const config::Config& config, const config::Route& route) {
  Bytes section = std::numeric_limits<Bytes>::max();
  for (const int index : route.response_guards) {
    const config::Guard& guard = config.guards[static_cast<std::size_t>(index)];
    if (may_refuse(guard)) section = std::min(section, guard.section);
  }
  return section;
}

std::size_t next_section(std::size_t judged, Bytes section) {
  return std::max(static_cast<std::size_t>(section), judged / 4);
}

Money guards_cost_at_most(const config::Config& config, const config::Route& route,
                          const dialects::Request& request, Tokens output) {
  Money sum;
  if (route.guards.empty() && route.response_guards.empty()) return sum;
  const std::size_t bytes = text_bytes(request);
  for (const int index : route.guards) {
    sum = add_saturated(sum, price_of(config.guards[static_cast<std::size_t>(index)], bytes));
  }
  // Each of its texts is told from the next.
  constexpr std::size_t kBetweenMax = AnswerGuards::kTextsMax * kBetweenBytes;
  const std::size_t answer = most_bytes_of(output);
  const Bytes section = section_of(config, route);
  const bool is_streamed = request.delivery == dialects::Delivery::kStreamed;
  for (const int index : route.response_guards) {
    const config::Guard& guard = config.guards[static_cast<std::size_t>(index)];
    const std::size_t asked = dialects::reads_what_was_asked(guard.kind) ? bytes : 0;
    std::size_t judged = 0;
    while (judged < answer) {
      judged = is_streamed && may_refuse(guard)
                   ? std::min(answer, judged + next_section(judged, section))
                   : answer;
      sum = add_saturated(sum, price_of(guard, asked + judged + kBetweenMax));
    }
    // Once more, of the same, when it is complete.
    if (is_streamed && may_refuse(guard) && guard.kind == dialects::GuardKind::kHttp) {
      sum = add_saturated(sum, price_of(guard, asked + answer + kBetweenMax));
    }
  }
  return sum;
}

// What one guard is asked, ready to be sent.
struct Guards::Question {
  const config::Guard* guard = nullptr;
  std::string body;
  std::size_t texts = 0;
  tokens::Hash128 key;
  Money price;
};

auto Guards::question(const Case& of, const config::Guard& guard, dialects::GuardQuestion asked,
                      std::size_t bytes) const -> Question {
  asked.kind = guard.kind;
  const bool asks_by_model = guard.kind != dialects::GuardKind::kHttp || !guard.model.empty();
  asked.model = asks_by_model ? std::string_view(guard.model) : of.request.model;
  asked.language = guard.language;
  asked.tenant = of.tenant;
  asked.route = of.route.name;
  Question made;
  made.guard = &guard;
  made.texts = dialects::write_question(asked, guard.threshold, made.body);
  // No name has a NUL, so nothing of one part can pass for another.
  std::string known_by;
  for (const std::string_view part :
       {std::string_view(of.config.version), std::string_view(guard.name), of.tenant}) {
    known_by += part;
    known_by += '\0';
  }
  known_by += made.body;
  made.key = tokens::keyed_hash(known_by);
  made.price = price_of(guard, bytes);
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
    const FaultOr<std::string_view> body = co_await call->read_whole(kVerdictBytesMax);
    if (!body) {
      answer.verdict = std::unexpected(body.error());
    } else if (answer.status != 200) {
      answer.verdict = fault(FaultKind::kBroken, "the guard refused to answer");
    } else {
      answer.verdict = dialects::read_verdict(guard.kind, *body, guard.threshold, question.texts);
    }
  }
  answer.waited = clock_.now() - began;
  co_return answer;
}

Task<Judgement> Guards::ask_all(const Case& of, std::span<const Question> questions,
                                const AskingTerms& terms) {
  Arena& arena = of.exchange.arena();
  Judgement judgement;
  Gathered told(terms.judged);
  for (std::size_t i = 0; i < questions.size() && !judgement.refusal; ++i) {
    const Question& question = questions[i];
    const config::Guard& guard = *question.guard;
    if (const dialects::GuardVerdict* before = known(question); before != nullptr) {
      judgement.refusal = weigh(guard, *before, arena, told);
      continue;
    }
    if (add_saturated(judgement.cost, question.price) > terms.left) {
      judgement.refusal = weigh(guard, unpaid(), arena, told);
      continue;
    }
    const Answer answer = co_await ask(of, guard, question);
    // Whoever has the question may have done the work.
    if (answer.sent) {
      judgement.cost =
          add_saturated(judgement.cost, cost_of(guard, answer.verdict, question.price));
    }
    judgement.waited += answer.waited;
    const std::string& upstream =
        of.config.upstreams[static_cast<std::size_t>(guard.upstream)].name;
    told.attempts[told.attempted++] = {upstream, answer.status, answer.waited};
    if (of.exchange.caller_gone() || of.stop.asked()) break;
    if (answer.verdict) keep(guard, question, *answer.verdict);
    judgement.refusal = weigh(guard, answer.verdict, arena, told);
  }
  told.tell(arena, judgement);
  co_return judgement;
}

// Of a prompt that came as the numbers of its tokens no guard has a text.
Judgement Guards::judge_tokens(const Case& of) {
  Judgement judgement;
  Gathered told(Judged::kRequest);
  const bool is_vector = of.request.surface == dialects::Surface::kEmbeddings;
  const std::string_view field = is_vector ? "input" : "prompt";
  for (const int index : of.route.guards) {
    const config::Guard& guard = of.config.guards[static_cast<std::size_t>(index)];
    const FaultOr<dialects::GuardVerdict> unread = fault(FaultKind::kBroken, "token ids");
    if (!weigh(guard, unread, of.exchange.arena(), told)) continue;
    judgement.refusal =
        content::refuse_unread(
            fmt::format("'{}' is given as token ids, which the guard `{}` cannot judge: send text.",
                        field, guard.name),
            guard.rule, field)
            .error();
    break;
  }
  told.tell(of.exchange.arena(), judgement);
  return judgement;
}

Task<Judgement> Guards::judge(const Case& of) {
  if (of.request.tokens_given > 0) co_return judge_tokens(of);
  dialects::GuardQuestion asked;
  asked.texts = of.request.texts;
  asked.carried = of.request.carried;
  std::vector<Question> questions;
  AskingTerms terms;
  for (const int index : of.route.guards) {
    questions.push_back(question(of, of.config.guards[static_cast<std::size_t>(index)], asked,
                                 text_bytes(of.request)));
    terms.left = add_saturated(terms.left, questions.back().price);
  }
  co_return co_await ask_all(of, questions, terms);
}

bool Guards::is_asked(const config::Guard& guard, AnswerSoFar::Asked who) {
  if (who == AnswerSoFar::Asked::kThatMayRefuse) return may_refuse(guard);
  if (who == AnswerSoFar::Asked::kAll) return true;
  return !may_refuse(guard) || guard.kind == dialects::GuardKind::kHttp;
}

Task<Judgement> Guards::judge_answer(const Case& of, const AnswerSoFar& answer) {
  dialects::GuardQuestion asked;
  asked.answer = answer.texts;
  asked.is_whole = answer.is_whole;
  std::size_t bytes = 0;
  for (const dialects::AnswerText& text : answer.texts) bytes += text.text.size() + kBetweenBytes;
  Gathered told(Judged::kAnswer);
  Judgement unread;
  std::vector<Question> questions;
  for (const int index : of.route.response_guards) {
    const config::Guard& guard = of.config.guards[static_cast<std::size_t>(index)];
    if (!is_asked(guard, answer.who)) continue;
    if (!answer.is_readable) {
      if (!unread.refusal) unread.refusal = weigh(guard, unreadable(), of.exchange.arena(), told);
      continue;
    }
    const bool reads_asked = dialects::reads_what_was_asked(guard.kind);
    asked.asked = reads_asked ? answer.asked : std::string_view();
    questions.push_back(question(of, guard, asked, bytes + asked.asked.size()));
  }
  if (!answer.is_readable) {
    told.tell(of.exchange.arena(), unread);
    co_return unread;
  }
  const AskingTerms terms{Judged::kAnswer, answer.left};
  co_return co_await ask_all(of, questions, terms);
}

}  // namespace tollgate::pipeline
