// Who asks at the admin address? Ties a request to one administrator, or refuses it.
//
// What is shown is a Bearer token (of the configuration, of the store, or of an issuer) or the
// cookie of a session that one of these began. A session is looked at with each use: what began it
// must still be in force. Guesses at tokens are limited by address, with growing delay, apart from
// those of callers, so that nobody who is refused there locks an administrator out here.
//
// Of the loop of the admin address, except where said.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/answers.h"
#include "admin/desk_line.h"
#include "admin/oidc_desk.h"
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
  // All outlive it.
  struct Parts {
    const config::Current& config;
    const authentication::Pepper& pepper;
    const pipeline::Clock& clock;
    Executor& loop;
    DeskLine& line;
    Answers& answers;
    OidcDesk& oidc;
  };
  Door(const Parts& parts, Secret first_token);

  // The first owner's token from now on.
  void set_token(Secret token) { token_ = std::move(token); }

  // What the head shows. kCredentialConflict where it shows one thing twice, kInvalidCredential for
  // another scheme than Bearer.
  Expected<Shown> read(const pipeline::RequestHead& head) const;

  Task<Expected<Known>> identify(pipeline::Exchange& exchange, const Shown& shown);

  // Guesses: whether an address may show this secret now (kRateLimited), and that what it showed
  // was none of anybody. `id` is the public part of it; may be empty.
  Expected<void> check_guess(const IpAddress& from, std::string_view secret) const;
  void guessed(const IpAddress& from, std::string_view id);

  // The id of a new session; a Fault where the system gives no random bytes.
  FaultOr<std::string> begin_session(administration::Proven proven);
  void end_session(std::string_view id) { sessions_.end(id); }

  administration::Names names() const;
  std::string session_cookie_name() const;
  std::string login_cookie_name() const;

  // Who was refused why, since the start. Any thread.
  void count(Reason reason) {
    refused_[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t refusals(Reason reason) const {
    return refused_[static_cast<std::size_t>(reason)].load(std::memory_order_relaxed);
  }

 private:
  using Found = FaultOr<std::optional<administration::TokenRecord>>;
  struct Fixed {
    authentication::Digest digest{};
    administration::Admin admin;
  };

  std::vector<Fixed> fixed_tokens() const;
  Task<Expected<administration::Proven>> by_bearer(std::string_view bearer, Arena& arena);
  Task<Expected<administration::Proven>> by_stored(std::string_view bearer, std::string id);
  Task<Expected<administration::Proven>> by_session(std::string_view id);
  Task<Expected<administration::Admin>> renew(const administration::Proven& proven);

  const Parts parts_;
  Secret token_;
  authentication::Failures failures_;
  administration::Sessions sessions_;
  std::array<std::atomic<std::uint64_t>, kReasonCount> refused_{};
};

// 32 random bytes, as text of a URL.
FaultOr<std::string> random_text();

}  // namespace tollgate::admin
