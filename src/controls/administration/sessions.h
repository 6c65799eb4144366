// Sessions of administrators in the browser, in memory: each gateway has its own, and a start
// forgets all. Nothing but the digest of a session's id is kept, so what is read out of the
// process is no session.
//
// A session is made by a credential and is never more than it: it ends with that credential, when
// it was idle for too long, at its greatest age, or when its administrator begins more than
// kOfOneMax. Where there are kSessionsMax, one of whoever has least to say makes room: of those who
// are bound to tenants, then of the lesser roles, the one that was idle for the longest. Nobody
// fills all places with tokens of his share (kTokensOfMakerMax). He begins kOfOneMax at once and
// then one in kBeginEvery, as each is on record. Its id is made here alone and anew at each login,
// so nobody can hand one to a browser before. What of a credential can change meanwhile (a
// revocation, a configuration) is for the caller to look at with each use.
//
// No clock: the caller passes the time; random bytes too. Of one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "controls/administration/policy.h"

namespace tollgate::administration {

// Where a credential is looked up again.
enum class Source : std::uint8_t {
  kFixed,   // In the configuration, or the file beside the ledger.
  kStored,  // Among the tokens of the store.
  kOidc,    // At its issuer, once.
};

// Somebody who is known, and by what.
struct Proven {
  Admin admin;
  Source source = Source::kFixed;
  authentication::Digest stamp{};  // Of a fixed token its digest, of kOidc Policy::oidc_stamp.
};

struct Moment {
  Instant now;
  WallTime wall;
};

class Sessions {
 public:
  static constexpr std::size_t kOfOneMax = 8;
  static constexpr std::size_t kSessionsMax = 1024;
  static constexpr Duration kBeginEvery = std::chrono::seconds(10);
  using Random = std::array<std::uint8_t, 32>;

  // Whether this credential may begin another one now, which counts. Refuses with kRateLimited and
  // the wait.
  Expected<void> admit(std::string_view credential_id, Instant now);
  // The id of a new one; `random` must come from a cryptographic generator.
  std::string begin(const Random& random, Proven proven, const Moment& at);

  // Who uses the session now; null: there is none in force under this id. Until the next call.
  const Proven* use(std::string_view id, const SessionRules& rules, const Moment& at);

  // Takes over what is true of the credential by now.
  void renew(std::string_view id, const Admin& admin);
  bool is_there(std::string_view id) const;
  void end(std::string_view id);
  void end_all_of(std::string_view credential_id);

  std::size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    Proven proven;
    Instant begun;
    Instant used;
  };
  using All = std::map<authentication::Digest, Session>;

  template <class Fits>
  void make_room(std::size_t most, Fits&& fits);

  All sessions_;
  // When all that a credential may begin at once is there again; of those where it is not.
  std::map<std::string, Instant, std::less<>> begun_;
};

// The id that these bytes make.
std::string session_id(const Sessions::Random& random);

// What a session is called where others see it: "ses_…". Whoever knows that does not know the
// session.
std::string public_name_of(std::string_view session);

// What a page must send along with whatever changes something, so that no page of others can:
// `x-tollgate-csrf`. It is an HMAC-SHA-256 of a constant under the session's id, 256 random bits:
// whoever knows it knows neither the id nor the digest by which the session is found, and without
// the id it is as hard to guess as that. So it is as new as its session, and nothing more is kept.
std::string csrf_of(std::string_view session);

// Whether it is that, in constant time.
bool is_csrf_of(std::string_view session, std::string_view shown);

}  // namespace tollgate::administration
