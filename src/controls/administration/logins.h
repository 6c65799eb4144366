// Logins that have begun at an issuer and not come back yet, in memory.
//
// Each is bound to one browser by a cookie with a random id, and is good for one answer: who comes
// back with the answer of another browser's login, or a second time, finds none. Bounded in all.
// Many people may share one address, so it has no bound of its own: only where all places are taken
// the address (a /64 of IPv6) that has most of them gives up its oldest. So whoever begins
// however many ends his own and those of his neighbours behind that address, and nobody else's as
// long as these have fewer; and he has to begin kPendingMax within kTimeMax for that.
//
// No clock: the caller passes the time; random bytes too. Of one thread.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"

namespace tollgate::administration {

struct PendingLogin {
  std::string entry;  // Of `admin.oidc`.
  std::string state;
  std::string nonce;
  std::string verifier;       // Of RFC 7636.
  std::string redirect;       // Where the issuer sends the browser back to, to the letter.
  std::string exchange;       // Where the code is good for a token.
  bool names_issuer = false;  // An answer that does not say of whom it is, is of somebody else.
};

class Logins {
 public:
  static constexpr std::size_t kPendingMax = 4096;
  static constexpr Duration kTimeMax = std::chrono::minutes(10);

  // `id` goes to the browser as a cookie and nowhere else; random, so none is there already.
  void begin(std::string_view id, PendingLogin login, const IpAddress& from, Instant now);

  // The login of this browser, which is over with that. Nothing: it has none.
  std::optional<PendingLogin> take(std::string_view id, Instant now);

  std::size_t size() const { return pending_.size(); }

 private:
  using Address = std::array<std::uint8_t, 16>;
  struct Pending {
    authentication::Digest id{};
    Address from{};            // Whose it is (subscriber_of()).
    std::uint64_t number = 0;  // In the order of their beginnings.
    Instant until;
    PendingLogin login;
  };
  using Place = std::list<Pending>::iterator;

  void end(Place place);
  std::uint64_t begun_ = 0;
  void make_room();

  std::list<Pending> pending_;  // The oldest first.
  std::map<authentication::Digest, Place> by_id_;
  std::map<Address, std::list<Place>> by_address_;  // Of each the oldest first; none is empty.
};

}  // namespace tollgate::administration
