#include "controls/alerts/outbox.h"

#include <algorithm>
#include <utility>

namespace tollgate::alerts {

std::optional<Letter> Outbox::put(Letter letter) {
  std::optional<Letter> gone;
  if (waiting_.size() >= kWaitingMax) {
    gone = std::move(waiting_.front());
    waiting_.pop_front();
  }
  waiting_.push_back(std::move(letter));
  return gone;
}

std::optional<Letter> Outbox::next(Instant now) {
  const auto found = std::ranges::find_if(waiting_, [&](const Letter& letter) {
    return letter.due <= now && !busy_.contains(letter.target);
  });
  if (found == waiting_.end()) return std::nullopt;
  Letter letter = std::move(*found);
  waiting_.erase(found);
  ++letter.tries;
  busy_.insert(letter.target);
  return letter;
}

Outbox::Fate Outbox::failed(Letter letter, Instant now) {
  busy_.erase(letter.target);
  if (letter.tries >= kTriesMax) return Fate::kTried;
  if (waiting_.size() >= kWaitingMax) return Fate::kThrownAway;
  Duration wait = kFirstWait;
  for (int i = 1; i < letter.tries; ++i) wait = std::min(kWaitMax, wait * kWaitGrows);
  letter.due = now + wait;
  // In front of those that came later.
  waiting_.push_front(std::move(letter));
  return Fate::kAgain;
}

}  // namespace tollgate::alerts
