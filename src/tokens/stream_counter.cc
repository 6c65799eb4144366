#include "tokens/vocabulary.h"

namespace tollgate::tokens {

void StreamCounter::feed(std::string_view piece) {
  tail_ += piece;
  if (tail_.size() >= recount_at_) {
    settle_tail();
  } else {
    tail_tokens_ += static_cast<Tokens>(piece.size());
  }
}

Tokens StreamCounter::finish() {
  settle_tail();
  return count();
}

void StreamCounter::reset() {
  tail_.clear();
  place_ = Counter::Place::kBegin;
  recount_at_ = 0;
  settled_ = 0;
  tail_tokens_ = 0;
}

void StreamCounter::settle_tail() {
  const Counter::Settled settled = counter_->settle(tail_, place_);
  tail_.erase(0, settled.bytes);
  place_ = settled.rest;
  settled_ += settled.tokens;
  tail_tokens_ = settled.tail_tokens;
  if (tail_.size() > kTailMax) {
    // Before a text's first word a space may be counted too.
    const Tokens leading = place_ == Counter::Place::kBegin ? 1 : 0;
    settled_ += static_cast<Tokens>(tail_.size()) + leading;
    tail_tokens_ = 0;
    tail_.clear();
    place_ = Counter::Place::kWithin;
  }
  // A long word is looked at again only when it has grown by an eighth, else small pieces would
  // cost a look at all of it each.
  recount_at_ = tail_.size() < kShortTail ? 0 : tail_.size() + tail_.size() / 8;
}

}  // namespace tollgate::tokens
