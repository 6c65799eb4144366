// The world around a request, for tests: an upstream, the books, the trail and the keys, all in
// memory, all turned by hand. One thread, no wall clock.
//
// What the real ports hold to is CHECKed here as well: a hold is settled once, a call is given
// back once.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hand_executor.h"
#include "controls/answers/answers.h"
#include "controls/authentication/imported_key.h"
#include "dialects/request.h"
#include "pipeline/identify.h"
#include "pipeline/pipeline.h"
#include "pipeline/ports.h"
#include "pipeline/testing_books.h"
#include "pipeline/testing_caller.h"

namespace tollgate::pipeline::testing {

// ---- The upstream ----------------------------------------------------------------------------

// What the upstream will do with the next request.
struct Script {
  bool full = false;                    // It takes no further request.
  std::optional<FaultKind> send_fault;  // No head of a reply comes.
  bool sent = true;                     // Whether a byte had gone out by then.
  int status = 200;
  std::string content_type = "application/json";
  std::map<std::string, std::string, std::less<>> headers;
  std::vector<std::string> pieces;  // Of the body, as they come.
  std::optional<FaultKind> fault;   // After the pieces, instead of the end.
  bool hangs_before_head = false;   // Waits until the caller leaves…
  bool hangs_after_pieces = false;  // …or does so there.
  Duration takes = std::chrono::milliseconds(5);
};

class ScriptedUpstreams final : public Upstreams {
 public:
  ScriptedUpstreams(HandClock& clock, Story& story) : clock_(clock), story_(story) {}

  CallHandle open(const UpstreamRequest& request) override {
    if (script.full || (!fulls.empty() && fulls == request.upstream->name)) return nullptr;
    story_.emplace_back("open");
    messages.emplace_back(request.message);
    endpoints.push_back(request.endpoint);
    upstreams.push_back(request.upstream->name);
    const bool is_first = !first.empty();
    Script next = is_first ? first.front() : script;
    if (!fails.empty() && fails == request.upstream->name) next.status = 500;
    calls_.push_back(std::make_unique<Call>(next));
    if (is_first) first.erase(first.begin());
    ++at_work;
    Call& call = *calls_.back();
    call.at_work = &at_work;
    call.awaits_body = request.awaits_body;
    return CallHandle(&call);
  }

  Task<CallHandle> open_in_turn(const UpstreamRequest& request, Waiting& waiting) override {
    flows.emplace_back(waiting.flow);
    co_return open(request);
  }
  void ended(const config::Upstream&, const Waiting&, Tokens used, LoadSample sample) override {
    tokens_used.push_back(used);
    samples.push_back(sample);
  }

  Task<FaultOr<void>> send(UpstreamCall& opened) override {
    Call& call = static_cast<Call&>(opened);
    story_.emplace_back("send");
    clock_.pass(call.script.takes);
    if (call.script.hangs_before_head) {
      co_await call.hang();
      co_return fault(FaultKind::kCancelled, "given up");
    }
    if (call.script.send_fault) co_return fault(*call.script.send_fault, "as the script says");
    const bool is_awaited = call.awaits_body && call.script.status == 200;
    if (is_awaited && call.script.pieces.empty()) {
      if (call.script.hangs_after_pieces) co_await call.hang();
      if (call.script.hangs_after_pieces) co_return fault(FaultKind::kCancelled, "given up");
      if (call.script.fault) co_return fault(*call.script.fault, "as the script says");
    }
    co_return FaultOr<void>{};
  }

  // Calls that were given back; of long tests.
  void forget() {
    CHECK(at_work == 0);
    calls_.clear();
  }

  Script script;
  std::string fulls;          // An upstream that has no place; empty: none.
  std::string fails;          // An upstream that answers everything with 500; empty: none.
  std::vector<Script> first;  // Of the requests before that, each once.
  std::vector<std::string> upstreams;
  std::vector<std::string> messages;  // What was sent, whole…
  std::vector<int> endpoints;         // …and where to.
  std::vector<std::string> flows;     // Who waits in turn, where it has to.
  std::vector<Tokens> tokens_used;
  std::vector<LoadSample> samples;  // Of ended().
  int at_work = 0;                  // Calls not given back.

