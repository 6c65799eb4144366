#include "net/upstream_call.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/reachable.h"

namespace tollgate::net {

namespace {

constexpr std::size_t kReadRoom = 4 << 10;  // What is worth a read.
constexpr int kInterimRepliesMax = 8;       // 1xx before the reply.
constexpr std::array<char, kPadding + 1> kNothing{};
constexpr std::string_view kNoRoom = "as many bytes are kept as may be (edge.buffered_bytes_max)";
constexpr HeadLimits kReplyLimits = {.bytes = 32 << 10, .fields = 200};

}  // namespace

void Call::open(Origin& origin, const pipeline::UpstreamRequest& request) {
  origin_ = &origin;
  ++origin.calls;
  request_ = request;
  timeout_ = request.upstream->timeout;
  if (request.first_byte) timeout_.first_byte = std::min(timeout_.first_byte, *request.first_byte);
  sent_ = answered_ = head_read_ = ended_ = broken_ = cancelled_ = false;
  piece_bytes_ = 0;
  left_ = 0;
  parsed_ = {};
}

void Call::cancel() {
  cancelled_ = true;
  if (lookup_ != nullptr) lookup_->give_up(pool_.loop);
  if (connection_) connection_->stream.interrupt(Interrupt::kCancelled);
}

void Call::release() {
  if (connection_) {
    // The end of the last chunk is often here already, behind what the caller wanted.
    drop_piece();
    while (head_read_ && !ended_ && !broken_ && !connection_->inbox.empty()) {
      if (take_piece().empty()) break;
      drop_piece();
    }
    const bool reusable = head_read_ && ended_ && !broken_ && !cancelled_ && parsed_.keep_alive &&
                          connection_->inbox.empty() && connection_->stream.open() &&
                          !connection_->stream.peer_left();
    if (reusable) {
      pool_.keep(std::move(connection_), parsed_.keep_alive_timeout);
    } else {
      connection_.reset();
    }
  }
  whole_.drop();
  kept_bytes_.drop();
  decoder_.reset();
  fields_.clear();
  origin_->gate->leave(pool_.loop.now());
  --origin_->calls;
  origin_ = nullptr;
  pool_.recycle(*this);
}

std::string_view Call::header(std::string_view name) const {
  for (const pipeline::Header& field : fields_) {
    if (equal_without_case(field.name, name)) return field.value;
  }
  return {};
}

// ---- Faults --------------------------------------------------------------------------------

std::unexpected<Fault> Call::failed(FaultKind kind, std::string_view what) {
  broken_ = true;
  return fault(kind, fmt::format("upstream {} ({}:{}): {}", origin_->upstream, origin_->host,
                                 origin_->port, what));
}

std::unexpected<Fault> Call::interrupted(Phase phase) {
  if (cancelled_) return failed(FaultKind::kCancelled, "the call was given up");
  if (pool_.loop.now() >= total_) {
    return failed(FaultKind::kTimeout, "the reply took longer than timeout.total");
  }
  switch (phase) {
    case Phase::kConnect:
      return failed(FaultKind::kTimeout, "no connection within timeout.connect");
    case Phase::kFirstByte:
      return failed(FaultKind::kTimeout, "no reply within timeout.first_byte");
    case Phase::kBetweenChunks:
      break;
  }
  return failed(FaultKind::kTimeout, "the reply paused for longer than timeout.between_chunks");
}

Duration Call::patience(Phase phase) const {
  switch (phase) {
    case Phase::kConnect:
      return timeout_.connect;
    case Phase::kFirstByte:
      return std::max(Duration{}, first_byte_ - pool_.loop.now());
    case Phase::kBetweenChunks:
      break;
  }
  return timeout_.between_chunks;
}

// ---- Connecting ----------------------------------------------------------------------------

Task<FaultOr<void>> Call::send() {
  total_ = pool_.loop.now() + timeout_.total;
  if (cancelled_) co_return failed(FaultKind::kCancelled, "the call was given up");
  connection_ = pool_.take(*origin_);
  if (connection_) {
    FaultOr<void> done = co_await exchange();
    // A kept connection may have ended under our hands. Once a byte is written the upstream may
    // be at work, and a second request would be a second bill: only one of which nothing was
    // written goes out again.
    const bool untouched = !sent_ && !answered_ && !cancelled_;
    if (done || !untouched || done.error().kind != FaultKind::kBroken) co_return done;
    connection_.reset();
    broken_ = false;
  }
  FaultOr<void> connected = co_await connect();
  if (!connected) co_return connected;
  co_return co_await exchange();
}

Task<FaultOr<void>> Call::connect() {
  const Instant until = std::min(pool_.loop.now() + timeout_.connect, total_);
  FaultOr<std::vector<Address>> addresses = co_await resolve(until);
  if (!addresses) co_return std::unexpected(std::move(addresses.error()));
  FaultOr<void> connected = failed(FaultKind::kUnreachable, "the name has no address");
  for (const Address& address : *addresses) {
    if (!may_connect(request_.upstream->addresses, address)) {
      connected = failed(FaultKind::kRefusedByPeer, kInternalAddress);
      continue;
    }
    connection_ = std::make_unique<UpstreamConnection>(pool_.loop, *origin_);
    connected = co_await connect_to(address, until);
    if (connected) break;
    connection_.reset();
    if (connected.error().kind != FaultKind::kUnreachable) co_return connected;
  }
  if (!connected) co_return connected;
  if (origin_->tls) {
    connected = co_await handshake(until);
    if (!connected) co_return connected;
  }
  connection_->stream.clear_deadline();
  broken_ = false;
  co_return connected;
}

Task<FaultOr<std::vector<Address>>> Call::resolve(Instant until) {
  struct GiveUp final : Timer {
    void expired() override { lookup->give_up(*loop); }
    Resolver::Lookup* lookup = nullptr;
    Loop::State* loop = nullptr;
  };
  std::vector<Address> found;
  std::string why;
  while (true) {
    Resolver::Lookup lookup;
    const Resolver::State state =
        pool_.resolver.look(origin_->host, origin_->port, found, why, lookup);
    if (state == Resolver::State::kKnown) co_return found;
    if (state == Resolver::State::kFailed) {
      co_return failed(FaultKind::kUnreachable, fmt::format("the name is not known: {}", why));
    }
    if (cancelled_ || pool_.loop.now() >= until) co_return interrupted(Phase::kConnect);
    GiveUp give_up;
    give_up.lookup = &lookup;
    give_up.loop = &pool_.loop;
    pool_.loop.wheel.set(give_up, until);
    lookup_ = &lookup;
    co_await lookup;
    lookup_ = nullptr;
    if (cancelled_ || pool_.loop.now() >= until) co_return interrupted(Phase::kConnect);
  }
}

Task<FaultOr<void>> Call::connect_to(const Address& address, Instant until) {
  const int file = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (file < 0) co_return failed(FaultKind::kUnreachable, error_words(errno));
  const int on = 1;
  setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int done =
      ::connect(file, reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  const int why = errno;
  Stream& stream = connection_->stream;
  // Watched after connect(): a socket that is not connecting counts as hung up.
  stream.adopt(file);
  if (done == 0) co_return FaultOr<void>();
  if (why != EINPROGRESS) co_return failed(FaultKind::kUnreachable, error_words(why));
  stream.set_deadline(until);
  stream.expect_connect();
  co_await stream.wait(Side::kWrite);
  if (stream.interrupted() != Interrupt::kNone) co_return interrupted(Phase::kConnect);
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(file, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) co_return failed(FaultKind::kUnreachable, error_words(error));
  co_return FaultOr<void>();
}

Task<FaultOr<void>> Call::handshake(Instant until) {
  FaultOr<ssl_ctx_st*> context = pool_.context(origin_->authority);
  if (!context) co_return std::unexpected(std::move(context.error()));
  ssl_st* ssl = connect_tls(**context, origin_->host, origin_->session);
  if (ssl == nullptr) co_return failed(FaultKind::kBroken, "TLS cannot be set up");
  Stream& stream = connection_->stream;
  stream.adopt_tls(ssl);
  stream.set_deadline(until);
  while (true) {
    const Attempt attempt = stream.handshake();
    if (attempt.result == Attempt::Result::kDone) co_return FaultOr<void>();
    if (!attempt.waits()) {
      origin_->session.reset();
      co_return failed(FaultKind::kUnreachable,
                       fmt::format("the TLS handshake failed: {}", tls_words(ssl)));
    }
    co_await stream.wait(attempt);
    if (stream.interrupted() != Interrupt::kNone) co_return interrupted(Phase::kConnect);
  }
}

// ---- Sending and the head ------------------------------------------------------------------

Task<FaultOr<void>> Call::exchange() {
  FaultOr<void> written = co_await write_message();
  if (!written && written.error().kind != FaultKind::kBroken) co_return written;
  first_byte_ = pool_.loop.now() + timeout_.first_byte;
  // An upstream that refuses a large body early closes while we write, with its answer sent.
  FaultOr<void> read = co_await read_head();
  if (!written) parsed_.keep_alive = false;
  const bool is_awaited = request_.awaits_body && parsed_.status == 200 && !ended_;
  if (!read || !is_awaited || !connection_->inbox.empty()) co_return read;
  FaultOr<Came> came = co_await fill(Phase::kFirstByte, nullptr, 0);
  if (!came) co_return std::unexpected(std::move(came.error()));
  if (*came == Came::kEnd && parsed_.framing != Framing::kUntilClose) {
    co_return failed(FaultKind::kBroken, "the reply ended behind its head");
  }
  co_return read;
}

Task<FaultOr<void>> Call::write_message() {
  Stream& stream = connection_->stream;
  Pieces pieces;
  pieces.add(request_.message);
  bool timed = false;
  co_await pool_.loop.gather();
  if (stream.interrupted() != Interrupt::kNone) co_return interrupted(Phase::kFirstByte);
  while (!pieces.empty()) {
    const Attempt attempt = stream.write(pieces);
    if (attempt.result == Attempt::Result::kDone) {
      sent_ = true;
      continue;
    }
    if (!attempt.waits() || stream.peer_left()) {
      co_return failed(FaultKind::kBroken, "the connection ended while the request was sent");
    }
    if (!timed) {
      stream.set_deadline(std::min(pool_.loop.now() + timeout_.first_byte, total_));
      timed = true;
    }
    co_await stream.wait(attempt);
    if (stream.interrupted() != Interrupt::kNone) co_return interrupted(Phase::kFirstByte);
  }
  if (timed) stream.clear_deadline();
  co_return FaultOr<void>();
}

Task<FaultOr<void>> Call::read_head() {
  Inbox& inbox = connection_->inbox;
  for (int interim = 0; interim <= kInterimRepliesMax; ++interim) {
    HeadScan scan(kReplyLimits);
    HeadScan::State state = HeadScan::State::kMore;
    while ((state = scan.scan(inbox.view())) == HeadScan::State::kMore) {
      FaultOr<Came> came = co_await fill(Phase::kFirstByte, nullptr, 0);
      if (!came) co_return std::unexpected(std::move(came.error()));
      if (*came == Came::kEnd) {
        co_return failed(FaultKind::kBroken, "the connection ended before a reply");
      }
      answered_ = true;
    }
    if (state == HeadScan::State::kMalformed) {
      co_return failed(FaultKind::kBroken,
                       fmt::format("the reply is not HTTP: {}", scan.complaint()));
    }
    FaultOr<void> accepted = accept_head(scan.length());
    if (!accepted || parsed_.status >= 200) co_return accepted;
  }
  co_return failed(FaultKind::kBroken, "there is no reply behind many interim ones");
}

FaultOr<void> Call::accept_head(std::size_t length) {
  Inbox& inbox = connection_->inbox;
  head_.assign(inbox.view().substr(0, length));
  inbox.consume(length);
  const ReplyTo request = request_.message.starts_with("HEAD ") ? ReplyTo::kHead : ReplyTo::kOther;
  parsed_ = {};
  const std::string_view complaint = parse_reply(head_, kReplyLimits, request, fields_, parsed_);
  if (!complaint.empty()) {
    return failed(FaultKind::kBroken, fmt::format("the reply is not HTTP: {}", complaint));
  }
  if (parsed_.status == 101) return failed(FaultKind::kBroken, "it changed the protocol");
  if (parsed_.status < 200) return {};
  head_read_ = true;
  broken_ = false;
  left_ = parsed_.length;
  ended_ = parsed_.framing == Framing::kNone;
  if (parsed_.framing == Framing::kChunked) decoder_.emplace(Trailers::kSkipped);
  return {};
}

// Reads what comes next: into the inbox, or into a body of `most` bytes in all.
Task<FaultOr<Call::Came>> Call::fill(Phase phase, Body* into, std::size_t most) {
  Stream& stream = connection_->stream;
  Inbox& inbox = connection_->inbox;
  // A stream that pauses holds no memory for what is to come.
  inbox.rest();
  bool timed = false;
  while (true) {
    if (!stream.ready(Side::kRead) && stream.interrupted() == Interrupt::kNone) {
      if (!timed) stream.set_deadline(std::min(pool_.loop.now() + patience(phase), total_));
      timed = true;
      co_await stream.wait(Side::kRead);
    }
    if (stream.interrupted() != Interrupt::kNone || pool_.loop.now() >= total_) {
      co_return interrupted(phase);
    }
    if (into == nullptr && inbox.room().size() < kReadRoom) {
      inbox.reserve(inbox.size() + kReadRoom);
    }
    const Attempt attempt = stream.read(into != nullptr ? into->room(most) : inbox.room());
    switch (attempt.result) {
      case Attempt::Result::kDone:
        if (timed) stream.clear_deadline();
        into != nullptr ? into->add(attempt.bytes) : inbox.add(attempt.bytes);
        co_return Came::kBytes;
      case Attempt::Result::kEnd:
        co_return Came::kEnd;
      case Attempt::Result::kFailed:
        co_return failed(FaultKind::kBroken,
                         fmt::format("the connection broke: {}", error_words(attempt.error)));
      case Attempt::Result::kWaitRead:
        continue;
      case Attempt::Result::kWaitWrite:
        co_await stream.wait(Side::kWrite);
        continue;
    }
  }
}

// ---- The body ------------------------------------------------------------------------------

void Call::drop_piece() {
  connection_->inbox.consume(piece_bytes_);
  piece_bytes_ = 0;
}

std::string_view Call::take_piece() {
  Inbox& inbox = connection_->inbox;
  switch (parsed_.framing) {
    case Framing::kNone:
      return {};
    case Framing::kLength: {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, inbox.size()));
      left_ -= part;
      ended_ = left_ == 0;
      piece_bytes_ = part;
      return inbox.view().substr(0, part);
    }
    case Framing::kUntilClose:
      piece_bytes_ = inbox.size();
      return inbox.view();
    case Framing::kChunked:
      break;
  }
  const ChunkDecoder::Step step = decoder_->decode(inbox.data(), inbox.size());
  ended_ = decoder_->done();
  broken_ = broken_ || decoder_->malformed();
  piece_bytes_ = step.consumed;
  if (step.decoded == 0) drop_piece();
  return inbox.view().substr(0, step.decoded);
}

