#include "controls/audit/audit.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "controls/audit/pen.h"

namespace tollgate::audit {

namespace {

constexpr std::size_t kMessageBytesMax = 4 * kTextBytesMax;

// The first member of an object goes without its comma.
class Members {
 public:
  explicit Members(Pen& pen) : pen_(pen) {}
  template <std::size_t N>
  void key(const char (&quoted)[N]) {
    if (!first_) pen_.literal(",");
    first_ = false;
    pen_.literal(quoted);
  }
  template <std::size_t N>
  void text(const char (&quoted)[N], std::string_view value) {
    if (value.empty()) return;
    key(quoted);
    pen_.text(value, kTextBytesMax);
  }
  template <std::size_t N>
  void count(const char (&quoted)[N], std::int64_t value) {
    if (value == 0) return;
    key(quoted);
    pen_.number(value);
  }
  template <std::size_t N>
  void seconds(const char (&quoted)[N], Duration value) {
    if (value == Duration{}) return;
    key(quoted);
    pen_.seconds(value);
  }

 private:
  Pen& pen_;
  bool first_ = true;
};

void write_texts(Pen& pen, std::span<const std::string_view> texts) {
  pen.literal("[");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) pen.literal(",");
    pen.text(texts[i], kTextBytesMax);
  }
  pen.literal("]");
}

struct NamedTexts {
  std::string_view key;
  std::span<const std::string_view> texts;
};

// Nothing where there are none.
void write_tools(Pen& pen, std::initializer_list<NamedTexts> lists) {
  bool is_open = false;
  for (const NamedTexts& list : lists) {
    if (list.texts.empty()) continue;
    if (is_open) {
      pen.literal(",");
    } else {
      pen.literal(",\"tools\":{");
    }
    pen.text(list.key, kTextBytesMax);
    pen.literal(":");
    write_texts(pen, list.texts);
    is_open = true;
  }
  if (is_open) pen.literal("}");
}

void write_actor(Pen& pen, const authentication::Identity& actor, Phase phase) {
  pen.literal(",\"actor\":{\"tenant\":");
  pen.text(actor.tenant, kTextBytesMax);
  if (!actor.subject.empty()) {
    pen.literal(",\"subject\":");
    pen.text(actor.subject, kTextBytesMax);
  }
  if (phase == Phase::kDecision) {
    pen.literal(",\"credential_kind\":\"");
    pen.name(authentication::name_of(actor.credential_kind));
    pen.literal("\"");
  }
  if (!actor.credential_id.empty()) {
    pen.literal(",\"credential_id\":");
    pen.text(actor.credential_id, kTextBytesMax);
  }
  if (phase == Phase::kDecision && !actor.roles.empty()) {
    pen.literal(",\"roles\":");
    write_texts(pen, actor.roles);
  }
  if (phase == Phase::kDecision && !actor.scopes.empty()) {
    pen.literal(",\"scopes\":");
    write_texts(pen, actor.scopes);
  }
  pen.literal("}");
}

void write_model(Pen& pen, const Record& record) {
  if (record.model_asked.empty() && record.model_served.empty()) return;
  pen.literal(",\"model\":{");
  Members members(pen);
  members.text("\"asked\":", record.model_asked);
  members.text("\"served\":", record.model_served);
  members.text("\"upstream\":", record.upstream);
  pen.literal("}");
}

void write_decision(Pen& pen, const Record& record) {
  pen.literal(",\"decision\":{\"outcome\":\"");
  pen.name(name_of(record.outcome));
  pen.literal("\"");
  if (!record.code.empty()) {
    pen.literal(",\"code\":");
    pen.text(record.code, kTextBytesMax);
  }
  if (!record.rule.empty()) {
    pen.literal(",\"rule\":");
    pen.text(record.rule, kTextBytesMax);
  }
  if (!record.message.empty()) {
    pen.literal(",\"message\":");
    pen.text(record.message, kMessageBytesMax);
  }
  if (!record.answered_from.empty()) {
    pen.literal(",\"answered_from\":");
    pen.text(record.answered_from, kTextBytesMax);
  }
  if (!record.observed.empty()) {
    pen.literal(",\"observed\":");
    write_texts(pen, record.observed);
  }
  if (!record.degraded.empty()) {
    pen.literal(",\"degraded\":");
    write_texts(pen, record.degraded);
  }
  pen.literal("}");
}

