// Answers that are given again: from the cache, of a request that is at work, or of the same
// Idempotency-Key.
#include "pipeline/reuse.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <memory>

#include "base/ascii.h"
#include "controls/tools/names.h"
#include "pipeline/held_request.h"
#include "pipeline/life.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

namespace {

// As Stripe and the draft of the header's field have it.
constexpr std::size_t kIdempotencyKeyBytesMax = 255;
constexpr std::string_view kIdempotencyKey = "idempotency-key";

// Nobody without the pepper can make two texts that share one, and no two lists of parts are one
// text.
answers::Key key_of(const authentication::Pepper& pepper,
                    std::initializer_list<std::string_view> parts, std::string& text) {
  text.clear();
  for (const std::string_view part : parts) {
    std::array<char, sizeof(std::uint64_t)> size{};
    const auto bytes = static_cast<std::uint64_t>(part.size());
    std::memcpy(size.data(), &bytes, sizeof bytes);
    text.append(size.data(), size.size());
    text += part;
  }
  return pepper.digest(text);
}

std::string_view user_of(const authentication::Identity& caller) {
  return caller.subject.empty() ? caller.credential_id : caller.subject;
}
// So that no subject is taken for a credential.
std::string_view kind_of_user(const authentication::Identity& caller) {
  return caller.subject.empty() ? "credential" : "subject";
}

std::string_view body_of(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view() : message.substr(end + 4);
}

bool names(std::string_view text, std::string_view word) {
  for (std::size_t i = 0; i + word.size() <= text.size(); ++i) {
    if (equal_ignoring_case(text.substr(i, word.size()), word)) return true;
  }
  return false;
}

// A caller may ask for an answer of its own (RFC 9111, 5.2.1).
bool wants_its_own(const RequestHead& head) {
  const std::string_view said = head.header("cache-control");
  return names(said, "no-store") || names(said, "no-cache");
}

Money positive(Money money) { return std::max(money, Money{}); }

// Requests and what is at work are counted; there are no tokens, and the price is that of a hit.
Charges charges_of_hit(const Charges& charges, Money price, Arena& arena) {
  using limits::Figure;
  const auto kept = arena.make<LimitCharge>(charges.limits.size());
  std::size_t count = 0;
  for (const LimitCharge& charge : charges.limits) {
    const Figure figure = charge.policy->figure;
    const bool counts = figure == Figure::kRequestsPerMinute || figure == Figure::kRequestsPerDay ||
                        figure == Figure::kConcurrentRequests;
    if (counts) kept[count++] = charge;
  }
  Charges made;
  made.tenant = charges.tenant;
  made.limits = kept.first(count);
  if (price == Money{}) return made;  // An exhausted budget forbids nothing that is free.
  const auto budgets = arena.make<BudgetCharge>(charges.budgets.size());
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    budgets[i] = charges.budgets[i];
    budgets[i].amount = price;
  }
  made.budgets = budgets;
  return made;
}

Refusal wrong_key(const config::Route& route, std::string_view why) {
  Refusal refusal;
  refusal.reason = Reason::kInvalidRequest;
  refusal.rule = fmt::format("routes.{}.idempotency", route.name);
  refusal.message = fmt::format("The header Idempotency-Key {}.", why);
  refusal.param = kIdempotencyKey;
  return refusal;
}

Refusal used_for_another(const config::Route& route) {
  Refusal refusal;
  refusal.reason = Reason::kIdempotencyKeyReused;
  refusal.rule = fmt::format("routes.{}.idempotency", route.name);
  refusal.message =
      "This Idempotency-Key was used with another request: a key can be used again only with the "
      "same body. Use a new key for a new request.";
  refusal.param = kIdempotencyKey;
  return refusal;
}

// Nothing: it has none.
Expected<std::string_view> idempotency_key_of(const RequestHead& head, const config::Route& route) {
  const std::optional<std::string_view> key = head.only_header(kIdempotencyKey);
  if (!key) return std::unexpected(wrong_key(route, "is there twice, with two values"));
  if (key->size() > kIdempotencyKeyBytesMax) {
    return std::unexpected(wrong_key(route, "is longer than 255 bytes"));
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(*key, is_control)) {
    return std::unexpected(wrong_key(route, "holds control characters"));
  }
  return *key;
}

