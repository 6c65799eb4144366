// One connected socket, plain or TLS: try now, else wait until it is worth trying again.
//
// The socket is watched once, edge-triggered, for reading, writing and the peer's leaving, so
// waiting costs no system call and a peer that leaves is seen although nobody reads. A try
// that drained the socket is known from its length; what follows it is an event.
//
// Nothing here throws; what fails is a result.
#pragma once

#include <sys/uio.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/task.h"
#include "net/loop_state.h"

struct ssl_st;

namespace tollgate::net {

// Up to a few pieces of memory that are written one after the other.
class Pieces {
 public:
  void add(std::string_view piece) {
    if (piece.empty()) return;
    pieces_[count_++] = {const_cast<char*>(piece.data()), piece.size()};
    bytes_ += piece.size();
  }
  void consume(std::size_t bytes);
  bool empty() const { return bytes_ == 0; }
  std::size_t bytes() const { return bytes_; }
  std::span<iovec> rest() { return {pieces_.data() + first_, count_ - first_}; }

 private:
  std::array<iovec, 5> pieces_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

enum class Side : std::uint8_t { kRead, kWrite };

struct Attempt {
  enum class Result : std::uint8_t { kDone, kWaitRead, kWaitWrite, kEnd, kFailed };
  Result result = Result::kFailed;
  std::size_t bytes = 0;  // kDone
  int error = 0;          // kFailed: errno, or 0 for TLS.

  bool waits() const { return result == Result::kWaitRead || result == Result::kWaitWrite; }
  Side side() const { return result == Result::kWaitRead ? Side::kRead : Side::kWrite; }
};

// Why a wait ended without the socket being ready. Stays until cleared.
enum class Interrupt : std::uint8_t { kNone, kTimeout, kCancelled };

class Stream final : public Watched, public Timer {
 public:
  explicit Stream(Loop::State& loop) : loop_(loop) {}
  ~Stream() { close(); }
  Stream(const Stream&) = delete;

  // Takes a connected (or connecting) non-blocking socket and watches it.
  void adopt(int file);
  // Puts TLS on it; owns `ssl`, which has its own references to all that it needs.
  void adopt_tls(ssl_st* ssl);
  void close();
  bool open() const { return file_ >= 0; }
  int file() const { return file_; }
  ssl_st* tls() const { return ssl_; }

  // What has come, without taking it: plain bytes, before TLS. Where that is not enough, wait
  // for more after want_more().
  Attempt peek(std::span<char> into);
  void want_more() { readable_ = false; }
  void skip(std::size_t bytes);  // Takes what was peeked at.

  Attempt read(std::span<char> into);
  Attempt write(Pieces& pieces);  // Consumes what it wrote.
  Attempt handshake();            // kDone when it is complete.
  void shutdown_write();          // What we have to say has been said.

  // Waiting to write is waiting for the connection to be made.
  void expect_connect() { writable_ = false; }

  // Waits for the side to be worth a try, an interrupt, or (writing) the peer's leaving.
  auto wait(Side side) { return Wait(*this, side); }
  auto wait(const Attempt& attempt) { return Wait(*this, attempt.side()); }

  bool ready(Side side) const { return side == Side::kRead ? readable_ : writable_; }
  // Asks the socket whether something to read has come, or the peer has left, since the loop
  // was last told: a system call.
  void look();
  Interrupt interrupted() const { return interrupt_; }
  void interrupt(Interrupt why);

  void set_deadline(Instant at) { loop_.wheel.set(*this, at); }
  // A deadline that has passed meanwhile is forgotten too.
  void clear_deadline() {
    loop_.wheel.clear(*this);
    if (interrupt_ == Interrupt::kTimeout) interrupt_ = Interrupt::kNone;
  }

  // The peer has closed its side, or the connection is broken.
  bool peer_left() const { return left_; }

  // Put into the loop's queue when the peer leaves; when there is something to read, or an
  // interrupt, though nobody waits.
  Runnable* on_peer_left = nullptr;
  Runnable* on_readable = nullptr;

  void tell(std::uint32_t events) override;
  void expired() override { interrupt(Interrupt::kTimeout); }

 private:
  class Wait final : public Runnable {
   public:
    Wait(Stream& stream, Side side) : stream_(stream), side_(side) {}
    ~Wait() {
      if (stream_.waiting_[index()] == this) stream_.waiting_[index()] = nullptr;
    }
    bool await_ready() const {
      return stream_.ready(side_) || stream_.interrupt_ != Interrupt::kNone;
    }
    void await_suspend(std::coroutine_handle<> waiter) {
      waiter_ = waiter;
      stream_.waiting_[index()] = this;
    }
    void await_resume() {}
    void run() override { waiter_.resume(); }

   private:
    std::size_t index() const { return static_cast<std::size_t>(side_); }
    Stream& stream_;
    Side side_;
    std::coroutine_handle<> waiter_;
  };

  void wake(Side side);
  Attempt tls_result(int returned, Side side);
  Attempt write_tls(Pieces& pieces);

  Loop::State& loop_;
  int file_ = -1;
  ssl_st* ssl_ = nullptr;
  bool readable_ = false;
  bool writable_ = true;
  bool left_ = false;
  bool tls_failed_ = false;
  Interrupt interrupt_ = Interrupt::kNone;
  std::array<Wait*, 2> waiting_{};
};

// "connection refused (111)" and the like, for the operator.
std::string error_words(int error);

}  // namespace tollgate::net
