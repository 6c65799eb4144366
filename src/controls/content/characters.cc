#include "controls/content/characters.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"

namespace tollgate::content {

namespace {

constexpr UChar32 kEnd = 0x110000;
constexpr std::size_t kPage = 256;
using Points = std::vector<UChar32>;

bool is_letter(UChar32 c) { return (U_GET_GC_MASK(c) & U_GC_L_MASK) != 0; }
bool is_ascii_letter(UChar32 c) { return c < 0x80 && u_isalpha(c) != 0; }
bool is_mark(UChar32 c) { return (U_GET_GC_MASK(c) & (U_GC_MN_MASK | U_GC_ME_MASK)) != 0; }
bool is_ignorable(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0;
}
bool is_space(UChar32 c) { return u_hasBinaryProperty(c, UCHAR_WHITE_SPACE) != 0; }

UScriptCode script_of(UChar32 c) {
  UErrorCode error = U_ZERO_ERROR;
  return uscript_getScript(c, &error);
}

Hiding hiding_of(UChar32 c) {
  constexpr UChar32 kTagsEnd = 0xE0080;
  constexpr UChar32 kObjectReplacement = 0xFFFC;
  constexpr UChar32 kBrailleBlank = 0x2800;
  constexpr UChar32 kGraphemeJoiner = 0x34F;
  const auto kind = static_cast<UCharCategory>(u_charType(c));
  if (c >= 0xE0000 && c < kTagsEnd) return Hiding::kTag;
  if (u_hasBinaryProperty(c, UCHAR_NONCHARACTER_CODE_POINT) != 0) return Hiding::kNoncharacter;
  if (kind == U_CONTROL_CHAR) return is_space(c) ? Hiding::kNone : Hiding::kControl;
  if (kind == U_PRIVATE_USE_CHAR) return Hiding::kPrivateUse;
  if (c == kBrailleBlank) return Hiding::kInvisible;
  if (is_ignorable(c) && u_hasBinaryProperty(c, UCHAR_DEPRECATED) != 0) return Hiding::kDeprecated;
  if (u_hasBinaryProperty(c, UCHAR_VARIATION_SELECTOR) != 0) return Hiding::kVariationSelector;
  if (c >= 0xFFF9 && c < kObjectReplacement) return Hiding::kInterlinear;
  switch (u_charDirection(c)) {
    case U_LEFT_TO_RIGHT_EMBEDDING:
    case U_LEFT_TO_RIGHT_OVERRIDE:
    case U_RIGHT_TO_LEFT_EMBEDDING:
    case U_RIGHT_TO_LEFT_OVERRIDE:
    case U_POP_DIRECTIONAL_FORMAT:
    case U_FIRST_STRONG_ISOLATE:
    case U_LEFT_TO_RIGHT_ISOLATE:
    case U_RIGHT_TO_LEFT_ISOLATE:
    case U_POP_DIRECTIONAL_ISOLATE:
      return Hiding::kBidi;
    default:
      break;
  }
  const bool joins_or_directs = u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) != 0 ||
                                u_hasBinaryProperty(c, UCHAR_BIDI_CONTROL) != 0;
  if (joins_or_directs || c == 0x200B || c == 0x2060 || c == 0xFEFF || c == kGraphemeJoiner) {
    return Hiding::kZeroWidth;
  }
  if (is_mark(c)) return Hiding::kCombining;
  return is_ignorable(c) ? Hiding::kInvisible : Hiding::kNone;
}

// What nobody sees, and marks, which only change how something else looks.
bool is_left_out(UChar32 c, Hiding hides) {
  return hides != Hiding::kNone || is_ignorable(c) || u_charType(c) == U_FORMAT_CHAR ||
         is_mark(c) || c == 0xFFFC;
}

// Asks ICU; lives as long as the table is being made.
class Source {
 public:
  Source() : spoof_(uspoof_open(&error_), uspoof_close) {
    nfkc_ = unorm2_getNFKCInstance(&error_);
    CHECK(U_SUCCESS(error_));  // Its data is linked in.
    for (UChar32 c = 'a'; c <= 'z'; ++c) letters_[skeleton(c)] = static_cast<char>(c);
    for (UChar32 c = 'A'; c <= 'Z'; ++c) {
      letters_.try_emplace(skeleton(c), static_cast<char>(c + ('a' - 'A')));
    }
  }

