#include "controls/administration/sessions.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "controls/administration/token.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/token_cache.h"

namespace tollgate::administration {

using authentication::digest_of;

namespace {

// Of whoever has less to say, a session makes room for others first.
int standing_of(const Proven& proven) {
  const Grant& grant = proven.admin.grant;
  return grant.is_bound() ? 0 : 1 + static_cast<int>(grant.role);
}

}  // namespace

static_assert((kTokensOfMakerMax + 1) * Sessions::kOfOneMax < Sessions::kSessionsMax);

// Ends those of the least standing that were not used for the longest, until fewer than `most` fit.
template <class Fits>
void Sessions::make_room(std::size_t most, Fits&& fits) {
  const auto order = [](const Session& session) {
    return std::pair(standing_of(session.proven), session.used);
  };
  while (true) {
    auto first = sessions_.end();
    std::size_t count = 0;
    for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
      if (!fits(at->second)) continue;
      ++count;
      if (first == sessions_.end() || order(at->second) < order(first->second)) first = at;
    }
    if (count < most) return;
    sessions_.erase(first);
  }
}

Expected<void> Sessions::admit(std::string_view credential_id, Instant now) {
  std::erase_if(begun_, [now](const auto& each) { return each.second <= now; });
  const auto found = begun_.find(credential_id);
  const Instant then = (found == begun_.end() ? now : found->second) + kBeginEvery;
  const Duration most = kBeginEvery * static_cast<std::int64_t>(kOfOneMax);
  if (then - now > most) {
    Refusal refusal;
    refusal.reason = Reason::kRateLimited;
    refusal.rule = "admin";
    refusal.message = "This credential has begun too many sessions just now.";
    refusal.retry_after = then - now - most;
    return std::unexpected(std::move(refusal));
  }
  begun_.insert_or_assign(std::string(credential_id), then);
  return {};
}

std::string Sessions::begin(const Random& random, Proven proven, const Moment& at) {
  make_room(kOfOneMax, [&](const Session& session) {
    return session.proven.admin.credential_id == proven.admin.credential_id;
  });
  make_room(kSessionsMax, [](const Session&) { return true; });
  std::string id = session_id(random);
  sessions_[digest_of(id)] = {std::move(proven), at.now, at.now};
  return id;
}

const Proven* Sessions::use(std::string_view id, const SessionRules& rules, const Moment& at) {
  const auto found = sessions_.find(digest_of(id));
  if (found == sessions_.end()) return nullptr;
  Session& session = found->second;
  const std::optional<WallTime>& expires = session.proven.admin.grant.expires;
  const bool over = at.now - session.used >= rules.idle_max ||
                    at.now - session.begun >= rules.age_max || (expires && at.wall >= *expires);
  if (over) {
    sessions_.erase(found);
    return nullptr;
  }
  session.used = at.now;
  return &session.proven;
}

void Sessions::renew(std::string_view id, const Admin& admin) {
  const auto found = sessions_.find(digest_of(id));
  if (found != sessions_.end()) found->second.proven.admin = admin;
}

bool Sessions::is_there(std::string_view id) const { return sessions_.contains(digest_of(id)); }

void Sessions::end(std::string_view id) { sessions_.erase(digest_of(id)); }

void Sessions::end_all_of(std::string_view credential_id) {
  std::erase_if(sessions_, [&](const auto& each) {
    return each.second.proven.admin.credential_id == credential_id;
  });
}

namespace {

// Another secret for each purpose, from which nothing of the id or of each other is learnt.
authentication::Digest derived(std::string_view session, std::string_view purpose) {
  authentication::Digest made{};
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), session.data(), static_cast<int>(session.size()),
             reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(), made.data(),
             &size) != nullptr &&
        size == made.size());
  return made;
}

}  // namespace

std::string session_id(const Sessions::Random& random) {
  return authentication::encode_base64url(random);
}

std::string public_name_of(std::string_view session) {
  const authentication::Digest whole = derived(session, "tollgate session name");
  return "ses_" + authentication::encode_base64url(std::span(whole).first(12));
}

std::string csrf_of(std::string_view session) {
  return authentication::encode_base64url(derived(session, "tollgate csrf"));
}

bool is_csrf_of(std::string_view session, std::string_view shown) {
  const std::string right = csrf_of(session);
  return shown.size() == right.size() &&
         CRYPTO_memcmp(shown.data(), right.data(), right.size()) == 0;
}

}  // namespace tollgate::administration
