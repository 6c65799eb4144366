#include "identity/inquiry.h"

#include <algorithm>
#include <cstring>

namespace tollgate::identity {

using authentication::Digest;

Answered Inquiry::ask(const Digest& credential, WebRequest request, const IpAddress& from,
                      Asked& waiter) {
  const std::lock_guard lock(mutex_);
  const Shares::iterator share = shares_.try_emplace(subscriber_of(from).bytes).first;
  if (waiting_ >= kWaitersMax || share->second.waiting >= kOfAddressMax) {
    if (share->second.waiting == 0) shares_.erase(share);
    failed_.fetch_add(1, std::memory_order_relaxed);
    return waiter.answer_now(fault(FaultKind::kUnreachable, "too many questions are at work"));
  }
  ++waiting_;
  ++share->second.waiting;
  const auto [open, is_new] = open_.try_emplace(credential);
  open->second.push_back({&waiter, share});
  if (!is_new) return Answered::kLater;
  Question question{credential, std::move(request), share};
  if (working_ < kAtOnceMax) {
    begin(std::move(question));
  } else {
    ++share->second.queued;
    queue_.push_back(std::move(question));
  }
  return Answered::kLater;
}

void Inquiry::withdraw(const Digest& credential, Asked& waiter) {
  {
    const std::lock_guard lock(mutex_);
    const auto open = open_.find(credential);
    if (open == open_.end()) return;
    Waiters& waiters = open->second;
    const auto found = std::ranges::find(waiters, &waiter, &Waiting::waiter);
    if (found == waiters.end()) return;  // Its answer is on its way.
    --waiting_;
    give_back(found->share, &Share::waiting);
    waiters.erase(found);
    const auto queued = std::ranges::find(queue_, credential, &Question::credential);
    if (waiters.empty() && queued != queue_.end()) {
      take_from_queue(queued);
      open_.erase(open);
    }
  }
  waiter.answer_later(fault(FaultKind::kCancelled, "nobody waits for the answer"));
}

// What an address has none of is not kept.
void Inquiry::give_back(Shares::iterator share, std::size_t Share::* part) {
  Share& left = share->second;
  --(left.*part);
  if (left.waiting + left.queued + left.working == 0) shares_.erase(share);
}

void Inquiry::take_from_queue(Queue::iterator queued) {
  give_back(queued->share, &Share::queued);
  queue_.erase(queued);
}

void Inquiry::begin(Question question) {
  ++working_;
  ++question.share->second.working;
  loop_.post([this, question = std::move(question)]() mutable { start(put(std::move(question))); });
}

// The first of an address that has not its share at work; where there is none, the first of all.
void Inquiry::begin_next() {
  if (queue_.empty()) return;
  auto next = std::ranges::find_if(queue_, [](const Question& each) {
    return each.share->second.working < kOfAddressAtOnceMax;
  });
  if (next == queue_.end()) next = queue_.begin();
  begin(*next);
  take_from_queue(next);
}

void Inquiry::take_waiters(const Digest& credential, std::vector<Asked*>& all) {
  const auto found = open_.find(credential);
  for (const Waiting& each : found->second) {
    all.push_back(each.waiter);
    give_back(each.share, &Share::waiting);
  }
  waiting_ -= found->second.size();
  open_.erase(found);
}

bool Inquiry::is_wanted(const Digest& credential) const {
  const std::lock_guard lock(mutex_);
  return !open_.at(credential).empty();
}

Task<void> Inquiry::put(Question question) {
  FaultOr<std::string> answer = fault(FaultKind::kCancelled, "nobody waits for the answer");
  const bool wanted = is_wanted(question.credential);
  if (wanted) {
    FaultOr<WebAnswer> answered = co_await web_.ask(question.request);
    if (answered) answer = std::move(answered->body);
    if (!answered) answer = std::unexpected(std::move(answered.error()));
    (answer ? answered_ : failed_).fetch_add(1, std::memory_order_relaxed);
  }
  std::vector<Asked*> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (wanted) failure_ = answer ? std::string() : answer.error().message;
    --working_;
    give_back(question.share, &Share::working);
    take_waiters(question.credential, waiting);
    const bool away = wanted && !answer &&
                      (answer.error().kind == FaultKind::kTimeout ||
                       answer.error().kind == FaultKind::kUnreachable ||
                       answer.error().kind == FaultKind::kCancelled);
    while (away && !queue_.empty()) {
      take_waiters(queue_.front().credential, waiting);
      take_from_queue(queue_.begin());
    }
    begin_next();
  }
  for (Asked* const waiter : waiting) waiter->answer_later(answer);
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