// Whatever may have changed since: nobody is told of a call that they may not have made.
bool may_be_given(const answers::Answer& answer, const Plan& plan) {
  return std::ranges::all_of(answer.tools_called, [&](const std::string& called) {
    return std::ranges::any_of(plan.tools, [&](const tools::Offered& offered) {
      return (tools::goes_by_name(offered.tool) ? offered.tool.name : offered.tool.type) == called;
    });
  });
}

// While it lives, a caller that leaves, and a stop, give up the wait.
class WhileFollowing {
 public:
  WhileFollowing(Exchange& exchange, Stop& stop, Following& wait)
      : exchange_(exchange), stop_(stop) {
    exchange_.on_caller_gone(&wait);
    stop_.watch(&wait);
  }
  WhileFollowing(const WhileFollowing&) = delete;
  ~WhileFollowing() {
    exchange_.on_caller_gone(nullptr);
    stop_.watch(nullptr);
  }

 private:
  Exchange& exchange_;
  Stop& stop_;
};

}  // namespace

Task<bool> NotedReply::reply(const ReplyHead& head, std::string_view body) {
  if (head.status == 200) {
    content_type_ = head.content_type;
    note(body);
    is_whole_ = true;
  }
  co_return goes_on(co_await caller_.reply(head, body));
}

void NotedReply::begin(const ReplyHead& head) {
  content_type_ = head.content_type;
  too_large_ = head.status != 200;
  caller_.begin(head);
}

Task<bool> NotedReply::write(std::string_view piece) {
  note(piece);
  const bool is_there = !missed_ && co_await caller_.write(piece);
  co_return goes_on(is_there);
}

Task<bool> NotedReply::finish() {
  is_whole_ = true;
  const bool is_there = !missed_ && co_await caller_.finish();
  co_return goes_on(is_there);
}

bool NotedReply::goes_on(bool is_there) {
  missed_ = missed_ || !is_there;
  return is_there || outlives();
}

void NotedReply::note(std::string_view piece) {
  if (too_large_) return;
  const auto bytes = static_cast<Bytes>(body_.size() + piece.size());
  // It is noted where there is room for it; the caller gets it anyhow. What it may come back for is
  // an answer like that which it gets.
  using For = overload::BufferedBytes::For;
  too_large_ = bytes > answers::kAnswerBytesMax ||
               !kept_bytes_.keep(bytes, outlives_ ? For::kAnswer : For::kRequest);
  if (too_large_) {
    body_ = {};
    kept_bytes_.drop();
  } else {
    body_ += piece;
  }
}

void Reuse::land(Lead& lead, const answers::Shared& answer, Instant now) {
  if (!std::exchange(lead.open, false)) return;
  answers->land(lead.key, answer, now + lead.keep, now);
}

void Reuse::let_go() {
  land(of_key, nullptr, {});
  land(of_request, nullptr, {});
}

int client_retries_of(const RequestHead& head) {
  constexpr int kRetriesMax = 1000;
  const std::string_view told = head.header("x-stainless-retry-count");
  int retries = 0;
  const auto [end, error] = std::from_chars(told.data(), told.data() + told.size(), retries);
  const bool is_sound = error == std::errc() && end == told.data() + told.size();
  return is_sound && retries > 0 && retries <= kRetriesMax ? retries : 0;
}

// What is looked up, of which request, and what it is called on record.
struct Pipeline::Asked {
  Reuse::Lead& lead;
  answers::Key request;
  std::string_view from;
};

// Whether the request says all that its answer depends on, and asks for nothing but the answer.
bool Pipeline::may_be_cached(const Life& life, const Plan& plan) {
  const bool has_own_tools_only = std::ranges::all_of(
      plan.tools, [](const tools::Offered& offered) { return tools::goes_by_name(offered.tool); });
  const bool is_as_it_came = life.redaction.body().empty() &&
                             plan.inspected == Inspected::kPassed && life.record.content.empty();
  return plan.route->answers.cache && has_own_tools_only && is_as_it_came && !plan.kept.any() &&
         life.record.media_domains.empty() && !wants_its_own(life.exchange.head());
}

answers::Key Pipeline::cache_key(const Life& life, const Plan& plan, std::string_view message) {
  const bool by_user = plan.route->answers.cache->scope == answers::Scope::kUser;
  BufferPool::Lease text = buffers_.lease();
  return key_of(
      services_.pepper,
      {"answer", life.caller.tenant, by_user ? kind_of_user(life.caller) : "",
       by_user ? user_of(life.caller) : "", plan.route->name, life.config->version,
       plan.model->name, life.delivery == dialects::Delivery::kStreamed ? "streamed" : "whole",
       life.usage_asked ? "usage" : "", life.exchange.head().header("anthropic-version"),
       body_of(message)},
      *text);
}

