// One request to an upstream and its reply.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_parser.h"
#include "net/upstream_pool.h"
#include "pipeline/ports.h"

namespace tollgate::net {

class Call final : public pipeline::UpstreamCall {
 public:
  explicit Call(UpstreamPool::State& pool) : pool_(pool), kept_bytes_(pool.loop.buffered) {}

  void open(Origin& origin, const pipeline::UpstreamRequest& request);
  Task<FaultOr<void>> send();

  int status() const override { return parsed_.status; }
  std::string_view header(std::string_view name) const override;
  Task<FaultOr<std::string_view>> read() override;
  Task<FaultOr<std::string_view>> read_whole(Bytes limit) override;
  bool sent() const override { return sent_; }
  void release() override;
  void cancel() override;

 private:
  enum class Phase : std::uint8_t { kConnect, kFirstByte, kBetweenChunks };
  enum class Came : std::uint8_t { kBytes, kEnd };

  Task<FaultOr<void>> connect();
  Task<FaultOr<std::vector<Address>>> resolve(Instant until);
  Task<FaultOr<void>> connect_to(const Address& address, Instant until);
  Task<FaultOr<void>> handshake(Instant until);
  Task<FaultOr<void>> exchange();  // Sends the request and reads the head.
  Task<FaultOr<void>> write_message();
  Task<FaultOr<void>> read_head();
  Task<FaultOr<Came>> fill(Phase phase, Body* into, std::size_t most);
  Task<FaultOr<std::string_view>> gather(std::string_view first, std::size_t limit);

  FaultOr<void> accept_head(std::size_t length);
  std::string_view take_piece();  // Of what is there; empty: more must come, or it ended.
  void drop_piece();
  std::unexpected<Fault> failed(FaultKind kind, std::string_view what);
  std::unexpected<Fault> interrupted(Phase phase);
  bool has_room(std::size_t bytes);  // Whether so much of the body may be kept.
  Duration patience(Phase phase) const;

  UpstreamPool::State& pool_;
  Origin* origin_ = nullptr;
  pipeline::UpstreamRequest request_;
  config::Timeouts timeout_;
  Instant total_;       // The call's deadline…
  Instant first_byte_;  // …and that of all that comes up to the first byte of its answer.
  std::unique_ptr<UpstreamConnection> connection_;
  Resolver::Lookup* lookup_ = nullptr;

  std::string head_;  // Of the reply; `fields_` points into it.
  std::vector<pipeline::Header> fields_;
  ParsedHead parsed_;
  std::optional<ChunkDecoder> decoder_;
  std::uint64_t left_ = 0;       // Of a body with a length.
  std::size_t piece_bytes_ = 0;  // In the inbox: the piece that is lent, and its framing.
  Body whole_;
  overload::BufferedBytes::Share kept_bytes_;  // Of it.
  bool sent_ = false;
  bool answered_ = false;  // A byte of a reply is here.
  bool head_read_ = false;
  bool ended_ = false;  // The reply was read to its end.
  bool broken_ = false;
  bool cancelled_ = false;
};

}  // namespace tollgate::net