  Points compatible(UChar32 c) const {
    constexpr UChar32 kHangulFirst = 0xAC00;
    constexpr UChar32 kHangulLast = 0xD7A3;
    if (c >= kHangulFirst && c <= kHangulLast) return {c};
    Points made;
    decompose(c, made);
    return made;
  }

  // The ASCII letters, in small, that a letter looks like; empty: none.
  std::string look_of(UChar32 c) const {
    if (!is_letter(c)) return {};
    const std::u16string looks = skeleton(c);
    if (const auto letter = letters_.find(looks); letter != letters_.end()) {
      // I, l and 1 look alike: a capital is an I.
      return {letter->second == 'l' && u_isupper(c) != 0 ? 'i' : letter->second};
    }
    std::string ascii;
    for (const char16_t unit : looks) {
      if (is_mark(unit) && !ascii.empty()) continue;
      if (!is_ascii_letter(unit)) return {};
      ascii.push_back(static_cast<char>(u_tolower(unit)));
    }
    return ascii;
  }

 private:
  std::u16string skeleton(UChar32 c) const {
    std::array<UChar, 2> from{};
    std::int32_t size = 0;
    U16_APPEND_UNSAFE(from, size, c);
    std::array<UChar, 64> to{};
    UErrorCode error = U_ZERO_ERROR;
    const std::int32_t made =
        uspoof_getSkeleton(spoof_.get(), 0, from.data(), size, to.data(), std::ssize(to), &error);
    if (U_FAILURE(error) != 0 || made > std::ssize(to)) return {};
    return {to.data(), static_cast<std::size_t>(made)};
  }

  void decompose(UChar32 c, Points& made) const {
    std::array<UChar, 32> to{};
    UErrorCode error = U_ZERO_ERROR;
    const std::int32_t size = unorm2_getDecomposition(nfkc_, c, to.data(), std::ssize(to), &error);
    if (size < 0 || U_FAILURE(error) != 0 || size > std::ssize(to)) {
      made.push_back(c);
      return;
    }
    for (std::int32_t at = 0; at < size;) {
      UChar32 next = 0;
      U16_NEXT(to, at, size, next);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
      made.push_back(next);
    }
  }

  UErrorCode error_ = U_ZERO_ERROR;
  std::unique_ptr<USpoofChecker, decltype(&uspoof_close)> spoof_;
  const UNormalizer2* nfkc_ = nullptr;
  std::unordered_map<std::u16string, char> letters_;
};

void append(std::string& text, UChar32 c) { text += utf8(static_cast<std::uint32_t>(c)).view(); }

// One character of a decomposition, as words are compared: in small, and as the letter that it
// looks like, or that its capital does.
void append_folded(const Source& source, UChar32 c, std::string& text) {
  if (c < 0x80) {
    append(text, u_tolower(c));
    return;
  }
  if (const int digit = u_charDigitValue(c); digit >= 0) {
    text.push_back(static_cast<char>('0' + digit));
    return;
  }
  std::string look = source.look_of(c);
  if (look.empty()) look = source.look_of(u_tolower(c));
  if (look.empty()) look = source.look_of(u_toupper(c));
  if (look.empty()) {
    append(text, u_foldCase(c, U_FOLD_CASE_DEFAULT));
  } else {
    text += look;
  }
}

class Table {
 public:
  Table() {
    const Source source;
    characters_.emplace_back();  // Page 0: all stay.
    entries_.resize(kPage);
    for (UChar32 first = 0; first < kEnd; first += kPage) {
      if (is_like_the_last(first)) {
        pages_[static_cast<std::size_t>(first) / kPage] =
            pages_[static_cast<std::size_t>(first) / kPage - 1];
      } else {
        add_page(source, first);
      }
    }
  }

