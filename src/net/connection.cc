#include "net/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "net/forwarded.h"
#include "net/proxy_header.h"
#include "net/reason_phrase.h"
#include "net/tls.h"

namespace tollgate::net {

namespace {

// A body that nobody asked for is read and dropped up to here, so that the connection lives on.
constexpr std::size_t kDroppedBytesMax = 64 << 10;
// What is read after our last word, so that it is not lost to a reset.
constexpr std::size_t kLingerBytesMax = 1 << 20;
constexpr Duration kLingerTime = std::chrono::seconds(2);
// The slowest body that is served, beyond body_timeout; and whole reply, beyond
// stalled_reply_timeout.
constexpr std::size_t kBodyBytesPerSecond = 16 << 10;
// Less than this is no progress of a reply (a byte now and then would hold it for ever).
constexpr std::size_t kProgressBytes = 1 << 10;
// Place behind a head for its body to come through.
constexpr std::size_t kBodyRoom = 4 << 10;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

constexpr std::string_view kNoClient =
    "The header that says whom a proxy speaks for names no address at its right end.";

void append_number(std::string& out, std::uint64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

}  // namespace

// ---- The life of a connection --------------------------------------------------------------

Connection::Connection(Listener::State& listener, int file, const IpAddress& peer,
                       PeerCounts::Place place)
    : listener_(listener),
      loop_(listener.loop),
      edge_(listener.options.edge),
      stream_(loop_),
      inbox_(loop_.blocks),
      kept_bytes_(loop_.buffered) {
  place_ = std::move(place);
  socket_peer_ = peer_ = peer;
  head_.client_ip = peer;
  head_.listener = listener.options.name;
  head_.exposure = listener.options.exposure;
  peer_left_.connection = this;
  stream_.on_peer_left = &peer_left_;
  stream_.adopt(file);
  join(listener.connections);
  ++listener.count;
}

Connection::~Connection() {
  stream_.close();
  if (arena_) loop_.give_arena(std::move(arena_));
  unlink();
  place_ = {};
  listener_.closed();
}

void Connection::serve(Listener::State& listener, int file, const IpAddress& peer,
                       PeerCounts::Place place) {
  std::unique_ptr<Connection> connection(new Connection(listener, file, peer, std::move(place)));
  start(live(std::move(connection)));
}

Task<void> Connection::live(std::unique_ptr<Connection> connection) { co_await connection->run(); }

Task<void> Connection::run() {
  if (listener_.options.proxy_protocol == config::ProxyProtocol::kRequired &&
      !co_await read_balancer()) {
    co_return;
  }
  if (listener_.options.tls != nullptr && !co_await handshake()) co_return;
  while (true) {
    const Next next = co_await read_head();
    if (next == Next::kClose) co_return;
    if (next == Next::kMalformed) {
      co_await refuse_malformed();
      co_return;
    }
    co_await listener_.handler.serve(*this);
    if (!co_await next_request()) co_return;
  }
}

// Before TLS, and from whom we trust alone: whoever else could say so would be anybody.
Task<bool> Connection::read_balancer() {
  if (!contains(edge_.trusted_proxies, peer_)) co_return false;
  stream_.set_deadline(loop_.now() + edge_.handshake_timeout);
  while (true) {
    if (!stream_.ready(Side::kRead)) co_await stream_.wait(Side::kRead);
    if (stream_.interrupted() != Interrupt::kNone) co_return false;
    std::array<char, kProxyHeaderBytesMax> bytes;
    const Attempt attempt = stream_.peek(bytes);
    if (attempt.result == Attempt::Result::kWaitRead) continue;
    if (attempt.result != Attempt::Result::kDone) co_return false;
    const ProxyHeader header = read_proxy_header({bytes.data(), attempt.bytes});
    if (header.state == ProxyHeader::State::kMalformed) co_return false;
    if (header.state == ProxyHeader::State::kMore) {
      // What it has not said when it leaves, it never will.
      if (stream_.peer_left()) co_return false;
      stream_.want_more();
      continue;
    }
    stream_.skip(header.length);
    if (header.client) head_.client_ip = peer_ = *header.client;
    break;
  }
  stream_.clear_deadline();
  co_return true;
}

Task<bool> Connection::handshake() {
  ssl_st* ssl = accept_tls(*listener_.options.tls);
  if (ssl == nullptr) co_return false;
  stream_.adopt_tls(ssl);
  stream_.set_deadline(loop_.now() + edge_.handshake_timeout);
  while (true) {
    const Attempt attempt = stream_.handshake();
    if (attempt.result == Attempt::Result::kDone) break;
    if (!attempt.waits()) co_return false;
    co_await stream_.wait(attempt);
    if (stream_.interrupted() != Interrupt::kNone) co_return false;
  }
  stream_.clear_deadline();
  FaultOr<std::unique_ptr<const authentication::ClientCertificate>> proven =
      proven_certificate(*ssl);
  if (!proven) co_return false;
  certificate_ = std::move(*proven);
  head_.certificate = certificate_.get();
  head_.kept = &kept_;
  head_.transport = authentication::Transport::kTls;
  co_return true;
}

void Connection::drain() {
  if (idle_) stream_.interrupt(Interrupt::kCancelled);
}

void Connection::cut() {
  broken_ = cut_ = true;
  stream_.interrupt(Interrupt::kCancelled);
  loop_.enqueue(peer_left_);
}

void Connection::peer_left() {
  if (wait_ != nullptr) wait_->cancel();
}

void Connection::on_caller_gone(pipeline::Cancellable* wait) {
  wait_ = wait;
  if (wait != nullptr && caller_gone()) wait->cancel();
}

// ---- The head ------------------------------------------------------------------------------

Task<Connection::Next> Connection::read_head() {
  limits_.bytes = static_cast<std::size_t>(edge_.header_bytes_max);
  limits_.fields = static_cast<std::size_t>(edge_.headers_max);
  HeadScan scan(limits_);
  bool begun = !inbox_.empty();
  idle_ = !begun;
  // A caller that has just connected has something to ask.
  const Duration patience = begun || first_ ? edge_.header_timeout : edge_.idle_timeout;
  stream_.set_deadline(loop_.now() + patience);
  while (true) {
    if (!inbox_.empty()) {
      // Some clients end a body with an empty line that is not part of it.
      if (scan.untouched() && inbox_.view().starts_with("\r\n")) {
        inbox_.consume(2);
        continue;
      }
      const HeadScan::State state = scan.scan(inbox_.view());
      if (state == HeadScan::State::kComplete) break;
      if (state == HeadScan::State::kMalformed) {
        complaint_ = scan.complaint();
        open_request();
        co_return Next::kMalformed;
      }
    }
    if (idle_ && listener_.draining) co_return Next::kClose;
    if (co_await fill(nullptr, 0) != Came::kBytes) co_return Next::kClose;
    if (!begun) {
      begun = true;
      idle_ = false;
      stream_.set_deadline(loop_.now() + edge_.header_timeout);
    }
  }
  stream_.clear_deadline();
  co_return accept_head(scan.length());
}

Connection::Next Connection::accept_head(std::size_t length) {
  // From here on the head must not move: the request's views point into it.
  if (!inbox_.could_hold(std::max(inbox_.size(), length + kBodyRoom))) {
    inbox_.reserve(std::max(inbox_.size(), length + kBodyRoom));
  }
  open_request();
  complaint_ = parse_request(inbox_.view().substr(0, length), limits_, loop_.fields, parsed_);
  head_bytes_ = request_bytes_ = length;
  head_.method = parsed_.method;
  head_.target = parsed_.target;
  head_.headers = arena_->copy(std::span<const pipeline::Header>(loop_.fields));
  // A balancer that is trusted no longer has said nothing.
  const bool told = contains(edge_.trusted_proxies, socket_peer_);
  const IpAddress& peer = told ? peer_ : socket_peer_;
  const std::optional<IpAddress> client = client_behind(peer, head_.headers, edge_);
  head_.client_ip = client.value_or(peer);
  if (!client && complaint_.empty()) complaint_ = kNoClient;
  return complaint_.empty() ? Next::kRequest : Next::kMalformed;
}

void Connection::open_request() {
  arena_ = loop_.take_arena();
  parsed_ = {};
  body_state_ = BodyState::kUnread;
  reply_state_ = ReplyState::kNone;
  further_ = {};
  idle_ = false;
  first_ = false;
}

void Connection::close_request() {
  head_.method = head_.target = {};
  head_.headers = {};
  loop_.give_arena(std::move(arena_));
  body_.drop();
  kept_bytes_.drop();
  inbox_.consume(std::min(request_bytes_, inbox_.size()));
  request_bytes_ = 0;
  inbox_.rest();
}

Task<void> Connection::refuse_malformed() {
  std::string headers;
  std::string body;
  listener_.handler.refuse_malformed(head_, complaint_, headers, body);
  pipeline::ReplyHead refusal;
  refusal.status = 400;
  refusal.headers = headers;
  body_state_ = BodyState::kFailed;
  co_await reply(refusal, body);
  co_await linger();
}

// Reads what comes next: into the inbox, or into a body of `most` bytes in all.
Task<Connection::Came> Connection::fill(Body* into, std::size_t most) {
  while (true) {
    if (!stream_.ready(Side::kRead)) co_await stream_.wait(Side::kRead);
    if (stream_.interrupted() != Interrupt::kNone) {
      co_return stream_.interrupted() == Interrupt::kTimeout ? Came::kTooLate : Came::kEnd;
    }
    if (into == nullptr && inbox_.room().empty()) inbox_.reserve(limits_.bytes + kBodyRoom);
    const Attempt attempt = stream_.read(into != nullptr ? into->room(most) : inbox_.room());
    switch (attempt.result) {
      case Attempt::Result::kDone:
        into != nullptr ? into->add(attempt.bytes) : inbox_.add(attempt.bytes);
        co_return Came::kBytes;
      case Attempt::Result::kWaitRead:
        continue;
      case Attempt::Result::kWaitWrite:
        co_await stream_.wait(Side::kWrite);
        continue;
      case Attempt::Result::kEnd:
      case Attempt::Result::kFailed:
        co_return Came::kEnd;
    }
  }
}

// ---- The body ------------------------------------------------------------------------------

Task<Expected<std::string_view>> Connection::read_body(Bytes limit) {
  CHECK(body_state_ == BodyState::kUnread);
  const auto most = static_cast<std::size_t>(std::max<Bytes>(limit, 0));
  if (parsed_.framing == Framing::kNone) {
    body_state_ = BodyState::kRead;
    co_return inbox_.view().substr(head_bytes_, 0);
  }
  if (parsed_.framing == Framing::kLength && parsed_.length > most) {
    body_state_ = BodyState::kFailed;
    co_return refuse(
        Reason::kBodyTooLarge, "",
        fmt::format("The body has {} bytes; at most {} are allowed here.", parsed_.length, most));
  }
  // Before any of it is read, and before the caller is told to send it.
  // What is promised takes nothing: who promises and sends nothing keeps nobody out.
  if (parsed_.framing == Framing::kLength &&
      !kept_bytes_.could_keep(static_cast<Bytes>(parsed_.length))) {
    co_return body_unkept();
  }
  if (parsed_.expects_continue && inbox_.size() == head_bytes_) {
    Pieces pieces;
    pieces.add(kContinue);
    if (!co_await flush(pieces)) co_return body_failed(Came::kEnd);
  }
  const std::size_t expected =
      parsed_.framing == Framing::kLength ? static_cast<std::size_t>(parsed_.length) : most;
  stream_.set_deadline(loop_.now() + edge_.body_timeout +
                       std::chrono::seconds(expected / kBodyBytesPerSecond));
  Expected<std::string_view> body =
      parsed_.framing == Framing::kLength ? co_await read_length() : co_await read_chunks(most);
  stream_.clear_deadline();
  if (body) body_state_ = BodyState::kRead;
  co_return body;
}

Task<Expected<std::string_view>> Connection::read_length() {
  const auto length = static_cast<std::size_t>(parsed_.length);
  if (inbox_.could_hold(head_bytes_ + length)) {
    while (inbox_.size() < head_bytes_ + length) {
      const Came came = co_await fill(nullptr, 0);
      if (came != Came::kBytes) co_return body_failed(came);
    }
    request_bytes_ = head_bytes_ + length;
    co_return inbox_.view().substr(head_bytes_, length);
  }
  const std::size_t there = std::min(inbox_.size() - head_bytes_, length);
  if (!has_room(body_.bytes_with_room(length))) co_return body_unkept();
  body_.append(inbox_.view().substr(head_bytes_, there), length);
  request_bytes_ = head_bytes_ + there;
  while (body_.size() < length) {
    if (!has_room(body_.bytes_with_room(length))) co_return body_unkept();
    const Came came = co_await fill(&body_, length);
    if (came != Came::kBytes) co_return body_failed(came);
  }
  co_return body_.view();
}

Task<Expected<std::string_view>> Connection::read_chunks(std::size_t limit) {
  ChunkDecoder decoder(Trailers::kRefused);
  while (true) {
    const std::size_t there = inbox_.size() - head_bytes_;
    const ChunkDecoder::Step step = decoder.decode(inbox_.data() + head_bytes_, there);
    if (body_.size() + step.decoded > limit) {
      body_state_ = BodyState::kFailed;
      co_return refuse(Reason::kBodyTooLarge, "",
                       fmt::format("The body has more than {} bytes, which are the most that are "
                                   "allowed here.",
                                   limit));
    }
    // It grows by doubling.
    if (!has_room(std::min(limit, 2 * (body_.size() + step.decoded)))) co_return body_unkept();
    body_.append(inbox_.view().substr(head_bytes_, step.decoded), limit);
    inbox_.erase(head_bytes_, step.consumed);
    if (decoder.done()) break;
    // A chunk's first line that fills all the room is none.
    if (decoder.malformed() || inbox_.room().empty()) {
      body_state_ = BodyState::kFailed;
      co_return refuse(Reason::kInvalidRequest, "",
                       "The body is not correctly chunked (RFC 9112, section 7.1).");
    }
    const Came came = co_await fill(nullptr, 0);
    if (came != Came::kBytes) co_return body_failed(came);
  }
  // One that is empty still has its padding.
  if (body_.size() == 0) static_cast<void>(body_.room(1));
  co_return body_.view();
}

void Connection::drop_body() {
  body_state_ = BodyState::kFailed;
  body_.drop();
  kept_bytes_.drop();
}

Expected<std::string_view> Connection::body_unkept() {
  const overload::Lack lack = kept_bytes_.lack();
  drop_body();
  return std::unexpected(pipeline::no_room(lack));
}

Expected<std::string_view> Connection::body_failed(Came came) {
  drop_body();
  return refuse(Reason::kInvalidRequest, "",
                came == Came::kTooLate ? "The body came too slowly."
                                       : "The connection ended before the body was complete.");
}

// ---- The reply -----------------------------------------------------------------------------

bool Connection::may_keep_alive() const {
  if (!parsed_.keep_alive || listener_.draining) return false;
  if (body_state_ == BodyState::kFailed) return false;
  if (body_state_ == BodyState::kRead || parsed_.framing == Framing::kNone) return true;
  return parsed_.framing == Framing::kLength && parsed_.length <= kDroppedBytesMax &&
         !parsed_.expects_continue;
}

void Connection::write_head(const pipeline::ReplyHead& head, Framing framing, std::size_t length) {
  out_.clear();
  out_ += "HTTP/1.1 ";
  append_number(out_, static_cast<std::uint64_t>(head.status));
  out_ += ' ';
  out_ += reason_phrase(head.status);
  out_ += "\r\n";
  out_ += loop_.date_line();
  if (!head.content_type.empty()) {
    out_ += "content-type: ";
    out_ += head.content_type;
    out_ += "\r\n";
  }
  if (framing == Framing::kLength) {
    out_ += "content-length: ";
    append_number(out_, length);
    out_ += "\r\n";
  } else if (framing == Framing::kChunked) {
    out_ += "transfer-encoding: chunked\r\n";
  }
  out_ += head.headers;
  out_ += further_;
  if (!keep_alive_) {
    out_ += "connection: close\r\n";
  } else if (parsed_.minor_version == 0) {
    out_ += "connection: keep-alive\r\n";
  }
  out_ += "\r\n";
}

Task<bool> Connection::reply(const pipeline::ReplyHead& head, std::string_view body) {
  CHECK(reply_state_ == ReplyState::kNone);
  reply_state_ = ReplyState::kComplete;
  keep_alive_ = may_keep_alive();
  const bool bodiless = head.status == 204 || head.status == 304;
  write_head(head, bodiless ? Framing::kNone : Framing::kLength, body.size());
  Pieces pieces;
  pieces.add(out_);
  if (!bodiless && !head_only()) pieces.add(body);
  // Progress alone would let a caller hold a large reply in memory for hours.
  const Instant until = loop_.now() + edge_.stalled_reply_timeout +
                        std::chrono::seconds(pieces.bytes() / kBodyBytesPerSecond);
  co_return co_await flush(pieces, until);
}

void Connection::begin(const pipeline::ReplyHead& head) {
  CHECK(reply_state_ == ReplyState::kNone);
  reply_state_ = ReplyState::kBegun;
  keep_alive_ = may_keep_alive();
  reply_framing_ = Framing::kChunked;
  // HTTP/1.0 has no chunks: there the connection's end is the reply's.
  if (parsed_.minor_version == 0) {
    reply_framing_ = Framing::kUntilClose;
    keep_alive_ = false;
  }
  if (head_only()) reply_framing_ = Framing::kNone;
  write_head(head, reply_framing_, 0);
}

Task<bool> Connection::write(std::string_view piece) {
  CHECK(reply_state_ == ReplyState::kBegun || reply_state_ == ReplyState::kStreaming);
  if (caller_gone()) co_return false;
  if (reply_framing_ == Framing::kNone) piece = {};
  Pieces pieces;
  if (reply_state_ == ReplyState::kBegun) pieces.add(out_);
  reply_state_ = ReplyState::kStreaming;
  char size[20];
  if (reply_framing_ == Framing::kChunked && !piece.empty()) {
    char* end = std::to_chars(size, size + sizeof size, piece.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    pieces.add({size, static_cast<std::size_t>(end - size)});
    pieces.add(piece);
    pieces.add("\r\n");
  } else {
    pieces.add(piece);
  }
  co_return co_await flush(pieces);
}

Task<bool> Connection::finish() {
  CHECK(reply_state_ == ReplyState::kBegun || reply_state_ == ReplyState::kStreaming);
  Pieces pieces;
  if (reply_state_ == ReplyState::kBegun) pieces.add(out_);
  reply_state_ = ReplyState::kComplete;
  if (reply_framing_ == Framing::kChunked) pieces.add("0\r\n\r\n");
  co_return co_await flush(pieces);
}

// Writes all of it. False: the caller is gone, or takes nothing any more, or not all `until`
// then.
Task<bool> Connection::flush(Pieces& pieces, Instant until) {
  std::size_t progress = kProgressBytes;
  bool timed = false;
  co_await loop_.gather();
  while (!pieces.empty() && !broken_) {
    const Attempt attempt = stream_.write(pieces);
    if (attempt.result == Attempt::Result::kDone) {
      progress += attempt.bytes;
      continue;
    }
    if (!attempt.waits() || stream_.peer_left()) {
      broken_ = true;
      break;
    }
    if (progress >= kProgressBytes) {
      stream_.set_deadline(std::min(loop_.now() + edge_.stalled_reply_timeout, until));
      timed = true;
      progress = 0;
    }
    co_await stream_.wait(attempt);
    if (stream_.interrupted() != Interrupt::kNone) broken_ = true;
  }
  if (timed) stream_.clear_deadline();
  co_return !broken_;
}

// ---- Between requests ----------------------------------------------------------------------

Task<bool> Connection::next_request() {
  wait_ = nullptr;
  if (broken_ || reply_state_ != ReplyState::kComplete) co_return false;
  if (!keep_alive_) {
    co_await linger();
    co_return false;
  }
  if (body_state_ == BodyState::kUnread && parsed_.framing == Framing::kLength) {
    stream_.set_deadline(loop_.now() + edge_.body_timeout);
    std::size_t rest = static_cast<std::size_t>(parsed_.length);
    inbox_.consume(head_bytes_);
    request_bytes_ = 0;
    while (true) {
      const std::size_t part = std::min(rest, inbox_.size());
      inbox_.consume(part);
      rest -= part;
      if (rest == 0) break;
      if (co_await fill(nullptr, 0) != Came::kBytes) co_return false;
    }
    stream_.clear_deadline();
  }
  close_request();
  co_return true;
}

// Ends our side and reads on for a little: a socket closed with unread bytes in it resets the
// connection, and the caller would lose the reply.
Task<void> Connection::linger() {
  if (broken_) co_return;
  const bool all_read = body_state_ == BodyState::kRead && inbox_.size() <= request_bytes_;
  stream_.shutdown_write();
  if (all_read && !stream_.ready(Side::kRead)) co_return;
  stream_.set_deadline(loop_.now() + kLingerTime);
  for (std::size_t dropped = 0; dropped < kLingerBytesMax;) {
    inbox_.drop();
    if (co_await fill(nullptr, 0) != Came::kBytes) co_return;
    dropped += inbox_.size();
  }
}

}  // namespace tollgate::net
