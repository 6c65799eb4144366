#include "controls/content/normal_form.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace tollgate::content {

namespace {

constexpr UChar32 kTagsFirst = 0xE0020;
constexpr UChar32 kTagsLast = 0xE007E;
constexpr std::size_t kPieceMax = 18;  // The longest decomposition there is.

// What a character becomes. `size` 0: it is left out.
struct Piece {
  std::array<char, kPieceMax> bytes{};
  std::size_t size = 0;
  bool stays = false;
};

// Characters by what they become, looked up by two halves of their number. Made once: to ask ICU
// each time would cost more than all the rest.
class Table {
 public:
  Table() {
    for (UChar32 c = 0x80; c < kEnd; ++c) {
      const Piece piece = ask(c);
      if (piece.stays) continue;
      std::uint16_t& page = pages_[static_cast<std::size_t>(c) >> 8];
      if (page == 0) {
        page = static_cast<std::uint16_t>(entries_.size() >> 8);
        entries_.resize(entries_.size() + 256);
      }
      pieces_.push_back(piece);
      entries_[std::size_t{page} << 8 | (c & 0xFF)] = static_cast<std::uint16_t>(pieces_.size());
    }
  }

  // Null: it stays.
  const Piece* find(UChar32 c) const {
    if (c >= kEnd) return c >= 0xE0000 && c <= 0xE0FFF ? &left_out_ : nullptr;
    const std::uint16_t entry =
        entries_[std::size_t{pages_[static_cast<std::size_t>(c) >> 8]} << 8 | (c & 0xFF)];
    return entry == 0 ? nullptr : &pieces_[entry - 1U];
  }

 private:
  // The planes beyond hold ideographs, tags and selectors.
  static constexpr UChar32 kEnd = 0x20000;

  static Piece ask(UChar32 c) {
    Piece piece;
    const int kind = u_charType(c);
    if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0 || kind == U_FORMAT_CHAR ||
        kind == U_NON_SPACING_MARK || kind == U_ENCLOSING_MARK) {
      return piece;
    }
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2* const nfkc = unorm2_getNFKCInstance(&error);
    std::array<UChar, kPieceMax> to{};
    const std::int32_t size =
        U_FAILURE(error) != 0 ? -1
                              : unorm2_getDecomposition(nfkc, c, to.data(), std::ssize(to), &error);
    const bool is_ascii = size > 0 && U_FAILURE(error) == 0 && size <= std::ssize(to) &&
                          std::ranges::all_of(to, [](UChar unit) { return unit < 0x80; });
    piece.stays = !is_ascii;
    if (!is_ascii) return piece;
    piece.size = static_cast<std::size_t>(size);
    std::ranges::transform(to, piece.bytes.begin(),
                           [](UChar unit) { return static_cast<char>(unit); });
    return piece;
  }

  std::array<std::uint16_t, (kEnd >> 8)> pages_{};
  std::vector<std::uint16_t> entries_ = std::vector<std::uint16_t>(256);  // Page 0: all stay.
  std::vector<Piece> pieces_;
  const Piece left_out_;
};

const Table& table() {
  static const Table made;
  return made;
}

// The character that an escape of a JSON string stands for and how long the escape is; 0: none.
struct Escape {
  UChar32 character = 0;
  std::size_t size = 0;
};

Escape escape_at(std::string_view text) {
  constexpr std::string_view kLetters = "nrtbf\"\\/";
  constexpr std::string_view kMeant = "\n\r\t\b\f\"\\/";
  if (text.size() < 2) return {};
  if (const std::size_t which = kLetters.find(text[1]); which != std::string_view::npos) {
    return {kMeant[which], 2};
  }
  constexpr std::size_t kUnicode = 6;
  if (text[1] != 'u' || text.size() < kUnicode) return {};
  UChar32 character = 0;
  for (const char c : text.substr(2, 4)) {
    const int digit = u_digit(static_cast<unsigned char>(c), 16);
    if (digit < 0) return {};
    character = character * 16 + digit;
  }
  // Half of a pair stands for nothing that a rule looks for.
  return U_IS_SURROGATE(character) ? Escape{} : Escape{character, kUnicode};
}

