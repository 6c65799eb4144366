// One caller's connection: its requests, one after another, each as an Exchange.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_parser.h"
#include "net/listener_state.h"
#include "net/stream.h"

namespace tollgate::net {

class Connection final : public pipeline::Exchange, public Link {
 public:
  // Serves `file` from now on. Frees itself at its end and tells the listener.
  static void serve(Listener::State& listener, int file, const IpAddress& peer,
                    PeerCounts::Place place);
  ~Connection() override;

  // A drain: closes when no request is at work, else after its reply.
  void drain();
  // The caller counts as gone from now on.
  void cut();

  const pipeline::RequestHead& head() const override { return head_; }
  Arena& arena() override { return *arena_; }
  void belongs_to(std::string_view tenant) override { kept_bytes_.belongs_to(tenant); }
  Task<Expected<std::string_view>> read_body(Bytes limit) override;
  void add_headers(std::string_view lines) override { further_ = lines; }
  Task<bool> reply(const pipeline::ReplyHead& head, std::string_view body) override;
  void begin(const pipeline::ReplyHead& head) override;
  Task<bool> write(std::string_view piece) override;
  Task<bool> finish() override;
  void on_caller_gone(pipeline::Cancellable* wait) override;
  bool caller_gone() const override { return broken_ || stream_.peer_left(); }
  bool is_cut() const override { return cut_; }

 private:
  enum class Next : std::uint8_t { kRequest, kMalformed, kClose };
  enum class ReplyState : std::uint8_t { kNone, kBegun, kStreaming, kComplete };
  enum class BodyState : std::uint8_t { kUnread, kRead, kFailed };
  enum class Came : std::uint8_t { kBytes, kEnd, kTooLate };

  Connection(Listener::State& listener, int file, const IpAddress& peer, PeerCounts::Place place);
  static Task<void> live(std::unique_ptr<Connection> connection);

  Task<void> run();
  Task<bool> read_balancer();  // The PROXY protocol.
  Task<bool> handshake();
  Task<Next> read_head();
  Next accept_head(std::size_t length);
  Task<void> refuse_malformed();
  Task<bool> next_request();  // Whether there may be one.
  Task<void> linger();
  Task<Came> fill(Body* into, std::size_t most);
  Task<Expected<std::string_view>> read_length();
  Task<Expected<std::string_view>> read_chunks(std::size_t limit);
  Task<bool> flush(Pieces& pieces, Instant until = Instant::max());
  // Whether so much of a body may be kept, from now on.
  bool has_room(std::size_t bytes) { return kept_bytes_.keep(static_cast<Bytes>(bytes)); }
  Expected<std::string_view> body_failed(Came came);
  Expected<std::string_view> body_unkept();
  void drop_body();

  void open_request();
  void close_request();
  void write_head(const pipeline::ReplyHead& head, Framing framing, std::size_t length);
  bool may_keep_alive() const;
  bool head_only() const { return parsed_.method == "HEAD"; }

  struct PeerLeft final : Runnable {
    void run() override { connection->peer_left(); }
    Connection* connection = nullptr;
  };
  void peer_left();

  Listener::State& listener_;
  Loop::State& loop_;
  const config::Edge& edge_;  // The listener's: of the configuration in force.
  HeadLimits limits_;
  Stream stream_;
  Inbox inbox_;
  Body body_;
  overload::BufferedBytes::RequestShare kept_bytes_;  // Of the body.
  PeerLeft peer_left_;

  PeerCounts::Place place_;
  IpAddress socket_peer_;
  IpAddress peer_;  // The same, or who is behind the balancer that it is.
  std::unique_ptr<const authentication::ClientCertificate> certificate_;
  authentication::KeptCertificate kept_;
  pipeline::RequestHead head_;
  ParsedHead parsed_;
  std::unique_ptr<Arena> arena_;
  std::string_view complaint_;
  std::size_t head_bytes_ = 0;
  std::size_t request_bytes_ = 0;  // In the inbox: the head and what of the body lies there.
  std::string_view further_;       // Lines of the reply's head.
  std::string out_;                // The reply's head until it is sent.
  pipeline::Cancellable* wait_ = nullptr;
  BodyState body_state_ = BodyState::kUnread;
  ReplyState reply_state_ = ReplyState::kNone;
  Framing reply_framing_ = Framing::kNone;
  bool keep_alive_ = true;
  bool broken_ = false;
  bool cut_ = false;
  bool idle_ = false;  // Between requests, with nothing received.
  bool first_ = true;
};

}  // namespace tollgate::net
