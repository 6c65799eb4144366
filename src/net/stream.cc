#include "net/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tollgate::net {

namespace {

// The plain text of one TLS record.
constexpr std::size_t kRecordBytes = 16 << 10;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

void Pieces::consume(std::size_t bytes) {
  bytes_ -= bytes;
  while (bytes > 0) {
    iovec& piece = pieces_[first_];
    const std::size_t part = std::min(bytes, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + part;
    piece.iov_len -= part;
    bytes -= part;
    if (piece.iov_len == 0) ++first_;
  }
}

void Stream::adopt(int file) {
  file_ = file;
  loop_.watch(file, *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void Stream::adopt_tls(ssl_st* ssl) {
  ssl_ = ssl;
  SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                        SSL_MODE_RELEASE_BUFFERS);
  SSL_set_fd(ssl, file_);
}

void Stream::close() {
  clear_deadline();
  if (ssl_ != nullptr) {
    // Else OpenSSL takes the session for damaged and never resumes it. What ends well has sent
    // its own notice before, in shutdown_write().
    if (!tls_failed_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (file_ >= 0) {
    ::close(file_);
    file_ = -1;
  }
}

Attempt Stream::read(std::span<char> into) {
  if (ssl_ != nullptr) {
    if (tls_failed_) return {Attempt::Result::kFailed};
    ERR_clear_error();
    const int got = SSL_read(ssl_, into.data(), static_cast<int>(into.size()));
    if (got > 0) return {Attempt::Result::kDone, static_cast<std::size_t>(got)};
    return tls_result(got, Side::kRead);
  }
  const ssize_t got = ::recv(file_, into.data(), into.size(), 0);
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    // A short read has drained the socket, except that the end of the stream has no length.
    if (bytes < into.size() && !left_) readable_ = false;
    return {Attempt::Result::kDone, bytes};
  }
  if (got == 0) return {Attempt::Result::kEnd};
  if (would_block(errno)) {
    readable_ = false;
    return {Attempt::Result::kWaitRead};
  }
  return {Attempt::Result::kFailed, 0, errno};
}

Attempt Stream::peek(std::span<char> into) {
  const ssize_t got = ::recv(file_, into.data(), into.size(), MSG_PEEK);
  if (got > 0) return {Attempt::Result::kDone, static_cast<std::size_t>(got)};
  if (got == 0) return {Attempt::Result::kEnd};
  if (!would_block(errno)) return {Attempt::Result::kFailed, 0, errno};
  readable_ = false;
  return {Attempt::Result::kWaitRead};
}

void Stream::skip(std::size_t bytes) {
  std::array<char, 512> taken;
  while (bytes > 0) {
    const ssize_t got = ::recv(file_, taken.data(), std::min(bytes, taken.size()), 0);
    if (got <= 0) return;
    bytes -= static_cast<std::size_t>(got);
  }
}

void Stream::look() {
  char byte = 0;
  const ssize_t got = ::recv(file_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got >= 0 || !would_block(errno)) readable_ = true;
}

Attempt Stream::write(Pieces& pieces) {
  if (ssl_ != nullptr) return write_tls(pieces);
  const std::span<iovec> rest = pieces.rest();
  ssize_t sent = 0;
  if (rest.size() == 1) {
    sent = ::send(file_, rest[0].iov_base, rest[0].iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = rest.data();
    message.msg_iovlen = rest.size();
    sent = ::sendmsg(file_, &message, MSG_NOSIGNAL);
  }
  if (sent >= 0) {
    const auto bytes = static_cast<std::size_t>(sent);
    pieces.consume(bytes);
    if (!pieces.empty()) writable_ = false;
    return {Attempt::Result::kDone, bytes};
  }
  if (would_block(errno)) {
    writable_ = false;
    return {Attempt::Result::kWaitWrite};
  }
  return {Attempt::Result::kFailed, 0, errno};
}

// One record of all the pieces: a record for each of them would cost the peer a read each.
Attempt Stream::write_tls(Pieces& pieces) {
  if (tls_failed_) return {Attempt::Result::kFailed};
  std::span<iovec> rest = pieces.rest();
  const char* bytes = static_cast<const char*>(rest[0].iov_base);
  std::size_t count = std::min(rest[0].iov_len, kRecordBytes);
  if (rest.size() > 1 && rest[0].iov_len < kRecordBytes) {
    if (!loop_.record) loop_.record = std::make_unique_for_overwrite<char[]>(kRecordBytes);
    bytes = loop_.record.get();
    count = 0;
    for (const iovec& piece : rest) {
      const std::size_t part = std::min(piece.iov_len, kRecordBytes - count);
      std::memcpy(loop_.record.get() + count, piece.iov_base, part);
      count += part;
    }
  }
  ERR_clear_error();
  const int sent = SSL_write(ssl_, bytes, static_cast<int>(count));
  if (sent <= 0) return tls_result(sent, Side::kWrite);
  pieces.consume(static_cast<std::size_t>(sent));
  return {Attempt::Result::kDone, static_cast<std::size_t>(sent)};
}

Attempt Stream::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done == 1) {
    // The peer's last flight may have brought its first bytes along. OpenSSL has read them ahead,
    // so the socket would never tell of them.
    readable_ = true;
    return {Attempt::Result::kDone};
  }
  return tls_result(done, Side::kRead);
}

Attempt Stream::tls_result(int returned, Side side) {
  const int error = errno;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      readable_ = false;
      return {Attempt::Result::kWaitRead};
    case SSL_ERROR_WANT_WRITE:
      writable_ = false;
      return {Attempt::Result::kWaitWrite};
    case SSL_ERROR_ZERO_RETURN:
      if (side == Side::kRead) return {Attempt::Result::kEnd};
      break;
    case SSL_ERROR_SYSCALL:
      tls_failed_ = true;
      return {Attempt::Result::kFailed, 0, error};
    default:
      break;
  }
  // After a protocol error OpenSSL wants no further call, SSL_shutdown included.
  tls_failed_ = true;
  return {Attempt::Result::kFailed};
}

void Stream::shutdown_write() {
  if (file_ < 0) return;
  if (ssl_ != nullptr && !tls_failed_ && SSL_is_init_finished(ssl_)) {
    ERR_clear_error();
    static_cast<void>(SSL_shutdown(ssl_));
  }
  static_cast<void>(::shutdown(file_, SHUT_WR));
}

void Stream::interrupt(Interrupt why) {
  if (interrupt_ == Interrupt::kNone) interrupt_ = why;
  wake(Side::kRead);
  wake(Side::kWrite);
  if (on_readable != nullptr) loop_.enqueue(*on_readable);
}

void Stream::wake(Side side) {
  Wait*& waiting = waiting_[static_cast<std::size_t>(side)];
  if (waiting == nullptr) return;
  loop_.enqueue(*waiting);
  waiting = nullptr;
}

void Stream::tell(std::uint32_t events) {
  const bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 || broken) {
    readable_ = true;
    wake(Side::kRead);
    if (on_readable != nullptr) loop_.enqueue(*on_readable);
  }
  if ((events & EPOLLOUT) != 0 || broken) {
    writable_ = true;
    wake(Side::kWrite);
  }
  if (((events & EPOLLRDHUP) != 0 || broken) && !left_) {
    left_ = true;
    wake(Side::kWrite);
    if (on_peer_left != nullptr) loop_.enqueue(*on_peer_left);
  }
}

std::string error_words(int error) {
  if (error == 0) return "TLS failed";
  return std::generic_category().message(error);
}

}  // namespace tollgate::net
