// Questions over HTTP to those who know callers: issuers of tokens, introspection endpoints.
//
// What they answer is foreign and bounded: in bytes, in time, and in how many questions are asked
// at once. Nobody is followed elsewhere: a redirect is an answer like any other that is no 200.
//
// Web is a port, so that tests answer by themselves; NetWeb asks through sockets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate_authority.h"
#include "base/fault.h"
#include "base/task.h"
#include "base/units.h"
#include "identity/bearer_file.h"
#include "net/net.h"

namespace tollgate::identity {

struct WebRequest {
  std::string asked;  // Whom, as the configuration names it; for messages.
  std::string url;    // https, or http to this machine.
  CertificateAuthority certificate_authority;
  std::string authorization;  // Empty: none is sent.
  std::string bearer_file;    // Whose token is sent then (bearer_file.h).
  std::string content_type;   // With a body, which makes it a POST.
  std::string body;
  Duration timeout{};
  Bytes bytes_max = 0;  // Of the answer.
  std::string headers;  // Further lines, each "name: value\r\n".
  config::Addresses addresses = config::Addresses::kAny;
  bool takes_any_success = false;  // Any status of 200 to 299 is an answer, whatever its body.
  // An answer with status 400 says something, and is no Fault (RFC 6749 5.2).
  bool reads_refusals = false;
};

struct WebAnswer {
  int status = 200;
  std::string body;
  std::string cache_control;  // As it came, or empty.
};

class Web {
 public:
  virtual ~Web() = default;
  // An answer with status 200, with 201 to what was posted, or with 400 where that is wanted; a
  // Fault for everything else.
  // `request` outlives the task. On the loop.
  virtual Task<FaultOr<WebAnswer>> ask(const WebRequest& request) = 0;
};

class NetWeb final : public Web {
 public:
  static constexpr int kAtOnceMax = 64;  // Of each that is asked.

  explicit NetWeb(net::Loop& loop);

  Task<FaultOr<WebAnswer>> ask(const WebRequest& request) override;
  // Gives up all that is at work, and whatever is asked from now on.
  void close();

 private:
  FaultOr<std::string> authorization_of(const WebRequest& request);

  net::Loop& loop_;
  BearerFiles bearers_;
  net::UpstreamGates gates_;
  net::UpstreamPool pool_;
  std::vector<pipeline::UpstreamCall*> open_;
  bool closed_ = false;
};

}  // namespace tollgate::identity