  const Character& of(std::uint32_t c) const { return characters_[entry(c)]; }

 private:
  std::uint16_t entry(std::uint32_t c) const {
    return entries_[std::size_t{pages_[c / kPage]} * kPage + c % kPage];
  }

  // Within a plane that holds nothing, or nothing but private use: all but its first page and its
  // last, which has two that are no characters.
  static bool is_like_the_last(UChar32 first) {
    const UChar32 plane = first >> 16;
    const UChar32 page = (first & 0xFFFF) / static_cast<UChar32>(kPage);
    return ((plane >= 4 && plane <= 13) || plane >= 15) && page > 0 && page < 0xFF;
  }

  void add_page(const Source& source, UChar32 first) {
    std::array<std::uint16_t, kPage> page{};
    for (std::size_t i = 0; i < kPage; ++i) {
      page[i] = entry_of(source, first + static_cast<UChar32>(i));
    }
    std::uint16_t& known = pages_[static_cast<std::size_t>(first) / kPage];
    const bool is_plain = std::ranges::all_of(page, [](std::uint16_t entry) { return entry == 0; });
    if (is_plain) return;
    // Planes of private use are of one page over and over.
    if (std::equal(page.begin(), page.end(), entries_.end() - kPage)) {
      known = static_cast<std::uint16_t>(entries_.size() / kPage - 1);
      return;
    }
    known = static_cast<std::uint16_t>(entries_.size() / kPage);
    entries_.insert(entries_.end(), page.begin(), page.end());
  }

  std::uint16_t entry_of(const Source& source, UChar32 c) {
    const Hiding hides = hiding_of(c);
    if (c < 0x80 && hides == Hiding::kNone && !is_space(c)) return 0;
    if (U_IS_SURROGATE(c)) return 0;
    if (u_charType(c) == U_UNASSIGNED && hides == Hiding::kNone && !is_ignorable(c)) return 0;
    std::string itself;
    append(itself, c);
    std::string normal = itself;
    std::string folded;
    const bool left_out = is_left_out(c, hides) && !is_space(c);
    Character made;
    made.hides = hides;
    made.is_space = is_space(c);
    if (left_out) {
      normal.clear();
    } else if (c < 0x80) {
      folded = normal;
    } else if (u_hasBinaryProperty(c, UCHAR_UNIFIED_IDEOGRAPH) != 0) {
      folded = normal;
    } else {
      write(source, c, normal, folded);
      made.is_look_alike = is_look_alike(source, c);
    }
    if (made.is_space && c >= 0x80) normal = folded = " ";
    made.is_normal = normal == itself;
    made.is_folded = folded == itself;
    if (made.is_normal && made.is_folded && hides == Hiding::kNone && !made.is_space) return 0;
    return intern(made, std::move(normal), std::move(folded));
  }

  // With a mark it looks like no ASCII: \u045e is no y.
  static bool is_look_alike(const Source& source, UChar32 c) {
    const UScriptCode script = script_of(c);
    if (std::ranges::any_of(source.compatible(c), is_mark)) return false;
    return u_hasBinaryProperty(c, UCHAR_CASED) != 0 && script != USCRIPT_LATIN &&
           script != USCRIPT_COMMON && script != USCRIPT_INHERITED && !source.look_of(c).empty();
  }

  // What is no ASCII in its compatibility form stays as it is to rules on bytes.
  static void write(const Source& source, UChar32 c, std::string& normal, std::string& folded) {
    const Points points = source.compatible(c);
    if (std::ranges::all_of(points, [](UChar32 point) { return point < 0x80; })) {
      normal.clear();
      for (const UChar32 point : points) append(normal, point);
    }
    for (const UChar32 point : points) {
      if (!is_mark(point)) append_folded(source, point, folded);
    }
  }

