#include "cli/explain_actor.h"

#include "cli/pepper.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/imported_key.h"
#include "pipeline/identify.h"
#include "pipeline/plan.h"
#include "storage/stored_keys.h"

namespace tollgate::cli {

namespace {

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
  const Expected<void> bound = authentication::check_binding(*caller, circumstances.certificate);
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

FaultOr<Expected<authentication::Identity>> ActorBook::find(std::string_view as,
                                                            const Circumstances& circumstances,
                                                            const config::Config& config,
                                                            storage::Database* store, WallTime now,
                                                            Arena& arena) {
  using Found = Expected<authentication::Identity>;
  if (as == authentication::kAnonymousTenant) return pipeline::anonymous(config, arena);
  if (as.starts_with('{')) {
    return by_token(token_of(as, config), circumstances, config, now, arena);
  }
  if (authentication::looks_like_token(as)) {
    return by_token(as, circumstances, config, now, arena);
  }
  if (Expected<void> accepted = pipeline::check_keys_accepted(config); !accepted) {
    return Found(std::unexpected(accepted.error()));
  }
  if (store == nullptr) {
    return fault(FaultKind::kUnreachable,
                 "keys are in the store, which cannot be read from here; name the caller by its "
                 "claims instead: --as '{\"iss\": …}'");
  }
  FaultOr<Expected<Shown>> shown = shown_as(as, config, *store);
  if (!shown) return std::unexpected(shown.error());
  if (!*shown) return Found(std::unexpected(shown->error()));
  if (!(*shown)->key) return Found(std::unexpected(authentication::refuse_unknown()));
  key_ = std::move((*shown)->key);
  const authentication::KeyFacts facts = facts_of(*key_, circumstances, arena);
  const IpAddress from = circumstances.address.value_or(IpAddress{});
  if (Expected<void> good = authentication::verify((*shown)->digest, facts, from, now); !good) {
    return Found(std::unexpected(good.error()));
  }
  return pipeline::actor_of(facts, config, arena);
}

}  // namespace tollgate::cli
