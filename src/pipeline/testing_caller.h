// A caller and a clock turned by hand, for the tests of whatever serves an Exchange.
//
// What the real one holds to is CHECKed here as well: a body is read once, a reply is begun
// once. One thread.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "dialects/request.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline::testing {

// 2026-03-04 05:30 UTC.
inline constexpr WallTime kMorning{Duration(1'772'602'200'000'000)};

// Any thread may ask it while another lets time pass.
class HandClock final : public Clock {
 public:
  Instant now() const override { return kFirst + passed_.load(std::memory_order_relaxed); }
  WallTime wall() const override { return kMorning + passed_.load(std::memory_order_relaxed); }
  void pass(Duration time) { passed_.store(passed_.load() + time); }

 private:
  static constexpr Instant kFirst{std::chrono::hours(1000)};
  std::atomic<Duration> passed_{Duration(0)};
};

// What happened, in order, told by every fake.
using Story = std::vector<std::string>;

// ---- The caller ------------------------------------------------------------------------------

struct Ask {
  std::string method = "POST";
  std::string target = "/v1/chat/completions";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  IpAddress ip{};
  const authentication::ClientCertificate* certificate = nullptr;
  authorization::Exposure exposure = authorization::Exposure::kPublic;
  authentication::Transport transport = authentication::Transport::kPlain;
};

class Caller final : public Exchange {
 public:
  Caller(Ask ask, Story& story) : ask_(std::move(ask)), story_(story) {
    for (const auto& [name, value] : ask_.headers) headers_.push_back({name, value});
    head_.method = ask_.method;
    head_.target = ask_.target;
    head_.headers = headers_;
    head_.client_ip = ask_.ip;
    head_.certificate = ask_.certificate;
    head_.listener = "public";
    head_.exposure = ask_.exposure;
    head_.transport = ask_.transport;
    body_ = ask_.body + std::string(dialects::RequestReader::kPadding, '\0');
  }

  const RequestHead& head() const override { return head_; }
  Arena& arena() override { return arena_; }

  Task<Expected<std::string_view>> read_body(Bytes limit) override {
    CHECK(!body_read_);
    body_read_ = true;
    story_.emplace_back("read_body");
    const auto size = static_cast<Bytes>(ask_.body.size());
    if (size > limit) {
      co_return refuse(Reason::kBodyTooLarge, "edge", "The body is too large.");
    }
    co_return std::string_view(body_.data(), ask_.body.size());
  }

  void add_headers(std::string_view lines) override {
    CHECK(state_ == State::kNone);
    further_ = lines;
  }
  Task<bool> reply(const ReplyHead& head, std::string_view body) override {
    CHECK(state_ == State::kNone);
    if (writes_until_gone == 0) leave();
    keep(head);
    text.append(body);
    state_ = State::kComplete;
    story_.emplace_back("reply");
    co_return !gone_;
  }
  void begin(const ReplyHead& head) override {
    CHECK(state_ == State::kNone);
    keep(head);
    state_ = State::kBegun;
  }
  Task<bool> write(std::string_view piece) override {
    CHECK(state_ == State::kBegun);
    if (writes_until_gone == 0) leave();
    if (writes_until_gone > 0) --writes_until_gone;
    if (gone_) co_return false;
    story_.emplace_back("write");
    pieces.emplace_back(piece);
    text.append(piece);
    co_return true;
  }
  Task<bool> finish() override {
    CHECK(state_ == State::kBegun);
    state_ = State::kComplete;
    story_.emplace_back("finish");
    co_return !gone_;
  }

  void on_caller_gone(Cancellable* wait) override {
    wait_ = wait;
    if (gone_ && wait != nullptr) wait->cancel();
  }
  bool caller_gone() const override { return gone_; }
  bool is_cut() const override { return cut_; }

  // The caller closes the connection.
  void leave() {
    gone_ = true;
    if (wait_ != nullptr) wait_->cancel();
  }

  // The process no longer waits for it.
  void cut() {
    cut_ = true;
    leave();
  }

  // The first head line of that name; nothing where there is none.
  std::optional<std::string> header(std::string_view name) const {
    const std::string start = std::string(name) + ": ";
    std::size_t at = 0;
    while (at < headers.size()) {
      const std::size_t end = headers.find("\r\n", at);
      const std::string_view line(headers.data() + at, end - at);
      if (line.starts_with(start)) return std::string(line.substr(start.size()));
      at = end + 2;
    }
    return std::nullopt;
  }
  bool complete() const { return state_ == State::kComplete; }
  bool answered() const { return state_ != State::kNone; }
  bool body_read() const { return body_read_; }

  int writes_until_gone = -1;  // At which write the caller has left; -1: never.
  int status = 0;
  std::string content_type;
  std::string headers;
  std::string text;                 // The body of the reply.
  std::vector<std::string> pieces;  // Its writes.

 private:
  enum class State : std::uint8_t { kNone, kBegun, kComplete };

  void keep(const ReplyHead& head) {
    status = head.status;
    content_type = head.content_type;
    headers = head.headers;
    headers += further_;
  }

  Ask ask_;
  Story& story_;
  std::vector<Header> headers_;
  RequestHead head_;
  std::string body_;
  Arena arena_;
  std::string_view further_;
  State state_ = State::kNone;
  Cancellable* wait_ = nullptr;
  bool gone_ = false;
  bool cut_ = false;
  bool body_read_ = false;
};

inline authentication::Pepper test_pepper() {
  const std::vector<std::uint8_t> bytes(32, 7);
  return authentication::Pepper(bytes);
}

}  // namespace tollgate::pipeline::testing