 private:
  class Call final : public UpstreamCall {
   public:
    explicit Call(const Script& script) : script(script) {}
    int status() const override { return script.status; }
    std::string_view header(std::string_view name) const override {
      const auto found = script.headers.find(name);
      if (found != script.headers.end()) return found->second;
      return name == "content-type" ? std::string_view(script.content_type) : std::string_view();
    }
    Task<FaultOr<std::string_view>> read() override {
      if (cancelled_) co_return fault(FaultKind::kCancelled, "given up");
      if (next_ < script.pieces.size()) co_return std::string_view(script.pieces[next_++]);
      if (script.hangs_after_pieces) {
        co_await hang();
        co_return fault(FaultKind::kCancelled, "given up");
      }
      if (script.fault) co_return fault(*script.fault, "as the script says");
      co_return std::string_view();
    }
    Task<FaultOr<std::string_view>> read_whole(Bytes limit) override {
      whole_.clear();
      for (;;) {
        const FaultOr<std::string_view> piece = co_await read();
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) break;
        whole_ += *piece;
      }
      const std::size_t size = whole_.size();
      if (static_cast<Bytes>(size) > limit) co_return fault(FaultKind::kBroken, "too large");
      whole_.append(dialects::RequestReader::kPadding, '\0');
      co_return std::string_view(whole_.data(), size);
    }
    bool sent() const override { return script.sent; }
    void cancel() override {
      cancelled_ = true;
      if (waiting_) std::exchange(waiting_, {}).resume();
    }
    void release() override {
      CHECK(!released_);
      released_ = true;
      --*at_work;
    }

    struct Hang {
      Call& call;
      bool await_ready() const { return call.cancelled_; }
      void await_suspend(std::coroutine_handle<> waiter) { call.waiting_ = waiter; }
      void await_resume() const {}
    };
    Hang hang() { return {*this}; }

    const Script script;
    int* at_work = nullptr;
    bool awaits_body = false;

   private:
    std::size_t next_ = 0;
    std::string whole_;
    std::coroutine_handle<> waiting_;
    bool cancelled_ = false;
    bool released_ = false;
  };

  HandClock& clock_;
  Story& story_;
  std::vector<std::unique_ptr<Call>> calls_;
};

// ---- The books -------------------------------------------------------------------------------

struct Charged {
  std::string rule;
  std::string subject;
  std::int64_t amount = 0;
};
struct Settled {
  Used used;
  std::string id, tenant, user, key_id, route, model;
  Tokens cached_input = 0;
  Money held;  // On each budget.
};

// Lets everything through, unless told otherwise, and writes it down.
class NotedLedger final : public Ledger {
 public:
  explicit NotedLedger(Story& story) : story_(story) {}

  Task<Expected<Hold, Shortfall>> hold(const Charges& charges, Arena& arena, Executor& executor,
                                       Instant, WallTime wall) override {
    story_.emplace_back("hold");
    if (waits) co_await Turn{executor};
    limits.clear();
    budgets.clear();
    if (refusal) {
      const Refusal told = *refusal;
      if (refusals > 0 && --refusals == 0) refusal.reset();
      co_return std::unexpected(Shortfall{told, short_limits, short_budgets});
    }
    if (charges.at_a_bound && free && free->micro_usd < kPlenty) {
      Refusal near;
      near.reason = Reason::kRateLimited;
      co_return std::unexpected(Shortfall{near, {}, {}, {}});
    }
    if (books != nullptr) {
      if (std::optional<Shortfall> shortfall = books->take(charges, arena, wall)) {
        co_return std::unexpected(*shortfall);
      }
      observed = books->observed;
    }
    const auto limit_evidence = arena.make<audit::LimitEvidence>(charges.limits.size());
    for (std::size_t i = 0; i < charges.limits.size(); ++i) {
      const LimitCharge& charge = charges.limits[i];
      CHECK(charge.amount >= 0 && charge.amount <= kTokensMax);
      limits.push_back({charge.policy->rule, std::string(charge.subject), charge.amount});
      limit_evidence[i] = {charge.policy->scope,  charge.subject,
                           charge.policy->figure, charge.policy->limit,
                           charge.amount,         charge.policy->limit - charge.amount};
    }
    const auto budget_evidence = arena.make<audit::BudgetEvidence>(charges.budgets.size());
    for (std::size_t i = 0; i < charges.budgets.size(); ++i) {
      const BudgetCharge& charge = charges.budgets[i];
      CHECK(charge.amount >= Money{});
      budgets.push_back(
          {charge.policy->rule, std::string(charge.subject), charge.amount.micro_usd});
      budget_evidence[i].scope = charge.policy->scope;
      budget_evidence[i].subject = charge.subject;
      budget_evidence[i].window = charge.policy->window;
      budget_evidence[i].limit = charge.policy->limit;
      budget_evidence[i].held = charge.amount;
      budget_evidence[i].free =
          free.value_or(Money{charge.policy->limit.micro_usd - charge.amount.micro_usd});
    }
    Hold made;
    made.limits = limit_evidence;
    made.budgets = budget_evidence;
    made.observed = arena.copy(std::span<const std::string_view>(observed));
    made.open = true;
    ++held;
    co_return made;
  }

