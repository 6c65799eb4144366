#include "redis/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace tollgate::redis {

namespace {

constexpr std::size_t kReadBytes = 16 << 10;

Instant steady_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

std::string system_words(int error) { return std::system_category().message(error); }

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

// ---- Trust -----------------------------------------------------------------------------------

namespace {

// A key that wants a passphrase is none that a service can use; nobody is there to be asked.
int no_passphrase(char*, int, int, void*) { return 0; }

FaultOr<void> load_own(ssl_ctx_st* context, const Endpoint& endpoint) {
  if (endpoint.certificate.empty()) return {};
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(context, endpoint.certificate.c_str()) != 1) {
    return fault(FaultKind::kBroken, fmt::format("the certificate {} cannot be used; it must be a "
                                                 "PEM file (sslcert in the URL of Redis)",
                                                 endpoint.certificate));
  }
  if (SSL_CTX_use_PrivateKey_file(context, endpoint.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return fault(FaultKind::kBroken,
                 fmt::format("the key {} cannot be used; it must be the PEM file of the key of {}, "
                             "without a passphrase (sslkey in the URL of Redis)",
                             endpoint.key, endpoint.certificate));
  }
  return {};
}

}  // namespace

FaultOr<std::unique_ptr<Trust>> Trust::load(const Endpoint& endpoint) {
  const std::string& certificate_authority = endpoint.certificate_authority;
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  std::unique_ptr<Trust> trust(new Trust(context));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
    return fault(FaultKind::kBroken, "TLS cannot be set up");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const char* const file = certificate_authority.c_str();
  const bool loaded = certificate_authority.empty()
                          ? SSL_CTX_set_default_verify_paths(context) == 1
                          : SSL_CTX_load_verify_locations(context, file, nullptr) == 1;
  if (!loaded) {
    return fault(FaultKind::kBroken,
                 fmt::format("the certificate authority {} cannot be used; it must be a PEM file",
                             certificate_authority));
  }
  if (auto done = load_own(context, endpoint); !done) return std::unexpected(done.error());
  return trust;
}

Trust::~Trust() { SSL_CTX_free(context_); }

// ---- Names -----------------------------------------------------------------------------------

struct Names::Question {
  std::mutex mutex;
  std::condition_variable answered;
  bool done = false;
  int error = 0;
  std::vector<Address> found;
};

Names::Names() = default;
Names::~Names() = default;

FaultOr<std::vector<Names::Address>> Names::resolve(const std::string& host, std::uint16_t port,
                                                    Instant deadline) {
  if (asked_ == nullptr) {
    asked_ = std::make_shared<Question>();
    const auto ask = [question = asked_, host, port, numeric = is_address(host)] {
      addrinfo hints{};
      hints.ai_socktype = SOCK_STREAM;
      hints.ai_flags = numeric ? AI_NUMERICHOST : AI_ADDRCONFIG;
      addrinfo* list = nullptr;
      const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
      const std::lock_guard lock(question->mutex);
      question->error = error;
      for (addrinfo* at = list; at != nullptr && question->found.size() < kAddressesMax;
           at = at->ai_next) {
        Address address;
        if (at->ai_addrlen > sizeof address.bytes) continue;
        std::memcpy(address.bytes, at->ai_addr, at->ai_addrlen);
        address.length = at->ai_addrlen;
        address.family = at->ai_family;
        question->found.push_back(address);
      }
      if (list != nullptr) freeaddrinfo(list);
      question->done = true;
      question->answered.notify_all();
    };
    // Its own thread, which may outlast us: it shares nothing but the question.
    if (is_address(host)) {
      ask();
    } else {
      std::thread(ask).detach();
    }
  }
  const std::shared_ptr<Question> question = asked_;
  std::unique_lock lock(question->mutex);
  if (!question->answered.wait_until(lock, deadline, [&] { return question->done; }))
    return fault(FaultKind::kTimeout, fmt::format("the name {} was not resolved in time", host));
  asked_.reset();
  if (question->error != 0 || question->found.empty()) {
    return fault(FaultKind::kUnreachable, fmt::format("the name {} cannot be resolved: {}", host,
                                                      gai_strerror(question->error)));
  }
  return std::move(question->found);
}

// ---- Opening ---------------------------------------------------------------------------------

namespace {

// A socket that connects, or -1 and errno.
int begin_connect(const void* address, std::uint32_t length, int family) {
  const int file = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (file < 0) return -1;
  const int on = 1;
  if (family != AF_UNIX) setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(file, static_cast<const sockaddr*>(address), length) == 0 || errno == EINPROGRESS)
    return file;
  const int error = errno;
  close(file);
  errno = error;
  return -1;
}

int socket_error(int file) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(file, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

FaultOr<std::vector<Names::Address>> addresses_of(const Endpoint& endpoint, Names& names,
                                                  Instant deadline) {
  if (endpoint.socket.empty()) return names.resolve(endpoint.host, endpoint.port, deadline);
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  if (endpoint.socket.size() >= sizeof path.sun_path)
    return fault(FaultKind::kBroken, "the path of the socket is too long for the system");
  std::memcpy(path.sun_path, endpoint.socket.data(), endpoint.socket.size());
  Names::Address address;
  static_assert(sizeof path <= sizeof address.bytes);
  std::memcpy(address.bytes, &path, sizeof path);
  address.length = sizeof path;
  address.family = AF_UNIX;
  return std::vector<Names::Address>{address};
}

}  // namespace

FaultOr<std::unique_ptr<Connection>> Connection::open(const Endpoint& endpoint, const Trust* trust,
                                                      Names& names, Instant deadline) {
  auto addresses = addresses_of(endpoint, names, deadline);
  if (!addresses) {
    return fault(addresses.error().kind,
                 fmt::format("{}: {}", endpoint.shown(), addresses.error().message));
  }
  std::optional<Fault> last;
  for (const Names::Address& address : *addresses) {
    const int file = begin_connect(address.bytes, address.length, address.family);
    std::unique_ptr<Connection> connection(new Connection(endpoint, file));
    FaultOr<void> done;
    if (file < 0) {
      done = connection->failed(FaultKind::kUnreachable, system_words(errno));
    } else {
      done = connection->wait(POLLOUT, deadline);
      const int error = done ? socket_error(file) : 0;
      if (error != 0) done = connection->failed(FaultKind::kUnreachable, system_words(error));
    }
    if (done && trust != nullptr) done = connection->encrypt(*trust, deadline);
    if (done) return connection;
    last = done.error();
  }
  return std::unexpected(*last);
}

Connection::~Connection() {
  SSL_free(ssl_);
  if (file_ >= 0) close(file_);
}

std::unexpected<Fault> Connection::failed(FaultKind kind, std::string_view what) const {
  return fault(kind, fmt::format("{}: {}", endpoint_.shown(), what));
}

std::unexpected<Fault> Connection::tls_failed(std::string_view what) const {
  const long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK) {
    return failed(FaultKind::kRefusedByPeer, fmt::format("its certificate was not accepted: {}",
                                                         X509_verify_cert_error_string(verdict)));
  }
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return failed(FaultKind::kBroken,
                fmt::format("{} ({}); does it speak TLS, and ask for no client certificate?", what,
                            reason != nullptr ? reason : "no reason given"));
}

