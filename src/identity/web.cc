#include "identity/web.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/scalars.h"

namespace tollgate::identity {

namespace {

struct Place {
  config::Endpoint endpoint;
  std::string target;  // "/keys?p=policy"
};

bool is_plain(std::string_view query) {
  return std::ranges::all_of(query, [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
}

// A URL of an issuer may end in a slash and may have a query, which one of an upstream has not.
std::optional<Place> place_of(std::string_view url) {
  const std::size_t mark = url.find('?');
  const std::string_view query =
      mark == std::string_view::npos ? std::string_view() : url.substr(mark);
  const std::string_view bare = url.substr(0, mark);
  std::optional<config::Endpoint> endpoint = config::parse_url(bare);
  if (!endpoint || !is_plain(query)) return std::nullopt;
  Place made;
  const bool slash = bare.ends_with('/') && !endpoint->path_prefix.empty();
  made.target = fmt::format("{}{}{}", endpoint->path_prefix.empty() ? "/" : endpoint->path_prefix,
                            slash && !endpoint->path_prefix.ends_with('/') ? "/" : "", query);
  endpoint->path_prefix.clear();
  made.endpoint = std::move(*endpoint);
  return made;
}

std::string message_of(const WebRequest& request, const Place& place,
                       const std::string& authorization) {
  const config::Endpoint& at = place.endpoint;
  const bool v6 = at.host.find(':') != std::string::npos;
  const bool usual = at.port == (at.tls ? 443 : 80);
  std::string message = fmt::format(
      "{} {} HTTP/1.1\r\nhost: {}{}{}{}\r\naccept: application/json\r\nuser-agent: tollgate\r\n",
      request.body.empty() ? "GET" : "POST", place.target, v6 ? "[" : "", at.host, v6 ? "]" : "",
      usual ? "" : fmt::format(":{}", at.port));
  if (!authorization.empty()) message += fmt::format("authorization: {}\r\n", authorization);
  message += request.headers;
  if (!request.body.empty()) {
    message += fmt::format("content-type: {}\r\ncontent-length: {}\r\n", request.content_type,
                           request.body.size());
  }
  message += "\r\n";
  message += request.body;
  return message;
}

config::Upstream upstream_of(const WebRequest& request, const Place& place) {
  config::Upstream made;
  made.name = request.asked;
  made.endpoints.push_back(place.endpoint);
  made.certificate_authority = request.certificate_authority;
  made.addresses = request.addresses;
  made.concurrent_requests = NetWeb::kAtOnceMax;
  made.timeout = {request.timeout, request.timeout, request.timeout, request.timeout};
  return made;
}

}  // namespace

NetWeb::NetWeb(net::Loop& loop) : loop_(loop), pool_(loop, gates_) {}

// What stands in the head of a request to say who asks; empty: nothing.
FaultOr<std::string> NetWeb::authorization_of(const WebRequest& request) {
  if (request.bearer_file.empty()) return request.authorization;
  const FaultOr<std::string> token = bearers_.token(request.bearer_file, loop_.now());
  if (token) return "Bearer " + *token;
  return fault(token.error().kind, fmt::format("{}: {}", request.asked, token.error().message));
}

void NetWeb::close() {
  closed_ = true;
  const std::vector<pipeline::UpstreamCall*> now = open_;
  for (pipeline::UpstreamCall* call : now) call->cancel();
}

Task<FaultOr<WebAnswer>> NetWeb::ask(const WebRequest& request) {
  const std::optional<Place> place = place_of(request.url);
  if (!place) {
    co_return fault(FaultKind::kBroken,
                    fmt::format("{}: `{}` is no URL to ask at", request.asked, request.url));
  }
  if (closed_) co_return fault(FaultKind::kCancelled, "the gateway ends");
  const config::Upstream upstream = upstream_of(request, *place);
  const FaultOr<std::string> authorization = authorization_of(request);
  if (!authorization) co_return std::unexpected(authorization.error());
  const std::string message = message_of(request, *place, *authorization);
  pipeline::UpstreamRequest asked;
  asked.upstream = &upstream;
  asked.message = message;
  const pipeline::CallHandle call = pool_.open(asked);
  if (call == nullptr) {
    co_return fault(FaultKind::kUnreachable,
                    fmt::format("{}: {} questions are at work there", request.asked, kAtOnceMax));
  }
  open_.push_back(call.get());
  FaultOr<void> sent = co_await pool_.send(*call);
  FaultOr<std::string_view> body = std::string_view();
  const bool good = call->status() == 200 || (call->status() == 201 && !request.body.empty()) ||
                    (call->status() == 400 && request.reads_refusals) ||
                    (request.takes_any_success && call->status() / 100 == 2);
  // Whose answer is only that it has it has said so: what else it says may be long, or break off.
  const bool is_taken = request.takes_any_success && call->status() / 100 == 2;
  if (sent && good && !is_taken) body = co_await call->read_whole(request.bytes_max);
  std::erase(open_, call.get());
  if (!sent) co_return std::unexpected(std::move(sent.error()));
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (!good) {
    co_return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: `{}` answers with status {}", request.asked, request.url, call->status()));
  }
  WebAnswer answer;
  answer.status = call->status();
  answer.body = *body;
  answer.cache_control = call->header("cache-control");
  co_return answer;
}

}  // namespace tollgate::identity
