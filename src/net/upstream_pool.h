// What is inside of an UpstreamPool: the connections that wait for their next request.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/net.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/upstream_gate.h"

namespace tollgate::net {

class Call;
struct Origin;

// A connection to an endpoint of an upstream.
class UpstreamConnection {
 public:
  UpstreamConnection(Loop::State& loop, Origin& origin);
  ~UpstreamConnection();

  // Is kept for another request from now on, for `most`, and ends itself when it breaks.
  void rest(Duration most);
  void work();
  bool quiet();

  Origin& origin() { return origin_; }

  Stream stream;
  Inbox inbox;
  bool kept = false;  // Has served a request before.

 private:
  struct Noticed final : Runnable {
    void run() override { connection->noticed(); }
    UpstreamConnection* connection = nullptr;
  };
  void noticed();

  Origin& origin_;
  Noticed noticed_;
  Instant rested_{};  // Since when it is kept.
};

// An endpoint of an upstream, and the connections to it that wait, the last used last.
struct Origin {
  std::string upstream;
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;
  CertificateAuthority authority;
  UpstreamGate* gate = nullptr;
  UpstreamPool::State* pool = nullptr;
  std::vector<std::unique_ptr<UpstreamConnection>> waiting;
  int connections = 0;  // Waiting ones included.
  int calls = 0;        // Open ones.
  TlsSession session;
};

struct UpstreamPool::State {
  State(Loop::State& on, UpstreamGates& all);
  ~State();

  Origin& origin(const config::Upstream& upstream, const config::Endpoint& endpoint);
  FaultOr<ssl_ctx_st*> context(const CertificateAuthority& authority);
  Origin& origin_of(const pipeline::UpstreamRequest& request);
  pipeline::CallHandle call(Origin& origin, const pipeline::UpstreamRequest& request);
  std::unique_ptr<UpstreamConnection> take(Origin& origin);
  // For as long as the upstream keeps it, where it says so.
  void keep(std::unique_ptr<UpstreamConnection> connection, std::optional<Duration> theirs);
  void recycle(Call& call);

  Loop::State& loop;
  UpstreamGates& gates;
  Resolver resolver;
  int connections = 0;
  std::vector<std::unique_ptr<Origin>> origins;
  struct Context {
    std::array<std::uint8_t, 32> authority{};  // Its digest.
    TlsContext tls;
  };
  std::vector<Context> contexts;
  std::vector<std::unique_ptr<Call>> calls;  // Not in use.
};

}  // namespace tollgate::net
