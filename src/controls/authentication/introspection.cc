#include "controls/authentication/introspection.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "controls/authentication/claim_reading.h"
#include "controls/authentication/code_flow.h"
#include "controls/authentication/policy_digest.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

std::string rule_of(const IntrospectionPolicy& policy) {
  return "authentication.introspection." + policy.name;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// When the token stops; nothing where the answer does not say.
Expected<std::optional<WallTime>> check_times(const dom::object& answer, WallTime now,
                                              std::string_view rule) {
  const auto expires = read_time(answer, "exp", Presence::kOptional, rule);
  if (!expires) return std::unexpected(expires.error());
  const auto not_before = read_time(answer, "nbf", Presence::kOptional, rule);
  if (!not_before) return std::unexpected(not_before.error());
  if (*expires && now >= **expires) {
    return refuse_expired(rule, "The token has expired. Get a new one.");
  }
  if (*not_before && now < **not_before) {
    return refuse_claims(rule, "The token is not valid yet (`nbf`).");
  }
  return *expires;
}

bool begins_with_any(std::string_view token, std::span<const std::string> prefixes) {
  return std::ranges::any_of(prefixes,
                             [&](const std::string& prefix) { return token.starts_with(prefix); });
}

// Servers say in several ways that a token is none to ask with: RFC 7662 leaves it open, and calls
// refresh tokens active too.
bool is_other_token(const dom::object& answer) {
  constexpr std::string_view kMembers[] = {"token_type", "token_use", "typ"};
  constexpr std::string_view kOthers[] = {"refresh", "refresh_token", "refresh-token", "offline",
                                          "id",      "id_token"};
  return std::ranges::any_of(kMembers, [&](std::string_view member) {
    const std::string_view says = text_member(answer, member).value_or("");
    return std::ranges::any_of(
        kOthers, [&](std::string_view other) { return equal_ignoring_case(says, other); });
  });
}

}  // namespace

bool may_see(const IntrospectionPolicy& policy, std::span<const IntrospectionPolicy> all,
             std::string_view token) {
  if (!policy.prefixes.empty()) return begins_with_any(token, policy.prefixes);
  if (token.starts_with(kForeignKeyPrefix)) return false;
  return std::ranges::none_of(all, [&](const IntrospectionPolicy& other) {
    return begins_with_any(token, other.prefixes);
  });
}

std::vector<PolicyMistake> check(const IntrospectionPolicy& policy) {
  std::vector<PolicyMistake> found;
  if (!is_safe_url(policy.url)) {
    found.push_back(
        {"url", "Tokens are sent there, so it is an https URL (http only on loopback)."});
  }
  const bool sound = std::ranges::all_of(
      policy.prefixes, [](const std::string& prefix) { return is_opaque_token(prefix); });
  if (!sound)
    found.push_back({"prefix", "It is what tokens begin with: letters, digits, `-._~+/`."});
  if (policy.client.empty()) found.push_back({"client", "Without an `id` nobody may ask there."});
  check_optional(policy.audiences, found);
  if (policy.kept < Duration::zero() || policy.kept > IntrospectionPolicy::kKeptMax) {
    found.push_back({"keep", "It is 0s to 30s: a revoked token is good for as long."});
  }
  const std::vector<PolicyMistake> claims = check(policy.claims);
  found.insert(found.end(), claims.begin(), claims.end());
  return found;
}

Digest digest_of(const IntrospectionPolicy& policy) {
  PolicyDigest text;
  text.add("introspection");
  text.add(policy.name);
  text.add(policy.url);
  text.add(policy.prefixes);
  text.add(policy.client);
  text.add(policy.client_secret.reveal());
  text.add(static_cast<std::int64_t>(policy.proof));
  text.add(policy.issuer);
  text.add(policy.audiences);
  text.add(policy.claims);
  text.add(policy.timeout.count());
  text.add(policy.kept.count());
  text.add(policy.certificate_authority);
  return text.finish();
}

std::string introspection_form(const IntrospectionPolicy& policy, std::string_view token) {
  std::string form = fmt::format("token={}&token_type_hint=access_token", form_text(token));
  if (policy.proof == ClientProof::kPost) {
    form += fmt::format("&client_id={}&client_secret={}", form_text(policy.client),
                        form_text(policy.client_secret.reveal()));
  }
  return form;
}

std::string introspection_authorization(const IntrospectionPolicy& policy) {
  if (policy.proof == ClientProof::kPost) return {};
  return client_authorization(policy.client, policy.client_secret);
}

bool is_opaque_token(std::string_view token) {
  const std::string_view body = token.substr(0, token.find('='));
  return !body.empty() && token.size() <= kTokenBytesMax && std::ranges::all_of(body, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' ||
           c == '/';
  }) && token.substr(body.size()).find_first_not_of('=') == std::string_view::npos;
}

IntrospectionReader::IntrospectionReader() : answer_(std::make_unique<JsonDocument>()) {}
IntrospectionReader::~IntrospectionReader() = default;

Expected<Identity> IntrospectionReader::read(const IntrospectionPolicy& policy,
                                             std::string_view answer, const Tenants& tenants,
                                             WallTime now, Arena& arena) {
  const std::string rule = rule_of(policy);
  if (answer.size() > kIntrospectionBytesMax) return std::unexpected(refuse_unasked(rule));
  text_.assign(answer);
  const std::optional<dom::object> read = answer_->read(text_);
  bool active = false;
  if (!read || read->at_key("active").get(active) != simdjson::SUCCESS) {
    return std::unexpected(refuse_unasked(rule));
  }
  if (!active) return refuse_claims(rule, "The token is not active. Get a new one.");
  // From here on the server vouches for the token. Is it for us, and whose is it?

  if (is_other_token(*read)) {
    return refuse_claims(rule, "The token is no access token. Send the access token.");
  }
  if (Expected<void> ours = check_source(*read, policy.issuer, policy.audiences, rule); !ours) {
    return std::unexpected(std::move(ours.error()));
  }
  if (has_member(*read, "cnf")) {
    return refuse_claims(rule, "The token is bound to a key (`cnf`), which is not looked at here.");
  }
  const Expected<std::optional<WallTime>> ends = check_times(*read, now, rule);
  if (!ends) return std::unexpected(ends.error());
  const Voucher voucher{.name = policy.name, .kind = CredentialKind::kIntrospection, .rule = rule};
  Expected<Identity> identity = map_claims(policy.claims, voucher, *read, tenants, arena);
  if (identity) identity->expires = *ends;
  return identity;
}

}  // namespace tollgate::authentication
