// The attacker of the demo: sends requests to the gateway as anybody could, and reads what
// comes back. It has no way in that a stranger does not have.
//
// One loop; requests run side by side as tasks of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "config/config.h"
#include "net/net.h"

namespace tollgate::cli {

struct AttackRequest {
  std::string method = "POST";
  std::string path = "/v1/chat/completions";
  std::string key;  // Empty: none is sent.
  std::string body;
  std::string extra_headers;     // Each "name: value\r\n".
  std::string framing;           // Instead of Content-Length, for smuggling.
  std::int64_t leave_after = 0;  // Leaves the stream after this many bytes; 0: stays.
};

struct AttackReply {
  int status = 0;      // 0: no reply.
  std::string reason;  // x-tollgate-reason
  std::string rule;    // x-tollgate-rule
  std::string body;
};

class AttackClient {
 public:
  // `url` is the gateway's, "http://127.0.0.1:8080".
  AttackClient(net::Loop& loop, const std::string& url);

  Task<AttackReply> send(const AttackRequest& request);
  // All at once; the replies in the order of the requests.
  Task<std::vector<AttackReply>> send_all(const std::vector<AttackRequest>& requests);

 private:
  Task<void> send_one(const AttackRequest& request, AttackReply& reply, std::size_t& left);

  net::Loop& loop_;
  config::Upstream gateway_;
  net::UpstreamGates gates_;
  net::UpstreamPool pool_;
};

// The body of a chat request; `more` is further JSON members, each with its comma in front.
std::string chat_body(std::string_view model, std::string_view prompt, std::int64_t max_tokens,
                      std::string_view more = {});

}  // namespace tollgate::cli