void write_limits(Pen& pen, std::span<const LimitEvidence> limits) {
  if (limits.empty()) return;
  pen.literal(",\"limits\":[");
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const LimitEvidence& limit = limits[i];
    if (i > 0) pen.literal(",");
    pen.literal("{\"scope\":\"");
    pen.name(limits::name_of(limit.scope));
    pen.literal("\",\"subject\":");
    pen.text(limit.subject, kTextBytesMax);
    pen.literal(",\"figure\":\"");
    pen.name(limits::name_of(limit.figure));
    pen.literal("\",\"limit\":");
    pen.number(limit.limit);
    pen.literal(",\"held\":");
    pen.number(limit.held);
    pen.literal(",\"remaining\":");
    pen.number(limit.remaining);
    pen.literal("}");
  }
  pen.literal("]");
}

void write_budgets(Pen& pen, std::span<const BudgetEvidence> budgets) {
  if (budgets.empty()) return;
  pen.literal(",\"budget\":[");
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    const BudgetEvidence& budget = budgets[i];
    if (i > 0) pen.literal(",");
    pen.literal("{\"scope\":\"");
    pen.name(limits::name_of(budget.scope));
    pen.literal("\",\"subject\":");
    pen.text(budget.subject, kTextBytesMax);
    pen.literal(",\"window\":\"");
    pen.name(cost::name_of(budget.window));
    pen.literal("\",\"limit_usd\":");
    pen.money(budget.limit);
    pen.literal(",\"held_usd\":");
    pen.money(budget.held);
    pen.literal(",\"spent_usd\":");
    pen.money(budget.spent);
    if (!budget.rule.empty()) {
      pen.literal(",\"rule\":");
      pen.text(budget.rule, kTextBytesMax);
      pen.literal(",\"window_start\":");
      pen.time(budget.window_start);
      if (budget.window_end > budget.window_start && budget.window_end != WallTime::max()) {
        pen.literal(",\"window_end\":");
        pen.time_ahead(budget.window_end, budget.zone.stretch_of(budget.window_end).ahead);
      }
    }
    pen.literal("}");
  }
  pen.literal("]");
}

void write_features(Pen& pen, const anomalies::Features& features, bool with_sketch) {
  constexpr std::int64_t kPart = 1000;  // Millionths of a thousandth.
  Members members(pen);
  pen.literal("{");
  members.key("\"bytes\":");
  pen.number(features.bytes);
  members.count("\"words\":", features.words);
  members.count("\"distinct_words\":", features.distinct_words);
  members.count("\"longest_run\":", features.longest_run);
  members.key("\"entropy_bits\":");
  pen.millionths(features.entropy * 8 * kPart);
  members.key("\"distinct_4grams\":");
  pen.millionths(features.distinct_grams * kPart);
  members.key("\"encoded\":");
  pen.millionths(features.encoded * kPart);
  members.key("\"beyond_ascii\":");
  pen.millionths(features.beyond_ascii * kPart);
  members.key("\"scripts\":[");
  bool first = true;
  for (int i = 0; i < anomalies::kScriptCount; ++i) {
    if ((features.scripts >> i & 1) == 0) continue;
    if (!first) pen.literal(",");
    first = false;
    pen.text(anomalies::name_of(static_cast<anomalies::Script>(i)), kTextBytesMax);
  }
  pen.literal("]");
  if (with_sketch && features.simhash != 0) {
    members.key("\"simhash\":\"");
    pen.hex(features.simhash);
    pen.literal("\"");
  }
  pen.literal("}");
}

