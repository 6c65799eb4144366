#include "cli/explain_actor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/ascii.h"
#include "cli/pepper.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/imported_key.h"
#include "identity/desk.h"
#include "identity/identities.h"
#include "net/net.h"
#include "pipeline/identify.h"
#include "pipeline/plan.h"
#include "storage/stored_keys.h"

namespace tollgate::cli {

namespace {

constexpr std::string_view kCookie = "cookie:";

std::string encoded(std::string_view text) {
  return authentication::encode_base64url(
      {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::span<const std::string_view> copied(const std::vector<std::string>& names, Arena& arena) {
  const auto made = arena.make<std::string_view>(names.size());
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = arena.copy(names[i]);
  return made;
}

// A key as the store has it, and the digest that was shown of it.
struct Shown {
  std::optional<authentication::KeyRecord> key;
  authentication::Digest digest{};
};

// By its id: as if its secret were shown with it.
FaultOr<Shown> shown_by_id(std::string_view id, storage::Database& store) {
  FaultOr<std::optional<authentication::KeyRecord>> key = storage::show_key(store, std::string(id));
  if (!key) return std::unexpected(key.error());
  Shown shown;
  shown.key = std::move(*key);
  if (shown.key) shown.digest = shown.key->digest;
  return shown;
}

FaultOr<Expected<Shown>> shown_as(std::string_view as, const config::Config& config,
                                  storage::Database& store) {
  const bool ours = as.starts_with(authentication::kKeyPrefix);
  if (!ours) {
    FaultOr<Shown> shown = shown_by_id(as, store);
    if (!shown) return std::unexpected(shown.error());
    if (shown->key || !authentication::may_be_imported(as)) return std::move(*shown);
  }
  const Expected<std::string_view> read = ours ? authentication::read_key(as) : as;
  if (!read) return Expected<Shown>(std::unexpected(read.error()));
  const FaultOr<authentication::Pepper> pepper = pepper_of(config, store);
  if (!pepper) {
    return fault(pepper.error().kind, pepper.error().message +
                                          " A secret cannot be compared without it; name the key "
                                          "by its id.");
  }
  authentication::Digest digest;
  std::string id;
  if (ours) {
    digest = pepper->digest(as);
    id = *read;
  } else {
    const authentication::ImportedKey imported = authentication::imported_key(*pepper, as);
    digest = imported.digest;
    id = imported.id();
  }
  FaultOr<Shown> shown = shown_by_id(id, store);
  if (!shown) return std::unexpected(shown.error());
  shown->digest = digest;
  return std::move(*shown);
}

authentication::KeyFacts facts_of(const authentication::KeyRecord& record,
                                  const Circumstances& circumstances, Arena& arena) {
  authentication::KeyFacts facts;
  facts.id = record.id;
  facts.digest = record.digest;
  facts.tenant = record.tenant;
  facts.user = record.user;
  facts.roles = copied(record.roles, arena);
  facts.expires = record.expires;
  facts.revoked = record.revoked;
  facts.reach.routes = copied(record.scopes.routes, arena);
  facts.reach.models = copied(record.scopes.models, arena);
  facts.reach.tools = copied(record.scopes.tools, arena);
  if (circumstances.address) facts.addresses = record.scopes.addresses;
  return facts;
}

std::optional<authentication::Digest> digest_in(const Circumstances& circumstances) {
  if (!circumstances.certificate) return std::nullopt;
  return circumstances.certificate->digest;
}

bool shows_session(std::string_view cookies, const config::Config& config) {
  return std::ranges::any_of(config.authentication.sessions, [&](const auto& each) {
    const auto found = authentication::find_cookie(cookies, each.cookie.cookie);
    return !found || !found->empty();  // Two that differ are for the desk to refuse.
  });
}

// Whom a gateway would ask who that is; empty: nobody.
std::string asked_about(const pipeline::Presented& shown, const config::Config& config) {
  const authentication::Policy& policy = config.authentication;
  std::vector<std::string> all;
  for (const auto& each : policy.introspection) {
    const bool sees = authentication::is_opaque_token(shown.token) &&
                      authentication::may_see(each, policy.introspection, shown.token);
    if (sees) {
      all.push_back(fmt::format("authentication.introspection.{} at {}", each.name, each.url));
    }
  }
  for (const auto& each : policy.sessions) {
    const auto cookie = authentication::find_cookie(shown.cookies, each.cookie.cookie);
    if (each.in_store() && cookie && authentication::is_session_id(*cookie)) {
      all.push_back(fmt::format("the store of authentication.sessions.{}", each.cookie.name));
    }
  }
  return fmt::format("{}", fmt::join(all, ", then "));
}

// What is put to a desk on a loop, which ends with the answer.
struct Question {
  identity::Desk& desk;
  const pipeline::Presented& shown;
  const config::Config& config;
  Arena& arena;
  net::Loop& loop;
  WallTime now;
  std::optional<Expected<authentication::Identity>> answer;
};
Task<void> put(Question& question) {
  question.answer = co_await question.desk.identify(question.shown, question.config, question.arena,
                                                    question.loop, question.now);
  question.loop.stop();
}

}  // namespace

Expected<authentication::Identity> ActorBook::by_token(std::string_view token,
                                                       const Circumstances& circumstances,
                                                       const config::Config& config, WallTime now,
                                                       Arena& arena) {
  const Expected<authentication::Token> read = reader_.read(token);
  if (!read) return std::unexpected(read.error());
  const std::span<const authentication::JwtPolicy> policies = config.authentication.jwt;
  const Expected<std::size_t> chosen = authentication::choose_verifier(policies, *read);
  if (!chosen) return std::unexpected(chosen.error());
  Expected<authentication::Identity> caller = authentication::identify(
      policies[*chosen], *read, pipeline::ConfiguredTenants(config), now, arena);
  if (!caller) return caller;
  pipeline::add_roles_of_tenant(config, *caller, arena);
  const Expected<void> bound = authentication::check_binding(*caller, digest_in(circumstances));
  if (!bound) return std::unexpected(bound.error());
  return caller;
}

// A token of these claims, of the type that its verifier takes; nobody looks at its signature.
std::string_view ActorBook::token_of(std::string_view claims, const config::Config& config) {
  const auto made_as = [&](std::string_view header) {
    return encoded(header) + '.' + encoded(claims) + '.' + encoded("unsigned");
  };
  token_ = made_as(R"({"alg":"RS256"})");
  const Expected<authentication::Token> read = reader_.read(token_);
  if (!read) return token_;
  const auto& policies = config.authentication.jwt;
  const Expected<std::size_t> chosen = authentication::choose_verifier(policies, *read);
  if (chosen && policies[*chosen].type == authentication::TokenType::kAccessToken) {
    token_ = made_as(R"({"alg":"RS256","typ":"at+jwt"})");
  }
  return token_;
}

FaultOr<bool> ActorBook::is_key(std::string_view as, const config::Config& config,
                                storage::Database* store) {
  if (as.starts_with(authentication::kKeyPrefix) || !config.authentication.takes_tokens()) {
    return true;
  }
  if (!config.authentication.api_keys) return false;
  if (store == nullptr) return config.authentication.introspection.empty();
  const FaultOr<Expected<Shown>> shown = shown_as(as, config, *store);
  if (!shown) return std::unexpected(shown.error());
  return shown->has_value() && (*shown)->key.has_value();
}

FaultOr<Expected<authentication::Identity>> ActorBook::by_key(std::string_view as,
                                                              const Circumstances& circumstances,
                                                              const config::Config& config,
                                                              storage::Database* store,
                                                              WallTime now, Arena& arena) {
  if (Expected<void> accepted = pipeline::check_keys_accepted(config); !accepted) {
    return Actor(std::unexpected(accepted.error()));
  }
  if (store == nullptr) {
    return fault(FaultKind::kUnreachable,
                 "keys are in the store, which cannot be read from here; name the caller by its "
                 "claims instead: --as '{\"iss\": …}'");
  }
  FaultOr<Expected<Shown>> shown = shown_as(as, config, *store);
  if (!shown) return std::unexpected(shown.error());
  if (!*shown) return Actor(std::unexpected(shown->error()));
  if (!(*shown)->key) return Actor(std::unexpected(authentication::refuse_unknown()));
  key_ = std::move((*shown)->key);
  const authentication::KeyFacts facts = facts_of(*key_, circumstances, arena);
  const IpAddress from = circumstances.address.value_or(IpAddress{});
  if (Expected<void> good = authentication::verify((*shown)->digest, facts, from, now); !good) {
    return Actor(std::unexpected(good.error()));
  }
  return pipeline::actor_of(facts, config, arena);
}

// By the desk of a gateway that has just started.
Found ActorBook::by_others(const pipeline::Presented& shown, const Circumstances& circumstances,
                           const config::Config& config, WallTime now, Arena& arena) {
  const bool asks = circumstances.others == Circumstances::Others::kAsked;
  if (std::string whom = asked_about(shown, config); !asks && !whom.empty()) {
    return {Actor(), std::move(whom)};
  }
  identity::Identities identities;
  if (asks) identities.start(config);
  identity::Desk desk(identities);
  net::Loop loop;
  Question question{desk, shown, config, arena, loop, now, std::nullopt};
  loop.post([&question] { start(put(question)); });
  loop.run();
  identities.stop();
  Actor actor = std::move(*question.answer);
  if (actor) {
    const Expected<void> bound = authentication::check_binding(*actor, digest_in(circumstances));
    if (!bound) actor = std::unexpected(bound.error());
  }
  return {std::move(actor)};
}

FaultOr<Found> ActorBook::find_alone(std::string_view as, const Circumstances& circumstances,
                                     const config::Config& config, storage::Database* store,
                                     WallTime now, Arena& arena) {
  const authentication::Policy& policy = config.authentication;
  const bool asks = circumstances.others == Circumstances::Others::kAsked;
  if (as.starts_with('{')) {
    return Found{by_token(token_of(as, config), circumstances, config, now, arena)};
  }
  pipeline::Presented shown;
  if (equal_ignoring_case(as.substr(0, kCookie.size()), kCookie)) {
    as.remove_prefix(kCookie.size());
    shown.cookies = as.substr(std::min(as.find_first_not_of(' '), as.size()));
    // As if from a page that may call: which page that is, no cookie tells.
    shown.origin.method = "GET";
    if (!shows_session(shown.cookies, config)) {
      return Found{std::unexpected(pipeline::refuse_anonymous())};
    }
    return by_others(shown, circumstances, config, now, arena);
  }
  const bool is_signed = authentication::looks_like_token(as) && !policy.jwt.empty();
  if (is_signed && !asks) return Found{by_token(as, circumstances, config, now, arena)};
  const FaultOr<bool> key = is_signed ? false : is_key(as, config, store);
  if (!key) return std::unexpected(key.error());
  if (*key) {
    FaultOr<Actor> actor = by_key(as, circumstances, config, store, now, arena);
    if (!actor) return std::unexpected(actor.error());
    return Found{std::move(*actor)};
  }
  shown.token = as;
  return by_others(shown, circumstances, config, now, arena);
}

FaultOr<Found> ActorBook::find(std::string_view as, const Circumstances& circumstances,
                               const config::Config& config, storage::Database* store, WallTime now,
                               Arena& arena) {
  const bool alone = as.empty() || as == authentication::kAnonymousTenant;
  std::optional<authentication::Identity> caller;
  if (!alone) {
    FaultOr<Found> found = find_alone(as, circumstances, config, store, now, arena);
    if (!found || !found->would_ask.empty() || !found->actor) return found;
    caller = *found->actor;
  }
  if (circumstances.certificate && !(caller && caller->certificate)) {
    pipeline::RequestHead head;
    head.certificate = &*circumstances.certificate;
    const auto certified = pipeline::identify_certificate(head, config, verdicts_, now, arena);
    if (!certified) return Found{std::unexpected(certified.error())};
    if (*certified) {
      if (Expected<void> one = pipeline::join(caller, **certified); !one) {
        return Found{std::unexpected(one.error())};
      }
    }
  }
  if (!caller && circumstances.certificate && !pipeline::lets_anonymous_in(config)) {
    return Found{std::unexpected(pipeline::refuse_anonymous())};
  }
  return Found{caller ? *caller : pipeline::anonymous(config, arena)};
}

}  // namespace tollgate::cli
