#include "identity/desk.h"

#include <algorithm>
#include <string>

#include "pipeline/identify.h"
#include "pipeline/plan.h"

namespace tollgate::identity {

using authentication::Digest;
using authentication::Identity;
using authentication::KeyOrigin;
using authentication::KeySet;

namespace {

// What is asked and in which verifier's name, so that one secret is kept once for each.
Digest digest_of_credential(std::string_view kind, std::string_view name, std::string_view text) {
  const Digest parts[] = {authentication::digest_of(kind), authentication::digest_of(name),
                          authentication::digest_of(text)};
  return authentication::stamp_of(parts);
}

Refusal refuse_unknown_token() {
  return refuse(Reason::kInvalidCredential, "authentication",
                "The token is none that this gateway accepts.")
      .error();
}

constexpr std::string_view kUnvouched = "The cluster does not vouch for the token. Get a new one.";

// Where no key of ours proves a token, its own claims are anybody's word. Whoever makes them up
// hears the same whether they or the cluster ruled it out; the record has which.
Refusal unvouched(const authentication::JwtPolicy& policy, Refusal refusal) {
  if (policy.keys != KeyOrigin::kReview || refusal.reason == Reason::kStoreUnavailable) {
    return refusal;
  }
  Refusal told;
  told.reason = Reason::kInvalidCredential;
  told.rule = "authentication.jwt";
  told.message = kUnvouched;
  told.recorded = refusal.rule + ": " + refusal.message;
  return told;
}

class Withdrawal final : public pipeline::Cancellable {
 public:
  Withdrawal(Inquiry& inquiry, const Digest& credential, Inquiry::Asked& waiter)
      : inquiry_(inquiry), credential_(credential), waiter_(waiter) {}
  void cancel() override { inquiry_.withdraw(credential_, waiter_); }

