// Names of upstreams to addresses, off the loop: the system's resolver blocks.
//
// Answers are kept for a few seconds, so a name is asked for at most once in that time however
// many connections are made. An address in numbers is no question. Used on one loop.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fault.h"
#include "base/task.h"
#include "net/loop_state.h"

namespace tollgate::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

class Resolver {
 public:
  explicit Resolver(Loop::State& loop);
  ~Resolver();
  Resolver(const Resolver&) = delete;

  // A wait for an answer. Ends early by give_up().
  class Lookup final : public Runnable {
   public:
    void give_up(Loop::State& loop) {
      if (!waiter_) return;
      unlink();
      loop.enqueue(*this);
    }
    void run() override { std::exchange(waiter_, {}).resume(); }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() {}

   private:
    friend class Resolver;
    std::coroutine_handle<> waiter_;
    Link* waiting_ = nullptr;
  };

  enum class State : std::uint8_t { kKnown, kFailed, kAsked };
  // What is known now of host and port; kAsked: await `lookup`, then look again.
  State look(const std::string& host, std::uint16_t port, std::vector<Address>& found,
             std::string& why, Lookup& lookup);

 private:
  struct Name;
  struct Outside;  // What the thread that asks holds on to.
  void ask(Name& name);
  void answered(const std::string& host, std::vector<Address> found, std::string why);

  Loop::State& loop_;
  std::shared_ptr<Outside> outside_;
  std::vector<std::unique_ptr<Name>> names_;
};

}  // namespace tollgate::net
