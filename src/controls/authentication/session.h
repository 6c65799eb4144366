// Sessions of a browser: a cookie that is a session by itself (session_cookie.h), or names one
// that the web application keeps in Redis as a JSON object.
//
// A browser sends its cookies along with whatever a page of anybody makes it send. So each entry
// says which pages its sessions are for, and holds calls to that (call_origin.h).
//
// No I/O; time is an argument. A reader belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/refusal.h"
#include "base/secret.h"
#include "controls/authentication/call_origin.h"
#include "controls/authentication/session_cookie.h"

namespace tollgate::authentication {

inline constexpr std::size_t kSessionIdBytesMax = 128;
inline constexpr std::size_t kSessionBytesMax = std::size_t{64} << 10;
inline constexpr std::string_view kIdPlace = "{id}";

// One entry of `authentication.sessions`.
struct SessionPolicy {
  SessionCookiePolicy cookie;
  std::optional<SessionKeys> keys;  // Of a cookie that is the session itself; else…
  Secret redis_url;                 // …where it is kept,
  std::string key;                  // under which key: "session:{id}",
  std::string created;              // and which member says when it began; empty: not looked at.
  std::vector<std::string>
      origins;  // Pages that may call; empty: those of the host that is called.

  bool in_store() const { return !redis_url.empty(); }
};

std::vector<PolicyMistake> check(const SessionPolicy& policy);
Digest digest_of(const SessionPolicy& policy);

// Whether a cookie can name a session in a store: letters, digits, `-`, `_`, `.` and `~`.
bool is_session_id(std::string_view cookie);
std::string store_key(const SessionPolicy& policy, std::string_view id);

// Refuses with kRouteNotAllowed what a page could have sent that is none of this entry's, reads as
// well. Looks at no session, so the answer tells nothing of it.
Expected<void> check_origin(const SessionPolicy& policy, const CallOrigin& call);

class StoredSessionReader {
 public:
  StoredSessionReader();
  ~StoredSessionReader();

  // Who the session belongs to whose text the store has. kInvalidCredential where it is no session,
  // kExpiredCredential where it has ended. Views of the identity are in `arena`.
  Expected<Identity> read(const SessionPolicy& policy, std::string_view stored,
                          const Tenants& tenants, WallTime now, Arena& arena);

 private:
  std::unique_ptr<JsonDocument> session_;
  std::string text_;
};

}  // namespace tollgate::authentication
