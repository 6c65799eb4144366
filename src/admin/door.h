// Who asks at the admin address? Ties a request to one administrator, or refuses it.
//
// What is shown is a Bearer token (of the configuration, of the store, or of an issuer) or the
// cookie of a session that one of these began. A session is looked at with each use: what began it
// must still be in force. Guesses at tokens are limited by address, with growing delay, apart from
// those of callers (failures.h). What nobody can guess (tokens of the store, signed ones, sessions)
// is looked at always, so whoever else fails from an address locks no administrator out there.
//
// Tokens of the store are looked up on a thread of their own: a question that takes long holds up
// nobody who is to be known. Who came is on record (attendance.h).
//
// Of the loop of the admin address, except where said.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/attendance.h"
#include "admin/desk_line.h"
#include "admin/oidc_desk.h"
#include "admin/random_text.h"
#include "admin/register.h"
#include "base/secret.h"
#include "base/task.h"
#include "controls/administration/browser.h"
#include "controls/administration/sessions.h"
#include "controls/authentication/failures.h"

namespace tollgate::admin {

// The head lines that count here. Views of the request.
struct Shown {
  std::string_view bearer;
  std::string_view session;  // The cookie; where there is a bearer it vouches for nothing.
};

// Somebody who is known.
struct Known {
  administration::Proven proven;
  administration::Vouched vouched{};
  std::string session;  // The cookie, if that vouches.
};

class Door {
 public:
  // Who waits for the store here: one look each, so many of them are soon through.
  static constexpr int kWaitingMax = 1024;

  // All outlive it.
  struct Parts {
    const config::Current& config;
    storage::Store& store;
    const authentication::Pepper& pepper;
    const pipeline::Clock& clock;
    Executor& loop;
    Executor& desk;  // Another thread, of the door's alone.
    OidcDesk& oidc;
  };
  // `first_token` is the first owner's where the configuration has none.
  Door(const Parts& parts, Secret first_token);

  void set_token(Secret token) { token_ = std::move(token); }

  // What the head shows. kCredentialConflict where it shows one thing twice, kInvalidCredential for
  // another scheme than Bearer.
  Expected<Shown> read(const pipeline::RequestHead& head) const;

  Task<Expected<Known>> identify(pipeline::Exchange& exchange, const Shown& shown);

  // Counts what nobody can guess and was wrong all the same. Refuses with the delay of the address,
  // if it is in one (kRateLimited): that is what he is told then.
  Expected<void> judge_wrong(const IpAddress& from, std::string_view unguessable);

  // A new session, in the place of the one that this browser had before, if any. Refuses with
  // kRateLimited who begins too many, and with kStoreUnavailable where it cannot be on record.
  Task<Expected<std::string>> begin_session(administration::Proven proven, IpAddress from,
                                            std::string before);
  void end_session(const Known& known, const IpAddress& from);

  administration::Names names() const;
  std::string session_cookie_name() const;
  std::string login_cookie_name() const;

  // Counts somebody who was not let in, and has it on record unless he showed nothing at all.
  void turn_away(const TurnedAway& who);
  // How many were refused why, since the start. Any thread.
  std::uint64_t refusals(Reason reason) const {
    return refused_[static_cast<std::size_t>(reason)].load(std::memory_order_relaxed);
  }

  // Whoever waits for the store is sent away from now on. Any thread.
  void begin_closing() { line_.begin_closing(); }
  // What is not on record yet: when nobody comes any more, and from time to time.
  void close() { attendance_.close(); }
  void tend() { attendance_.tend(); }

 private:
  using Checked = Expected<administration::TokenRecord>;
  struct Fixed {
    authentication::Digest digest{};
    administration::Admin admin;
  };

  const Secret& first_token(const config::Config& config) const;
  std::vector<Fixed> fixed_tokens(const config::Config& config) const;
  bool is_guessable(std::string_view bearer) const;
  Expected<void> end_look(const authentication::Guess& guess, authentication::Look look,
                          authentication::LookEnd how);
  Task<Expected<administration::Proven>> by_bearer(std::string_view bearer, Arena& arena);
  Task<Checked> look_up(std::string id, std::optional<authentication::Digest> shown);
  Task<Expected<administration::Proven>> by_session(std::string_view id);
  Task<Expected<administration::Admin>> renew(const administration::Proven& proven);

  const Parts parts_;
  Secret token_;
  authentication::Failures failures_;
  administration::Sessions sessions_;
  Register register_;  // The desk's.
  DeskLine line_;
  Attendance attendance_;
  std::array<std::atomic<std::uint64_t>, kReasonCount> refused_{};
};

}  // namespace tollgate::admin
