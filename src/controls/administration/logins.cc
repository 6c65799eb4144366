#include "controls/administration/logins.h"

#include <algorithm>
#include <array>
#include <map>

#include "controls/authentication/token_cache.h"

namespace tollgate::administration {

// Ends the oldest login of this address where it has too many, or of those who have most where all
// together are too many.
void Logins::make_room(const IpAddress& from) {
  std::map<std::array<std::uint8_t, 16>, std::size_t> counts;
  std::size_t most = 0;
  for (const Pending& each : pending_) most = std::max(most, ++counts[each.from.bytes]);
  if (counts[from.bytes] >= kOfAddressMax) {
    pending_.erase(std::ranges::find(pending_, from, &Pending::from));
  } else if (pending_.size() >= kPendingMax) {
    const auto has_most = [&](const Pending& each) { return counts[each.from.bytes] == most; };
    pending_.erase(std::ranges::find_if(pending_, has_most));
  }
}

void Logins::begin(std::string_view id, PendingLogin login, const IpAddress& from, Instant now) {
  std::erase_if(pending_, [&](const Pending& each) { return now >= each.until; });
  const IpAddress whose = subscriber_of(from);
  make_room(whose);
  pending_.push_back({authentication::digest_of(id), whose, now + kTimeMax, std::move(login)});
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