Task<bool> Pipeline::answer_again(Life& life, std::string_view body, const Plan& plan,
                                  std::string_view message) {
  if (services_.answers == nullptr) co_return false;
  const answers::Policy& policy = plan.route->answers;
  Reuse& reuse = life.reuse;
  reuse.answers = services_.answers;
  if (policy.idempotency) {
    const Expected<std::string_view> key = idempotency_key_of(life.exchange.head(), *plan.route);
    if (!key) {
      co_await refuse_request(life, key.error());
      co_return true;
    }
    if (!key->empty()) {
      BufferPool::Lease text = buffers_.lease();
      reuse.of_key.key =
          key_of(services_.pepper,
                 {"idempotency key", life.caller.tenant, kind_of_user(life.caller),
                  user_of(life.caller), plan.route->name, life.config->version, *key},
                 *text);
      reuse.of_key.keep = policy.idempotency->keep;
      const Asked asked{reuse.of_key, key_of(services_.pepper, {"request", body}, *text),
                        "idempotency_key"};
      if (co_await answer_as_before(life, plan, asked)) co_return true;
    }
  }
  if (!may_be_cached(life, plan)) co_return false;
  reuse.of_request.key = cache_key(life, plan, message);
  reuse.of_request.keep = policy.cache->keep;
  if (policy.cache->coalesce) {
    const Asked asked{reuse.of_request, {}, "cache"};
    co_return co_await answer_as_before(life, plan, asked);
  }
  const answers::Shared answer =
      services_.answers->find(reuse.of_request.key, services_.clock.now());
  if (answer == nullptr) co_return false;
  co_await give_again(life, plan, answer, "cache");
  co_return true;
}

Task<bool> Pipeline::answer_as_before(Life& life, const Plan& plan, const Asked& asked) {
  answers::Answers& answers = *services_.answers;
  const bool is_of_key = &asked.lead == &life.reuse.of_key;
  for (;;) {
    Following leader(answers, asked.lead.key, services_.executor);
    answers::Shared answer;
    const answers::Found found =
        answers.join(asked.lead.key, asked.request, leader, services_.clock.now(), answer);
    std::string_view from = asked.from;
    if (found == answers::Found::kAnother) {
      co_await refuse_request(life, used_for_another(*plan.route));
      co_return true;
    }
    asked.lead.open = found == answers::Found::kLeads;
    if (found == answers::Found::kFollows) {
      std::optional<answers::Shared> landed = co_await follow(life, leader);
      if (!landed) co_return true;
      answer = std::move(*landed);
      if (!is_of_key) from = "in_flight";
      // Of one key one request at a time is made; others that are the same go on by themselves.
      if (answer == nullptr && is_of_key) continue;
    }
    if (answer == nullptr || !may_be_given(*answer, plan)) co_return false;
    co_await give_again(life, plan, answer, from);
    co_return true;
  }
}

Task<std::optional<answers::Shared>> Pipeline::follow(Life& life, Following& leader) {
  const Instant began = services_.clock.now();
  answers::Shared answer;
  {
    const WhileFollowing watch(life.exchange, life.stop, leader);
    answer = co_await leader;
  }
  const Duration waited = services_.clock.now() - began;
  life.record.queued += waited;
  life.upstream_time += waited;
  if (life.exchange.caller_gone()) {
    life.reuse.let_go();
    life.record.outcome = audit::Outcome::kCut;
    life.record.code = "caller_gone";
    (void)append(life, audit::Phase::kDecision);
    close_record(life);
    co_return std::nullopt;
  }
  if (life.stop.asked()) {
    co_await refuse_request(life, pipeline::revoked());
    co_return std::nullopt;
  }
  co_return answer;
}

