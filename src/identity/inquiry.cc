#include "identity/inquiry.h"

#include <algorithm>
#include <cstring>

namespace tollgate::identity {

using authentication::Digest;

Answered Inquiry::ask(const Digest& credential, WebRequest request,
                      Waiter<FaultOr<std::string>>& waiter) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(credential);
  const bool shared = found != open_.end();
  if (waiting_ >= kWaitersMax || (!shared && open_.size() >= kAtOnceMax)) {
    failed_.fetch_add(1, std::memory_order_relaxed);
    return waiter.answer_now(fault(FaultKind::kUnreachable, "too many questions are at work"));
  }
  ++waiting_;
  if (shared) {
    found->second.push_back(&waiter);
    return Answered::kLater;
  }
  open_[credential].push_back(&waiter);
  loop_.post([this, credential, request = std::move(request)]() mutable {
    start(put(credential, std::move(request)));
  });
  return Answered::kLater;
}

Task<void> Inquiry::put(Digest credential, WebRequest request) {
  FaultOr<WebAnswer> answered = co_await web_.ask(request);
  FaultOr<std::string> answer = std::string();
  if (answered) answer = std::move(answered->body);
  if (!answered) answer = std::unexpected(std::move(answered.error()));
  (answer ? answered_ : failed_).fetch_add(1, std::memory_order_relaxed);
  std::vector<Waiter<FaultOr<std::string>>*> waiting;
  {
    const std::lock_guard lock(mutex_);
    failure_ = answer ? std::string() : answer.error().message;
    const auto found = open_.find(credential);
    waiting.swap(found->second);
    open_.erase(found);
    waiting_ -= waiting.size();
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
