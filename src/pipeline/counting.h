// Counts the tokens of requests and replies, by the vocabulary of the model really served.
//
// Vocabularies are loaded once and shared; a Counting belongs to one loop and keeps that loop's
// word caches and the counts of the texts that it saw last. For a model without a known vocabulary
// input is bounded by its bytes, and output, when the provider reports none, as well.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "config/config.h"
#include "dialects/chat_template.h"
#include "dialects/framing.h"
#include "dialects/reply.h"
#include "dialects/request.h"
#include "tokens/count_errors.h"
#include "tokens/known_texts.h"
#include "tokens/vocabulary.h"

namespace tollgate::pipeline {

// The vocabularies in use, snapshots that a reload may replace while requests count by them. Any
// thread.
class Vocabularies {
 public:
  using Shared = std::shared_ptr<const tokens::Vocabulary>;
  struct Loaded {
    Shared vocabulary;
    tokens::FileStamp stamp;  // Of before it was read.
  };
  using Fresh = std::map<std::string, Loaded, std::less<>>;

  explicit Vocabularies(std::string directory) : directory_(std::move(directory)) {}
  // Those of `names` that are not there, or whose file is another one by now. Changes nothing.
  // Reads files: not on a loop.
  FaultOr<Fresh> load(std::span<const std::string> names) const;
  // From here on find() tells these.
  void take(Fresh fresh);
  // Both at once.
  FaultOr<void> ensure(const std::string& name);

  Shared find(std::string_view name) const;  // Null: not loaded.
  // Grows with whatever find() tells anew.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

 private:
  bool is_current(const std::string& name, const tokens::FileStamp& stamp) const;

  std::string directory_;
  mutable std::mutex mutex_;
  Fresh loaded_;
  std::atomic<std::uint64_t> changes_ = 0;
};

// A count, and whether its texts were counted exactly or bounded.
struct Count {
  Tokens tokens = 0;
  bool is_bound = false;
  Bytes text = 0;     // Of a bound: so many of its tokens are bytes of text, at most.
  Tokens media = 0;   // So many of them are of images and recordings,
  Tokens audio = 0;   // and of these, of recordings.
  Tokens margin = 0;  // So many more the provider was seen to count (count_errors.h).
  Tokens unsure = 0;  // So many at most are of a bound on what the template prints besides the
                      // messages, or of images whose size is not known, and may not be there.

  // With what a response holds that the provider keeps: so much at most, and nobody here has seen
  // it whole.
  void add_stored(Tokens most) {
    tokens = std::min(tokens + most, kTokensMax);
    unsure = std::min(unsure + most, kTokensMax);
  }
  // What is held, and the most that is charged.
  Tokens held() const { return std::min(tokens + margin, kTokensMax); }
};

// How a model's input is counted: its vocabulary, empty for none, its chat template, and what
// images and recordings cost.
struct Scheme {
  std::string_view tokenizer;
  dialects::ChatTemplate chat_template = dialects::ChatTemplate::kLargest;
  dialects::MediaFormulas media;

  bool operator==(const Scheme&) const = default;
};
inline Scheme scheme_of(const config::Model& model) {
  return {model.tokenizer, model.chat_template, model.media};
}

// The counters of one loop.
class Counting {
 public:
  // `errors`, where there are some, outlive it.
  explicit Counting(const Vocabularies& vocabularies, tokens::CountErrors* errors = nullptr)
      : vocabularies_(vocabularies), errors_(errors) {}

  // Null for a name that is empty or not loaded: bounds are used. Whoever counts by it goes on
  // where the vocabulary is replaced meanwhile.
  std::shared_ptr<tokens::Counter> counter(std::string_view tokenizer);

  // All that the model will read of `request`, framing and media included, by that scheme; bounded
  // without a vocabulary. The scheme has a formula for each kind of media that there is. Once it is
  // sure to be more than `most` the rest is not counted: what is refused anyway costs little. Texts
  // that `owner` sent before are not counted again.
  Count input(const dialects::Request& request, const Scheme& scheme, Tokens most,
              std::string_view owner);
  // The same without counting texts: a token a byte.
  static Count bound(const dialects::Request& request, const Scheme& scheme);
  // How many tokens more than `count` are held of a request to the model.
  Tokens margin(const config::Model& model, const Count& count);
  // What a request was counted, or bounded, at and what its provider reported. Of images and
  // recordings nothing is learned: they have formulas of their own.
  void learn(const config::Model& model, const Count& count, Tokens reported, WallTime now);
  // Whether there is a vocabulary of that name.
  bool knows(std::string_view tokenizer) { return known(tokenizer) != nullptr; }
  // Whether there is one that never counts more than bound().
  bool is_bounded(std::string_view tokenizer) {
    const Known* const found = known(tokenizer);
    return found != nullptr && found->is_bounded;
  }

 private:
  struct Known {
    std::string name;
    Vocabularies::Shared vocabulary;
    tokens::Counter counter;
    tokens::KnownTexts texts;
    bool is_bounded = false;
  };
  struct ErrorOf {
    std::string model;
    std::string tokenizer;
    dialects::ChatTemplate chat_template;
    tokens::CountError* error;
  };
  tokens::CountError& error_of(const config::Model& model);
  static std::shared_ptr<Known> make(std::string_view tokenizer, Vocabularies::Shared vocabulary);
  void renew();  // What was replaced since.
  Known* known(std::string_view tokenizer) { return known_as(tokenizer).get(); }
  const std::shared_ptr<Known>& known_as(std::string_view tokenizer);
  static Tokens count(Known& known, std::string_view text, Tokens most, std::string_view owner);
  static Tokens count(Known& known, const dialects::Printed& printed, Tokens most,
                      std::string_view owner);

  const Vocabularies& vocabularies_;
  tokens::CountErrors* errors_;
  std::vector<ErrorOf> errors_of_;  // Those that were asked for.
  std::vector<std::shared_ptr<Known>> known_;
  const std::shared_ptr<Known> none_;
  std::uint64_t changes_ = 0;  // Of the vocabularies, up to which these are new.
};

// Counts output as it passes, choice by choice.
class OutputCount final : public dialects::OutputSink {
 public:
  explicit OutputCount(std::shared_ptr<tokens::Counter> counter) : counter_(std::move(counter)) {}

  void text(std::int64_t choice, std::string_view piece) override;

  // What has passed: exact with a vocabulary, else the bound by bytes.
  Tokens tokens();
  // What has passed at the least: as tokens() with a vocabulary; without one a token of eight
  // bytes on average is taken to be the longest that any model sustains. A stream is cut by
  // this figure, so that a bound never cuts an honest one.
  Tokens tokens_at_least();
  // Whether that is more than `cap`; cheap to ask after every piece.
  bool exceeds(Tokens cap);
  Bytes bytes() const { return bytes_; }

 private:
  static constexpr std::int64_t kBytesPerTokenAtMost = 8;
  static constexpr std::size_t kChoicesMax = 256;  // More are counted together as the last.

  std::shared_ptr<tokens::Counter> counter_;
  std::vector<tokens::StreamCounter> choices_;
  Bytes bytes_ = 0;
};

// Only measures output, for a reply whose provider said what it used.
class OutputBytes final : public dialects::OutputSink {
 public:
  void text(std::int64_t, std::string_view piece) override {
    bytes_ += static_cast<Bytes>(piece.size());
  }
  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_ = 0;
};

}  // namespace tollgate::pipeline
