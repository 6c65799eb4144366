#include "cli/attack_client.h"

#include <fmt/format.h>

#include <charconv>

#include "base/json_writer.h"

namespace tollgate::cli {

namespace {

constexpr Duration kLook = std::chrono::milliseconds(10);
constexpr Bytes kReplyBytesMax = 16 << 20;

}  // namespace

AttackClient::AttackClient(net::Loop& loop, const std::string& url)
    : loop_(loop), pool_(loop, gates_) {
  config::Endpoint endpoint;
  const std::size_t colon = url.rfind(':');
  endpoint.host = url.substr(url.find("//") + 2, colon - url.find("//") - 2);
  std::from_chars(url.data() + colon + 1, url.data() + url.size(), endpoint.port);
  gateway_.name = "gateway";
  gateway_.endpoints.push_back(endpoint);
  gateway_.concurrent_requests = 1 << 20;
}

Task<AttackReply> AttackClient::send(const AttackRequest& request) {
  AttackReply reply;
  std::string message =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n{}", request.method, request.path,
                  gateway_.endpoints.front().host, request.extra_headers);
  if (!request.key.empty()) message += "Authorization: Bearer " + request.key + "\r\n";
  message += "Content-Type: application/json\r\n";
  message += request.framing.empty() ? fmt::format("Content-Length: {}\r\n", request.body.size())
                                     : request.framing;
  message += "\r\n" + request.body;

  pipeline::UpstreamRequest attempt;
  attempt.upstream = &gateway_;
  attempt.message = message;
  const pipeline::CallHandle call = pool_.open(attempt);
  if (!call) co_return reply;
  const FaultOr<void> sent = co_await pool_.send(*call);
  if (!sent) co_return reply;
  reply.status = call->status();
  reply.reason = call->header("x-tollgate-reason");
  reply.rule = call->header("x-tollgate-rule");
  while (true) {
    const FaultOr<std::string_view> piece = co_await call->read();
    if (!piece || piece->empty()) break;
    reply.body += *piece;
    if (static_cast<Bytes>(reply.body.size()) > kReplyBytesMax) break;
    if (request.leave_after > 0 &&
        static_cast<std::int64_t>(reply.body.size()) >= request.leave_after) {
      break;
    }
  }
  co_return reply;
}

Task<void> AttackClient::send_one(const AttackRequest& request, AttackReply& reply,
                                  std::size_t& left) {
  reply = co_await send(request);
  --left;
}

Task<std::vector<AttackReply>> AttackClient::send_all(const std::vector<AttackRequest>& requests) {
  std::vector<AttackReply> replies(requests.size());
  std::size_t left = requests.size();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    start(send_one(requests[i], replies[i], left));
  }
  while (left > 0) co_await loop_.sleep(kLook);  // NOLINT: each send_one lowers it.
  co_return replies;
}

std::string chat_body(std::string_view model, std::string_view prompt, std::int64_t max_tokens,
                      std::string_view more) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("model", model);
  json.key("messages");
  json.begin_array();
  json.begin_object();
  json.member("role", "user");
  json.member("content", prompt);
  json.end_object();
  json.end_array();
  json.member("max_tokens", max_tokens);
  out += more;
  json.end_object();
  return out;
}

}  // namespace tollgate::cli
