#include "pipeline/counting.h"

#include <algorithm>

#include "tokens/unknown_bound.h"

namespace tollgate::pipeline {

FaultOr<Vocabularies::Fresh> Vocabularies::load(std::span<const std::string> names) const {
  Fresh fresh;
  for (const std::string& name : names) {
    const tokens::FileStamp stamp = tokens::stamp_of(name);
    if (fresh.contains(name) || is_current(name, stamp)) continue;
    FaultOr<std::unique_ptr<const tokens::Vocabulary>> loaded =
        tokens::Vocabulary::load(name, directory_);
    if (!loaded) return std::unexpected(loaded.error());
    fresh.emplace(name, Loaded{std::move(*loaded), stamp});
  }
  return fresh;
}

bool Vocabularies::is_current(const std::string& name, const tokens::FileStamp& stamp) const {
  const std::lock_guard lock(mutex_);
  const auto found = loaded_.find(name);
  return found != loaded_.end() && found->second.stamp == stamp;
}

void Vocabularies::take(Fresh fresh) {
  if (fresh.empty()) return;
  const std::lock_guard lock(mutex_);
  for (auto& [name, loaded] : fresh) loaded_.insert_or_assign(name, std::move(loaded));
  changes_.fetch_add(1, std::memory_order_release);
}

FaultOr<void> Vocabularies::ensure(const std::string& name) {
  FaultOr<Fresh> fresh = load({&name, 1});
  if (!fresh) return std::unexpected(fresh.error());
  take(std::move(*fresh));
  return {};
}

auto Vocabularies::find(std::string_view name) const -> Shared {
  const std::lock_guard lock(mutex_);
  const auto found = loaded_.find(name);
  return found == loaded_.end() ? nullptr : found->second.vocabulary;
}

auto Counting::make(std::string_view tokenizer, Vocabularies::Shared vocabulary)
    -> std::shared_ptr<Known> {
  tokens::Counter counter(*vocabulary);
  const bool is_bounded = vocabulary->is_within_bytes();
  return std::make_shared<Known>(std::string(tokenizer), std::move(vocabulary), std::move(counter),
                                 tokens::KnownTexts(), is_bounded);
}

void Counting::renew() {
  const std::uint64_t changes = vocabularies_.changes();
  if (changes == changes_) return;
  changes_ = changes;
  for (std::shared_ptr<Known>& known : known_) {
    Vocabularies::Shared now = vocabularies_.find(known->name);
    if (now != known->vocabulary) known = make(known->name, std::move(now));
  }
}

auto Counting::known_as(std::string_view tokenizer) -> const std::shared_ptr<Known>& {
  if (tokenizer.empty()) return none_;
  renew();
  for (const std::shared_ptr<Known>& known : known_) {
    if (known->name == tokenizer) return known;
  }
  Vocabularies::Shared vocabulary = vocabularies_.find(tokenizer);
  if (vocabulary == nullptr) return none_;
  known_.push_back(make(tokenizer, std::move(vocabulary)));
  return known_.back();
}

std::shared_ptr<tokens::Counter> Counting::counter(std::string_view tokenizer) {
  const std::shared_ptr<Known>& found = known_as(tokenizer);
  return found == nullptr ? nullptr : std::shared_ptr<tokens::Counter>(found, &found->counter);
}

Tokens Counting::count(Known& known, std::string_view text, Tokens most, std::string_view owner) {
  if (text.size() < tokens::KnownTexts::kTextBytesMin) return known.counter.count(text);
  const tokens::KnownTexts::Key key = tokens::KnownTexts::key(owner, text);
  if (const std::optional<Tokens> before = known.texts.find(key)) return *before;
  const Tokens count = known.counter.count_up_to(text, most);
  if (count <= most) known.texts.keep(key, count);
  return count;
}

Tokens Counting::count(Known& known, const dialects::Printed& printed, Tokens most,
                       std::string_view owner) {
  Tokens white = 0;
  for (const std::string_view around : {printed.before, printed.after})
    if (!around.empty()) white += known.counter.count(around);
  return white + count(known, printed.text, most, owner);
}

namespace {

// All but the texts.
Count count_around(const dialects::Request& request, const Scheme& scheme) {
  const dialects::Framing framing = dialects::framing_of(request, scheme.chat_template);
  const dialects::MediaTokens seen =
      dialects::media_tokens(request.images, request.recordings, scheme.media);
  Count sum;
  sum.media = seen.images + seen.audio;
  sum.audio = seen.audio;
  sum.tokens = framing.tokens + request.tokens_given + sum.media;
  sum.unsure = framing.unsure + seen.unsure;
  return sum;
}

}  // namespace

Count Counting::input(const dialects::Request& request, const Scheme& scheme, Tokens most,
                      std::string_view owner) {
  Known* const known = this->known(scheme.tokenizer);
  const dialects::TemplateRow& row = dialects::row_of(scheme.chat_template);
  Count sum = count_around(request, scheme);
  sum.is_bound = known == nullptr;
  for (const dialects::Text& text : request.texts) {
    if (sum.tokens > most) break;
    const dialects::Printed printed = dialects::printed(text, request.surface, row);
    Tokens tokens = known != nullptr ? count(*known, printed, most - sum.tokens, owner)
                                     : tokens::bound_of_unknown(text.text);
    tokens *= dialects::readings_of(text.kind, request, scheme.chat_template);
    sum.tokens += tokens;
    const bool is_of_tools = text.kind == dialects::TextKind::kToolDefinition ||
                             text.kind == dialects::TextKind::kToolCall;
    if (is_of_tools && !row.shows_tools) sum.unsure += tokens;
  }
  return sum;
}

tokens::CountError& Counting::error_of(const config::Model& model) {
  for (const ErrorOf& known : errors_of_) {
    if (known.model == model.name && known.tokenizer == model.tokenizer &&
        known.chat_template == model.chat_template) {
      return *known.error;
    }
  }
  const std::string counted_by =
      std::string(model.tokenizer) + '/' + std::string(dialects::name_of(model.chat_template));
  errors_of_.push_back(
      {model.name, model.tokenizer, model.chat_template, &errors_->of(model.name, counted_by)});
  return *errors_of_.back().error;
}

Tokens Counting::margin(const config::Model& model, const Count& count) {
  return errors_ == nullptr ? 0 : error_of(model).margin(count.tokens - count.media);
}

void Counting::learn(const config::Model& model, const Count& count, Tokens reported,
                     WallTime now) {
  if (errors_ == nullptr || count.media > 0) return;
  errors_->learn(error_of(model), count.tokens, reported, now);
}

Count Counting::bound(const dialects::Request& request, const Scheme& scheme) {
  Count sum = count_around(request, scheme);
  sum.is_bound = true;
  for (const dialects::Text& text : request.texts) {
    sum.text += tokens::upper_bound(text.text) *
                dialects::readings_of(text.kind, request, scheme.chat_template);
  }
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
