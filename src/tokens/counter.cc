#include <array>
#include <bit>
#include <span>
#include <utility>

#include "tokens/clause_cache.h"
#include "tokens/encoder.h"
#include "tokens/keyed_hash.h"
#include "tokens/splitter_scan.h"
#include "tokens/tables.h"
#include "tokens/vocabulary.h"
#include "tokens/word_cache.h"

namespace tollgate::tokens {
// A block with fewer pieces than this is not worth its while…
constexpr int kBlockPieces = 4;
// …and so many pieces behind it are looked at alone.
constexpr int kAloneAfterSparse = 8;
// Parts of a long word that are looked up together.
constexpr std::size_t kPartsAtOnce = 16;
// A short word is read at once.
constexpr std::ptrdiff_t kWide = 16;

struct Counter::Work {
  explicit Work(const Tables& tables)
      : seams(tables.seams()), encoder(tables), cache(tables.token_words()) {}

  [[gnu::always_inline]] Tokens count(std::string_view piece, const char* text_end) {
    if (text_end - piece.data() >= kWide) [[likely]]
      return count_wide(piece);
    if (piece.size() > WordCache::kWordBytesMax) return count_long(piece);
    return count(piece, WordCache::pack(piece));
  }
  // Of a piece at which kWide bytes can be read.
  [[gnu::always_inline]] Tokens count_wide(std::string_view piece) {
    if (piece.size() > WordCache::kWordBytesMax) [[unlikely]]
      return count_long(piece);
    return count(piece, WordCache::pack_wide(piece));
  }
  [[gnu::always_inline]] Tokens count(std::string_view piece, WordCache::Word word) {
    const std::size_t home = WordCache::home(word);
    const std::uint32_t count = cache.find(word, home);
    if (count == 0) [[unlikely]]
      return encode(piece, word, home);
    return count;
  }

  // Of a piece that is too long for the cache of words.
  [[gnu::noinline]] Tokens count_long(std::string_view piece) {
    if (piece.size() > ClauseCache::kBytesMax) return count_between_seams(piece);
    const Hash128 clause = keyed_hash(piece);
    const std::uint32_t known = clauses.find(clause);
    if (known != 0) return known;
    const Tokens count = count_between_seams(piece);
    clauses.keep(clause, static_cast<std::uint32_t>(count));
    return count;
  }

  Tokens count_between_seams(std::string_view piece) {
    Tokens total = 0;
    const char* begin = piece.data();
    const char* const end = begin + piece.size();
    std::array<const char*, kPartsAtOnce> cuts;
    std::size_t found = 0;
    for (const char* at = begin + Seams::kSeen; end - at >= Seams::kSeen;) {
      if (!Seams::may_begin(*at)) {
        ++at;
        continue;
      }
      cuts[found] = at;
      found += seams.apart(at) ? 1 : 0;
      at += Seams::kSeen;
      if (found == kPartsAtOnce) {
        total += count_parts(begin, cuts, found, end);
        begin = cuts.back();
        found = 0;
      }
    }
    // What is left is the last part, and one more cut is at the end.
    if (found == 0) return total + count_part({begin, end}, end);
    total += count_parts(begin, cuts, found, end);
    return total + count_part({cuts[found - 1], end}, end);
  }

  // The parts before each cut. All are looked for before the first is waited for.
  Tokens count_parts(const char* begin, std::span<const char* const> cuts, std::size_t found,
                     const char* readable_end) {
    std::array<WordCache::Word, kPartsAtOnce> words;
    std::array<std::size_t, kPartsAtOnce> homes;
    const char* at = begin;
    for (std::size_t i = 0; i < found; ++i) {
      const std::string_view part(at, cuts[i]);
      at = cuts[i];
      words[i] = {0, 0};
      if (part.size() <= WordCache::kWordBytesMax) [[likely]] {
        words[i] = readable_end - part.data() >= kWide ? WordCache::pack_wide(part)
                                                       : WordCache::pack(part);
      }
      homes[i] = WordCache::home(words[i]);
      cache.prefetch(homes[i]);
    }
    Tokens total = 0;
    at = begin;
    for (std::size_t i = 0; i < found; ++i) {
      const std::uint32_t count = cache.find(words[i], homes[i]);
      total += count;
      if (count == 0) [[unlikely]] {
        const std::string_view part(at, cuts[i]);
        total += part.size() <= WordCache::kWordBytesMax ? encode(part, words[i], homes[i])
                                                         : encode(part);
      }
      at = cuts[i];
    }
    return total;
  }
  Tokens count_part(std::string_view part, const char* readable_end) {
    if (part.size() > WordCache::kWordBytesMax) return encode(part);
    if (readable_end - part.data() >= kWide) return count(part, WordCache::pack_wide(part));
    return count(part, WordCache::pack(part));
  }

