// What is inside of a Listener: the listening socket and the connections it has accepted.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "net/loop_state.h"
#include "net/net.h"
#include "net/peer_counts.h"

namespace tollgate::net {

struct Listener::State final : public Watched, public Timer {
  State(Loop::State& on, ListenerOptions given, pipeline::Handler& served);
  ~State();

  FaultOr<void> open();
  void drain(std::function<void()> told);
  void cut();
  void closed();  // By each connection, at its end.
  void stop_listening();
  void drop_notice() { told_ = nullptr; }

  void tell(std::uint32_t events) override;
  void expired() override { loop.enqueue(accepting); }  // A pause is over.

  Loop::State& loop;
  ListenerOptions options;
  pipeline::Handler& handler;
  Link connections;
  int count = 0;
  bool draining = false;
  bool orphaned = false;  // The Listener is gone: dies with the last connection.
  std::uint16_t port = 0;

 private:
  struct Accepting final : Runnable {
    void run() override { state->accept(); }
    State* state = nullptr;
  };
  struct Draining final : Runnable {
    void run() override;
    State* state = nullptr;
  };
  void accept();
  bool take_place();
  void give_place();
  void serve(int file, const IpAddress& peer);
  void pause();

  Accepting accepting;
  Draining drained_;
  std::function<void()> told_;
  std::atomic<std::int64_t> own_{0};
  std::atomic<std::int64_t>& open_;  // Connections that connections_max is of.
  PeerCounts own_peers_;
  PeerCounts& peers_;
  int file_ = -1;
  bool paused_ = false;
  bool full_ = false;  // Paused for connections_max.
};

}  // namespace tollgate::net
