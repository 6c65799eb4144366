#include "admin/door.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "controls/authentication/base64url.h"

namespace tollgate::admin {

using administration::Admin;
using administration::Proven;
using administration::Source;
using administration::TokenRecord;
using authentication::Digest;
using authentication::digest_of;
using authentication::LookEnd;

namespace {

constexpr std::string_view kRule = "admin";
constexpr std::string_view kFirstToken = "admin.token";
// Those who administer are few.
constexpr authentication::Failures::Sizes kFailures{
    .addresses = 1 << 12, .keys = 1 << 10, .good = 1 << 12};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_named(const pipeline::Header& header, std::string_view lower_name) {
  return std::ranges::equal(header.name, lower_name, [](char x, char y) { return lower(x) == y; });
}

// Who administers has no policy of their own for this: the defaults hold.
constexpr authentication::FailurePolicy kFailurePolicy;

std::uint64_t seed_of(const authentication::Pepper& pepper) {
  const authentication::Digest digest = pepper.digest("tollgate failed administrators");
  std::uint64_t seed = 0;
  std::memcpy(&seed, digest.data(), sizeof seed);
  return seed;
}

Admin admin_of(const TokenRecord& token) {
  return {Admin::Kind::kToken, token.name, token.id, token.grant};
}

std::unexpected<Refusal> refuse_ended() {
  return refuse(Reason::kExpiredCredential, std::string(kRule),
                "The session has ended. Log in again.");
}

std::unexpected<Refusal> refuse_for_now(std::string message) {
  Refusal refusal;
  refusal.reason = Reason::kStoreUnavailable;
  refusal.rule = kRule;
  refusal.message = std::move(message);
  refusal.retry_after = std::chrono::seconds(1);
  return std::unexpected(std::move(refusal));
}

// Whoever asks is not known yet, so what the store said is for the operator alone.
std::unexpected<Refusal> refuse_unread(const Fault& fault) {
  fmt::print(stderr, "tollgate: nobody can be known at the admin address: {}\n", fault.message);
  return refuse_for_now(
      "The store is not available; its gateway says on stderr why. Ask again soon.");
}

std::unexpected<Refusal> refuse_unrecorded(const Fault& fault) {
  fmt::print(stderr, "tollgate: nobody can log in at the admin address: {}\n", fault.message);
  return refuse_for_now(
      "The session cannot be on record now, so it does not begin; the gateway says on stderr why. "
      "Ask again soon.");
}

// Whoever shows an expired or revoked token has proven to hold it, and does not guess; nor does who
// has a token of a key that its issuer has not published yet.
LookEnd end_of(const Refusal& refusal) {
  const bool wrong = refusal.reason == Reason::kInvalidCredential && !refusal.retry_after;
  return wrong ? LookEnd::kWrong : LookEnd::kUndecided;
}

std::unexpected<Refusal> refuse_delayed(Duration wait) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = kRule;
  refusal.message =
      "Authentication has failed too often from this address, so credentials that were not good "
      "from there before are refused for now.";
  refusal.retry_after = wait;
  return std::unexpected(std::move(refusal));
}

// A cookie of a name that no other site and no plain connection can set, where there is TLS.
std::string cookie_name(const administration::Names& names, std::string_view name) {
  return fmt::format("{}{}", is_secure(names) ? "__Host-" : "", name);
}

}  // namespace

FaultOr<std::string> random_text() {
  administration::Sessions::Random random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return fault(FaultKind::kRefusedByPeer, "the system gave no random bytes");
  }
  return authentication::encode_base64url(random);
}

Door::Door(const Parts& parts, Secret first_token)
    : parts_(parts),
      token_(std::move(first_token)),
      failures_(seed_of(parts.pepper), kFailures),
      register_(parts.store, parts.clock),
      line_(parts.loop, parts.desk, kWaitingMax),
      attendance_({parts.clock, line_, parts.desk, register_}) {}

administration::Names Door::names() const {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const config::Admin& admin = config->admin;
  return {admin.host, admin.policy.url, admin.policy.hosts, admin.tls.has_value()};
}

std::string Door::session_cookie_name() const { return cookie_name(names(), "tollgate_admin"); }

std::string Door::login_cookie_name() const { return cookie_name(names(), "tollgate_login"); }

Expected<Shown> Door::read(const pipeline::RequestHead& head) const {
  Shown shown;
  std::string_view authorization;
  std::string_view cookies;
  int authorizations = 0;
  int cookie_lines = 0;
  for (const pipeline::Header& header : head.headers) {
    if (is_named(header, "authorization")) {
      authorization = header.value;
      ++authorizations;
    } else if (is_named(header, "cookie")) {
      cookies = header.value;
      ++cookie_lines;
    }
  }
  if (authorizations > 1 || cookie_lines > 1) {
    return refuse(Reason::kCredentialConflict, std::string(kRule),
                  "The request has more than one Authorization, or more than one Cookie line.");
  }
  if (!authorization.empty()) {
    authentication::CredentialHeaders headers;
    headers.authorization = authorization;
    const Expected<std::string_view> bearer = authentication::find_credential(headers);
    if (!bearer) return std::unexpected(bearer.error());
    shown.bearer = *bearer;
  }
  const Expected<std::string_view> session =
      authentication::find_cookie(cookies, session_cookie_name());
  if (!session) return std::unexpected(session.error());
  shown.session = *session;
  return shown;
}