  void settle(Hold& hold, const Charges& charges, const Used& used, const Booking& booking, Instant,
              WallTime wall) override {
    CHECK(hold.open);
    if (books != nullptr) books->settle(charges, used.cost, wall);
    hold.open = false;
    CHECK(used.input >= 0 && used.output >= 0 && used.cost >= Money{});
    story_.emplace_back("settle");
    Settled made{used,
                 std::string(booking.id),
                 std::string(booking.tenant),
                 std::string(booking.user),
                 std::string(booking.key_id),
                 std::string(booking.route),
                 std::string(booking.model),
                 booking.cached_input,
                 charges.budgets.empty() ? Money{} : charges.budgets.front().amount};
    settled.push_back(std::move(made));
  }

  std::int64_t open() const { return held - settled_in_all - std::ssize(settled); }

  Books* books = nullptr;     // Where budgets are to be kept.
  bool waits = false;         // A hold goes on by its executor.
  std::optional<Money> free;  // What every budget has left after a hold; nothing: all the rest.
  static constexpr std::int64_t kPlenty = 250'000'000;  // Half of the tenant's.
  std::optional<Refusal> refusal;
  int refusals = 0;                                // How many holds more it refuses; 0: all.
  std::vector<audit::LimitEvidence> short_limits;  // Of the refusal.
  std::vector<audit::BudgetEvidence> short_budgets;
  std::vector<std::string_view> observed;
  std::int64_t held = 0;
  std::int64_t settled_in_all = 0;  // Beside `settled`, of tests that forget those.
  std::vector<Charged> limits;      // Of the last hold.
  std::vector<Charged> budgets;
  std::vector<Settled> settled;

 private:
  struct Turn {
    Executor& executor;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      executor.post([waiter] { waiter.resume(); });
    }
    void await_resume() const {}
  };

  Story& story_;
};

// ---- The trail, the keys, the measures ---------------------------------------------------------

struct Recorded {
  audit::Phase phase{};
  std::string id, code, rule, route, model, tenant;
  audit::Outcome outcome{};
  audit::UsageSource source{};
  Tokens input = 0, output = 0;
  Money cost, held;
  std::vector<std::string> observed;
  std::string written;
};

// Nobody else is asked: every token is unknown.
// Knows one actor by whatever is presented, or nobody.
class OneElse final : public Callers {
 public:
  Task<Expected<authentication::Identity>> identify(const Presented&, const config::Config&, Arena&,
                                                    Executor&, WallTime) override {
    if (known) co_return *known;
    co_return refuse(Reason::kInvalidCredential, "authentication", "No token is accepted here.");
  }
  std::optional<authentication::Identity> known;
};

class NotedTrail final : public Trail {
 public:
  explicit NotedTrail(Story& story) : story_(story) {}
  FaultOr<void> append(const audit::Record& record, audit::Phase phase, Money held,
                       std::string_view written) override {
    if (fails) return fault(FaultKind::kRefusedByPeer, "the disk is full");
    story_.emplace_back(phase == audit::Phase::kDecision ? "decision" : "outcome");
    Recorded made;
    made.phase = phase;
    made.id = record.id;
    made.code = record.code;
    made.rule = record.rule;
    made.route = record.route;
    made.model = record.model_served;
    if (record.actor != nullptr) made.tenant = record.actor->tenant;
    made.outcome = record.outcome;
    made.source = record.usage_source;
    made.input = record.input;
    made.output = record.output;
    made.cost = record.cost;
    made.held = held;
    made.observed.assign(record.observed.begin(), record.observed.end());
    made.written = written;
    records.push_back(std::move(made));
    return {};
  }
  Task<FaultOr<void>> committed(std::string_view, Executor&) override {
    story_.emplace_back("committed");
    if (commit_fails) co_return fault(FaultKind::kRefusedByPeer, "the disk is full");
    co_return FaultOr<void>();
  }
  bool healthy() const override { return !fails; }

  bool fails = false;
  bool commit_fails = false;
  std::vector<Recorded> records;

