#include "controls/authentication/session.h"

#include <algorithm>

#include "controls/authentication/claim_reading.h"
#include "controls/authentication/policy_digest.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

std::string rule_of(const SessionPolicy& policy) {
  return "authentication.sessions." + policy.cookie.name;
}

// When the session ends, as far as its own members say so.
Expected<std::optional<WallTime>> check_times(const SessionPolicy& policy,
                                              const dom::object& session, WallTime now,
                                              std::string_view rule) {
  std::optional<WallTime> ends;
  const auto bound = [&](const std::string& member, Duration most) -> Expected<void> {
    if (member.empty()) return {};
    const auto since = read_time(session, member, Presence::kMandatory, rule);
    if (!since) return std::unexpected(since.error());
    if (**since > now + kSessionLeeway) {
      return refuse_claims(rule, "The session begins later than now: a clock is wrong.");
    }
    ends = std::min(ends.value_or(WallTime::max()), **since + most);
    return {};
  };
  if (Expected<void> told = bound(policy.created, policy.cookie.age_max); !told) {
    return std::unexpected(told.error());
  }
  if (Expected<void> told = bound(policy.cookie.last_used, policy.cookie.idle_max); !told) {
    return std::unexpected(told.error());
  }
  if (ends && now >= *ends) return refuse_expired(rule, "The session has ended. Log in again.");
  return ends;
}

}  // namespace

std::vector<PolicyMistake> check(const SessionPolicy& policy) {
  std::vector<PolicyMistake> found = check(policy.cookie);
  if (policy.in_store()) {
    const std::size_t at = policy.key.find(kIdPlace);
    if (at == std::string::npos || policy.key.find(kIdPlace, at + 1) != std::string::npos) {
      found.push_back({"key", "It has `{id}` once, where the cookie's value belongs."});
    }
  }
  for (const std::string& origin : policy.origins) {
    const std::string_view host = host_of_origin(origin);
    if (host.empty() || host.find_first_of("/*?# ") != std::string_view::npos) {
      found.push_back({"origins", "An origin is a scheme and a host, `https://app.example.com`."});
    }
  }
  return found;
}

Digest digest_of(const SessionPolicy& policy) {
  PolicyDigest text;
  const Digest cookie = digest_of(policy.cookie);
  text.add(std::string_view(reinterpret_cast<const char*>(cookie.data()), cookie.size()));
  if (policy.keys) {
    const Digest& keys = policy.keys->digest();
    text.add(std::string_view(reinterpret_cast<const char*>(keys.data()), keys.size()));
  }
  text.add(policy.redis_url.reveal());
  text.add(policy.key);
  text.add(policy.created);
  text.add(policy.origins);
  return text.finish();
}

bool is_session_id(std::string_view cookie) {
  return !cookie.empty() && cookie.size() <= kSessionIdBytesMax &&
         std::ranges::all_of(cookie, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_' || c == '.' || c == '~';
         });
}

std::string store_key(const SessionPolicy& policy, std::string_view id) {
  std::string key = policy.key;
  if (const std::size_t at = key.find(kIdPlace); at != std::string::npos) {
    key.replace(at, kIdPlace.size(), id);
  }
  return key;
}

Expected<void> check_origin(const SessionPolicy& policy, const CallOrigin& call) {
  if (comes_from(policy.origins, call)) return {};
  return refuse(Reason::kRouteNotAllowed, rule_of(policy) + ".origins",
                "The call comes from a page that may not use the session of this browser "
                "(`Origin`, `Sec-Fetch-Site`).");
}

StoredSessionReader::StoredSessionReader() : session_(std::make_unique<JsonDocument>()) {}
StoredSessionReader::~StoredSessionReader() = default;

Expected<Identity> StoredSessionReader::read(const SessionPolicy& policy, std::string_view stored,
                                             const Tenants& tenants, WallTime now, Arena& arena) {
  const std::string rule = rule_of(policy);
  text_.assign(stored.substr(0, kSessionBytesMax + 1));
  const std::optional<dom::object> session =
      stored.size() > kSessionBytesMax ? std::nullopt : session_->read(text_);
  if (!session) {
    return refuse_claims(rule, "What is kept under this session is no session. Log in again.");
  }
  const Expected<std::optional<WallTime>> ends = check_times(policy, *session, now, rule);
  if (!ends) return std::unexpected(ends.error());
  const Voucher voucher{.name = policy.cookie.name, .kind = CredentialKind::kSession, .rule = rule};
  Expected<Identity> identity = map_claims(policy.cookie.claims, voucher, *session, tenants, arena);
  if (identity) identity->expires = *ends;
  return identity;
}

}  // namespace tollgate::authentication