Task<Expected<Known>> Door::identify(pipeline::Exchange& exchange, const Shown& shown) {
  const IpAddress from = exchange.head().client_ip;
  Known known;
  if (shown.bearer.empty()) {
    if (shown.session.empty()) {
      co_return refuse(Reason::kMissingCredential, std::string(kRule),
                       "The admin API wants an admin token as a Bearer token, or a session.");
    }
    Expected<Proven> proven = co_await by_session(shown.session);
    if (!proven) co_return std::unexpected(std::move(proven.error()));
    known.proven = std::move(*proven);
    known.vouched = administration::Vouched::kByCookie;
    known.session = shown.session;
    co_return known;
  }
  authentication::Guess guess;
  guess.from = from;
  (is_guessable(shown.bearer) ? guess.guessable : guess.others) = {&shown.bearer, 1};
  guess.key = administration::read_token(shown.bearer).value_or("");
  const std::expected<authentication::Look, Duration> may =
      failures_.begin(kFailurePolicy, guess, parts_.clock.now());
  if (!may) co_return refuse_delayed(may.error());
  Expected<Proven> proven = co_await by_bearer(shown.bearer, exchange.arena());
  const LookEnd how = proven ? LookEnd::kGood : end_of(proven.error());
  if (const Expected<void> told = end_look(guess, *may, how); !told) {
    co_return std::unexpected(told.error());
  }
  if (!proven) co_return std::unexpected(std::move(proven.error()));
  known.proven = std::move(*proven);
  known.vouched = administration::Vouched::kByHeader;
  co_return known;
}

// What shares its shape with those that have too many random bits, or a signature, to be guessed.
bool Door::is_guessable(std::string_view bearer) const {
  if (administration::read_token(bearer)) return false;
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  if (config->admin.policy.oidc.empty() || !authentication::looks_like_token(bearer)) return true;
  // A token of the configuration may look like one that is signed, and somebody may have chosen it.
  const auto looks_signed = [](const Secret& token) {
    return authentication::looks_like_token(token.reveal());
  };
  return looks_signed(first_token(*config)) ||
         std::ranges::any_of(config->admin.policy.tokens, looks_signed,
                             &administration::FixedToken::token);
}

Expected<void> Door::judge_wrong(const IpAddress& from, std::string_view unguessable) {
  authentication::Guess guess;
  guess.from = from;
  guess.others = {&unguessable, 1};
  return end_look(guess, {}, LookEnd::kWrong);
}

// Tells the operator of many failures, at most once a minute of each kind.
Expected<void> Door::end_look(const authentication::Guess& guess, authentication::Look look,
                              LookEnd how) {
  const authentication::Judged judged =
      failures_.end(kFailurePolicy, guess, look, how, parts_.clock.now());
  if (judged.alarm != authentication::Alarm::kNone) {
    fmt::print(stderr,
               "tollgate: authentication at the admin address fails too often, last from {}; it is "
               "delayed\n",
               format_address(guess.from));
  }
  if (judged.delay) return refuse_delayed(*judged.delay);
  return {};
}

void Door::turn_away(const TurnedAway& who) {
  refused_[static_cast<std::size_t>(who.reason)].fetch_add(1, std::memory_order_relaxed);
  if (who.reason != Reason::kMissingCredential) attendance_.turned_away(who);
}

const Secret& Door::first_token(const config::Config& config) const {
  return config.admin.token.empty() ? token_ : config.admin.token;
}

std::vector<Door::Fixed> Door::fixed_tokens(const config::Config& config) const {
  std::vector<Fixed> all;
  if (const Secret& first = first_token(config); !first.empty()) {
    all.push_back({digest_of(first.reveal()),
                   {Admin::Kind::kToken,
                    std::string(kFirstToken),
                    std::string(kFirstToken),
                    {administration::Role::kOwner, {}, {}}}});
  }
  for (const administration::FixedToken& token : config.admin.policy.tokens) {
    all.push_back({digest_of(token.token.reveal()),
                   {Admin::Kind::kToken, token.name, fmt::format("admin.tokens.{}", token.name),
                    token.grant}});
  }
  return all;
}