FaultOr<void> Connection::wait(short events, Instant deadline) const {
  while (true) {
    const Duration left = deadline - steady_now();
    if (left <= Duration(0)) return failed(FaultKind::kTimeout, "no answer in time");
    pollfd polled{file_, events, 0};
    const int ready = poll(&polled, 1, static_cast<int>((left.count() + 999) / 1000));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return failed(FaultKind::kBroken, system_words(errno));
  }
}

// ---- Bytes -----------------------------------------------------------------------------------

FaultOr<void> Connection::send(std::string_view bytes, Instant deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto ready = wait(POLLOUT, deadline); !ready) return ready;
    } else if (errno != EINTR) {
      return failed(FaultKind::kUnreachable, system_words(errno));
    }
  }
  return {};
}

FaultOr<void> Connection::receive(std::string& out, Instant deadline) {
  std::array<char, kReadBytes> piece;
  while (true) {
    const ssize_t got = recv(file_, piece.data(), piece.size(), 0);
    if (got > 0) {
      out.append(piece.data(), static_cast<std::size_t>(got));
      return {};
    }
    if (got == 0) return failed(FaultKind::kUnreachable, "it closed the connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto ready = wait(POLLIN, deadline); !ready) return ready;
    } else if (errno != EINTR) {
      return failed(FaultKind::kUnreachable, system_words(errno));
    }
  }
}

