#include "cli/explain_actor.h"

#include "controls/authentication/base64url.h"
#include "controls/authentication/claims.h"
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

// The actor of a key that the store knows by this id; what speaks against it is a refusal.
FaultOr<Expected<authentication::Identity>> by_key(std::string_view id,
                                                   const config::Config& config,
                                                   storage::Database& store, WallTime now,
                                                   Arena& arena) {
  const FaultOr<std::optional<authentication::KeyRecord>> key =
      storage::show_key(store, std::string(id));
  if (!key) return std::unexpected(key.error());
  if (!*key) {
    return Expected<authentication::Identity>(
        refuse(Reason::kInvalidCredential, "authentication", "There is no key of this id."));
  }
  const authentication::KeyRecord& record = **key;
  if (record.revoked && *record.revoked <= now) {
    return Expected<authentication::Identity>(
        refuse(Reason::kRevokedCredential, "authentication", "The key was revoked."));
  }
  if (record.expires && *record.expires <= now) {
    return Expected<authentication::Identity>(
        refuse(Reason::kExpiredCredential, "authentication", "The key has expired."));
  }
  authentication::KeyFacts facts;
  facts.id = arena.copy(record.id);
  facts.tenant = arena.copy(record.tenant);
  facts.user = arena.copy(record.user);
  facts.roles = copied(record.roles, arena);
  facts.reach.routes = copied(record.scopes.routes, arena);
  facts.reach.models = copied(record.scopes.models, arena);
  facts.reach.tools = copied(record.scopes.tools, arena);
  return pipeline::actor_of(facts, config, arena);
}

}  // namespace

Expected<authentication::Identity> ActorBook::by_token(std::string_view token,
                                                       const config::Config& config, WallTime now,
                                                       Arena& arena) {
  const Expected<authentication::Token> read = reader_.read(token);
  if (!read) return std::unexpected(read.error());
  const std::span<const authentication::JwtPolicy> policies = config.authentication.jwt;
  const Expected<std::size_t> chosen = authentication::choose_verifier(policies, *read);
  if (!chosen) return std::unexpected(chosen.error());
  return authentication::identify(policies[*chosen], *read, pipeline::ConfiguredTenants(config),
                                  now, arena);
}

FaultOr<Expected<authentication::Identity>> ActorBook::find(std::string_view as,
                                                            const config::Config& config,
                                                            storage::Database* store, WallTime now,
                                                            Arena& arena) {
  if (as == authentication::kAnonymousTenant) return pipeline::anonymous(config, arena);
  if (as.starts_with('{')) {
    // As a token of these claims; nobody looks at how it is signed.
    token_ = encoded(R"({"alg":"RS256"})") + '.' + encoded(as) + '.' + encoded("unsigned");
    return by_token(token_, config, now, arena);
  }
  if (authentication::looks_like_token(as)) return by_token(as, config, now, arena);
  std::string_view id = as;
  if (as.starts_with(authentication::kKeyPrefix)) {
    const Expected<std::string_view> read = authentication::read_key(as);
    if (!read) return Expected<authentication::Identity>(std::unexpected(read.error()));
    id = *read;
  }
  if (store == nullptr) {
    return fault(FaultKind::kUnreachable,
                 "keys are in the store, which cannot be read from here; name the caller by its "
                 "claims instead: --as '{\"iss\": …}'");
  }
  return by_key(id, config, *store, now, arena);
}

}  // namespace tollgate::cli
