// What is inside of a Loop: epoll, the wheel, and the queue of what runs next.
//
// A turn of the loop has two halves. First the events and deadlines are told: they set flags
// and put Runnables into the queue. Then the queue runs: coroutines go on there and nowhere
// else. So nothing is destroyed while events are told, and no coroutine is resumed from inside
// of another one.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "controls/overload/buffered_bytes.h"
#include "net/blocks.h"
#include "net/links.h"
#include "net/net.h"
#include "net/wheel.h"
#include "pipeline/ports.h"

namespace tollgate::net {

// A file that epoll watches.
class Watched {
 public:
  virtual void tell(std::uint32_t events) = 0;

 protected:
  ~Watched() = default;
};

struct Loop::State {
  State();
  ~State();

  void run();
  // One turn; waits at most `most`. For tests, which are their own clock.
  void turn(Duration most);
  // Lets `time` pass for the deadlines of this loop alone. On the loop's thread. For tests.
  void skip(Duration time) { skipped_ += time; }

  // The time of this turn: for deadlines.
  Instant now() const { return now_; }

  void enqueue(Runnable& next) {
    if (!next.linked()) next.join(queue_);
  }

  // Waits, before a send, for the others of this turn: what many requests have to send goes out
  // together. A first send wakes the peer's processor, the next ones find it awake.
  class Gather;
  Gather gather();

  void watch(int file, Watched& watched, std::uint32_t events);
  void watch_again(int file, Watched& watched, std::uint32_t events);

  void post(std::function<void()> work);
  void stop();

  std::unique_ptr<Arena> take_arena();
  void give_arena(std::unique_ptr<Arena> arena);

  // "date: …\r\n" of this second.
  std::string_view date_line();

  Wheel wheel;
  Blocks blocks;
  std::vector<pipeline::Header> fields;  // Of the head being parsed.
  std::unique_ptr<char[]> record;        // One TLS record being gathered.
  // Where bodies that connections and calls keep count; null: nowhere.
  overload::BufferedBytes* buffered = nullptr;

 private:
  void wait(Duration most);
  void run_queue();

  int epoll_ = -1;
  int wake_ = -1;
  Duration skipped_{0};
  Instant now_;
  Link queue_;
  Link batch_;    // Of this turn, what has not run yet.
  Link sending_;  // What waits in gather().
  std::vector<std::unique_ptr<Arena>> arenas_;
  std::string date_;
  std::int64_t date_second_ = -1;
  std::atomic<bool> stopping_ = false;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
  std::vector<std::function<void()>> running_;
};

class Loop::State::Gather final : public Runnable {
 public:
  explicit Gather(State& loop) : loop_(loop) {}
  bool await_ready() const { return !loop_.batch_.linked() && !loop_.sending_.linked(); }
  void await_suspend(std::coroutine_handle<> sender) {
    sender_ = sender;
    join(loop_.sending_);
  }
  void await_resume() {}
  void run() override { sender_.resume(); }

 private:
  State& loop_;
  std::coroutine_handle<> sender_;
};

inline Loop::State::Gather Loop::State::gather() { return Gather(*this); }

}  // namespace tollgate::net