void write_anomaly(Pen& pen, const AnomalyEvidence& anomaly) {
  if (anomaly.score == 0) return;
  pen.literal(",\"anomaly\":{\"score\":");
  pen.number(static_cast<std::int64_t>(anomaly.score));
  pen.literal(",\"reasons\":[");
  bool first = true;
  for (int i = 0; i < anomalies::kSignCount; ++i) {
    if (!anomaly.signs.has(static_cast<anomalies::Sign>(i))) continue;
    if (!first) pen.literal(",");
    first = false;
    pen.text(anomalies::name_of(static_cast<anomalies::Sign>(i)), kTextBytesMax);
  }
  pen.literal("]");
  if (!anomaly.action.empty()) {
    pen.literal(",\"action\":");
    pen.text(anomaly.action, kTextBytesMax);
  }
  pen.literal("}");
}

void write_domains(Pen& pen, Members& members, std::span<const std::string_view> domains) {
  if (domains.empty()) return;
  members.key("\"media_domains\":[");
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (i > 0) pen.literal(",");
    pen.text(domains[i], kTextBytesMax);
  }
  pen.literal("]");
}

void write_prompt(Pen& pen, const Record& record) {
  if (record.prompt_bytes == 0) return;
  pen.literal(",\"prompt\":{");
  Members members(pen);
  members.count("\"bytes\":", record.prompt_bytes);
  members.count("\"input_tokens_counted\":", record.input_tokens_counted);
  if (record.input_is_bound) members.key("\"bound\":true");
  if (record.input_margin != 0) members.count("\"input_tokens_margin\":", record.input_margin);
  members.count("\"images\":", record.images);
  write_domains(pen, members, record.media_domains);
  members.seconds("\"audio_seconds\":", record.audio);
  members.count("\"output_tokens_cap\":", record.output_tokens_cap);
  if (record.tool_calls_cap != 0) members.count("\"tool_calls_cap\":", record.tool_calls_cap);
  if (!record.unit.empty()) {
    members.key("\"held\":{");
    pen.text(record.unit, kTextBytesMax);
    pen.literal(":");
    pen.number(record.units_held);
    pen.literal("}");
  }
  if (record.fingerprint != 0) {
    members.key("\"fingerprint\":\"");
    pen.hex(record.fingerprint);
    pen.literal("\"");
  }
  if (record.features != nullptr) {
    members.key("\"features\":");
    write_features(pen, *record.features, record.fingerprint != 0);
  }
  pen.literal("}");
}

void write_content(Pen& pen, std::span<const ContentFinding> findings) {
  if (findings.empty()) return;
  pen.literal(",\"content\":[");
  for (std::size_t i = 0; i < findings.size(); ++i) {
    if (i > 0) pen.literal(",");
    pen.literal("{\"rule\":");
    pen.text(findings[i].rule, kTextBytesMax);
    pen.literal(",\"where\":");
    pen.text(findings[i].where, kTextBytesMax);
    pen.literal(",\"action\":");
    pen.text(findings[i].action, kTextBytesMax);
    pen.literal("}");
  }
  pen.literal("]");
}

void write_paid_calls(Pen& pen, std::span<const PaidCalls> paid) {
  if (paid.empty()) return;
  pen.literal(",\"tool_calls\":{");
  for (std::size_t i = 0; i < paid.size(); ++i) {
    if (i > 0) pen.literal(",");
    pen.text(paid[i].tool, kTextBytesMax);
    pen.literal(":");
    pen.number(paid[i].calls);
  }
  pen.literal("}");
  const auto costs = [](const PaidCalls& one) { return one.cost > Money{}; };
  if (!std::ranges::any_of(paid, costs)) return;
  pen.literal(",\"tool_cost_usd\":{");
  bool is_first = true;
  for (const PaidCalls& one : paid | std::views::filter(costs)) {
    if (!std::exchange(is_first, false)) pen.literal(",");
    pen.text(one.tool, kTextBytesMax);
    pen.literal(":");
    pen.money(one.cost);
  }
  pen.literal("}");
}

