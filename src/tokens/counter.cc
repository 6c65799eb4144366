#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include "tokens/clause_cache.h"
#include "tokens/encoder.h"
#include "tokens/keyed_hash.h"
#include "tokens/normal_form.h"
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
  explicit Work(const Tables& of)
      : tables(of), seams(of.seams()), encoder(of), cache(of.token_words()) {}

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
    if (tables.id_of_whole(piece) != kNone) return 1;
    if (piece.size() > ClauseCache::kBytesMax) return count_between_seams(piece);
    const Hash128 clause = keyed_hash(piece);
    const std::uint32_t known = clauses.find(clause);
    if (known != 0) return known;
    const Tokens count = count_between_seams(piece);
    clauses.keep(clause, static_cast<std::uint32_t>(count));
    return count;
  }

  Tokens count_between_seams(std::string_view piece) {
    // A word of a unigram vocabulary is looked at as a whole.
    if (tables.rules().model == Model::kUnigram) return encode_part(piece);
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
        total += part.size() <= WordCache::kWordBytesMax ? encode_part(part, words[i], homes[i])
                                                         : encode_part(part);
      }
      at = cuts[i];
    }
    return total;
  }
  Tokens count_part(std::string_view part, const char* readable_end) {
    if (part.size() > WordCache::kWordBytesMax) return encode_part(part);
    const WordCache::Word word =
        readable_end - part.data() >= kWide ? WordCache::pack_wide(part) : WordCache::pack(part);
    const std::size_t home = WordCache::home(word);
    const std::uint32_t count = cache.find(word, home);
    return count != 0 ? count : encode_part(part, word, home);
  }

  // Apart, so that the loops have no more to save than they need.
  [[gnu::noinline]] Tokens encode_part(std::string_view part) { return encoder.count_part(part); }
  [[gnu::noinline]] Tokens encode_part(std::string_view part, WordCache::Word word,
                                       std::size_t home) {
    const std::uint32_t beside = cache.find_beside(word, home);
    if (beside != 0) return beside;
    const Tokens count = encode_part(part);
    // What is a token as a whole piece alone has two counts, and neither is kept.
    if (tables.id_of_whole(part) == kNone) {
      cache.keep(word, home, static_cast<std::uint32_t>(count));
    }
    return count;
  }
  [[gnu::noinline]] Tokens encode(std::string_view piece, WordCache::Word word, std::size_t home) {
    return tables.id_of_whole(piece) != kNone ? 1 : encode_part(piece, word, home);
  }

  template <typename SplitBy>
  Tokens count_all(SplitBy splitter, const char* const end, Tokens most) {
    Tokens total = 0;
    while (!splitter.done() && total <= most) {
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

  // Of the pieces that no further text can change.
  template <typename SplitBy, typename MayEnd>
  Settled settle(SplitBy splitter, const char* const end, const MayEnd& may_end) {
    Settled settled;
    Settled since;  // The pieces since the last of which that is sure.
    while (!splitter.done()) {
      const std::string_view piece = splitter.next();
      const Tokens tokens = count(piece, end);
      since.tokens += tokens;
      since.bytes += piece.size();
      if (splitter.touched_end() || !may_end(splitter.at())) continue;
      settled.tokens += since.tokens;
      settled.bytes += since.bytes;
      since = Settled();
    }
    settled.tail_tokens = since.tokens;
    return settled;
  }

  template <typename SplitBy>
  void ids(SplitBy splitter, std::vector<std::uint32_t>& ids) {
    while (!splitter.done()) {
      for (const std::uint32_t token : encoder.encode(splitter.next())) {
        ids.push_back(encoder.id(token));
      }
    }
  }

  const Tables& tables;
  const Seams& seams;
  Encoder encoder;
  WordCache cache;
  ClauseCache clauses;
  std::string form;  // Of a text that was not in its form.
  std::string led;   // A text's first piece, with a space before it.
};

Counter::Counter(const Vocabulary& vocabulary)
    : vocabulary_(&vocabulary), work_(std::make_unique<Work>(vocabulary.tables())) {}
Counter::~Counter() = default;
Counter::Counter(Counter&&) noexcept = default;

namespace {

// Calls `work` with what splits `text` as the vocabulary does.
template <typename DoWork>
auto split(const Tables& tables, std::string_view text, const DoWork& work) {
  switch (tables.pattern()) {
    case Pattern::kO200k:
      return work(Splitter<Pattern::kO200k>(tables.classes(), text));
    case Pattern::kCl100k:
      return work(Splitter<Pattern::kCl100k>(tables.classes(), text));
    case Pattern::kQwen2:
      return work(Splitter<Pattern::kQwen2>(tables.classes(), text));
    case Pattern::kTekken:
      return work(Splitter<Pattern::kTekken>(tables.classes(), text));
    case Pattern::kDeepseek:
      return work(Splitter<Pattern::kDeepseek>(tables.classes(), text));
    case Pattern::kWhole:
      return work(JoinSplitter(tables.joins(), Spaces::kJoin, text));
    case Pattern::kEachSpace:
      return work(JoinSplitter(tables.joins(), Spaces::kBegin, text));
    case Pattern::kGpt2:
      break;
  }
  return work(Splitter<Pattern::kGpt2>(tables.classes(), text));
}

bool is_led(LeadingSpace leading_space, std::string_view text) {
  switch (leading_space) {
    case LeadingSpace::kNone:
      break;
    case LeadingSpace::kAlways:
      return true;
    case LeadingSpace::kUnlessThere:
      return text[0] != ' ';
  }
  return false;
}

std::size_t first_piece(const Tables& tables, std::string_view text) {
  return split(tables, text, [](auto splitter) { return splitter.next().size(); });
}

// What a text is counted with.
struct Frame {
  const Tables& tables;
  std::string& form;
  std::string& led;
};

// Calls `on_text` with each text that is split by itself, and `on_added` with each token between
// them.
template <typename OnText, typename OnAdded>
void parts_of(const Frame& frame, std::string_view text, LeadingSpace leading_space,
              const OnText& on_text, const OnAdded& on_added) {
  const Tables& tables = frame.tables;
  const auto on_part = [&](std::string_view part) {
    part = in_form(tables.rules().normal_form, part, frame.form);
    if (part.empty()) return;
    if (!is_led(leading_space, part)) return on_text(part);
    const std::size_t first = first_piece(tables, part);
    on_text(frame.led.assign(1, ' ').append(part.substr(0, first)));
    on_text(part.substr(first));
  };
  std::size_t begin = 0;
  if (!tables.added().empty()) {
    while (const auto match = tables.added().find(text, begin)) {
      on_part(text.substr(begin, match->begin - begin));
      on_added(match->id);
      begin = match->end;
    }
  }
  on_part(text.substr(begin));
}

}  // namespace

Tokens Counter::count_whole(std::string_view text, Tokens most) {
  const char* const end = text.data() + text.size();
  return split(vocabulary_->tables(), text,
               [&](auto splitter) { return work_->count_all(splitter, end, most); });
}

Tokens Counter::count(std::string_view text) { return count_up_to(text, kCountMax); }

Tokens Counter::count_up_to(std::string_view text, Tokens most) {
  const Tables& tables = vocabulary_->tables();
  const Tokens as_text =
      tables.splits_whole() ? count_whole(text, most) : count(text, Place::kBegin, most);
  if (as_text > most) return as_text;
  if (tables.special().empty() || !tables.special().find(text, 0)) return as_text;
  return std::max(as_text, count_around_special(text, most));
}

// With a token for each special one, and what is between them counted as texts of their own.
Tokens Counter::count_around_special(std::string_view text, Tokens most) {
  const AddedTokens& special = vocabulary_->tables().special();
  Tokens total = 0;
  std::size_t begin = 0;
  while (const auto match = special.find(text, begin)) {
    total += count(text.substr(begin, match->begin - begin), Place::kBegin, most - total) + 1;
    begin = match->end;
    if (total > most) return total;
  }
  return total + count(text.substr(begin), Place::kBegin, most - total);
}

Tokens Counter::count(std::string_view text, Place place, Tokens most) {
  const Tables& tables = vocabulary_->tables();
  const LeadingSpace leading_space =
      place == Place::kBegin ? tables.rules().leading_space : LeadingSpace::kNone;
  Tokens total = 0;
  parts_of(
      {tables, work_->form, work_->led}, text, leading_space,
      [&](std::string_view part) {
        if (total <= most) total += count_whole(part, most - total);
      },
      [&](std::uint32_t) { ++total; });
  return total;
}

std::vector<std::uint32_t> Counter::ids(std::string_view text) {
  const Tables& tables = vocabulary_->tables();
  std::vector<std::uint32_t> ids;
  parts_of(
      {tables, work_->form, work_->led}, text, tables.rules().leading_space,
      [&](std::string_view part) {
        split(tables, part, [&](auto splitter) { work_->ids(splitter, ids); });
      },
      [&](std::uint32_t id) { ids.push_back(id); });
  return ids;
}

auto Counter::settle(std::string& text, Place place) -> Settled {
  const Tables& tables = vocabulary_->tables();
  if (!tables.splits_whole()) return settle_in_form(text, place);
  const char* const end = text.data() + text.size();
  Settled settled = split(tables, text, [&](auto splitter) {
    return work_->settle(splitter, end, [](const char*) { return true; });
  });
  settled.rest = Place::kWithin;
  return settled;
}

auto Counter::settle_in_form(std::string& text, Place place) -> Settled {
  const Tables& tables = vocabulary_->tables();
  const NormalForm form = tables.rules().normal_form;
  Settled settled;
  settled.rest = place;
  std::size_t open = text.size();
  while (!tables.added().empty()) {
    const std::string_view rest = std::string_view(text).substr(settled.bytes);
    open = settled.bytes + tables.added().unfinished(rest);
    const auto match = tables.added().find(rest, 0);
    if (!match || settled.bytes + match->begin >= open) break;
    settled.tokens += count(rest.substr(0, match->end), settled.rest, kCountMax);
    settled.bytes += match->end;
    settled.rest = Place::kWithin;
  }
  // From here on no token is added, but for one that begins at `open`.
  const std::size_t begin = settled.bytes;
  const std::size_t end = std::min(open, whole_characters(text));
  std::string_view part = std::string_view(text).substr(begin, end - begin);
  std::string& led = work_->led;
  led.assign(in_form(form, part, work_->form));
  text.replace(begin, part.size(), led);
  const bool to_the_end = begin + led.size() == text.size();
  const bool is_first =
      settled.rest == Place::kBegin && !led.empty() && is_led(tables.rules().leading_space, led);
  if (is_first) led.insert(0, 1, ' ');
  part = led;
  const char* const part_end = part.data() + part.size();
  const Settled of_part = split(tables, part, [&](auto splitter) {
    return work_->settle(splitter, part_end, [&](const char* at) {
      return is_settled_before(form, part, static_cast<std::size_t>(at - part.data()));
    });
  });
  settled.tokens += of_part.tokens;
  settled.bytes += of_part.bytes;
  if (of_part.bytes != 0) {
    settled.bytes -= is_first ? 1 : 0;
    settled.rest = Place::kWithin;
  }
  settled.tail_tokens =
      to_the_end ? of_part.tail_tokens
                 : count(std::string_view(text).substr(settled.bytes), settled.rest, kCountMax);
  return settled;
}

std::uint64_t Counter::steps() const { return work_->encoder.steps(); }

}  // namespace tollgate::tokens