Task<FaultOr<std::string_view>> Call::read() {
  CHECK(head_read_);
  drop_piece();
  while (!ended_) {
    if (!connection_->inbox.empty()) {
      const std::string_view piece = take_piece();
      // What came before the damage is kept back: none of it can be trusted.
      if (broken_) co_return failed(FaultKind::kBroken, "the reply is not correctly chunked");
      if (!piece.empty()) co_return piece;
      if (ended_) break;
      // The first line of a chunk has no such length.
      if (connection_->inbox.size() > Blocks::kBytes) {
        co_return failed(FaultKind::kBroken, "the reply is not correctly chunked");
      }
    }
    FaultOr<Came> came = co_await fill(Phase::kBetweenChunks, nullptr, 0);
    if (!came) co_return std::unexpected(std::move(came.error()));
    if (*came == Came::kEnd) {
      if (parsed_.framing != Framing::kUntilClose) {
        co_return failed(FaultKind::kBroken, "the reply ended too early");
      }
      ended_ = true;
    }
  }
  co_return std::string_view();
}

Task<FaultOr<std::string_view>> Call::read_whole(Bytes limit) {
  CHECK(head_read_);
  const auto most = static_cast<std::size_t>(std::max<Bytes>(limit, 0));
  drop_piece();
  if (ended_) co_return std::string_view(kNothing.data(), 0);
  Inbox& inbox = connection_->inbox;
  if (parsed_.framing == Framing::kLength) {
    if (left_ > most) co_return failed(FaultKind::kBroken, "the reply is larger than allowed");
    const auto length = static_cast<std::size_t>(left_);
    while (inbox.size() < length && inbox.could_hold(length)) {
      FaultOr<Came> came = co_await fill(Phase::kBetweenChunks, nullptr, 0);
      if (!came) co_return std::unexpected(std::move(came.error()));
      if (*came == Came::kEnd) co_return failed(FaultKind::kBroken, "the reply ended too early");
    }
    if (inbox.size() >= length) co_return take_piece();
    if (!has_room(whole_.bytes_with_room(length))) co_return failed(FaultKind::kNoRoom, kNoRoom);
    const std::string_view there = take_piece();
    whole_.append(there, length);
    drop_piece();
    while (whole_.size() < length) {
      if (!has_room(whole_.bytes_with_room(length))) co_return failed(FaultKind::kNoRoom, kNoRoom);
      FaultOr<Came> came = co_await fill(Phase::kBetweenChunks, &whole_, length);
      if (!came) co_return std::unexpected(std::move(came.error()));
      if (*came == Came::kEnd) co_return failed(FaultKind::kBroken, "the reply ended too early");
    }
    left_ = 0;
    ended_ = true;
    co_return whole_.view();
  }
  FaultOr<std::string_view> first = co_await read();
  if (!first) co_return first;
  if (first->empty()) co_return std::string_view(kNothing.data(), 0);
  if (ended_ && first->size() <= most) co_return first;
  co_return co_await gather(*first, most);
}

bool Call::has_room(std::size_t bytes) {
  return kept_bytes_.keep(static_cast<Bytes>(bytes), overload::BufferedBytes::For::kAnswer);
}

// The rest of a body without a length, behind its first piece.
Task<FaultOr<std::string_view>> Call::gather(std::string_view first, std::size_t limit) {
  std::string_view piece = first;
  while (!piece.empty()) {
    if (whole_.size() + piece.size() > limit) {
      co_return failed(FaultKind::kBroken, "the reply is larger than allowed");
    }
    if (!has_room(std::min(limit, 2 * (whole_.size() + piece.size())))) {
      co_return failed(FaultKind::kNoRoom, kNoRoom);
    }
    whole_.append(piece, limit);
    FaultOr<std::string_view> next = co_await read();
    if (!next) co_return next;
    piece = *next;
  }
  co_return whole_.view();
}

}  // namespace tollgate::net