// Of the input or the output, where there is any.
template <std::size_t kSize>
void write_part(Pen& pen, const char (&key)[kSize], Tokens tokens) {
  if (tokens == 0) return;
  pen.literal(key);
  pen.number(tokens);
}

void write_usage(Pen& pen, const Record& record) {
  if (record.guard_cost > Money{}) {
    pen.literal(",\"guard_cost_usd\":");
    pen.money(record.guard_cost);
  }
  if (record.usage_source == UsageSource::kNone) {
    if (record.cost == Money{}) return;
    pen.literal(",\"cost_usd\":");
    return pen.money(record.cost);
  }
  pen.literal(",\"usage\":{\"input\":");
  pen.number(record.input);
  pen.literal(",\"cached_input\":");
  pen.number(record.cached_input);
  write_part(pen, ",\"audio_input\":", record.audio_input);
  write_part(pen, ",\"image_input\":", record.image_input);
  write_part(pen, ",\"cache_write_5m\":", record.cache_write_5m);
  write_part(pen, ",\"cache_write_1h\":", record.cache_write_1h);
  pen.literal(",\"output\":");
  pen.number(record.output);
  pen.literal(",\"reasoning\":");
  pen.number(record.reasoning);
  write_part(pen, ",\"audio_output\":", record.audio_output);
  if (!record.service_tier.empty()) {
    pen.literal(",\"service_tier\":");
    pen.text(record.service_tier, kTextBytesMax);
  }
  if (!record.unit.empty()) {
    pen.literal(",");
    pen.text(record.unit, kTextBytesMax);
    pen.literal(":");
    pen.number(record.units);
  }
  write_paid_calls(pen, record.paid_calls);
  const bool is_charged =
      record.usage_source == UsageSource::kProvider && record.input_reported == record.input;
  if (record.input_reported && !is_charged) {
    pen.literal(",\"input_reported\":");
    pen.number(*record.input_reported);
  }
  if (record.usage_source == UsageSource::kProvider)
    pen.literal(",\"source\":\"provider\"},\"cost_usd\":");
  else
    pen.literal(",\"source\":\"counted\"},\"cost_usd\":");
  pen.money(record.cost);
}

void write_attempts(Pen& pen, std::span<const Attempt> attempts) {
  if (attempts.empty()) return;
  pen.literal(",\"attempts\":[");
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    if (i > 0) pen.literal(",");
    pen.literal("{\"upstream\":");
    pen.text(attempts[i].upstream, kTextBytesMax);
    if (attempts[i].status != 0) {
      pen.literal(",\"status\":");
      pen.number(static_cast<std::int64_t>(attempts[i].status));
    }
    pen.literal(",\"duration\":");
    pen.seconds(attempts[i].duration);
    if (attempts[i].calls > 1) {
      pen.literal(",\"calls\":");
      pen.number(attempts[i].calls);
    }
    pen.literal("}");
  }
  pen.literal("]");
}

// Which attempt at a request it is, where there is more than one.
void write_attempt(Pen& pen, const Record& record) {
  if (!record.follows.empty()) {
    pen.literal(",\"attempt\":");
    pen.number(static_cast<std::int64_t>(record.attempt));
    pen.literal(",\"follows\":");
    pen.text(record.follows, kTextBytesMax);
  }
  if (record.followed_by.empty()) return;
  pen.literal(",\"followed_by\":");
  pen.text(record.followed_by, kTextBytesMax);
}

