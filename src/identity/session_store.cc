#include "identity/session_store.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace tollgate::identity {

namespace {

Instant now_here() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

Stored stored_in(redis::Reply& reply, const redis::Client& client) {
  switch (reply.kind) {
    case redis::Reply::Kind::kNull:
      return std::optional<std::string>();
    case redis::Reply::Kind::kText:
      return std::optional(std::move(reply.text));
    case redis::Reply::Kind::kError:
      return std::unexpected(client.fault_of(reply));
    default:
      return fault(FaultKind::kBroken, "what is kept under the key is no text");
  }
}

}  // namespace

SessionStore::SessionStore(Secret url) : url_(std::move(url)), thread_([this] { run(); }) {}

SessionStore::~SessionStore() { stop(); }

void SessionStore::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  asked_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Answered SessionStore::get(std::string key, Waiter<Stored>& waiter) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || waiting_.size() >= kWaitingMax) {
      failed_.fetch_add(1, std::memory_order_relaxed);
      return waiter.answer_now(fault(FaultKind::kUnreachable, "too many sessions are looked up"));
    }
    waiting_.push_back({std::move(key), now_here(), &waiter});
  }
  asked_.notify_one();
  return Answered::kLater;
}

void SessionStore::run() {
  std::vector<Question> now;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      asked_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
      if (stopped_ && waiting_.empty()) return;
      const std::size_t count = std::min(waiting_.size(), kAtOnceMax);
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
      now.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
    }
    answer(now);
  }
}

FaultOr<std::vector<redis::Reply>> SessionStore::exchange(const std::vector<Question>& questions) {
  if (client_ == nullptr) {
    FaultOr<redis::Endpoint> endpoint = redis::parse_url(url_.reveal());
    if (!endpoint) return std::unexpected(std::move(endpoint.error()));
    auto made = redis::Client::create(std::move(*endpoint));
    if (!made) return std::unexpected(std::move(made.error()));
    client_ = std::move(*made);
  }
  for (const Question& question : questions) client_->add({"GET", question.key});
  return client_->exchange(questions.front().asked + kPatience);
}

void SessionStore::answer(std::vector<Question>& questions) {
  FaultOr<std::vector<redis::Reply>> replies = exchange(questions);
  if (!replies) {
    const std::lock_guard lock(mutex_);
    std::ranges::move(waiting_, std::back_inserter(questions));
    waiting_.clear();
  }
  for (std::size_t i = 0; i < questions.size(); ++i) {
    Stored stored = replies && i < replies->size()
                        ? stored_in((*replies)[i], *client_)
                        : Stored(std::unexpected(replies ? Fault() : replies.error()));
    (stored ? answered_ : failed_).fetch_add(1, std::memory_order_relaxed);
    questions[i].waiter->answer_later(std::move(stored));
  }
  questions.clear();
}

}  // namespace tollgate::identity