// ---- TLS: between two buffers, so that the socket is ours alone ------------------------------

FaultOr<void> Connection::encrypt(const Trust& trust, Instant deadline) {
  ERR_clear_error();
  ssl_ = SSL_new(&trust.context());
  if (ssl_ == nullptr) return failed(FaultKind::kBroken, "no memory for TLS");
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_);
  const char* const host = endpoint_.host.c_str();
  const bool named =
      is_address(endpoint_.host)
          ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host) == 1
          : SSL_set1_host(ssl_, host) == 1 && SSL_set_tlsext_host_name(ssl_, host) == 1;
  if (!named) return failed(FaultKind::kBroken, "its name cannot be checked");
  while (true) {
    const int done = SSL_do_handshake(ssl_);
    const int why = SSL_get_error(ssl_, done);
    // What is to be sent tells the peer also why it failed.
    if (auto sent = flush(deadline); !sent) return sent;
    if (done == 1) return {};
    if (why != SSL_ERROR_WANT_READ) return tls_failed("TLS could not be agreed on");
    if (auto fed = feed(deadline); !fed) return fed;
  }
}

FaultOr<void> Connection::flush(Instant deadline) {
  std::array<char, kReadBytes> piece;
  while (true) {
    const int length = BIO_read(SSL_get_wbio(ssl_), piece.data(), piece.size());
    if (length <= 0) return {};
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(length));
    if (auto sent = send(bytes, deadline); !sent) return sent;
  }
}

FaultOr<void> Connection::feed(Instant deadline) {
  received_.clear();
  if (auto got = receive(received_, deadline); !got) return got;
  const int length = static_cast<int>(received_.size());
  if (BIO_write(SSL_get_rbio(ssl_), received_.data(), length) != length)
    return failed(FaultKind::kBroken, "no memory for TLS");
  return {};
}

FaultOr<void> Connection::write(std::string_view bytes, Instant deadline) {
  if (ssl_ == nullptr) return send(bytes, deadline);
  while (!bytes.empty()) {
    ERR_clear_error();
    std::size_t taken = 0;
    const int done = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &taken);
    const int why = SSL_get_error(ssl_, done);
    if (auto sent = flush(deadline); !sent) return sent;
    if (done == 1) {
      bytes.remove_prefix(taken);
    } else if (why != SSL_ERROR_WANT_READ) {
      return tls_failed("TLS broke");
    } else if (auto fed = feed(deadline); !fed) {
      return fed;
    }
  }
  return {};
}

FaultOr<void> Connection::read(std::string& out, Instant deadline) {
  if (ssl_ == nullptr) return receive(out, deadline);
  std::array<char, kReadBytes> piece;
  while (true) {
    ERR_clear_error();
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl_, piece.data(), piece.size(), &got);
    const int why = SSL_get_error(ssl_, done);
    if (auto sent = flush(deadline); !sent) return sent;
    if (done == 1) {
      out.append(piece.data(), got);
      return {};
    }
    if (why == SSL_ERROR_ZERO_RETURN)
      return failed(FaultKind::kUnreachable, "it closed the connection");
    if (why != SSL_ERROR_WANT_READ) return tls_failed("TLS broke");
    if (auto fed = feed(deadline); !fed) return fed;
  }
}

}  // namespace tollgate::redis