 private:
  Story& story_;
};

class FixedKeys final : public KeyStore {
 public:
  std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const override {
    const auto found = keys.find(id);
    if (found == keys.end()) return std::nullopt;
    const authentication::KeyRecord& key = found->second;
    authentication::KeyFacts facts;
    facts.id = arena.copy(key.id);
    facts.digest = key.digest;
    facts.tenant = arena.copy(key.tenant);
    facts.user = arena.copy(key.user);
    facts.roles = views(key.roles, arena);
    facts.expires = key.expires;
    facts.revoked = key.revoked;
    facts.reach = {views(key.scopes.routes, arena), views(key.scopes.models, arena),
                   views(key.scopes.tools, arena)};
    facts.addresses = arena.copy(std::span<const AddressRange>(key.scopes.addresses));
    return facts;
  }
  void used(const authentication::KeyFacts& key, WallTime now) override {
    keys.find(key.id)->second.last_used = now;
  }
  bool holds_imported() const override {
    return std::ranges::any_of(
        keys, [](const auto& each) { return authentication::is_imported(each.first); });
  }

  bool current() const override { return is_current; }
  void watch(KeyWatcher& watcher) override { watchers.push_back(&watcher); }
  void unwatch(KeyWatcher& watcher) override { std::erase(watchers, &watcher); }
  void revoke(const std::string& id) {
    keys.at(id).revoked = WallTime{};
    for (KeyWatcher* watcher : watchers) watcher->revoked(id);
  }

  static std::span<const std::string_view> views(const std::vector<std::string>& texts,
                                                 Arena& arena) {
    const auto made = arena.make<std::string_view>(texts.size());
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = arena.copy(texts[i]);
    return made;
  }

  std::map<std::string, authentication::KeyRecord, std::less<>> keys;
  std::vector<KeyWatcher*> watchers;
  bool is_current = true;
};

class FixedOutages final : public Outages {
 public:
  std::span<const std::string_view> now() const override { return names; }
  std::vector<std::string_view> names;
};

class NotedMeter final : public Meter {
 public:
  void began() override { ++begun; }
  void ended(const audit::Record&, Duration overhead) override {
    ++over;
    last_overhead = overhead;
  }
  void counted(std::string_view, Tokens ours, Tokens provider) override {
    last_count = {ours, provider};
    ++counts;
  }
  int begun = 0, over = 0, counts = 0;
  Duration last_overhead{};
  std::pair<Tokens, Tokens> last_count;
};

// All of it, around one pipeline.
struct World {
  World(std::shared_ptr<const config::Config> configuration, const Vocabularies& shared)
      : config(std::move(configuration)), vocabularies(shared) {}

  // Makes a key and returns its secret.
  std::string add_key(std::string_view tenant, std::string_view user = {},
                      std::vector<std::string> roles = {}) {
    std::array<std::uint8_t, 64> random{};
    random.fill(static_cast<std::uint8_t>(keys.keys.size() + 1));
    authentication::NewKey made = authentication::make_key(random);
    authentication::KeyRecord record;
    record.id = made.id;
    record.digest = pepper.digest(made.secret);
    record.tenant = tenant;
    record.user = user;
    record.roles = std::move(roles);
    keys.keys[made.id] = record;
    return made.secret;
  }

  // Serves as far as it goes: to the end, or to where the upstream hangs.
  std::unique_ptr<Caller> serve(Ask ask, int writes_until_gone = -1) {
    auto caller = std::make_unique<Caller>(std::move(ask), story);
    caller->writes_until_gone = writes_until_gone;
    start(pipeline.serve(*caller));
    return caller;
  }

  Story story;
  HandClock clock;
  config::Current config;
  FixedKeys keys;
  authentication::Pepper pepper = test_pepper();
  OneElse callers;
  NotedLedger ledger{story};
  NotedTrail trail{story};
  ScriptedUpstreams upstreams{clock, story};
  NotedMeter meter;
  HandExecutor executor;
  FixedOutages outages;
  authentication::Failures failures{7};
  const Vocabularies& vocabularies;
  tokens::CountErrors count_errors;
  anomalies::Anomalies anomalies{11};
  answers::Answers answers;
  overload::BufferedBytes buffered;
  Pipeline pipeline{{config, clock, keys, pepper, callers, ledger, trail, upstreams, meter,
                     vocabularies, executor, outages, failures, &count_errors, &anomalies, nullptr,
                     &answers, &buffered}};
};

}  // namespace tollgate::pipeline::testing
