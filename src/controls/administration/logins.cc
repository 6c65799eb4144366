#include "controls/administration/logins.h"

#include <algorithm>

#include "controls/authentication/token_cache.h"

namespace tollgate::administration {

void Logins::begin(std::string_view id, PendingLogin login, const IpAddress& from, Instant now) {
  std::erase_if(pending_, [&](const Pending& each) { return now >= each.until; });
  const auto of_address = [&](const Pending& each) { return each.from == from; };
  if (std::ranges::count_if(pending_, of_address) >= std::ptrdiff_t{kOfAddressMax}) {
    pending_.erase(std::ranges::find_if(pending_, of_address));
  }
  if (pending_.size() >= kPendingMax) pending_.pop_front();
  pending_.push_back({authentication::digest_of(id), from, now + kTimeMax, std::move(login)});
}

std::optional<PendingLogin> Logins::take(std::string_view id, Instant now) {
  const authentication::Digest digest = authentication::digest_of(id);
  const auto found = std::ranges::find(pending_, digest, &Pending::id);
  if (found == pending_.end()) return std::nullopt;
  std::optional<PendingLogin> login;
  if (now < found->until) login = std::move(found->login);
  pending_.erase(found);
  return login;
}

}  // namespace tollgate::administration
