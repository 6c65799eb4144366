// What a request has to do with answers that are given again (controls/answers). Internal to the
// pipeline.
#pragma once

#include <coroutine>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/executor.h"
#include "controls/answers/answers.h"
#include "controls/overload/buffered_bytes.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// Whether an answer is made to its end for a caller that left.
enum class Outlives : std::uint8_t { kNo, kYes };

// A caller's exchange that notes what the caller gets, as far as that may be kept. Where the answer
// outlives its caller nobody is told that the caller left: who gave up comes back for it.
class NotedReply final : public Exchange, private Cancellable {
 public:
  // What is noted counts in `buffered`; null: nowhere.
  NotedReply(Exchange& caller, Outlives outlives, overload::BufferedBytes* buffered)
      : caller_(caller), outlives_(outlives == Outlives::kYes), kept_bytes_(buffered) {}
  NotedReply(const NotedReply&) = delete;

  const RequestHead& head() const override { return caller_.head(); }
  Arena& arena() override { return caller_.arena(); }
  void belongs_to(std::string_view tenant) override { caller_.belongs_to(tenant); }
  Task<Expected<std::string_view>> read_body(Bytes limit) override {
    return caller_.read_body(limit);
  }
  void add_headers(std::string_view lines) override { caller_.add_headers(lines); }
  Task<bool> reply(const ReplyHead& head, std::string_view body) override;
  void begin(const ReplyHead& head) override;
  Task<bool> write(std::string_view piece) override;
  Task<bool> finish() override;
  void on_caller_gone(Cancellable* wait) override {
    wait_ = wait;
    caller_.on_caller_gone(wait == nullptr ? nullptr : this);
  }
  bool caller_gone() const override { return !outlives() && caller_.caller_gone(); }
  bool is_cut() const override { return caller_.is_cut(); }

  // The caller did not get all of it.
  bool missed() const { return missed_; }
  // All of it was told, and is noted.
  bool is_whole() const { return is_whole_ && !too_large_; }
  std::string take_content_type() { return std::move(content_type_); }
  std::string take_body() { return std::move(body_); }

 private:
  void cancel() override {
    if (wait_ != nullptr && !outlives()) wait_->cancel();
  }
  bool outlives() const { return outlives_ && !too_large_ && !caller_.is_cut(); }
  bool goes_on(bool is_there);
  void note(std::string_view piece);

  Exchange& caller_;
  const bool outlives_;
  Cancellable* wait_ = nullptr;
  std::string content_type_;
  std::string body_;
  overload::BufferedBytes::Share kept_bytes_;  // Of it.
  bool is_whole_ = false;
  bool too_large_ = false;
  bool missed_ = false;
};

// The wait for the answer of a request that leads; `co_await` it once it follows. Null: that has
// none, or the wait was given up.
class Following final : public answers::Follower, public Cancellable {
 public:
  // Borrows all; the executor is of the loop that waits.
  Following(answers::Answers& answers, const answers::Key& key, Executor& executor)
      : answers_(answers), key_(key), executor_(executor) {}
  Following(const Following&) = delete;

  void landed(answers::Shared answer) override {
    answer_ = std::move(answer);
    go_on();
  }
  void cancel() override {
    if (answers_.unfollow(key_, *this)) go_on();
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiter) { awaiter_ = awaiter; }
  answers::Shared await_resume() { return std::move(answer_); }

 private:
  // On the loop that waits, which may not wait yet.
  void go_on() {
    executor_.post([this] { awaiter_.resume(); });
  }

  answers::Answers& answers_;
  const answers::Key key_;
  Executor& executor_;
  std::coroutine_handle<> awaiter_;
  answers::Shared answer_;
};

// Which retry of its SDK's a request is, as far as that is believable; 0: none.
int client_retries_of(const RequestHead& head);

struct Reuse {
  // That this request leads, for those that follow it.
  struct Lead {
    answers::Key key{};
    Duration keep{};
    bool open = false;
  };

  Reuse() = default;
  Reuse(const Reuse&) = delete;
  ~Reuse() { let_go(); }
  // Has no answer: those that follow are told.
  void let_go();
  void land(Lead& lead, const answers::Shared& answer, Instant now);

  answers::Answers* answers = nullptr;  // Null: the route keeps none.
  Lead of_key;                          // Of its Idempotency-Key.
  Lead of_request;                      // Of all that are the same.
  std::optional<answers::Key> cached;   // Where the answer of this attempt is kept, if it may be.
  std::optional<NotedReply> reply;      // Of this attempt.
};

}  // namespace tollgate::pipeline