  std::uint16_t intern(Character made, std::string normal, std::string folded) {
    const std::string key = normal + '\0' + folded + '\0' +
                            static_cast<char>(static_cast<int>(made.hides) << 4 |
                                              int{made.is_normal} << 3 | int{made.is_folded} << 2 |
                                              int{made.is_space} << 1 | int{made.is_look_alike});
    const auto [known, is_new] =
        known_.try_emplace(key, static_cast<std::uint16_t>(characters_.size()));
    if (!is_new) return known->second;
    // Not where a character stays: many would be kept that nobody reads.
    made.normal = texts_.emplace_back(std::move(normal));
    made.folded = texts_.emplace_back(std::move(folded));
    characters_.push_back(made);
    return known->second;
  }

  std::array<std::uint16_t, static_cast<std::size_t>(kEnd) / kPage> pages_{};
  std::vector<std::uint16_t> entries_;
  std::vector<Character> characters_;
  std::deque<std::string> texts_;  // Which stay where they are.
  std::unordered_map<std::string, std::uint16_t> known_;
};

const Table& table() {
  static const Table made;
  return made;
}

constexpr std::size_t kBriefs = 0x10000;
constexpr std::uint32_t kAboveTwoBytes = 0x800;

std::uint32_t brief_of(std::string_view text) {
  if (text.size() > 3) return Brief::kLonger;
  const bool is_white = text.size() == 1 && is_space(static_cast<unsigned char>(text[0]));
  std::uint32_t made = static_cast<std::uint32_t>(text.size()) << Brief::kSize;
  for (std::size_t i = 0; i < text.size(); ++i) {
    made |= std::uint32_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  if (is_white) made |= Brief::kSpace;
  return made;
}

struct Tables {
  Tables() : normal_briefs(kBriefs), folded_briefs(kBriefs) {
    for (std::uint32_t c = 0; c < static_cast<std::uint32_t>(kEnd); ++c) {
      const Character& known = table().of(c);
      const Utf8 itself = utf8(c);
      const bool hides = known.hides != Hiding::kNone || known.is_look_alike;
      if (c < kBriefs) {
        const std::uint32_t flag = hides ? Brief::kHides : 0;
        normal_briefs[c] = flag | brief(known.is_normal, known.normal, itself);
        folded_briefs[c] = flag | brief(known.is_folded, known.folded, itself);
      }
      const auto first = static_cast<unsigned char>(itself.bytes[0]);
      const bool is_looked_for = known.hides == Hiding::kNone && c < kAboveTwoBytes;
      if (!known.is_normal || (hides && !is_looked_for)) normal.specials.add(first);
      if (!known.is_folded) folded.specials.add(first);
      if (hides && !is_looked_for) hiding.add(first);
    }
    for (FormTable* const each : {&normal, &folded}) each->specials.add('\\');
    normal.briefs = normal_briefs;
    folded.briefs = folded_briefs;
  }

  static std::uint32_t brief(bool stays, std::string_view becomes, const Utf8& itself) {
    return stays ? Brief::kStays | brief_of(itself.view()) : brief_of(becomes);
  }

  std::vector<std::uint32_t> normal_briefs;
  std::vector<std::uint32_t> folded_briefs;
  FormTable normal;
  FormTable folded;
  ByteSet hiding;
};

const Tables& tables() {
  static const Tables made;
  return made;
}

}  // namespace

const Character& character(std::uint32_t code_point) { return table().of(code_point); }

const FormTable& table_of(Form form) {
  return form == Form::kFolded ? tables().folded : tables().normal;
}

const ByteSet& hiding_bytes() { return tables().hiding; }

void prepare_characters() { (void)tables(); }

}  // namespace tollgate::content