 private:
  Inquiry& inquiry_;
  const Digest credential_;
  Inquiry::Asked& waiter_;
};

}  // namespace

struct Desk::Case {
  const pipeline::Presented& presented;
  const config::Config& config;
  const pipeline::ConfiguredTenants& tenants;
  Arena& arena;
  Executor& executor;
  WallTime wall;
};

struct Desk::Verified {
  Verdict verdict = std::unexpected(refuse_unknown_token());
  std::size_t policy = 0;                   // By whose entry.
  authentication::ReviewedAccount account;  // Of whom, where its entry has a review.
};

Desk::Desk(Identities& identities) : identities_(identities), cache_(kVerdictsKept) {}

// Whom the configuration names and which keys they have now. Two comparisons, where nothing is new.
void Desk::take_over(const config::Config& config) {
  const std::uint64_t changes = identities_.changes();
  const bool same = known_ && sources_.stamp == config.authentication.stamp;
  if (same && changes == changes_) return;
  if (!same) sources_ = identities_.sources_of(config);
  known_ = true;
  changes_ = changes;
  keys_.clear();
  std::vector<Digest> parts = {sources_.stamp};
  for (const std::shared_ptr<Issuer>& issuer : sources_.issuers) {
    keys_.push_back(issuer->keys());
    parts.push_back(keys_.back() == nullptr ? Digest{} : keys_.back()->digest);
  }
  stamp_ = authentication::stamp_of(parts);
}

Task<Expected<Identity>> Desk::identify(const pipeline::Presented& presented,
                                        const config::Config& config, Arena& arena,
                                        Executor& executor, WallTime wall) {
  const pipeline::ConfiguredTenants tenants(config);
  const Case asked{presented, config, tenants, arena, executor, wall};
  std::optional<Identity> caller;
  if (!presented.token.empty()) {
    const Verdict verdict = co_await by_token(asked, presented.token);
    if (!verdict) co_return verdict;
    caller = *verdict;
  }
  const auto& sessions = config.authentication.sessions;
  // A browser sends the cookies of all entries along: those of other pages vouch for nothing here.
  std::optional<Refusal> foreign;
  bool has_own = false;
  for (std::size_t i = 0; i < sessions.size() && !presented.cookies.empty(); ++i) {
    const Expected<std::string_view> cookie =
        authentication::find_cookie(presented.cookies, sessions[i].cookie.cookie);
    if (!cookie) co_return std::unexpected(cookie.error());
    if (cookie->empty()) continue;
    if (Expected<void> ours = check_origin(sessions[i], presented.origin); !ours) {
      foreign = std::move(ours.error());
      continue;
    }
    has_own = true;
    const Verdict verdict = co_await by_session(asked, i, *cookie);
    if (!verdict) co_return verdict;
    if (caller && !pipeline::are_one_actor(*caller, *verdict)) {
      co_return std::unexpected(pipeline::refuse_two_actors());
    }
    if (!caller) caller = *verdict;
  }
  if (foreign && !has_own) co_return std::unexpected(*std::move(foreign));
  if (!caller) co_return std::unexpected(refuse_unknown_token());
  co_return *caller;
}

Desk::Verdict Desk::keep(const Case& asked, const Digest& credential, Verdict verdict,
                         std::optional<Duration> most) {
  if (!verdict) return verdict;
  pipeline::add_roles_of_tenant(asked.config, *verdict, asked.arena);
  Identity kept = *verdict;
  if (most) kept.expires = std::min(kept.expires.value_or(WallTime::max()), asked.wall + *most);
  if (kept.expires) cache_.keep(credential, stamp_, kept, asked.wall);
  return verdict;
}

// ---- Signed tokens
// -------------------------------------------------------------------------------

Task<Desk::Verdict> Desk::by_token(const Case& asked, std::string_view token) {
  take_over(asked.config);
  const Digest digest = authentication::digest_of(token);
  std::optional<Identity> known = cache_.find(digest, stamp_, asked.wall, asked.arena);
  if (known) co_return *known;
  const bool is_signed = authentication::looks_like_token(token);
  if (!is_signed || asked.config.authentication.jwt.empty()) {
    co_return co_await by_introspection(asked, token);
  }
  std::size_t unknown = 0;
  std::optional<Verified> verified = verify(asked, token, unknown);
  if (!verified) {
    // The issuer is ours and the key is not known here.
    const std::shared_ptr<Issuer> issuer = sources_.issuers[unknown];
    Waiter<Found> waiter(asked.executor);
    const auto submit = [&](Waiter<Found>& waits) { return issuer->look_for(waits); };
    const Found found = co_await waiter.ask(submit);
    take_over(asked.config);
    if (found == Found::kFetched) verified = verify(asked, token, unknown);
    const std::string rule = "authentication.jwt." + issuer->policy().name;
    if (!verified && found == Found::kUndecided) {
      co_return std::unexpected(authentication::refuse_unasked(rule));
    }
    if (!verified) {
      // The issuer may show it yet, so it may pass later and is nobody's guess.
      Refusal refusal = authentication::refuse_signature(rule);
      refusal.retry_after = issuer->until_next();
      co_return std::unexpected(std::move(refusal));
    }
  }
  if (verified->verdict && asked.config.authentication.jwt[verified->policy].review) {
    co_return co_await by_review(asked, token, std::move(*verified));
  }
  co_return keep(asked, digest, std::move(verified->verdict), std::nullopt);
}

// Nothing where the key is not known: of which issuer.
std::optional<Desk::Verified> Desk::verify(const Case& asked, std::string_view token,
                                           std::size_t& unknown) {
  Verified made;
  const Expected<authentication::Token> read = tokens_.read(token);
  if (!read) {
    made.verdict = std::unexpected(read.error());
    return made;
  }
  const auto& policies = asked.config.authentication.jwt;
  const Expected<std::size_t> chosen = authentication::choose_verifier(policies, *read);
  if (!chosen) {
    made.verdict = std::unexpected(chosen.error());
    return made;
  }
  const authentication::JwtPolicy& policy = policies[*chosen];
  made.policy = *chosen;
  if (policy.review) made.account = authentication::account_of(*read, asked.arena);
  const bool allowed = std::ranges::count(policy.algorithms, read->algorithm) != 0;
  if (policy.keys == KeyOrigin::kReview) {
    // No key proves it here: by_review() asks who can.
    const std::string rule = "authentication.jwt." + policy.name;
    made.verdict =
        allowed ? authentication::identify(policy, *read, asked.tenants, asked.wall, asked.arena)
                : std::unexpected(authentication::refuse_signature(rule));
    if (!made.verdict) made.verdict = std::unexpected(unvouched(policy, made.verdict.error()));
    return made;
  }
  const KeySet* keys = keys_[*chosen].get();
  if (allowed && (keys == nullptr || keys->find(read->key_id, read->algorithm) == nullptr)) {
    unknown = *chosen;
    return std::nullopt;
  }
  static const KeySet kNone;
  made.verdict = authentication::verify_token(policy, keys == nullptr ? kNone : *keys, *read,
                                              asked.tenants, asked.wall, asked.arena);
  return made;
}

// What the API server says of a token that is good by its own word, and by its issuer's keys where
// those are known.
Task<Desk::Verdict> Desk::by_review(const Case& asked, std::string_view token, Verified verified) {
  const authentication::JwtPolicy& policy = asked.config.authentication.jwt[verified.policy];
  const std::shared_ptr<Inquiry> inquiry = sources_.reviews[verified.policy];
  const std::string rule = "authentication.jwt." + policy.name + ".token_review";
  const Digest digest = authentication::digest_of(token);
  const Digest stamp = stamp_;
  if (const auto reason = inquiry->refused(digest, identities_.clock().now())) {
    Refusal refusal;
    refusal.reason = *reason;
    refusal.rule = rule;
    refusal.message = kUnvouched;
    co_return std::unexpected(unvouched(policy, std::move(refusal)));
  }
  WebRequest request;
  request.asked = rule;
  request.url = authentication::token_review_url(*policy.review);
  request.certificate_authority = policy.review->certificate_authority;
  request.bearer_file = policy.review->token_file;
  request.content_type = "application/json";
  request.body = authentication::token_review_body(policy, token);
  request.timeout = policy.review->timeout;
  request.bytes_max = authentication::kTokenReviewBytesMax;
  const FaultOr<std::string> answer = co_await ask(asked, digest, *inquiry, std::move(request));
  if (!answer) co_return std::unexpected(authentication::refuse_unasked(rule));
  const Expected<void> good = reviews_.read(policy, *answer, verified.account);
  if (!good) {
    if (good.error().reason != Reason::kStoreUnavailable) {
      inquiry->refuse(digest, good.error().reason, identities_.clock().now());
    }
    co_return std::unexpected(unvouched(policy, good.error()));
  }
  // Where keys have changed meanwhile the signature is none of the new ones: not kept.
  take_over(asked.config);
  const Duration most = stamp_ == stamp ? policy.review->kept : Duration::zero();
  co_return keep(asked, digest, std::move(verified.verdict), most);
}

// Whoever asks may leave meanwhile: then nobody waits for the answer.
Task<FaultOr<std::string>> Desk::ask(const Case& asked, const Digest& credential, Inquiry& inquiry,
                                     WebRequest request) {
  Inquiry::Asked waiter(asked.executor);
  Withdrawal withdrawal(inquiry, credential, waiter);
  pipeline::Exchange* const exchange = asked.presented.exchange;
  const auto submit = [&](Inquiry::Asked& waits) {
    const Answered when = inquiry.ask(credential, std::move(request), asked.presented.from, waits);
    if (when == Answered::kLater && exchange != nullptr) exchange->on_caller_gone(&withdrawal);
    return when;
  };
  FaultOr<std::string> answer = co_await waiter.ask(submit);
  if (exchange != nullptr) exchange->on_caller_gone(nullptr);
  co_return answer;
}

// ---- Opaque tokens
// -------------------------------------------------------------------------------

Task<Desk::Verdict> Desk::by_introspection(const Case& asked, std::string_view token) {
  const auto& policies = asked.config.authentication.introspection;
  Verdict last = std::unexpected(refuse_unknown_token());
  if (!authentication::is_opaque_token(token)) co_return last;
  const Digest digest = authentication::digest_of(token);
  const std::vector<std::shared_ptr<Inquiry>> inquiries = sources_.introspection;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const authentication::IntrospectionPolicy& policy = policies[i];
    if (!may_see(policy, policies, token)) continue;
    const std::shared_ptr<Inquiry>& inquiry = inquiries[i];
    const std::string rule = "authentication.introspection." + policy.name;
    if (const auto reason = inquiry->refused(digest, identities_.clock().now())) {
      last = refuse(*reason, rule, "The token is not active. Get a new one.");
      continue;
    }
    WebRequest request;
    request.asked = rule;
    request.url = policy.url;
    request.certificate_authority = policy.certificate_authority;
    request.authorization = authentication::introspection_authorization(policy);
    request.content_type = "application/x-www-form-urlencoded";
    request.body = authentication::introspection_form(policy, token);
    request.timeout = policy.timeout;
    request.bytes_max = authentication::kIntrospectionBytesMax;
    const FaultOr<std::string> answer = co_await ask(asked, digest, *inquiry, std::move(request));
    // Another may call it active, but this one might have as well: nobody can tell.
    if (!answer) co_return std::unexpected(authentication::refuse_unasked(rule));
    last = answers_.read(policy, *answer, asked.tenants, asked.wall, asked.arena);
    if (last) {
      take_over(asked.config);
      co_return keep(asked, digest, std::move(last), policy.kept);
    }
    if (last.error().reason == Reason::kStoreUnavailable) co_return last;
    inquiry->refuse(digest, last.error().reason, identities_.clock().now());
  }
  co_return last;
}