  // Apart, so that the loops have no more to save than they need.
  [[gnu::noinline]] Tokens encode(std::string_view piece) {
    return static_cast<Tokens>(encoder.encode(piece).size());
  }
  [[gnu::noinline]] Tokens encode(std::string_view piece, WordCache::Word word, std::size_t home) {
    const Tokens count = encode(piece);
    cache.keep(word, home, static_cast<std::uint32_t>(count));
    return count;
  }

  template <Pattern kPattern>
  Tokens count_all(const Classes& classes, std::string_view text) {
    const char* const end = text.data() + text.size();
    Tokens total = 0;
    Splitter<kPattern> splitter(classes, text);
    while (!splitter.done()) {
      int begin = 0;
      int pieces = 0;
      std::uint64_t starts = splitter.block_starts();
      // Without waiting for the length of one word to find the next.
      for (starts &= starts - 1; starts != 0; starts &= starts - 1, ++pieces) {
        const int next = std::countr_zero(starts);
        total += count_wide({splitter.at() + begin, static_cast<std::size_t>(next - begin)});
        begin = next;
      }
      splitter.skip(begin);
      // Where words are few, as in data, one look at many bytes for each is dear.
      const int alone = begin >= 40 ? 0 : pieces >= kBlockPieces ? 1 : kAloneAfterSparse;
      for (int i = 0; i < alone && !splitter.done(); ++i) total += count(splitter.next(), end);
    }
    return total;
  }

  template <Pattern kPattern>
  Settled settle(const Classes& classes, std::string_view text) {
    const char* const end = text.data() + text.size();
    Settled settled;
    for (Splitter<kPattern> splitter(classes, text); !splitter.done();) {
      const std::string_view piece = splitter.next();
      const Tokens tokens = count(piece, end);
      if (splitter.touched_end()) {
        settled.tail_tokens += tokens;
      } else {
        settled.tokens += tokens;
        settled.bytes += piece.size();
      }
    }
    return settled;
  }

  template <Pattern kPattern>
  void ids(const Classes& classes, std::string_view text, std::vector<std::uint32_t>& ids) {
    for (Splitter<kPattern> splitter(classes, text); !splitter.done();) {
      for (const std::uint32_t id : encoder.encode(splitter.next())) ids.push_back(id);
    }
  }

  const Seams& seams;
  Encoder encoder;
  WordCache cache;
  ClauseCache clauses;
};

Counter::Counter(const Vocabulary& vocabulary)
    : vocabulary_(&vocabulary), work_(std::make_unique<Work>(vocabulary.tables())) {}
Counter::~Counter() = default;
Counter::Counter(Counter&&) noexcept = default;

namespace {

// Calls `work` with the pattern as a constant.
template <typename DoWork>
auto with(Pattern pattern, const DoWork& work) {
  switch (pattern) {
    case Pattern::kO200k:
      return work.template operator()<Pattern::kO200k>();
    case Pattern::kCl100k:
      return work.template operator()<Pattern::kCl100k>();
    case Pattern::kGpt2:
      break;
  }
  return work.template operator()<Pattern::kGpt2>();
}

}  // namespace

Tokens Counter::count(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  return with(tables.pattern(), [&]<Pattern kPattern>() {
    return work_->count_all<kPattern>(tables.classes(), text);
  });
}

Counter::Settled Counter::settle(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  return with(tables.pattern(),
              [&]<Pattern kPattern>() { return work_->settle<kPattern>(tables.classes(), text); });
}

std::vector<std::uint32_t> Counter::ids(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  std::vector<std::uint32_t> ids;
  with(tables.pattern(),
       [&]<Pattern kPattern>() { work_->ids<kPattern>(tables.classes(), text, ids); });
  return ids;
}

std::uint64_t Counter::steps() const { return work_->encoder.steps(); }

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
  recount_at_ = 0;
  settled_ = 0;
  tail_tokens_ = 0;
}

void StreamCounter::settle_tail() {
  const Counter::Settled settled = counter_->settle(tail_);
  tail_.erase(0, settled.bytes);
  settled_ += settled.tokens;
  tail_tokens_ = settled.tail_tokens;
  if (tail_.size() > kTailMax) {
    settled_ += static_cast<Tokens>(tail_.size());
    tail_tokens_ = 0;
    tail_.clear();
  }
  // A long word is looked at again only when it has grown by an eighth, else small pieces would
  // cost a look at all of it each.
  recount_at_ = tail_.size() < kShortTail ? 0 : tail_.size() + tail_.size() / 8;
}

}  // namespace tollgate::tokens
