#include "identity/inquiry.h"

#include <algorithm>
#include <cstring>

namespace tollgate::identity {

using authentication::Digest;

Answered Inquiry::ask(const Digest& credential, WebRequest request,
                      Waiter<FaultOr<std::string>>& waiter) {
  const std::lock_guard lock(mutex_);
  if (waiting_ >= kWaitersMax) {
    failed_.fetch_add(1, std::memory_order_relaxed);
    return waiter.answer_now(fault(FaultKind::kUnreachable, "too many questions are at work"));
  }
  ++waiting_;
  Waiters& waiters = open_[credential];
  waiters.push_back(&waiter);
  if (waiters.size() > 1) return Answered::kLater;
  if (working_ < kAtOnceMax) {
    begin({credential, std::move(request)});
  } else {
    queue_.push_back({credential, std::move(request)});
  }
  return Answered::kLater;
}

void Inquiry::begin(Queued question) {
  ++working_;
  loop_.post([this, question = std::move(question)]() mutable { start(put(std::move(question))); });
}

void Inquiry::take_waiters(const Digest& credential, Waiters& all) {
  const auto found = open_.find(credential);
  all.insert(all.end(), found->second.begin(), found->second.end());
  waiting_ -= found->second.size();
  open_.erase(found);
}

Task<void> Inquiry::put(Queued question) {
  FaultOr<WebAnswer> answered = co_await web_.ask(question.request);
  FaultOr<std::string> answer = std::string();
  if (answered) answer = std::move(answered->body);
  if (!answered) answer = std::unexpected(std::move(answered.error()));
  (answer ? answered_ : failed_).fetch_add(1, std::memory_order_relaxed);
  Waiters waiting;
  {
    const std::lock_guard lock(mutex_);
    failure_ = answer ? std::string() : answer.error().message;
    --working_;
    take_waiters(question.credential, waiting);
    const bool away = !answer && (answer.error().kind == FaultKind::kTimeout ||
                                  answer.error().kind == FaultKind::kUnreachable ||
                                  answer.error().kind == FaultKind::kCancelled);
    for (const Queued& queued : queue_) {
      if (away) take_waiters(queued.credential, waiting);
    }
    if (away) queue_.clear();
    if (!queue_.empty()) {
      begin(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  for (Waiter<FaultOr<std::string>>* waiter : waiting) waiter->answer_later(answer);
}

std::size_t Inquiry::place_of(const Digest& credential) const {
  std::size_t place = 0;
  std::memcpy(&place, credential.data(), sizeof place);
  return place % kRefusedKept;
}

void Inquiry::refuse(const Digest& credential, Reason why, Instant now) {
  const std::lock_guard lock(mutex_);
  refused_[place_of(credential)] = {credential, why, now + kRefusedFor};
}

std::optional<Reason> Inquiry::refused(const Digest& credential, Instant now) const {
  const std::lock_guard lock(mutex_);
  const Refused& kept = refused_[place_of(credential)];
  if (now >= kept.until || kept.credential != credential) return std::nullopt;
  return kept.why;
}

std::string Inquiry::last_failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

bool Inquiry::at_work() const {
  const std::lock_guard lock(mutex_);
  return !open_.empty();
}

}  // namespace tollgate::identity
