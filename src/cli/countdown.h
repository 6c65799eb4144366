// Counts down to nothing from other threads, while one waits: for listeners that drain.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/units.h"
#include "net/net.h"

namespace tollgate::cli {

class Countdown {
 public:
  explicit Countdown(int left) : left_(left) {}
  void done() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) zero_.notify_all();
  }
  // False: it took longer.
  bool wait(Duration time) {
    std::unique_lock lock(mutex_);
    return zero_.wait_for(lock, time, [&] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable zero_;
  int left_;
};

// How long a cut connection may take to end.
inline constexpr Duration kCutGrace = std::chrono::seconds(5);

// Closes a listener and cuts all of its connections. `loop` runs on another thread. What is
// returned counts down when the last has ended, which may be after everybody gave up waiting.
inline std::shared_ptr<Countdown> begin_closing(net::Loop& loop, net::Listener& listener) {
  const auto closed = std::make_shared<Countdown>(1);
  loop.post([closed, &listener] {
    listener.drain([closed] { closed->done(); });
    listener.cut();
  });
  return closed;
}

// And waits for that. False: a connection has not ended within `grace`.
inline bool close_now(net::Loop& loop, net::Listener& listener, Duration grace = kCutGrace) {
  return begin_closing(loop, listener)->wait(grace);
}

}  // namespace tollgate::cli
