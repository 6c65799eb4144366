#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/connection.h"
#include "net/listener_state.h"

namespace tollgate::net {

namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
// How long no connection is accepted when the process has no more files, or another loop has
// the last place.
constexpr Duration kPause = std::chrono::milliseconds(100);

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_storage storage;
};

IpAddress peer_of(const SocketAddress& address) {
  IpAddress peer;
  if (address.any.sa_family == AF_INET) {
    peer.bytes[10] = peer.bytes[11] = 0xff;
    std::memcpy(peer.bytes.data() + 12, &address.v4.sin_addr, 4);
  } else if (address.any.sa_family == AF_INET6) {
    std::memcpy(peer.bytes.data(), &address.v6.sin6_addr, 16);
  }
  return peer;
}

// An address of ours to bind: numbers, or a name of this host.
FaultOr<std::pair<SocketAddress, socklen_t>> bind_address(const ListenerOptions& options) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = fmt::format("{}", options.port);
  const int error = getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0 || found == nullptr) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("listener {}: {} is no address of this machine: {}", options.name,
                             options.host, gai_strerror(error)));
  }
  std::pair<SocketAddress, socklen_t> made{};
  std::memcpy(&made.first, found->ai_addr, found->ai_addrlen);
  made.second = found->ai_addrlen;
  freeaddrinfo(found);
  return made;
}

std::string bind_words(const ListenerOptions& options, int error) {
  std::string words = fmt::format("listener {}: cannot listen on {} port {}: ", options.name,
                                  options.host, options.port);
  switch (error) {
    case EADDRINUSE:
      words += fmt::format("port {} is in use by another process; stop it or choose another port",
                           options.port);
      break;
    case EACCES:
      words += "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one";
      break;
    case EADDRNOTAVAIL:
      words += "the address is not one of this machine";
      break;
    default:
      words += std::strerror(error);
  }
  return words;
}

int open_socket(const SocketAddress& address) {
  const int file = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (file >= 0) setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return file;
}

// 0, or the error of a socket that would have the address for itself. Nothing is served on it:
// a socket that was bound alone cannot be shared later.
int try_alone(const SocketAddress& address, socklen_t length) {
  const int file = open_socket(address);
  if (file < 0) return errno;
  const int error = bind(file, &address.any, length) == 0 ? 0 : errno;
  ::close(file);
  return error;
}

}  // namespace

Listener::State::State(Loop::State& on, ListenerOptions given, pipeline::Handler& served)
    : loop(on),
      options(std::move(given)),
      handler(served),
      open_(options.connections == nullptr ? own_ : *options.connections),
      peers_(options.peers == nullptr ? own_peers_ : *options.peers) {
  accepting.state = this;
  drained_.state = this;
}

Listener::State::~State() { stop_listening(); }

