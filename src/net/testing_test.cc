#include "net/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "net/upstream_gate.h"

namespace tollgate::net::testing {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

// ---- Peer ----------------------------------------------------------------------------------

std::unique_ptr<Peer> Peer::connect(std::uint16_t port) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  static_cast<void>(::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return std::make_unique<Peer>(file);
}

void Peer::poll() {
  if (file_ < 0) return;
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(file_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      if (errno != EAGAIN) unsent_.clear();
      break;
    }
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  if (half_close_ && unsent_.empty()) {
    shutdown(file_, SHUT_WR);
    half_close_ = false;
  }
  while (reading && !closed) {
    char bytes[65536];
    const ssize_t got = ::recv(file_, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      closed = true;
      break;
    }
    received.append(bytes, static_cast<std::size_t>(got));
  }
}

void Peer::half_close() { half_close_ = true; }

void Peer::leave() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void Peer::reset() {
  const linger now{1, 0};
  setsockopt(file_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  leave();
}

// ---- Server --------------------------------------------------------------------------------

Server::Server() {
  file_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  CHECK(bind(file_, reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(::listen(file_, 16) == 0);
  getsockname(file_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
}

Server::~Server() { ::close(file_); }

std::unique_ptr<Peer> Server::accept() {
  const int file = accept4(file_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return file < 0 ? nullptr : std::make_unique<Peer>(file);
}

// ---- Script --------------------------------------------------------------------------------

Task<void> Script::serve(pipeline::Exchange& exchange) {
  ++served;
  askers.push_back(format_address(exchange.head().client_ip));
  if (const auto* certificate = exchange.head().certificate; certificate != nullptr) {
    askers.back() += " " + certificate->common_name;
  }
  const std::string_view target = exchange.head().target;
  if (target == "/echo") co_return co_await echo(exchange);
  if (target == "/stream") co_return co_await stream(exchange);
  if (target == "/flood") co_return co_await flood(exchange);
  if (target == "/hold") co_return co_await hold(exchange);
  if (target == "/large") co_return co_await large(exchange);
  if (target == "/proxy") co_return co_await proxy(exchange);
  if (target == "/proxy-stream") co_return co_await proxy_stream(exchange);
  pipeline::ReplyHead head;
  head.status = target == "/nothing" ? 204 : 404;
  replied = co_await exchange.reply(head, target == "/nothing" ? "" : "none");
}

namespace {

int status_of(Reason reason) {
  switch (reason) {
    case Reason::kBodyTooLarge:
      return 413;
    case Reason::kConcurrencyLimited:
      return 429;
    case Reason::kOverloaded:
      return 503;
    default:
      return 400;
  }
}

}  // namespace

// The body, and the target of the request before it was read: the views must still hold.
Task<void> Script::echo(pipeline::Exchange& exchange) {
  exchange.belongs_to(exchange.head().header("x-tenant"));
  const Expected<std::string_view> body = co_await exchange.read_body(body_limit);
  pipeline::ReplyHead head;
  if (!body) {
    head.status = status_of(body.error().reason);
    replied = co_await exchange.reply(head, body.error().message);
    co_return;
  }
  bodies.emplace_back(*body);
  head.content_type = exchange.head().header("content-type");
  head.headers = "x-extra: 1\r\n";
  replied = co_await exchange.reply(head, *body);
}

Task<void> Script::stream(pipeline::Exchange& exchange) {
  pipeline::ReplyHead head;
  head.content_type = "text/event-stream";
  exchange.begin(head);
  for (const std::string_view piece : {"one", "two", "three"}) {
    replied = co_await exchange.write(piece);
  }
  replied = co_await exchange.finish();
}

Task<void> Script::flood(pipeline::Exchange& exchange) {
  exchange.begin({});
  const std::string piece(64 << 10, 'x');
  for (int i = 0; i < 800; ++i) {
    replied = co_await exchange.write(piece);
    if (!*replied) co_return;
    written += piece.size();
  }
  replied = co_await exchange.finish();
}

Task<void> Script::large(pipeline::Exchange& exchange) {
  const std::string body(32 << 20, 'x');
  replied = co_await exchange.reply({}, body);
}

Task<void> Script::hold(pipeline::Exchange& exchange) {
  static_cast<void>(co_await exchange.read_body(body_limit));
  held_ = {};
  exchange.on_caller_gone(this);
  co_await held_;
  exchange.on_caller_gone(nullptr);
  replied = co_await exchange.reply({}, "held");
}

void Script::cancel() {
  ++cancelled;
  held_.done = true;
  if (held_.handle) std::exchange(held_.handle, {}).resume();
}

Task<void> Script::proxy(pipeline::Exchange& exchange) {
  const Expected<std::string_view> body = co_await exchange.read_body(body_limit);
  const std::string message =
      "POST /up HTTP/1.1\r\nhost: up\r\ncontent-length: " + std::to_string(body->size()) +
      "\r\n\r\n" + std::string(*body);
  const pipeline::UpstreamRequest request{&upstream, 0, message};
  const pipeline::CallHandle call = upstreams->open(request);
  pipeline::ReplyHead head;
  if (!call) {
    head.status = 503;
    replied = co_await exchange.reply(head, "busy");
    co_return;
  }
  exchange.on_caller_gone(call.get());
  const FaultOr<void> sent = co_await upstreams->send(*call);
  FaultOr<std::string_view> whole = std::string_view();
  if (sent) whole = co_await call->read_whole(1 << 20);
  exchange.on_caller_gone(nullptr);
  if (!sent || !whole) {
    fault = sent ? whole.error() : sent.error();
    this->sent = call->sent();
    head.status = 502;
    replied = co_await exchange.reply(head, fault->message);
    co_return;
  }
  head.status = call->status();
  head.content_type = call->header("content-type");
  replied = co_await exchange.reply(head, *whole);
}

Task<void> Script::proxy_stream(pipeline::Exchange& exchange) {
  static_cast<void>(co_await exchange.read_body(body_limit));
  pipeline::UpstreamRequest request{&upstream, 0, "GET /up HTTP/1.1\r\nhost: up\r\n\r\n"};
  request.awaits_body = awaits_body;
  const pipeline::CallHandle call = upstreams->open(request);
  exchange.on_caller_gone(call.get());
  const FaultOr<void> sent = co_await upstreams->send(*call);
  if (!sent) {
    fault = sent.error();
    exchange.on_caller_gone(nullptr);
    replied = co_await exchange.reply({}, "fault");
    co_return;
  }
  exchange.begin({});
  streaming = true;
  while (true) {
    const FaultOr<std::string_view> piece = co_await call->read();
    if (!piece) {
      fault = piece.error();
      break;
    }
    if (piece->empty()) break;
    replied = co_await exchange.write(*piece);
    if (!*replied) break;
  }
  exchange.on_caller_gone(nullptr);
  streaming = false;
  replied = co_await exchange.finish();
}

void Script::refuse_malformed(const pipeline::RequestHead&, std::string_view message,
                              std::string& headers, std::string& out) {
  ++malformed;
  complaint = message;
  headers += "x-refused: 1\r\n";
  out += message;
}

// ---- Net -----------------------------------------------------------------------------------

Net::Net() : pool(std::make_unique<UpstreamPool>(loop, gates)) {
  script.upstreams = pool.get();
  script.upstream.name = "up";
  config::Endpoint endpoint;
  endpoint.host = "127.0.0.1";
  endpoint.port = server.port();
  script.upstream.endpoints.push_back(endpoint);
}

Net::~Net() {
  if (!listener) return;
  bool drained = false;
  listener->drain([&drained] { drained = true; });
  listener->cut();
  EXPECT_TRUE(until([&drained] { return drained; }));
  EXPECT_EQ(gates.of("up").at_work(), 0);
}

void Net::listen(config::Edge edge, std::shared_ptr<const ServerTls> tls,
                 config::ProxyProtocol proxy_protocol) {
  ListenerOptions options;
  options.name = "public";
  options.host = "127.0.0.1";
  options.edge = edge;
  options.tls = std::move(tls);
  options.proxy_protocol = proxy_protocol;
  FaultOr<std::unique_ptr<Listener>> opened = Listener::open(loop, options, script);
  ASSERT_TRUE(opened) << opened.error().message;
  listener = std::move(*opened);
}

std::unique_ptr<Peer> Net::caller() { return Peer::connect(listener->port()); }

bool Net::until(const std::function<bool()>& done) {
  for (int turn = 0; turn < 5000; ++turn) {
    if (done()) return true;
    loop.state().turn(std::chrono::milliseconds(1));
  }
  return done();
}

bool Net::until_received(Peer& peer, std::string_view text) {
  return until([&peer, text] {
    peer.poll();
    return peer.received.find(text) != std::string::npos;
  });
}

bool Net::until_closed(Peer& peer) {
  return until([&peer] {
    peer.poll();
    return peer.closed;
  });
}

void Net::settle() {
  for (int turn = 0; turn < 20; ++turn) loop.state().turn(std::chrono::milliseconds(1));
}

void Net::pass(Duration time) {
  settle();
  loop.state().skip(time);
  settle();
}

}  // namespace tollgate::net::testing