// Whether it is the beginning of an escape, and no more of it is there.
bool is_escape_begun(std::string_view text) {
  constexpr std::size_t kUnicode = 6;
  if (text.size() < 2) return true;
  return text[1] == 'u' && text.size() < kUnicode &&
         std::ranges::all_of(
             text.substr(2),
             [](char c) { return u_digit(static_cast<unsigned char>(c), 16) >= 0; });
}

// How many bytes of plain ASCII `text` begins with.
std::size_t plain_bytes(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  constexpr std::uint64_t kBackslashes = kOnes * '\\';
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    const std::uint64_t other = word ^ kBackslashes;  // A byte of it is 0 where one is.
    if (((word | ((other - kOnes) & ~other)) & kTops) != 0) break;
  }
  while (at < text.size() && text[at] != '\\' && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

// Calls `put(extent, bytes, stays)` for each piece of the normal form, in order; ends early where
// it says false, or before an escape that more text may complete. Returns up to where it was read.
template <class Put>
std::size_t each_piece(std::string_view text, Tags tags, MoreText more, Put put) {
  const Table& known = table();
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto size = static_cast<std::int64_t>(text.size());
  for (std::int64_t at = 0; at < size;) {
    const auto from = static_cast<std::size_t>(at);
    if (const std::size_t plain = plain_bytes(text.substr(from)); plain > 0) {
      if (!put(Extent{from, from + plain}, text.substr(from, plain), true)) return from;
      at += static_cast<std::int64_t>(plain);
      continue;
    }
    if (more == MoreText::kMayCome && text[from] == '\\' && is_escape_begun(text.substr(from))) {
      return from;
    }
    const std::int64_t begin = at;
    UChar32 c = bytes[at];
    bool is_escape = false;
    if (c == '\\') {
      const Escape escape = escape_at(text.substr(static_cast<std::size_t>(at)));
      is_escape = escape.size > 0;
      if (is_escape) c = escape.character;
      at += is_escape ? static_cast<std::int64_t>(escape.size) : 1;
    } else {
      U8_NEXT(bytes, at, size, c);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
    }
    const Extent extent{static_cast<std::size_t>(begin), static_cast<std::size_t>(at)};
    char one = 0;
    std::string_view becomes = text.substr(extent.begin, extent.end - extent.begin);
    bool stays = !is_escape;
    if (c >= kTagsFirst && c <= kTagsLast && tags == Tags::kRead) {
      one = static_cast<char>(c - 0xE0000);
      becomes = {&one, 1};
      stays = false;
    } else if (c >= 0x80) {
      if (const Piece* const piece = known.find(c); piece != nullptr) {
        becomes = {piece->bytes.data(), piece->size};
        stays = false;
      }
    } else if (is_escape) {
      one = static_cast<char>(c);
      becomes = {&one, 1};
    }
    if (!put(extent, becomes, stays)) return extent.end;
  }
  return text.size();
}

}  // namespace

bool may_differ(std::string_view text) { return plain_bytes(text) < text.size(); }

bool has_tags(std::string_view text) {
  return text.find("\xF3\xA0\x80") != std::string_view::npos ||
         text.find("\xF3\xA0\x81") != std::string_view::npos;
}

bool normalise(std::string_view text, Tags tags, std::string& normal) {
  normal.clear();
  bool differs = false;
  each_piece(text, tags, MoreText::kNone, [&](Extent, std::string_view becomes, bool stays) {
    normal += becomes;
    differs = differs || !stays;
    return true;
  });
  return differs;
}

std::size_t normalise(std::string_view text, Tags tags, MoreText more, NormalSink& sink) {
  return each_piece(text, tags, more, [&](Extent original, std::string_view becomes, bool stays) {
    sink.put(original, becomes, stays);
    return true;
  });
}

Extent original_of(std::string_view text, Tags tags, Extent extent) {
  std::size_t passed = 0;
  Extent found{text.size(), text.size()};
  each_piece(text, tags, MoreText::kNone,
             [&](Extent original, std::string_view becomes, bool stays) {
               const std::size_t behind = passed + becomes.size();
               if (extent.begin >= passed && extent.begin < behind) {
                 found.begin = stays ? original.begin + (extent.begin - passed) : original.begin;
               }
               if (behind < extent.end) {
                 passed = behind;
                 return true;
               }
               found.end = stays ? original.begin + (extent.end - passed) : original.end;
               return false;
             });
  return found;
}

void prepare() { (void)table(); }

}  // namespace tollgate::content
