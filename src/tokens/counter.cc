#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "tokens/encoder.h"
#include "tokens/splitter_scan.h"
#include "tokens/tables.h"
#include "tokens/vocabulary.h"

namespace tollgate::tokens {
namespace {

static_assert(std::endian::native == std::endian::little, "the cache packs words by shifts");

// How many tokens a short word has, for the words seen last. A slot holds the word itself, so a
// hit is never another word's. Two slots share a home: the newer word is in the first.
class WordCache {
 public:
  static constexpr std::size_t kWordBytesMax = 15;

  // 15 bytes of the word, zeros behind it, and in the last byte its length.
  struct Word {
    std::uint64_t low;
    std::uint64_t high;
  };
  static Word pack(std::string_view word) {
    Word packed{0, 0};
    std::memcpy(&packed, word.data(), word.size());
    packed.high |= std::uint64_t{word.size()} << 56;
    return packed;
  }
  // The same where 16 bytes can be read.
  [[gnu::always_inline]] static Word pack_wide(std::string_view word) {
    Word packed;
    std::memcpy(&packed, word.data(), 16);
    packed.low &= kMasks[word.size()].low;
    packed.high &= kMasks[word.size()].high;
    packed.high |= std::uint64_t{word.size()} << 56;
    return packed;
  }

  // The count, 0 if it is not known.
  [[gnu::always_inline]] std::uint32_t find(Word word, std::size_t home) const {
    const Word* const pair = &slots_[home];
    if (differ(pair[0], word) == 0) [[likely]]
      return static_cast<std::uint32_t>(pair[0].high >> 60);
    if (differ(pair[1], word) == 0) return static_cast<std::uint32_t>(pair[1].high >> 60);
    return 0;
  }
  // A word of at most 15 bytes has at most 15 tokens, which is what four bits hold.
  void keep(Word word, std::size_t home, std::uint32_t count) {
    slots_[home + 1] = slots_[home];
    slots_[home] = {word.low, word.high | std::uint64_t{count} << 60};
  }
  // The high bits of a product depend on all bits of the word.
  static std::size_t home(Word word) {
    const std::uint64_t mixed = word.low * 0x9e3779b97f4a7c15u + word.high * 0xc2b2ae3d27d4eb4fu;
    return mixed >> (64 - kHomeBits) << 1;
  }

 private:
  static constexpr int kHomeBits = 15;  // With 2 slots of 16 bytes a home: 1 MiB.
  static constexpr std::uint64_t kWordMask = ~(std::uint64_t{0xf} << 60);

  static std::uint64_t differ(Word slot, Word word) {
    return (slot.low ^ word.low) | ((slot.high ^ word.high) & kWordMask);
  }

  static constexpr std::array<Word, kWordBytesMax + 1> kMasks = [] {
    std::array<Word, kWordBytesMax + 1> masks{};
    for (std::size_t size = 1; size <= kWordBytesMax; ++size) {
      masks[size].low = size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * size) - 1;
      masks[size].high = size <= 8 ? 0 : (std::uint64_t{1} << 8 * (size - 8)) - 1;
    }
    return masks;
  }();

  std::vector<Word> slots_ = std::vector<Word>(std::size_t{2} << kHomeBits);
};

}  // namespace

// A block with fewer pieces than this is not worth its while…
constexpr int kBlockPieces = 4;
// …and so many pieces behind it are looked at alone.
constexpr int kAloneAfterSparse = 8;
// A short word is read at once.
constexpr std::ptrdiff_t kWide = 16;

struct Counter::Work {
  explicit Work(const Tables& tables) : encoder(tables) {}

  [[gnu::always_inline]] Tokens count(std::string_view piece, const char* text_end) {
    if (text_end - piece.data() >= kWide) [[likely]]
      return count_wide(piece);
    if (piece.size() > WordCache::kWordBytesMax) return encode(piece);
    return count(piece, WordCache::pack(piece));
  }
  // Of a piece at which kWide bytes can be read.
  [[gnu::always_inline]] Tokens count_wide(std::string_view piece) {
    if (piece.size() > WordCache::kWordBytesMax) [[unlikely]]
      return encode(piece);
    return count(piece, WordCache::pack_wide(piece));
  }
  [[gnu::always_inline]] Tokens count(std::string_view piece, WordCache::Word word) {
    const std::size_t home = WordCache::home(word);
    const std::uint32_t count = cache.find(word, home);
    if (count == 0) [[unlikely]]
      return encode(piece, word, home);
    return count;
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

  Encoder encoder;
  WordCache cache;
};

Counter::Counter(const Vocabulary& vocabulary)
    : vocabulary_(&vocabulary), work_(std::make_unique<Work>(vocabulary.tables())) {}
Counter::~Counter() = default;
Counter::Counter(Counter&&) noexcept = default;

Tokens Counter::count(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  if (tables.pattern() == Pattern::kO200k) {
    return work_->count_all<Pattern::kO200k>(tables.classes(), text);
  }
  return work_->count_all<Pattern::kCl100k>(tables.classes(), text);
}

Counter::Settled Counter::settle(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  if (tables.pattern() == Pattern::kO200k) {
    return work_->settle<Pattern::kO200k>(tables.classes(), text);
  }
  return work_->settle<Pattern::kCl100k>(tables.classes(), text);
}

std::vector<std::uint32_t> Counter::ids(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  std::vector<std::uint32_t> ids;
  if (tables.pattern() == Pattern::kO200k) {
    work_->ids<Pattern::kO200k>(tables.classes(), text, ids);
  } else {
    work_->ids<Pattern::kCl100k>(tables.classes(), text, ids);
  }
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
