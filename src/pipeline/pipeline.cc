#include "pipeline/pipeline.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "pipeline/alternatives.h"
#include "pipeline/client_deadline.h"
#include "pipeline/guessing.h"
#include "pipeline/identify.h"
#include "pipeline/life.h"
#include "pipeline/pages.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

namespace {

// Most of a body that is read where no route's cap applies (a control that only observes).
constexpr Bytes kBodyBytesMax = 64 << 20;
constexpr std::size_t kClientRequestIdBytesMax = 128;
constexpr std::string_view kLivePath = "/livez";

double jitter_of(std::string_view id) {
  return id.empty() ? 0.0 : static_cast<double>(static_cast<unsigned char>(id.back()) % 32) / 32;
}

// Of the pepper, so that a body has one fingerprint across loops and restarts, and nobody
// without the pepper can tell a body from it.
std::uint64_t fingerprint_key(const authentication::Pepper& pepper) {
  const authentication::Digest digest = pepper.digest("tollgate prompt fingerprint");
  std::uint64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

// Of who asks, and what.
template <class Life>
std::uint64_t key_of(const Life& life, std::uint64_t key) {
  const std::uint64_t who = audit::fingerprint(life.caller.tenant, key) ^
                            (audit::fingerprint(life.caller.credential_id, key) << 1U) ^
                            (audit::fingerprint(life.caller.subject, key) << 2U);
  return audit::fingerprint(life.body, who | 1U);
}

// Whether it is about what the input takes of a limit or budget, as far as one can tell.
bool may_fit_counted(const Refusal& refusal) {
  return refusal.reason == Reason::kRateLimited || refusal.reason == Reason::kBudgetExhausted;
}

}  // namespace

Pipeline::Pipeline(const Services& services)
    : services_(services),
      fingerprint_key_(fingerprint_key(services.pepper)),
      counting_(services.vocabularies, services.count_errors),
      forwarder_(services.clock, services.upstreams, counting_, buffers_, scanner_,
                 services.buffered),
      mcp_forwarder_(services.clock, services.upstreams, buffers_),
      mcp_fanout_(services.clock, services.upstreams),
      guards_(services.clock, services.upstreams, buffers_),
      places_(services.endpoints) {
  services_.keys.watch(*this);
}

Pipeline::~Pipeline() { services_.keys.unwatch(*this); }

void Pipeline::revoked(std::string_view id) {
  services_.executor.post([this, id = std::string(id)] {
    for (Life* life = at_work_; life != nullptr;) {
      Life* const next = life->next;  // This one may end at once.
      if (life->caller.credential_id == id) life->stop.ask();
      life = next;
    }
  });
}

Task<void> Pipeline::serve(Exchange& exchange) {
  // Whoever balances load asks whether we are here: a question to the process, not a request.
  if (exchange.head().target == kLivePath && exchange.head().method == "GET") {
    co_return co_await answer_alive(exchange);
  }
  if (exchange.head().target.starts_with(config::kMcpMetadataPath) &&
      co_await answer_mcp_metadata(exchange)) {
    co_return;
  }

  Life life(*this, exchange);
  if (is_only_asked(life)) co_return co_await answer_preflight(life);
  services_.meter.began();
  tell_of_strangers(life.began);
  Arena& arena = exchange.arena();
  const RequestHead& head = exchange.head();
  open_record(life);

  // What is asked, in the one form that routing and authorization share.
  const Expected<std::string_view> path = authorization::canonical_path(head.target, arena);
  if (!path) co_return co_await refuse_request(life, path.error());
  life.target = {head.exposure, head.method, *path};
  name_model(life);
  name_kept(life);
  life.dialect = dialect_at(*path, head);
  if (const config::Mcp* mcp = mcp_at(*life.config, life.target)) {
    life.dialect = dialects::Dialect::kMcp;
    life.mcp.challenge = mcp->challenge;
  }

  // Who asks? The only lookup before the verdict.
  if (const Expected<void> known = co_await identify(life); !known) {
    co_return co_await refuse_request(life, known.error());
  }

  // Is there a door here that lets them in? Only then is the body read, up to the door's cap.
  if (Expected<void> found = find_routes(life); !found) {
    co_return co_await refuse_request(life, found.error());
  }
  if (life.kept.action != KeptAction::kNothing) co_return co_await serve_kept(life);
  if (life.surface == dialects::Surface::kModels) co_return co_await serve_models(life);
  if (life.surface == dialects::Surface::kMcp) co_return co_await serve_mcp(life);
  const Expected<std::string_view> body = co_await exchange.read_body(life.body_max);
  if (!body) co_return co_await refuse_request(life, body.error());
  if (const Expected<void> again = co_await identify_again(life); !again) {
    co_return co_await refuse_request(life, again.error());
  }
  life.body = *body;
  // May they ask this, and what can it cost at most? Pure, from the bytes to the plan.
  BufferPool::Lease message = buffers_.lease();
  Expected<Plan> plan = decide_first(life, *body, *message);
  if (!plan) co_return co_await refuse_request(life, plan.error());
  // From here on the caller, the route, the model, the tools and the prompt are allowed.
  if (plan->route->answers.any() && co_await answer_again(life, *body, *plan, *message)) co_return;

  // Can they afford it? Limits and budgets are held together or not at all.
  Expected<Hold, Shortfall> hold = co_await afford(life, *body, *plan, *message);
  life.record.degraded = services_.outages.now();  // Also one that came while it waited.
  if (!hold) {
    life.record.limits = hold.error().limits;
    life.record.budgets = hold.error().budgets;
    co_return co_await refuse_request(life, hold.error().refusal);
  }
  // From here on the request is paid for; serve_held settles it however it ends.
  co_await serve_held(life, *body, *plan, *message, *hold);
}

void Pipeline::open_record(Life& life) {
  const RequestHead& head = life.exchange.head();
  life.record.id = ids_.next(life.wall, life.exchange.arena());
  life.record.time = life.wall;
  life.record.config_version = life.config->version;
  life.record.listener = head.listener;
  life.record.client_ip = head.client_ip;
  life.record.client_request_id = head.header("x-request-id").substr(0, kClientRequestIdBytesMax);
  life.record.client_retries = client_retries_of(head);
  if (const auto allowed = time_allowed_by(head)) life.deadline = life.began + *allowed;
  life.dialect = dialect_at(without_query(head.target), head);
}

// It is in memory beside the body that it was made of, until the answer is there.
Expected<void> Pipeline::keep_written(Life& life, std::string_view message) {
  const auto bytes = static_cast<Bytes>(message.size());
  if (life.written.keep(bytes)) return {};
  const Bytes both = bytes + static_cast<Bytes>(life.body.size());
  const bool is_ever_kept = both <= overload::BufferedBytes::tenant_max(services_.buffered->most());
  return std::unexpected(no_room(is_ever_kept ? life.written.lack() : overload::Lack::kForGood));
}

Task<Expected<Hold, Shortfall>> Pipeline::afford(Life& life, std::string_view body, Plan& plan,
                                                 std::string& message) {
  Expected<Hold, Shortfall> hold = co_await this->hold(life, plan.charges);
  life.input = InputFigure::kCounted;  // From here on a bound could decide something.
  if (!hold && plan.charges.at_a_bound && may_fit_counted(hold.error().refusal)) {
    const Expected<Plan> counted = read_and_decide(life, body, life.terms, nullptr, message);
    if (!counted) co_return std::unexpected(Shortfall{counted.error(), {}, {}, {}});
    if (life.place < 0) {
      co_return std::unexpected(Shortfall{unavailable_now(life, *counted), {}, {}, {}});
    }
    plan = *counted;
    if (!life.instead.empty()) serve_instead(life, life.terms, life.instead);
    hold = co_await this->hold(life, plan.charges);
  }
  if (hold) {
    headroom_.held(life.headroom, plan.charges, *hold);
    co_return co_await downgrade_held(life, body, plan, message, *hold);
  }
  headroom_.refused(life.headroom);
  co_return co_await hold_otherwise(life, body, hold.error(), plan, message);
}

Task<Expected<Hold, Shortfall>> Pipeline::hold(Life& life, const Charges& charges) {
  return services_.ledger.hold(charges, life.exchange.arena(), services_.executor,
                               services_.clock.now(), services_.clock.wall());
}

// Whether the input may be held at a bound, as far as the route lets it.
void Pipeline::find_headroom(Life& life) {
  const std::string_view model = life.request.model;
  life.headroom =
      Headroom::key_of({life.record.config_version, life.caller.tenant, life.caller.subject,
                        life.caller.credential_id, life.record.client_ip, life.target.path, model});
  if (headroom_.suffices(life.headroom, model)) life.input = InputFigure::kBounded;
}

Task<Expected<void>> Pipeline::identify(Life& life) {
  const config::Config& config = *life.config;
  Expected<Shown> shown = shown_by(life.exchange.head(), config);
  if (!shown) co_return std::unexpected(shown.error());
  Guesses guesses(services_.failures, config, life.record.client_ip, *shown, life.exchange.arena());
  Expected<void> known = guesses.begin(services_.clock.now());
  if (!known) co_return known;
  known = co_await ask_who(life, *shown);
  known = guesses.end(std::move(known), services_.clock.now());
  life.observed = life.record.observed = guesses.observed();
  if (known) {
    life.exchange.belongs_to(life.caller.tenant);
    life.written.belongs_to(life.caller.tenant);
    known = check_frozen(life);
  }
  co_return known;
}

// A body may take its time, and a key may end meanwhile.
Task<Expected<void>> Pipeline::identify_again(Life& life) {
  if (services_.clock.now() - life.began <= kIdentityFresh) co_return Expected<void>();
  life.wall = services_.clock.wall();
  co_return co_await identify(life);
}

Task<Expected<void>> Pipeline::ask_who(Life& life, Shown shown) {
  life.known = false;
  const config::Config& config = *life.config;
  Arena& arena = life.exchange.arena();
  const KeyServices services{services_.keys, services_.pepper};
  if (is_imported_key(services, config, shown.others.token, arena)) {
    shown.key = std::exchange(shown.others.token, {});
  }
  std::optional<authentication::Identity> caller;
  bool is_proof = false;  // The certificate: of a token that is bound to it, no second actor.
  if (!shown.key.empty()) {
    const Expected<authentication::Identity> by_key = identify_key(
        services, config, shown.key, life.record.client_ip, life.wall, arena, life.caller);
    if (!life.caller.tenant.empty()) life.record.actor = &life.caller;
    if (!by_key) co_return std::unexpected(by_key.error());
    caller = *by_key;
  }
  if (shown.shows_others()) {
    shown.others.from = life.record.client_ip;
    shown.others.exchange = &life.exchange;
    const Expected<authentication::Identity> other = co_await services_.callers.identify(
        shown.others, config, arena, services_.executor, life.wall);
    if (!other) co_return std::unexpected(other.error());
    if (Expected<void> bound = check_binding(*other, life.exchange.head()); !bound) {
      co_return std::unexpected(bound.error());
    }
    if (Expected<void> one = join(caller, *other); !one) co_return one;
    is_proof = other->certificate.has_value();
  }
  const Expected<std::optional<authentication::Identity>> certified =
      identify_certificate(life.exchange.head(), config, verdicts_, life.wall, arena);
  if (!caller && (!certified || *certified)) {
    // It alone would vouch: before anything that it means is told, whose page shows it.
    const Expected<void> ours =
        authentication::check_certificate_origin(origin_of(life.exchange.head()));
    if (!ours) co_return ours;
  }
  if (!certified) co_return std::unexpected(certified.error());
  if (*certified && !is_proof) {
    if (Expected<void> one = join(caller, **certified); !one) co_return one;
  }
  if (!caller && !lets_anonymous_in(config)) co_return std::unexpected(refuse_anonymous());
  if (!caller) caller = anonymous(config, arena);
  life.caller = *caller;
  life.known = true;
  life.record.actor = &life.caller;
  co_return Expected<void>();
}

Expected<void> Pipeline::find_routes(Life& life) {
  const config::Config& config = *life.config;
  const bool lacks_credential =
      life.caller.credential_kind == authentication::CredentialKind::kAnonymous;
  const int first = authorization::first_at(config.access, life.target);
  if (first < 0) {
    // The list of models is there for every caller: it holds only what they may use.
    const bool models = life.target.path == dialects::standard_path(dialects::Surface::kModels);
    if (models && life.target.method == "GET") {
      life.surface = dialects::Surface::kModels;
      life.record.surface = dialects::name_of(*life.surface);
      return {};
    }
    if (lacks_credential) return std::unexpected(refuse_anonymous());
    return refuse(Reason::kNotFound, "routes",
                  "There is nothing at this method and path for this listener.");
  }
  life.surface = config.routes[first].surface;
  life.record.surface = dialects::name_of(*life.surface);
  if (*life.surface != dialects::Surface::kModels) {
    life.dialect = dialects::dialect_of(*life.surface);
  }
  // The models differ, so which of the routes it is tells the body: it may be as large as the
  // most that any of them lets this caller send.
  bool let_in = false;
  for (const config::Route& route : config.routes) {
    if (!authorization::lets_in(route.access, life.target, life.caller)) continue;
    let_in = true;
    const bool observes = route.prompt.mode == Mode::kObserve;
    life.body_max = std::max(life.body_max, observes ? kBodyBytesMax : route.prompt.body);
  }
  if (let_in) return {};
  return std::unexpected(lacks_credential ? refuse_anonymous() : authorization::refuse_caller());
}

// What the reader holds may be another request's since this one has waited; its body is still
// the same, and so is what is read of it.
Expected<void> Pipeline::read(Life& life, std::string_view body) {
  if (life.read != 0 && life.read == reads_) return {};
  ++reads_;
  // What was masked is read no more.
  if (!life.redaction.body().empty()) body = life.redaction.body();
  const Expected<dialects::Request> request =
      dialects::asks_by_form(*life.surface)
          ? reader_.read_form(*life.surface, life.exchange.head().header("content-type"), body)
          : reader_.read(*life.surface, body);
  if (!request) return std::unexpected(request.error());
  life.read = reads_;
  life.request = *request;
  life.delivery = request->delivery;
  life.usage_asked = request->usage_asked;
  return {};
}

Expected<Plan> Pipeline::read_and_decide(Life& life, std::string_view body, const Terms& terms,
                                         const Plan* before, std::string& message) {
  Arena& arena = life.exchange.arena();
  life.record.prompt_bytes = static_cast<Bytes>(body.size());
  if (life.config->audit.content == audit::Content::kHash && life.record.fingerprint == 0) {
    life.record.fingerprint = audit::fingerprint(body, fingerprint_key_);
  }
  if (Expected<void> sound = read(life, body); !sound) return std::unexpected(sound.error());

  if (life.headroom == 0) find_headroom(life);
  const Facts facts{*life.config,
                    life.target,
                    life.caller,
                    life.record.client_ip,
                    life.request,
                    static_cast<Bytes>(body.size()),
                    life.input,
                    &services_.pepper,
                    services_.clock.wall()};
  life.answer = nullptr;
  life.slowed = {};
  const Deciding deciding{body, facts, before};
  Expected<Plan> plan = decide_rewritten(life, deciding, terms);
  if (plan) plan = decide_answered(life, deciding, terms, *plan);
  tell_rewritten(life, plan.has_value());
  plan = under_answer(life, std::move(plan));
  if (!plan) return plan;
  if (Expected<void> usual = watch(life, *plan); !usual) return std::unexpected(usual.error());
  life.record.observed = joined(life.observed, plan->observed, arena);

  if (Expected<void> written = write_message(life, *plan, message); !written) {
    return std::unexpected(written.error());
  }
  return plan;
}

Task<Expected<Hold, Shortfall>> Pipeline::hold_otherwise(Life& life, std::string_view body,
                                                         const Shortfall& refused, Plan& plan,
                                                         std::string& message) {
  const audit::Record as_asked = life.record;
  Alternatives alternatives(plan);
  alternatives.add(plan, {}, refused.exhausted);
  Shortfall answer = refused;
  audit::Record answered = as_asked;
  while (const std::optional<Terms> terms = alternatives.next()) {
    const std::optional<Plan> other = decide_for(life, body, *terms, &plan, message);
    if (!other) continue;  // Not for this caller, here, now, or at this size.
    Expected<Hold, Shortfall> hold = co_await this->hold(life, other->charges);
    if (hold) {
      plan = *other;
      serve_instead(life, *terms, row_of(Reason::kBudgetExhausted).code);
      co_return hold;
    }
    alternatives.add(*other, *terms, hold.error().exhausted);
    // What would fit after a wait is no reason to tell that no wait helps.
    if (hold.error().refusal.retry_after && !answer.refusal.retry_after) {
      answer = hold.error();
      answered = life.record;
    }
  }
  life.record = answered;
  co_return std::unexpected(std::move(answer));
}

// What we made of the input against what its provider says.
void Pipeline::compare(const Plan& plan, const Count& ours, Tokens provider) {
  // Of what is kept, and of what a tool found, there is no count.
  if (plan.kept.previous_tokens > 0 || plan.paid_tools.total > 0) return;
  const config::Model& model = *plan.model;
  counting_.learn(model, ours, provider, services_.clock.wall());
  if (ours.is_bound) return;
  services_.meter.counted(model.name, ours.tokens, provider);
  headroom_.compared(model.name, ours, provider);
}

Task<void> Pipeline::refuse_request(Life& life, const Refusal& refusal) {
  life.reuse.let_go();
  life.record.outcome = audit::Outcome::kRefused;
  life.record.code = row_of(refusal.reason).code;
  life.record.rule = refusal.rule;
  life.record.message = refusal.recorded.empty() ? refusal.message : refusal.recorded;
  life.record.degraded = services_.outages.now();
  life.unrecorded = leaves_unrecorded(life);
  // A refusal is given whether or not it can be recorded: nothing is forwarded either way.
  if (!life.decided) (void)append(life, audit::Phase::kDecision);
  BufferPool::Lease headers = buffers_.lease();
  BufferPool::Lease body = buffers_.lease();
  ReplyHead head;
  const double jitter = jitter_of(life.record.id);
  Refusal told = refusal;
  if (told.reason == Reason::kOverloaded && told.retry_after && !life.body.empty()) {
    told.retry_after =
        insistence_.told(key_of(life, fingerprint_key_), *told.retry_after, services_.clock.now());
  }
  head.status =
      life.dialect == dialects::Dialect::kMcp
          ? write_mcp_refusal(life.mcp, told, life.record.id, jitter, *headers, *body)
          : write_refusal_reply(life.dialect, told, life.record.id, jitter, *headers, *body);
  write_limit_headers(life.dialect, life.record.limits, life.wall, *headers);
  write_degraded_header(life.record.degraded, *headers);
  head.headers = *headers;
  co_await life.exchange.reply(head, *body);
  close_record(life);
}

void Pipeline::close_record(Life& life) {
  life.record.total = services_.clock.now() - life.began;
  (void)append(life, audit::Phase::kOutcome);
  learn_end(life);
  count_tools(life);
  services_.meter.ended(life.record, life.record.total - life.upstream_time);
}

bool Pipeline::append(const Life& life, audit::Phase phase, Money held) {
  if (life.unrecorded) return true;
  BufferPool::Lease text = buffers_.lease();
  audit::write(life.record, phase, *text);
  return services_.trail.append(life.record, phase, held, *text).has_value();
}

}  // namespace tollgate::pipeline