FaultOr<void> Listener::State::open() {
  FaultOr<std::pair<SocketAddress, socklen_t>> address = bind_address(options);
  if (!address) return std::unexpected(std::move(address.error()));
  if (options.claim == Port::kMustBeFree) {
    const int error = try_alone(address->first, address->second);
    if (error != 0) return fault(FaultKind::kUnreachable, bind_words(options, error));
  }
  file_ = open_socket(address->first);
  if (file_ < 0) return fault(FaultKind::kUnreachable, bind_words(options, errno));
  const int on = 1;
  setsockopt(file_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Accepted sockets inherit it.
  setsockopt(file_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(file_, &address->first.any, address->second) != 0 || listen(file_, kBacklog) != 0) {
    return fault(FaultKind::kUnreachable, bind_words(options, errno));
  }
  SocketAddress bound{};
  socklen_t length = sizeof bound;
  getsockname(file_, &bound.any, &length);
  port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
  loop.watch(file_, *this, EPOLLIN);
  return {};
}

void Listener::State::tell(std::uint32_t) { loop.enqueue(accepting); }

void Listener::State::accept() {
  if (file_ < 0) return;
  if (paused_) loop.watch_again(file_, *this, EPOLLIN);
  paused_ = false;
  for (int accepted = 0; accepted < kAcceptsPerTurn; ++accepted) {
    if (!take_place()) {
      // The kernel keeps the next ones waiting; the end of a connection lets them in, and one
      // that another loop serves does not tell us.
      full_ = true;
      pause();
      loop.wheel.set(*this, loop.now() + kPause);
      return;
    }
    SocketAddress peer{};
    socklen_t length = sizeof peer;
    const int file = accept4(file_, &peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (file >= 0) {
      serve(file, peer_of(peer));
      continue;
    }
    const int error = errno;
    give_place();
    switch (error) {
      case EINTR:
      case ECONNABORTED:
        continue;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        // Without a file for it, a waiting connection would wake us for ever.
        pause();
        loop.wheel.set(*this, loop.now() + kPause);
        return;
      default:
        return;
    }
  }
}

// Who stands for many, a proxy that we trust, has as many connections as they need.
void Listener::State::serve(int file, const IpAddress& peer) {
  std::optional<PeerCounts::Place> place = PeerCounts::Place();
  if (!contains(options.edge.trusted_proxies, peer)) {
    place = peers_.take(peer, options.edge.connections_per_address);
  }
  if (place) return Connection::serve(*this, file, peer, std::move(*place));
  // Without a word: to say one would cost what the limit is to save.
  ::close(file);
  give_place();
}

bool Listener::State::take_place() {
  if (open_.fetch_add(1, std::memory_order_relaxed) < options.edge.connections_max) return true;
  give_place();
  return false;
}

void Listener::State::give_place() { open_.fetch_sub(1, std::memory_order_relaxed); }

void Listener::State::pause() {
  paused_ = true;
  loop.watch_again(file_, *this, 0);
}

void Listener::State::closed() {
  --count;
  give_place();
  if (full_) {
    full_ = false;
    loop.enqueue(accepting);
  }
  if (count > 0) return;
  if (draining) loop.enqueue(drained_);
  if (orphaned) delete this;
}

void Listener::State::stop_listening() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void Listener::State::drain(std::function<void()> told) {
  // Who is in the kernel's queue already has connected to us and is served.
  accept();
  stop_listening();
  draining = true;
  told_ = std::move(told);
  for (Link* each = connections.next; each != &connections; each = each->next) {
    static_cast<Connection*>(each)->drain();
  }
  if (count == 0) loop.enqueue(drained_);
}

void Listener::State::Draining::run() {
  if (state->count > 0) return;
  if (const std::function<void()> told = std::exchange(state->told_, nullptr)) told();
}

void Listener::State::cut() {
  for (Link* each = connections.next; each != &connections; each = each->next) {
    static_cast<Connection*>(each)->cut();
  }
}

// ---- Listener ------------------------------------------------------------------------------

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}

Listener::~Listener() {
  state_->stop_listening();
  if (state_->count == 0) return;
  // Its connections end on the loop, each by itself, and the last takes the state along.
  state_->draining = true;
  state_->drop_notice();
  state_->orphaned = true;
  state_->cut();
  static_cast<void>(state_.release());
}

FaultOr<std::unique_ptr<Listener>> Listener::open(Loop& loop, ListenerOptions options,
                                                  pipeline::Handler& handler) {
  auto state = std::make_unique<State>(loop.state(), std::move(options), handler);
  if (FaultOr<void> opened = state->open(); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

std::uint16_t Listener::port() const { return state_->port; }
void Listener::drain(std::function<void()> drained) { state_->drain(std::move(drained)); }
void Listener::cut() { state_->cut(); }
int Listener::connections() const { return state_->count; }

void Listener::replace(std::shared_ptr<const ServerTls> tls, config::ProxyProtocol proxy_protocol,
                       const config::Edge& edge) {
  state_->options.tls = std::move(tls);
  state_->options.proxy_protocol = proxy_protocol;
  state_->options.edge = edge;
}

}  // namespace tollgate::net