Task<void> Pipeline::give_again(Life& life, const Plan& plan, answers::Shared given,
                                std::string_view from) {
  const answers::Answer& answer = *given;
  Arena& arena = life.exchange.arena();
  audit::Record& record = life.record;
  const bool is_of_key = from == "idempotency_key";
  Plan paid = plan;
  paid.guards = {};
  paid.worst = is_of_key ? Money{} : plan.route->answers.cache->price_per_hit;
  paid.charges = charges_of_hit(plan.charges, paid.worst, arena);

  // Can they afford it?
  Expected<Hold, Shortfall> hold = co_await this->hold(life, paid.charges);
  record.degraded = services_.outages.now();
  if (!hold) {
    record.limits = hold.error().limits;
    record.budgets = hold.error().budgets;
    co_return co_await refuse_request(life, hold.error().refusal);
  }
  record.limits = hold->limits;
  record.budgets = hold->budgets;
  record.accounts = hold->accounts;
  record.observed = joined(record.observed, hold->observed, arena);
  record.answered_from = from;
  record.upstream = {};
  record.price_version = {};
  const Booking booking = booking_of(record, life.caller, paid);
  if (!co_await put_on_record(life, paid, *hold, booking)) co_return;
  // From here on the decision is on record.

  record.reuse = audit::Reuse::kHit;
  record.cost = paid.worst;
  record.saved = positive({answer.cost.micro_usd - paid.worst.micro_usd});
  const auto called = arena.make<std::string_view>(answer.tools_called.size());
  std::ranges::copy(answer.tools_called, called.begin());
  record.tools_called = called;
  Account account;
  account.model = plan.model->name;
  if (record.outcome == audit::Outcome::kDowngraded) account.rule = record.rule;
  account.budgets = record.budgets;
  account.degraded = record.degraded;
  account.cost = record.cost;
  account.overhead = services_.clock.now() - life.began - life.upstream_time;
  BufferPool::Lease headers = buffers_.lease();
  write_id_headers(life.dialect, record.id, *headers);
  write_limit_headers(life.dialect, enforced(paid.charges, *hold, arena), life.wall, *headers);
  write_account_headers(account, *headers);
  *headers += is_of_key ? "idempotent-replayed: true\r\n" : "x-tollgate-cache: hit\r\n";
  services_.ledger.settle(*hold, paid.charges, Used{.cost = paid.worst}, booking,
                          services_.clock.now(), services_.clock.wall());
  // Whoever comes back with the key gets the same, and no other request gets anything by it.
  life.reuse.land(life.reuse.of_key, given, services_.clock.now());
  life.reuse.let_go();
  ReplyHead head;
  head.content_type = answer.content_type;
  head.headers = *headers;
  if (!co_await life.exchange.reply(head, answer.body)) {
    record.outcome = audit::Outcome::kCut;
    record.code = "caller_gone";
    record.rule = {};
  }
  close_record(life);
}

Exchange& Pipeline::note_reply(Life& life, const Plan& plan, std::string_view message) {
  Reuse& reuse = life.reuse;
  reuse.reply.reset();
  reuse.cached.reset();
  if (reuse.answers == nullptr) return life.exchange;
  if (may_be_cached(life, plan)) {
    life.record.reuse = audit::Reuse::kMiss;
    // Of what is served: by then that may be another model than was asked first.
    reuse.cached = cache_key(life, plan, message);
  }
  if (!reuse.of_key.open && !reuse.cached) return life.exchange;
  return reuse.reply.emplace(life.exchange, reuse.of_key.open ? Outlives::kYes : Outlives::kNo,
                             services_.buffered);
}

void Pipeline::keep_reply(Life& life, const Plan& plan, const Forwarded& result) {
  Reuse& reuse = life.reuse;
  const audit::Record& record = life.record;
  if (!reuse.reply) return;
  const bool is_whole = reuse.reply->is_whole() && !result.refusal && result.status == 200 &&
                        result.outcome == audit::Outcome::kAllowed && result.cut_code.empty();
  if (!is_whole) return;
  auto made = std::make_shared<answers::Answer>();
  made->content_type = reuse.reply->take_content_type();
  made->body = reuse.reply->take_body();
  made->tools_called.assign(record.tools_called.begin(), record.tools_called.end());
  made->cost = record.cost;
  const answers::Shared answer = std::move(made);
  const Instant now = services_.clock.now();
  reuse.land(reuse.of_key, answer, now);
  // What was found in it would be told of nobody else's, and who calls a tool goes on by itself.
  const bool is_plain = record.content_after.empty() && record.tools_called.empty();
  if (reuse.reply->missed()) {
    life.record.outcome = audit::Outcome::kCut;
    life.record.code = "caller_gone";
    life.record.rule = {};
  }
  if (!reuse.cached || !is_plain || result.repeats) return;
  life.record.reuse = audit::Reuse::kStored;
  if (reuse.of_request.open && reuse.of_request.key == *reuse.cached) {
    reuse.land(reuse.of_request, answer, now);
  } else {
    services_.answers->keep(*reuse.cached, answer, now + plan.route->answers.cache->keep, now);
  }
}

}  // namespace tollgate::pipeline