void write_origin(Pen& pen, const Record& record) {
  pen.literal(",\"config_version\":");
  pen.text(record.config_version, kTextBytesMax);
  pen.literal(",\"listener\":");
  pen.text(record.listener, kTextBytesMax);
  pen.literal(",\"client_ip\":\"");
  pen.name(format_address(record.client_ip));
  pen.literal("\"");
  if (!record.client_request_id.empty()) {
    pen.literal(",\"client_request_id\":");
    pen.text(record.client_request_id, kTextBytesMax);
  }
  if (record.client_retries > 0) {
    pen.literal(",\"client_retries\":");
    pen.number(static_cast<std::int64_t>(record.client_retries));
  }
}

void write_route(Pen& pen, const Record& record) {
  if (!record.route.empty()) {
    pen.literal(",\"route\":");
    pen.text(record.route, kTextBytesMax);
  }
  if (!record.surface.empty()) {
    pen.literal(",\"surface\":");
    pen.text(record.surface, kTextBytesMax);
  }
}

void write_mcp(Pen& pen, const Record& record, Phase phase) {
  if (record.mcp_method.empty()) return;
  pen.literal(",\"mcp\":{\"method\":");
  pen.text(record.mcp_method, kTextBytesMax);
  if (!record.mcp_name.empty()) {
    pen.literal(",\"name\":");
    pen.text(record.mcp_name, kTextBytesMax);
  }
  if (phase == Phase::kOutcome) {
    if (record.mcp_failed) pen.literal(",\"failed\":true");
    if (record.mcp_withheld > 0) {
      pen.literal(",\"withheld\":");
      pen.number(record.mcp_withheld);
    }
    if (!record.mcp_absent.empty()) {
      pen.literal(",\"absent\":");
      write_texts(pen, record.mcp_absent);
    }
  }
  pen.literal("}");
}

void write_price(Pen& pen, const Record& record) {
  if (record.price_version.empty()) return;
  pen.literal(",\"price_version\":");
  pen.text(record.price_version, kPriceBytesMax);
}

void write_end(Pen& pen, const Record& record) {
  write_usage(pen, record);
  write_price(pen, record);
  write_content(pen, record.content_after);
  write_attempts(pen, record.attempts);
  pen.literal(",\"duration\":{");
  Members members(pen);
  members.seconds("\"queue\":", record.queued);
  members.seconds("\"first_byte\":", record.first_byte);
  members.seconds("\"total\":", record.total);
  pen.literal("}");
}

}  // namespace

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::kDecision:
      return "decision";
    case Phase::kOutcome:
      return "outcome";
    case Phase::kChange:
      return "change";
  }
  return "change";
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAllowed:
      return "allowed";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kDowngraded:
      return "downgraded";
    case Outcome::kCut:
      return "cut";
  }
  return "refused";
}

void write(const Record& record, Phase phase, std::string& out) {
  Pen pen(out);
  pen.literal("{\"id\":");
  pen.text(record.id, kTextBytesMax);
  pen.literal(",\"time\":");
  pen.time(record.time);
  if (phase == Phase::kDecision) {
    pen.literal(",\"phase\":\"decision\"");
    write_origin(pen, record);
  } else {
    pen.literal(",\"phase\":\"outcome\"");
  }
  if (record.actor != nullptr) write_actor(pen, *record.actor, phase);
  write_route(pen, record);
  write_mcp(pen, record, phase);
  write_model(pen, record);
  write_decision(pen, record);
  write_attempt(pen, record);
  if (phase == Phase::kDecision) {
    write_limits(pen, record.limits);
    write_budgets(pen, record.budgets);
    write_price(pen, record);
    write_prompt(pen, record);
    write_content(pen, record.content);
    write_anomaly(pen, record.anomaly);
    write_tools(pen, {{"offered", record.tools_offered},
                      {"removed", record.tools_removed},
                      {"refused", record.tools_refused}});
  } else {
    write_end(pen, record);
    write_tools(pen, {{"called", record.tools_called}, {"refused", record.tools_refused}});
  }
  pen.literal("}");
  pen.finish();
}

}  // namespace tollgate::audit
