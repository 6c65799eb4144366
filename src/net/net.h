// The only sockets: event loops, listeners, upstream pools, TLS and HTTP/1.1.
//
// One Loop a core, each with listeners of its own on the same address (SO_REUSEPORT) and its
// own upstream pools, so a request never leaves its thread. Nothing here knows what a request
// means: it hands Exchanges to a Handler. What is behind these few classes (epoll, Beast's parser,
// OpenSSL) is not seen from outside.
//
// A Loop's objects are used from its own thread only, except where said.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/task.h"
#include "base/units.h"
#include "config/config.h"
#include "controls/overload/buffered_bytes.h"
#include "pipeline/ports.h"

namespace tollgate::net {

class PeerCounts;  // peer_counts.h

class Loop : public pipeline::Clock, public Executor {
 public:
  Loop();
  // Bodies that its connections and calls keep count in `buffered`, which outlives it.
  explicit Loop(overload::BufferedBytes& buffered);
  ~Loop() override;
  Loop(const Loop&) = delete;

  void run();   // Until stop(). On the thread that calls it.
  void stop();  // From any thread.
  void post(std::function<void()> work) override;

  Instant now() const override;    // The clock itself, not a cached tick. Any thread.
  WallTime wall() const override;  // Any thread.

  // Waits at least `time`, to the coarse tick of the loop's timer wheel (10 ms).
  Task<void> sleep(Duration time);

  struct State;
  State& state() { return *state_; }  // For net's own files.

 private:
  std::unique_ptr<State> state_;
};

// A TLS server context, made once and shared by the loops. Reads the files.
//
// With a bundle of authorities a handshake proves the caller's certificate, or fails. Such
// sessions are never resumed: each connection proves it anew, to the bundle that is in force then.
class ServerTls {
 public:
  static FaultOr<std::shared_ptr<const ServerTls>> load(const config::Tls& files);
  ~ServerTls();
  struct State;
  const State& state() const { return *state_; }

 private:
  explicit ServerTls(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whose a port is that a listener is told to open. Sockets that share one (SO_REUSEPORT) are let
// in by the kernel for every process of the same user, so the first has to look.
enum class Port : std::uint8_t {
  kMustBeFree,  // Nobody else listens there.
  kIsOurs,      // Another loop of this process has opened it.
};

struct ListenerOptions {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  Port claim = Port::kMustBeFree;
  authorization::Exposure exposure = authorization::Exposure::kPublic;
  std::shared_ptr<const ServerTls> tls;  // Null: plain.
  config::Edge edge;
  config::ProxyProtocol proxy_protocol = config::ProxyProtocol::kOff;
  // Connections that are open now, of all the listeners of this name on other loops too:
  // edge.connections_max is of them together. Outlives them. Null: it counts for itself.
  std::atomic<std::int64_t>* connections = nullptr;
  // Whose they are: edge.connections_per_address is of all that share it. The same.
  PeerCounts* peers = nullptr;
};

// Accepts connections of one address on one loop and serves their requests one after another.
class Listener {
 public:
  // Binds and listens. A Fault says which address and why ("port 8080 is in use…"). `handler`
  // and `loop` outlive the listener and its connections: run the loop until drain() has told
  // (after cut() too) before they end.
  static FaultOr<std::unique_ptr<Listener>> open(Loop& loop, ListenerOptions options,
                                                 pipeline::Handler& handler);
  ~Listener();
  Listener(const Listener&) = delete;

  std::uint16_t port() const;  // As bound: true where port 0 was asked.

  // Accepts no more, closes idle connections and lets requests at work end; each connection
  // closes after its reply. Calls `drained` on the loop when the last is closed.
  void drain(std::function<void()> drained);
  // Cuts what is still open: each request's caller is gone from then on.
  void cut();

  int connections() const;

  // The new options of a reload: for connections accepted from now on.
  void replace(std::shared_ptr<const ServerTls> tls, config::ProxyProtocol proxy_protocol,
               const config::Edge& edge);

  struct State;

 private:
  explicit Listener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// How many there are of each name, over all loops: one object for a process. Safe from any
// thread.
class Counts {
 public:
  Counts();
  ~Counts();
  Counts(const Counts&) = delete;

  // Those of that name. Lives as long as this object.
  std::atomic<std::int64_t>& of(std::string_view name);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
using ListenerCounts = Counts;  // Connections at each listener.

class UpstreamGate;  // upstream_gate.h

// The places at each upstream, over all loops: one object for a process. Safe from any thread.
class UpstreamGates {
 public:
  UpstreamGates();
  ~UpstreamGates();
  UpstreamGates(const UpstreamGates&) = delete;

  // Those at the upstream of that name. Lives as long as this object.
  UpstreamGate& of(std::string_view name);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The connections of one loop to all upstreams: kept alive, bounded by each upstream's
// concurrent_requests, found by endpoint. Calls are released before the pool ends, and `loop`
// and `gates` outlive it.
class UpstreamPool : public pipeline::Upstreams {
 public:
  UpstreamPool(Loop& loop, UpstreamGates& gates);
  ~UpstreamPool() override;

  pipeline::CallHandle open(const pipeline::UpstreamRequest& request) override;
  Task<pipeline::CallHandle> open_in_turn(const pipeline::UpstreamRequest& request,
                                          pipeline::Waiting& waiting) override;
  void ended(const config::Upstream& upstream, const pipeline::Waiting& waiting, Tokens used,
             pipeline::LoadSample sample) override;
  Task<FaultOr<void>> send(pipeline::UpstreamCall& call) override;

  int connections() const;  // Open now, idle ones included.

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tollgate::net
