// Logins that have begun at an issuer and not come back yet, in memory.
//
// Each is bound to one browser by a cookie with a random id, and is good for one answer: who comes
// back with the answer of another browser's login, or a second time, finds none. Bounded in all and
// for each address (a /64 of IPv6): whoever begins many ends his own, and where all places are
// taken, who has most of them gives one up.
//
// No clock: the caller passes the time; random bytes too. Of one thread.
#pragma once

#include <array>
#include <deque>
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
  static constexpr std::size_t kPendingMax = 1024;
  static constexpr std::size_t kOfAddressMax = 16;
  static constexpr Duration kTimeMax = std::chrono::minutes(10);

  // `id` goes to the browser as a cookie and nowhere else.
  void begin(std::string_view id, PendingLogin login, const IpAddress& from, Instant now);

  // The login of this browser, which is over with that. Nothing: it has none.
  std::optional<PendingLogin> take(std::string_view id, Instant now);

  std::size_t size() const { return pending_.size(); }

 private:
  struct Pending {
    authentication::Digest id{};
    IpAddress from;  // Whose it is (subscriber_of()).
    Instant until;
    PendingLogin login;
  };

  void make_room(const IpAddress& from);

  std::deque<Pending> pending_;  // The oldest first.
};

}  // namespace tollgate::administration
