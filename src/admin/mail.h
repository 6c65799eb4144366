// Mail by SMTP: to the server that the operator names, with TLS, or not at all.
//
// libcurl speaks the protocol, on a thread of its own, one mail at a time: whoever sends waits
// without holding up its loop. `smtps://` is TLS from the first byte; `smtp://` is STARTTLS, and
// where the server has none nothing is sent, unless the server is the operator's own and is shown
// no password. The address that is connected to is the one that is judged (net/reachable.h).
//
// Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 8314 (smtps).
//
// Mail is a port, so that tests answer by themselves; SmtpMail sends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/certificate_authority.h"
#include "base/executor.h"
#include "base/fault.h"
#include "base/task.h"
#include "base/units.h"
#include "config/config.h"

namespace tollgate::admin {

struct MailRequest {
  std::string asked;  // Whom, as the configuration names it; for messages.
  std::string url;    // smtps://HOST:PORT or smtp://HOST:PORT; a path is how we name ourselves.
  CertificateAuthority certificate_authority;
  config::Addresses addresses = config::Addresses::kPublic;
  std::string from;
  std::vector<std::string> to;
  std::string user;  // Empty: nothing is shown.
  config::Secret password;
  std::string password_file;  // Instead of it; empty: none.
  std::string text;           // The whole message; lines end in CRLF.
  Duration timeout{};         // Of all of it.
};

class Mail {
 public:
  virtual ~Mail() = default;
  // Once the server has taken it for all of `to`; a Fault says what it answered, without secrets.
  // `request` outlives the task. On the loop of the executor.
  virtual Task<FaultOr<void>> send(const MailRequest& request) = 0;
};

class SmtpMail final : public Mail {
 public:
  // Further mails that wait for one; more are refused.
  static constexpr std::size_t kWaitingMax = 64;

  // Whoever waits goes on through `loop`, which outlives it.
  explicit SmtpMail(Executor& loop);
  ~SmtpMail() override;
  SmtpMail(const SmtpMail&) = delete;

  Task<FaultOr<void>> send(const MailRequest& request) override;
  // Gives up what is on its way, and whatever is sent from now on.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tollgate::admin