Task<Expected<Proven>> Door::by_bearer(std::string_view bearer, Arena& arena) {
  const authentication::Digest digest = digest_of(bearer);
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  std::optional<Proven> fixed;
  // All are compared, so that the time tells nothing of which it is.
  for (Fixed& each : fixed_tokens(*config)) {
    if (CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) != 0) continue;
    fixed = Proven{std::move(each.admin), Source::kFixed, digest};
  }
  if (fixed) co_return *fixed;
  if (bearer.starts_with(administration::kTokenPrefix)) {
    const auto id = administration::read_token(bearer);
    if (!id) co_return std::unexpected(administration::refuse_unknown());
    const authentication::Digest shown = parts_.pepper.digest(bearer);
    const Checked token = co_await look_up(std::string(*id), shown);
    if (!token) co_return std::unexpected(token.error());
    Proven proven{admin_of(*token), Source::kStored, {}};
    co_return proven;
  }
  if (config->admin.policy.oidc.empty() || !authentication::looks_like_token(bearer)) {
    co_return std::unexpected(administration::refuse_unknown());
  }
  const Expected<OidcDesk::Verified> verified =
      co_await parts_.oidc.verify(bearer, arena, parts_.loop, parts_.clock);
  if (!verified) co_return std::unexpected(verified.error());
  const administration::Policy& policy = verified->config->admin.policy;
  Expected<Admin> admin =
      administration::admin_of(policy, verified->identity, administration::Shown::kAsBearer);
  if (!admin) co_return std::unexpected(std::move(admin.error()));
  Proven proven{std::move(*admin), Source::kOidc, policy.oidc_stamp};
  co_return proven;
}

// The token of this id, in force, and used by that. `shown` is the keyed digest of the secret that
// was shown; nothing where it was proven before, by a session.
Task<Door::Checked> Door::look_up(std::string id, std::optional<authentication::Digest> shown) {
  const std::function<Checked()> work = [this, &id, &shown]() -> Checked {
    const auto found = register_.find(id);
    if (!found) return refuse_unread(found.error());
    const TokenRecord* const record = *found ? &**found : nullptr;
    if (!shown && record == nullptr) return refuse_ended();
    const Expected<void> good = administration::verify(
        record, shown.value_or(record ? record->digest : Digest{}), parts_.clock.wall());
    if (!good) return std::unexpected(good.error());
    return *record;
  };
  DeskLine::Turn<Checked> turn(line_, work,
                               refuse_for_now("Too many wait for the store. Ask again soon."));
  Checked checked = co_await turn;
  // Who is known does not wait for that to be written.
  if (checked) parts_.desk.post([this, token = *checked] { register_.use(token); });
  co_return checked;
}

Task<Expected<Proven>> Door::by_session(std::string_view id) {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const administration::Moment now{parts_.clock.now(), parts_.clock.wall()};
  const Proven* const used = sessions_.use(id, config->admin.policy.sessions, now);
  if (used == nullptr) co_return refuse_ended();
  Proven proven = *used;
  Expected<Admin> admin = co_await renew(proven);
  if (!admin) {
    if (admin.error().reason != Reason::kStoreUnavailable) sessions_.end(id);
    co_return std::unexpected(std::move(admin.error()));
  }
  sessions_.renew(id, *admin);
  proven.admin = std::move(*admin);
  co_return proven;
}

// What is true now of the credential that began a session.
Task<Expected<Admin>> Door::renew(const Proven& proven) {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  switch (proven.source) {
    case Source::kFixed: {
      for (const Fixed& each : fixed_tokens(*config)) {
        if (each.digest == proven.stamp) co_return each.admin;
      }
      co_return refuse_ended();
    }
    case Source::kOidc:
      if (config->admin.policy.oidc_stamp != proven.stamp) co_return refuse_ended();
      co_return proven.admin;
    case Source::kStored:
      break;
  }
  const Checked token = co_await look_up(proven.admin.credential_id, std::nullopt);
  if (!token) co_return std::unexpected(token.error());
  co_return admin_of(*token);
}

Task<Expected<std::string>> Door::begin_session(Proven proven, IpAddress from, std::string before) {
  if (const Expected<void> may = sessions_.admit(proven.admin.credential_id, parts_.clock.now());
      !may) {
    co_return std::unexpected(may.error());
  }
  administration::Sessions::Random random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    co_return refuse_unread({FaultKind::kRefusedByPeer, "the system gave no random bytes"});
  }
  const std::string name = administration::public_name_of(administration::session_id(random));
  const bool replaces = !before.empty() && sessions_.is_there(before);
  const std::string replaced = replaces ? administration::public_name_of(before) : std::string();
  const FaultOr<void> recorded =
      co_await attendance_.session_begins(proven.admin, from, name, replaced);
  if (!recorded) co_return refuse_unrecorded(recorded.error());
  // What this browser had before is over, so that no session outlives the one who takes its place.
  sessions_.end(before);
  const administration::Moment now{parts_.clock.now(), parts_.clock.wall()};
  co_return sessions_.begin(random, std::move(proven), now);
}

void Door::end_session(const Known& known, const IpAddress& from) {
  sessions_.end(known.session);
  attendance_.session_ended(known.proven.admin, from,
                            administration::public_name_of(known.session));
}

}  // namespace tollgate::admin