// ---- Sessions
// ------------------------------------------------------------------------------------

Task<Desk::Verdict> Desk::by_session(const Case& asked, std::size_t place,
                                     std::string_view cookie) {
  const authentication::SessionPolicy& policy = asked.config.authentication.sessions[place];
  take_over(asked.config);
  const Digest digest = digest_of_credential("session", policy.cookie.name, cookie);
  std::optional<Identity> known = cache_.find(digest, stamp_, asked.wall, asked.arena);
  if (known) co_return *known;
  if (!policy.in_store()) {
    Verdict verdict =
        cookies_.read(policy.cookie, *policy.keys, cookie, asked.tenants, asked.wall, asked.arena);
    co_return keep(asked, digest, std::move(verdict), std::nullopt);
  }
  const std::string rule = "authentication.sessions." + policy.cookie.name;
  if (!authentication::is_session_id(cookie)) {
    co_return refuse(Reason::kInvalidCredential, rule,
                     "The session cookie names no session. Log in again.");
  }
  const std::shared_ptr<SessionStore> store = sources_.sessions[place];
  std::string key = authentication::store_key(policy, cookie);
  Waiter<Stored> waiter(asked.executor);
  const auto submit = [&](Waiter<Stored>& waits) { return store->get(std::move(key), waits); };
  const Stored stored = co_await waiter.ask(submit);
  if (!stored) co_return std::unexpected(authentication::refuse_unasked(rule));
  if (!*stored) {
    co_return refuse(Reason::kInvalidCredential, rule, "There is no such session. Log in again.");
  }
  take_over(asked.config);
  Verdict verdict = stored_.read(policy, **stored, asked.tenants, asked.wall, asked.arena);
  co_return keep(asked, digest, std::move(verdict), kSessionKept);
}

}  // namespace tollgate::identity
