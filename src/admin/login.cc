#include "admin/login.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "admin/cookie.h"
#include "admin/query.h"
#include "controls/authentication/discovery.h"
#include "controls/authentication/token_cache.h"
#include "identity/waiter.h"

namespace tollgate::admin {

using administration::OidcPolicy;
using administration::PendingLogin;
using administration::Policy;
using administration::Proven;
using authentication::LoginPlaces;

namespace {

constexpr std::string_view kCallback = "/admin/callback";
constexpr std::string_view kRule = "admin.oidc";

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The entry of that name, or the first where none is named, of those with a client.
const OidcPolicy* entry_of(const Policy& policy, std::string_view name) {
  const auto fits = [&](const OidcPolicy& each) {
    return !each.client.empty() && (name.empty() || each.name == name);
  };
  const auto found = std::ranges::find_if(policy.oidc, fits);
  return found == policy.oidc.end() ? nullptr : &*found;
}

Answer no_provider() {
  return problem(404, "Not found", "No provider of this name is configured for logins.");
}

// To whoever is not known yet.
Answer provider_problem(const Fault& fault) {
  fmt::print(stderr, "tollgate: a login at the admin address fails: {}\n", fault.message);
  return problem(502, "The provider does not answer as it should",
                 "The gateway says on stderr why.");
}

// Somebody may have sent this browser here with the answer to a login of his own.
Refusal not_ours(std::string message) {
  return refuse(Reason::kInvalidRequest, std::string(kRule), std::move(message)).error();
}

Refusal too_many_at_once() {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = kRule;
  refusal.message = "Too many logins from this address are at work. Reload this page.";
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

// What decides who is asked for a provider's metadata, and who vouches for the answer.
authentication::Digest source_of(const OidcPolicy& entry) {
  const CertificateAuthority& authority = entry.bearer.certificate_authority;
  const std::string_view digest(reinterpret_cast<const char*>(authority.digest.data()),
                                authority.digest.size());
  return authentication::digest_of(fmt::format("{}{}", digest, entry.bearer.issuer));
}

// What else a provider says with it is of no interest.
OrWords<Login::Come> read_come(std::string_view query) {
  const OrWords<Parameters> parameters = parse_query(query);
  if (!parameters) return std::unexpected(parameters.error());
  Login::Come come;
  for (const auto& [name, value] : *parameters) {
    std::string* const text = name == "code"    ? &come.code
                              : name == "state" ? &come.state
                              : name == "iss"   ? &come.issuer
                                                : nullptr;
    if (name == "error") come.refused = true;
    if (text == nullptr) continue;
    if (!text->empty()) return std::unexpected(fmt::format("`{}` is there twice", name));
    *text = value;
  }
  return come;
}

// A page of the same site that goes on by itself: a browser that comes back from the provider does
// not send a cookie with SameSite=Strict before it has loaded a page from here.
constexpr std::string_view kLoggedIn =
    "<!doctype html><title>tollgate</title>"
    "<meta http-equiv=\"refresh\" content=\"0;url=/admin/v1/session\">"
    "<p>You are logged in. <a href=\"/admin/v1/session\">Go on</a>.</p>\n";

}  // namespace

Task<Login::Places> Login::places_of(const OidcPolicy& entry, IpAddress from) {
  const std::string& issuer = entry.bearer.issuer;
  const authentication::Digest source = source_of(entry);
  if (const auto known = places_.find(source);
      known != places_.end() && parts_.clock.now() < known->second.until) {
    co_return known->second.places;
  }
  identity::WebRequest request;
  request.asked = fmt::format("{}.{}", kRule, entry.name);
  request.url = authentication::discovery_url(issuer);
  request.certificate_authority = entry.bearer.certificate_authority;
  request.timeout = kTimeout;
  request.bytes_max = authentication::kDiscoveryBytesMax;
  const std::string asked = request.asked;
  identity::Inquiry::Asked waiter(parts_.loop);
  const auto submit = [&](identity::Inquiry::Asked& waits) {
    return inquiry_.ask(source, std::move(request), from, waits);
  };
  const FaultOr<std::string> answer = co_await waiter.ask(submit);
  Places places = fault(FaultKind::kUnreachable, "");
  if (!answer) {
    places = std::unexpected(answer.error());
  } else if (const auto read = authentication::read_login_places(*answer, issuer)) {
    places = *read;
  } else {
    places = fault(FaultKind::kBroken, fmt::format("{}: {}", asked, read.error()));
  }
  const Duration kept = places ? kPlacesKept : kFailureKept;
  const Instant now = parts_.clock.now();
  std::erase_if(places_, [now](const auto& each) { return now >= each.second.until; });
  places_[source] = {places, now + kept};
  co_return places;
}

Task<Answer> Login::begin(pipeline::Exchange& exchange, std::string_view query) {
  const OrWords<Parameters> parameters = parse_query(query);
  std::string name;
  if (parameters) {
    for (const auto& [key, value] : *parameters) {
      if (key != "with") co_return bad_request("Only `with` is known here.");
      name = value;
    }
  }
  if (!parameters) co_return bad_request(parameters.error());
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const OidcPolicy* const entry = entry_of(config->admin.policy, name);
  if (entry == nullptr) co_return no_provider();
  const Places places = co_await places_of(*entry, exchange.head().client_ip);
  if (!places) co_return provider_problem(places.error());

  PendingLogin login;
  std::string id;
  for (std::string* text : {&id, &login.state, &login.nonce, &login.verifier}) {
    FaultOr<std::string> random = random_text();
    if (!random) co_return store_problem(random.error());
    *text = std::move(*random);
  }
  const administration::Names names = parts_.door.names();
  const pipeline::RequestHead& head = exchange.head();
  login.entry = entry->name;
  login.redirect = origin_of(names, head.header("host")) + std::string(kCallback);
  login.exchange = places->exchange;
  login.names_issuer = places->names_itself;
  const authentication::LoginRequest request{
      .client = entry->client,
      .redirect = login.redirect,
      .scopes = entry->scopes,
      .state = login.state,
      .nonce = login.nonce,
      .verifier = login.verifier,
  };
  const std::string name_of_cookie = parts_.door.login_cookie_name();
  const Cookie cookie{.name = name_of_cookie,
                      .value = id,
                      .site = SameSite::kLax,
                      .secure = is_secure(names),
                      .age_max = administration::Logins::kTimeMax};
  Answer made{302, {}, "text/plain"};
  made.headers =
      fmt::format("location: {}\r\n{}", authorization_url(*places, request), set_cookie(cookie));
  logins_.begin(id, std::move(login), head.client_ip, parts_.clock.now());
  co_return made;
}

// Whatever came of it, the login of this browser is over.
std::string Login::ended_cookie() const {
  const std::string name = parts_.door.login_cookie_name();
  return end_cookie(
      {.name = name, .site = SameSite::kLax, .secure = is_secure(parts_.door.names())});
}

Answer Login::turn_away(pipeline::Exchange& exchange, const Refusal& refusal,
                        const administration::Admin* admin) {
  parts_.door.turn_away({.from = exchange.head().client_ip,
                         .asked = fmt::format("GET {}", kCallback),
                         .admin = admin,
                         .credential_id = {},
                         .reason = refusal.reason});
  return refused(refusal);
}

Task<Answer> Login::finish(pipeline::Exchange& exchange, std::string_view query) {
  OrWords<Come> come = read_come(query);
  if (!come) co_return bad_request(come.error());
  const Expected<std::string_view> id = authentication::find_cookie(
      exchange.head().header("cookie"), parts_.door.login_cookie_name());
  const auto from = subscriber_of(exchange.head().client_ip).bytes;
  if (const auto known = exchanges_.find(from);
      known != exchanges_.end() && known->second >= kExchangesOfAddressMax) {
    // Its login is not over with that.
    co_return turn_away(exchange, too_many_at_once());
  }
  std::optional<PendingLogin> login;
  if (id && !id->empty()) login = logins_.take(*id, parts_.clock.now());
  if (!login || come->state.empty() || !same(login->state, come->state)) {
    co_return turn_away(
        exchange, not_ours("This browser has no such login at work: it took too long, was answered "
                           "before, or began elsewhere. Begin again at /admin/login."));
  }
  ++exchanges_[from];
  Answer made = co_await conclude(exchange, std::move(*login), std::move(*come));
  if (--exchanges_[from] == 0) exchanges_.erase(from);
  made.headers += ended_cookie();
  co_return made;
}

// From here on the answer is of this browser's login, and nobody can give it again.
Task<Answer> Login::conclude(pipeline::Exchange& exchange, PendingLogin login, Come come) {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const OidcPolicy* const entry = entry_of(config->admin.policy, login.entry);
  if (entry == nullptr) co_return no_provider();
  // RFC 9207: an answer of another issuer than the one that was asked, or of nobody where that one
  // always says who it is.
  const bool unnamed = come.issuer.empty() && login.names_issuer;
  if (unnamed || (!come.issuer.empty() && come.issuer != entry->bearer.issuer)) {
    co_return turn_away(
        exchange, not_ours("The answer is of another issuer (`iss`), or does not say of which."));
  }
  if (come.refused) {
    co_return turn_away(exchange, refuse(Reason::kRouteNotAllowed, std::string(kRule),
                                         "The provider did not let you log in.")
                                      .error());
  }
  if (come.code.empty()) co_return bad_request("The answer has no code.");
  const IpAddress from = exchange.head().client_ip;
  const Exchanged exchanged = co_await exchange_code(*entry, login, come.code);
  if (!exchanged) co_return provider_problem(exchanged.error());
  if (!*exchanged) {
    const Expected<void> told = parts_.door.judge_wrong(from, come.code);
    co_return turn_away(exchange, told ? exchanged->error() : told.error());
  }
  Expected<Proven> proven = co_await verify(login, **exchanged, exchange.arena());
  if (!proven) co_return turn_away(exchange, proven.error());
  co_return co_await let_in(exchange, std::move(*proven));
}

Task<Answer> Login::let_in(pipeline::Exchange& exchange, Proven proven) {
  std::string before;
  if (const Expected<Shown> shown = parts_.door.read(exchange.head())) before = shown->session;
  const Expected<std::string> session =
      co_await parts_.door.begin_session(proven, exchange.head().client_ip, std::move(before));
  if (!session) co_return turn_away(exchange, session.error(), &proven.admin);
  const std::string name = parts_.door.session_cookie_name();
  Answer made{200, std::string(kLoggedIn), "text/html; charset=utf-8"};
  made.headers =
      set_cookie({.name = name, .value = *session, .secure = is_secure(parts_.door.names())});
  co_return made;
}

Task<Login::Exchanged> Login::exchange_code(const OidcPolicy& entry, const PendingLogin& login,
                                            std::string_view code) {
  identity::WebRequest request;
  request.asked = fmt::format("{}.{}", kRule, entry.name);
  request.url = login.exchange;
  request.certificate_authority = entry.bearer.certificate_authority;
  if (!entry.client_secret.empty()) {
    request.authorization = authentication::client_authorization(entry.client, entry.client_secret);
  }
  request.content_type = "application/x-www-form-urlencoded";
  const authentication::ExchangeRequest form{
      .client = entry.client,
      .redirect = login.redirect,
      .code = code,
      .verifier = login.verifier,
  };
  request.body = authentication::exchange_form(form);
  request.timeout = kTimeout;
  request.bytes_max = static_cast<Bytes>(authentication::kExchangeBytesMax);
  request.reads_refusals = true;
  const FaultOr<identity::WebAnswer> answer = co_await parts_.web.ask(request);
  if (!answer) co_return std::unexpected(answer.error());
  if (answer->status == 400 && authentication::says_wrong_code(answer->body)) {
    const Expected<authentication::Exchanged> wrong =
        refuse(Reason::kInvalidCredential, std::string(kRule),
               "The provider does not know the code of this login, or no more. Begin again at "
               "/admin/login.");
    co_return wrong;
  }
  if (answer->status == 400) {
    co_return fault(FaultKind::kRefusedByPeer,
                    fmt::format("{}: `{}` answers with status 400, and not that the code is wrong",
                                request.asked, request.url));
  }
  std::expected<authentication::Exchanged, std::string> read =
      authentication::read_exchange(answer->body);
  if (!read) {
    co_return fault(FaultKind::kBroken, fmt::format("{}: {}", request.asked, read.error()));
  }
  co_return std::move(*read);
}

// By what is in force when the issuer's keys are known.
Task<Expected<Proven>> Login::verify(const PendingLogin& login,
                                     const authentication::Exchanged& exchanged, Arena& arena) {
  const Expected<OidcDesk::Verified> verified =
      co_await parts_.oidc.verify(exchanged.id_token, arena, parts_.loop, parts_.clock);
  if (!verified) co_return std::unexpected(verified.error());
  const Policy& policy = verified->config->admin.policy;
  const OidcPolicy* const entry = entry_of(policy, login.entry);
  // Of the entry that this browser was sent to, and of no other.
  if (entry == nullptr || verified->identity.verifier != entry->login.name) {
    co_return std::unexpected(administration::refuse_unknown());
  }
  const Expected<authentication::Token> read = tokens_.read(exchanged.id_token);
  if (!read) co_return std::unexpected(read.error());
  const authentication::IdTokenPlan plan{login.nonce, entry->client, exchanged.access_token};
  if (const Expected<void> ours = authentication::check_id_token(*read, plan, kRule); !ours) {
    co_return std::unexpected(ours.error());
  }
  Expected<administration::Admin> admin =
      administration::admin_of(policy, verified->identity, administration::Shown::kAtLogin);
  if (!admin) co_return std::unexpected(std::move(admin.error()));
  Proven proven{std::move(*admin), administration::Source::kOidc, policy.oidc_stamp};
  co_return proven;
}

}  // namespace tollgate::admin
