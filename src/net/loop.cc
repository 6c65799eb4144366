#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "base/check.h"
#include "net/loop_state.h"

namespace tollgate::net {

namespace {

Instant clock_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

constexpr int kEventsPerTurn = 256;
constexpr std::size_t kArenasKept = 256;
// So long may what is ready to be sent wait for others.
constexpr int kRunsBetweenSends = 128;

void run_first(Link& queue) {
  Runnable& first = static_cast<Runnable&>(*queue.next);
  first.unlink();
  first.run();
}

class Sleep final : public Timer {
 public:
  Sleep(Wheel& wheel, Instant until) : wheel_(wheel), until_(until) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> sleeper) {
    sleeper_.handle = sleeper;
    wheel_.set(*this, until_);
  }
  void await_resume() {}
  void expired() override { queue->enqueue(sleeper_); }

  Loop::State* queue = nullptr;

 private:
  struct Sleeper final : Runnable {
    void run() override { handle.resume(); }
    std::coroutine_handle<> handle;
  };
  Wheel& wheel_;
  Instant until_;
  Sleeper sleeper_;
};

}  // namespace

Loop::State::State() : wheel(clock_now()), now_(clock_now()) {
  // A peer that closes while we write is an error of that write, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll_ >= 0);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(wake_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
}

Loop::State::~State() {
  close(wake_);
  close(epoll_);
}

void Loop::State::run() {
  while (!stopping_.load(std::memory_order_acquire)) turn(Duration::max());
  stopping_.store(false, std::memory_order_release);
}

void Loop::State::turn(Duration most) {
  wait(most);
  now_ = clock_now() + skipped_;
  wheel.advance(now_);
  run_queue();
}

void Loop::State::wait(Duration most) {
  std::array<epoll_event, kEventsPerTurn> events;
  int milliseconds = -1;
  if (queue_.linked()) {
    milliseconds = 0;
  } else {
    const Instant next = wheel.next();
    if (next != Instant::max() || most != Duration::max()) {
      const Instant now = clock_now() + skipped_;
      Duration rest = next == Instant::max() ? most : std::min(next - now, most);
      rest = std::clamp(rest, Duration{0}, Duration{std::chrono::minutes(1)});
      milliseconds = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(rest).count());
    }
  }
  const int count = epoll_wait(epoll_, events.data(), kEventsPerTurn, milliseconds);
  CHECK(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      std::uint64_t ignored = 0;
      static_cast<void>(read(wake_, &ignored, sizeof ignored));
      const std::scoped_lock lock(posted_mutex_);
      running_.swap(posted_);
    } else {
      static_cast<Watched*>(event.data.ptr)->tell(event.events);
    }
  }
}

void Loop::State::run_queue() {
  for (std::function<void()>& work : running_) work();
  running_.clear();
  // What is put in from here on waits for the next turn, after the events that are there.
  batch_.take_all(queue_);
  while (batch_.linked()) {
    for (int count = 0; batch_.linked() && count < kRunsBetweenSends; ++count) run_first(batch_);
    while (sending_.linked()) run_first(sending_);
  }
}

void Loop::State::watch(int file, Watched& watched, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watched;
  // It fails for want of kernel memory or of watches alone; the peer then times out.
  static_cast<void>(epoll_ctl(epoll_, EPOLL_CTL_ADD, file, &event));
}

void Loop::State::watch_again(int file, Watched& watched, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watched;
  static_cast<void>(epoll_ctl(epoll_, EPOLL_CTL_MOD, file, &event));
}

void Loop::State::post(std::function<void()> work) {
  bool first = false;
  {
    const std::scoped_lock lock(posted_mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  if (first) static_cast<void>(write(wake_, &one, sizeof one));
}

void Loop::State::stop() {
  stopping_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  static_cast<void>(write(wake_, &one, sizeof one));
}

std::unique_ptr<Arena> Loop::State::take_arena() {
  if (arenas_.empty()) return std::make_unique<Arena>();
  std::unique_ptr<Arena> arena = std::move(arenas_.back());
  arenas_.pop_back();
  return arena;
}

void Loop::State::give_arena(std::unique_ptr<Arena> arena) {
  arena->reset();
  if (arenas_.size() < kArenasKept) arenas_.push_back(std::move(arena));
}

std::string_view Loop::State::date_line() {
  const std::int64_t second = now_.time_since_epoch() / std::chrono::seconds(1);
  if (second != date_second_) {
    date_second_ = second;
    const std::time_t time = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&time, &utc);
    char line[64];
    const std::size_t length =
        std::strftime(line, sizeof line, "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
    date_.assign(line, length);
  }
  return date_;
}

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;
Loop::Loop(overload::BufferedBytes& buffered) : Loop() { state_->buffered = &buffered; }
void Loop::run() { state_->run(); }
void Loop::stop() { state_->stop(); }
void Loop::post(std::function<void()> work) { state_->post(std::move(work)); }
Instant Loop::now() const { return clock_now(); }
WallTime Loop::wall() const {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

Task<void> Loop::sleep(Duration time) {
  // From the clock itself: a turn may have lasted, and a sleep is never shorter than asked.
  Sleep sleep(state_->wheel, std::max(state_->now(), clock_now()) + time);
  sleep.queue = state_.get();
  co_await sleep;
}

}  // namespace tollgate::net
