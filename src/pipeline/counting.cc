#include "pipeline/counting.h"

#include <algorithm>

#include "dialects/framing.h"

namespace tollgate::pipeline {

FaultOr<void> Vocabularies::ensure(std::string_view name) {
  if (find(name) != nullptr) return {};
  FaultOr<std::unique_ptr<const tokens::Vocabulary>> loaded =
      tokens::Vocabulary::load(name, directory_);
  if (!loaded) return std::unexpected(loaded.error());
  const std::lock_guard lock(mutex_);
  loaded_.try_emplace(std::string(name), std::move(*loaded));
  return {};
}

const tokens::Vocabulary* Vocabularies::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = loaded_.find(name);
  return found == loaded_.end() ? nullptr : found->second.get();
}

auto Counting::known(std::string_view tokenizer) -> Known* {
  if (tokenizer.empty()) return nullptr;
  for (const std::unique_ptr<Known>& known : known_) {
    if (known->name == tokenizer) return known.get();
  }
  const tokens::Vocabulary* vocabulary = vocabularies_.find(tokenizer);
  if (vocabulary == nullptr) return nullptr;
  known_.push_back(std::make_unique<Known>(std::string(tokenizer), tokens::Counter(*vocabulary),
                                           tokens::KnownTexts(), vocabulary->is_within_bytes()));
  return known_.back().get();
}

tokens::Counter* Counting::counter(std::string_view tokenizer) {
  Known* const found = known(tokenizer);
  return found == nullptr ? nullptr : &found->counter;
}

namespace {

// A text of more bytes for each token that may be in it is counted a slice at a time.
constexpr Tokens kBytesPerTokenUsual = 4;
constexpr std::size_t kSliceBytes = 16 << 10;

// The exact count of `text`, or any figure above `most` where it is more.
Tokens count_up_to(tokens::Counter& counter, std::string_view text, Tokens most) {
  if (std::ssize(text) / kBytesPerTokenUsual <= most) return counter.count(text);
  tokens::StreamCounter sliced(counter);
  while (!text.empty()) {
    sliced.feed(text.substr(0, kSliceBytes));
    text.remove_prefix(std::min(kSliceBytes, text.size()));
    if (sliced.count() > most && sliced.finish() > most) break;
  }
  return sliced.finish();
}

}  // namespace

Tokens Counting::count(Known& known, std::string_view text, Tokens most, std::string_view owner) {
  if (text.size() < tokens::KnownTexts::kTextBytesMin) return known.counter.count(text);
  const tokens::KnownTexts::Key key = tokens::KnownTexts::key(owner, text);
  if (const std::optional<Tokens> before = known.texts.find(key)) return *before;
  const Tokens count = count_up_to(known.counter, text, most);
  if (count <= most) known.texts.keep(key, count);
  return count;
}

Count Counting::input(const dialects::Request& request, std::string_view tokenizer, Tokens most,
                      std::string_view owner) {
  Known* const known = this->known(tokenizer);
  Count sum;
  sum.is_bound = known == nullptr;
  sum.tokens = dialects::framing_tokens(request) + request.tokens_given;
  for (const dialects::Text& text : request.texts) {
    if (sum.tokens > most) break;
    sum.tokens += known != nullptr ? count(*known, text.text, most - sum.tokens, owner)
                                   : tokens::upper_bound(text.text);
  }
  return sum;
}

Count Counting::bound(const dialects::Request& request) {
  Count sum;
  sum.is_bound = true;
  sum.tokens = dialects::framing_tokens(request) + request.tokens_given;
  for (const dialects::Text& text : request.texts) sum.text += tokens::upper_bound(text.text);
  sum.tokens += sum.text;
  return sum;
}

void OutputCount::text(std::int64_t choice, std::string_view piece) {
  bytes_ += static_cast<Bytes>(piece.size());
  if (counter_ == nullptr) return;
  const std::size_t index =
      std::min(static_cast<std::size_t>(std::max<std::int64_t>(choice, 0)), kChoicesMax - 1);
  while (choices_.size() <= index) choices_.emplace_back(*counter_);
  choices_[index].feed(piece);
}

Tokens OutputCount::tokens() {
  if (counter_ == nullptr) return bytes_;
  Tokens sum = 0;
  for (tokens::StreamCounter& choice : choices_) sum += choice.finish();
  return sum;
}

Tokens OutputCount::tokens_at_least() {
  return counter_ == nullptr ? bytes_ / kBytesPerTokenAtMost : tokens();
}

bool OutputCount::exceeds(Tokens cap) {
  if (counter_ == nullptr) return tokens_at_least() > cap;
  // Of a long word under way the running count is an estimate from above; only where that
  // passes the cap is the exact one worth its time.
  Tokens estimate = 0;
  for (const tokens::StreamCounter& choice : choices_) estimate += choice.count();
  return estimate > cap && tokens() > cap;
}

}  // namespace tollgate::pipeline
