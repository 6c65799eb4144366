// What the tests of this folder share: a loop that is turned by hand, a caller and a server of
// raw sockets, and a handler whose behaviour the target names. One thread, no wall clock.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop_state.h"
#include "net/net.h"

namespace tollgate::net::testing {

// A raw socket: what it is told to send goes out as the kernel takes it.
class Peer {
 public:
  explicit Peer(int file) : file_(file) {}
  Peer(const Peer&) = delete;
  ~Peer() { leave(); }

  static std::unique_ptr<Peer> connect(std::uint16_t port);

  void send(std::string_view bytes) { unsent_ += bytes; }
  void poll();  // Sends and receives what is possible.
  bool sent_all() const { return unsent_.empty(); }
  void half_close();  // After all is sent.
  void leave();       // Closes at once.
  void reset();       // Closes with a reset.

  bool reading = true;
  bool closed = false;  // The other side has ended.
  std::string received;
  int file() const { return file_; }

 private:
  int file_ = -1;
  std::string unsent_;
  bool half_close_ = false;
};

// A listening socket that accepts by hand.
class Server {
 public:
  Server();
  ~Server();
  std::uint16_t port() const { return port_; }
  std::unique_ptr<Peer> accept();  // Null: nobody is there.

 private:
  int file_ = -1;
  std::uint16_t port_ = 0;
};

// Serves by target: see serve().
class Script final : public pipeline::Handler, public pipeline::Cancellable {
 public:
  Task<void> serve(pipeline::Exchange& exchange) override;
  void refuse_malformed(const pipeline::RequestHead& head, std::string_view message,
                        std::string& headers, std::string& out) override;
  void cancel() override;

  // For "/proxy": where to.
  pipeline::Upstreams* upstreams = nullptr;
  config::Upstream upstream;
  std::optional<Fault> fault;  // What the upstream call ended with.
  std::optional<bool> sent;    // What it told of that.

  Bytes body_limit = 1 << 20;
  bool awaits_body = false;  // Of a stream: as UpstreamRequest has it.
  int served = 0;
  int malformed = 0;
  int cancelled = 0;
  bool streaming = false;
  std::size_t written = 0;      // By "/flood".
  std::optional<bool> replied;  // What the last write or reply told.
  std::string complaint;
  std::vector<std::string> bodies;
  std::vector<std::string> askers;  // Of each request: the address, and the certificate's subject.

 private:
  Task<void> echo(pipeline::Exchange& exchange);
  Task<void> stream(pipeline::Exchange& exchange);
  Task<void> flood(pipeline::Exchange& exchange);
  Task<void> hold(pipeline::Exchange& exchange);
  Task<void> large(pipeline::Exchange& exchange);
  Task<void> proxy(pipeline::Exchange& exchange);
  Task<void> proxy_stream(pipeline::Exchange& exchange);

  struct Held {
    bool await_ready() const { return done; }
    void await_suspend(std::coroutine_handle<> waiter) { handle = waiter; }
    void await_resume() const {}
    std::coroutine_handle<> handle;
    bool done = false;
  };
  Held held_;
};

class Net : public ::testing::Test {
 protected:
  Net();
  ~Net() override;

  void listen(config::Edge edge, std::shared_ptr<const ServerTls> tls = nullptr,
              config::ProxyProtocol proxy_protocol = config::ProxyProtocol::kOff);
  std::unique_ptr<Peer> caller();
  // Turns the loop and polls until `done`; false after very many turns.
  bool until(const std::function<bool()>& done);
  bool until_received(Peer& peer, std::string_view text);
  bool until_closed(Peer& peer);
  void settle();             // Turns until nothing more happens for a while.
  void pass(Duration time);  // Of the deadlines' clock.

  Loop loop;
  UpstreamGates gates;
  std::unique_ptr<UpstreamPool> pool;
  Script script;
  Server server;
  std::unique_ptr<Listener> listener;
  std::vector<Peer*> peers;
};

}  // namespace tollgate::net::testing
