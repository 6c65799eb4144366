#include "controls/administration/sessions.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "controls/authentication/base64url.h"
#include "controls/authentication/token_cache.h"

namespace tollgate::administration {

using authentication::digest_of;

// Ends those that were not used for the longest, until fewer than `most` fit.
template <class Fits>
void Sessions::make_room(std::size_t most, Fits&& fits) {
  while (true) {
    auto oldest = sessions_.end();
    std::size_t count = 0;
    for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
      if (!fits(at->second)) continue;
      ++count;
      if (oldest == sessions_.end() || at->second.used < oldest->second.used) oldest = at;
    }
    if (count < most) return;
    sessions_.erase(oldest);
  }
}

std::string Sessions::begin(const Random& random, Proven proven, const Moment& at) {
  make_room(kOfOneMax, [&](const Session& session) {
    return session.proven.admin.credential_id == proven.admin.credential_id;
  });
  make_room(kSessionsMax, [](const Session&) { return true; });
  std::string id = authentication::encode_base64url(random);
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

void Sessions::end(std::string_view id) { sessions_.erase(digest_of(id)); }

void Sessions::end_all_of(std::string_view credential_id) {
  std::erase_if(sessions_, [&](const auto& each) {
    return each.second.proven.admin.credential_id == credential_id;
  });
}

std::string csrf_of(std::string_view session) {
  const authentication::Digest digest = digest_of("tollgate csrf " + std::string(session));
  return authentication::encode_base64url(digest);
}

bool is_csrf_of(std::string_view session, std::string_view shown) {
  const std::string right = csrf_of(session);
  return shown.size() == right.size() &&
         CRYPTO_memcmp(shown.data(), right.data(), right.size()) == 0;
}

}  // namespace tollgate::administration
