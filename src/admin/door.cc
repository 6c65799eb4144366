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
using authentication::digest_of;

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

// Whoever asks is not known yet, so what the store said is for the operator alone.
std::unexpected<Refusal> refuse_unread(const Fault& fault) {
  fmt::print(stderr, "tollgate: nobody can be known at the admin address: {}\n", fault.message);
  Refusal refusal;
  refusal.reason = Reason::kStoreUnavailable;
  refusal.rule = kRule;
  refusal.message = "The store is not available; its gateway says on stderr why. Ask again soon.";
  refusal.retry_after = std::chrono::seconds(1);
  return std::unexpected(std::move(refusal));
}

std::unexpected<Refusal> refuse_delayed(Duration wait) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = kRule;
  refusal.message =
      "Authentication has failed too often from this address, so credentials that were not good "
      "from there before are not looked at for now.";
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
    : parts_(parts), token_(std::move(first_token)), failures_(seed_of(parts.pepper), kFailures) {}

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
  // Nobody guesses a signature, so whoever else fails from there holds up nobody who has one.
  if (!authentication::looks_like_token(shown.bearer)) {
    if (const Expected<void> may = check_guess(from, shown.bearer); !may) {
      co_return std::unexpected(may.error());
    }
  }
  Expected<Proven> proven = co_await by_bearer(shown.bearer, exchange.arena());
  if (proven) {
    failures_.succeeded(from, shown.bearer);
    known.proven = std::move(*proven);
    known.vouched = administration::Vouched::kByHeader;
    co_return known;
  }
  // Whoever shows an expired or revoked token has proven to hold it, and does not guess; nor does
  // who has a token of a key that its issuer has not published yet.
  if (proven.error().reason == Reason::kInvalidCredential && !proven.error().retry_after) {
    guessed(from, administration::read_token(shown.bearer).value_or(""));
  }
  co_return std::unexpected(std::move(proven.error()));
}

Expected<void> Door::check_guess(const IpAddress& from, std::string_view secret) const {
  const auto wait = failures_.delay(from, secret, parts_.clock.now());
  if (wait) return refuse_delayed(*wait);
  return {};
}

// Tells the operator of many, at most once a minute of each kind.
void Door::guessed(const IpAddress& from, std::string_view id) {
  const authentication::FailurePolicy policy;
  const auto alarm = failures_.failed(policy, from, id, parts_.clock.now());
  if (alarm == authentication::Alarm::kNone) return;
  fmt::print(stderr,
             "tollgate: authentication at the admin address fails too often, last from {}; it is "
             "delayed\n",
             format_address(from));
}

std::vector<Door::Fixed> Door::fixed_tokens() const {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  std::vector<Fixed> all;
  if (!token_.empty()) {
    all.push_back({digest_of(token_.reveal()),
                   {Admin::Kind::kToken,
                    std::string(kFirstToken),
                    std::string(kFirstToken),
                    {administration::Role::kOwner, {}, {}}}});
  }
  for (const administration::FixedToken& token : config->admin.policy.tokens) {
    all.push_back({digest_of(token.token.reveal()),
                   {Admin::Kind::kToken, token.name, fmt::format("admin.tokens.{}", token.name),
                    token.grant}});
  }
  return all;
}

Task<Expected<Proven>> Door::by_bearer(std::string_view bearer, Arena& arena) {
  const authentication::Digest digest = digest_of(bearer);
  std::optional<Proven> fixed;
  // All are compared, so that the time tells nothing of which it is.
  for (Fixed& each : fixed_tokens()) {
    if (CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) != 0) continue;
    fixed = Proven{std::move(each.admin), Source::kFixed, digest};
  }
  if (fixed) co_return *fixed;
  if (bearer.starts_with(administration::kTokenPrefix)) {
    const auto id = administration::read_token(bearer);
    if (!id) co_return std::unexpected(administration::refuse_unknown());
    co_return co_await by_stored(bearer, std::string(*id));
  }
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const administration::Policy& policy = config->admin.policy;
  if (policy.oidc.empty() || !authentication::looks_like_token(bearer)) {
    co_return std::unexpected(administration::refuse_unknown());
  }
  const Expected<authentication::Identity> identity =
      co_await parts_.oidc.verify(bearer, arena, parts_.loop, parts_.clock.wall());
  if (!identity) co_return std::unexpected(identity.error());
  Expected<Admin> admin =
      administration::admin_of(policy, *identity, administration::Shown::kAsBearer);
  if (!admin) co_return std::unexpected(std::move(admin.error()));
  Proven proven{std::move(*admin), Source::kOidc, policy.oidc_stamp};
  co_return proven;
}

Task<Expected<Proven>> Door::by_stored(std::string_view bearer, std::string id) {
  using Checked = Expected<TokenRecord>;
  const std::function<Checked()> work = [this, bearer, id]() -> Checked {
    const Found found = parts_.answers.find_token(id);
    if (!found) return refuse_unread(found.error());
    const TokenRecord* const record = *found ? &**found : nullptr;
    const Expected<void> good =
        administration::verify(record, parts_.pepper.digest(bearer), parts_.clock.wall());
    if (!good) return std::unexpected(good.error());
    parts_.answers.use_token(*record);
    return *record;
  };
  const Fault away{FaultKind::kUnreachable, "too many wait for it"};
  DeskLine::Turn<Checked> turn(parts_.line, work, refuse_unread(away));
  const Checked checked = co_await turn;
  if (!checked) co_return std::unexpected(checked.error());
  Proven proven{admin_of(*checked), Source::kStored, {}};
  co_return proven;
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
      for (const Fixed& each : fixed_tokens()) {
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
  const std::string id = proven.admin.credential_id;
  const std::function<Found()> work = [this, id] { return parts_.answers.find_token(id); };
  DeskLine::Turn<Found> turn(parts_.line, work,
                             fault(FaultKind::kUnreachable, "too many wait for it"));
  const Found found = co_await turn;
  if (!found) co_return refuse_unread(found.error());
  if (!*found) co_return refuse_ended();
  const Expected<void> good =
      administration::verify(&**found, (*found)->digest, parts_.clock.wall());
  if (!good) co_return std::unexpected(good.error());
  co_return admin_of(**found);
}

FaultOr<std::string> Door::begin_session(Proven proven) {
  administration::Sessions::Random random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return fault(FaultKind::kRefusedByPeer, "the system gave no random bytes");
  }
  const administration::Moment now{parts_.clock.now(), parts_.clock.wall()};
  return sessions_.begin(random, std::move(proven), now);
}

}  // namespace tollgate::admin
