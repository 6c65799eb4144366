#include "controls/administration/logins.h"

#include <algorithm>
#include <utility>

#include "controls/authentication/token_cache.h"

namespace tollgate::administration {

void Logins::end(Place place) {
  const auto of_address = by_address_.find(place->from);
  std::erase(of_address->second, place);
  if (of_address->second.empty()) by_address_.erase(of_address);
  by_id_.erase(place->id);
  pending_.erase(place);
}

void Logins::make_room() {
  if (pending_.size() < kPendingMax) return;
  // Of those that have as many the one that began first, so that no address is preferred.
  const auto greediest =
      std::ranges::max_element(by_address_, [](const auto& one, const auto& other) {
        const std::size_t of_one = one.second.size();
        const std::size_t of_other = other.second.size();
        return of_one != of_other ? of_one < of_other
                                  : one.second.front()->number > other.second.front()->number;
      });
  end(greediest->second.front());
}

void Logins::begin(std::string_view id, PendingLogin login, const IpAddress& from, Instant now) {
  while (!pending_.empty() && now >= pending_.front().until) end(pending_.begin());
  make_room();
  const authentication::Digest digest = authentication::digest_of(id);
  if (const auto there = by_id_.find(digest); there != by_id_.end()) end(there->second);
  const Address whose = subscriber_of(from).bytes;
  const Place place =
      pending_.insert(pending_.end(), {digest, whose, begun_++, now + kTimeMax, std::move(login)});
  by_id_.emplace(digest, place);
  by_address_[whose].push_back(place);
}

std::optional<PendingLogin> Logins::take(std::string_view id, Instant now) {
  const auto found = by_id_.find(authentication::digest_of(id));
  if (found == by_id_.end()) return std::nullopt;
  const Place place = found->second;
  std::optional<PendingLogin> login;
  if (now < place->until) login = std::move(place->login);
  end(place);
  return login;
}

}  // namespace tollgate::administration
