#include "tokens/normal_form.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tollgate::tokens {
namespace {

constexpr std::string_view kLowerBlock = "\xe2\x96\x81";
// So many marks in a row are put in order before ICU sees them: its time grows with their square.
constexpr int kMarksUnordered = 16;

const icu::Normalizer2& nfc() {
  static const icu::Normalizer2* const made = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* const instance = icu::Normalizer2::getNFCInstance(status);
    CHECK(U_SUCCESS(status) != 0);
    return instance;
  }();
  return *made;
}

// What the reference knows: its tables are of Unicode 9, and what is newer it leaves as it is. For
// what is older no version has ever changed a normal form.
const icu::UnicodeSet& known() {
  static const icu::UnicodeSet* const made = [] {
    UErrorCode status = U_ZERO_ERROR;
    auto* const set = new icu::UnicodeSet(u"[:age=9.0:]", status);
    CHECK(U_SUCCESS(status) != 0);
    set->freeze();
    return set;
  }();
  return *made;
}

const icu::FilteredNormalizer2& known_nfc() {
  static const auto* const made = new icu::FilteredNormalizer2(nfc(), known());
  return *made;
}

std::int32_t size_of(std::string_view text) { return static_cast<std::int32_t>(text.size()); }

// The characters of most texts are in composed form wherever they stand, which their first bytes
// tell: of these, `kAlways` says so alone and `kBySecond` with the second byte, or the third.
enum class Lead : std::uint8_t { kAlways, kBySecond, kUnsure };

constexpr std::array<Lead, 256> kLeads = [] {
  std::array<Lead, 256> made;
  made.fill(Lead::kUnsure);
  // Up to U+02FF, and all but first bytes. U+0400 to U+047F. U+4000 to U+9FFF.
  for (int byte = 0x00; byte < 0xcc; ++byte) made[byte] = Lead::kAlways;
  for (const int byte : {0xd0, 0xd1, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9}) {
    made[byte] = Lead::kAlways;
  }
  // Punctuation, kana and the wide forms; Hangul.
  for (const int byte : {0xe2, 0xe3, 0xea, 0xeb, 0xec, 0xef}) made[byte] = Lead::kBySecond;
  return made;
}();

bool is_always_composed(unsigned char lead, unsigned char second, unsigned char third) {
  switch (lead) {
    case 0xe2:  // U+2000 and U+2001 are others.
      return second == 0x80 && third >= 0x82;
    case 0xe3:  // But for the marks U+302A to U+302F, U+3099 and U+309A.
      return second == 0x80 ? third < 0xaa || third > 0xaf
                            : second == 0x81 || second == 0x83 ||
                                  (second == 0x82 && third != 0x99 && third != 0x9a);
    case 0xea:  // From U+AC00.
      return second >= 0xb0;
    case 0xeb:
    case 0xec:
      return true;
    default:  // U+FF00 and on.
      return second >= 0xbc;
  }
}

// Whether a look at each character tells that `text` is in composed form: that it is of those
// which composing never changes, and the marks are in their order. Of ICU's own question the time
// grows with the square of the marks in a row.
bool is_surely_composed(std::string_view text) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::uint8_t class_before = 0;
  for (std::int32_t at = 0; at < size_of(text);) {
    const Lead lead = kLeads[bytes[at]];
    if (lead == Lead::kAlways || (lead == Lead::kBySecond && size_of(text) - at >= 3 &&
                                  is_always_composed(bytes[at], bytes[at + 1], bytes[at + 2])))
        [[likely]] {
      class_before = 0;
      ++at;
      continue;
    }
    UChar32 point = 0;
    U8_NEXT(text.data(), at, size_of(text), point);
    if (point >= 0 && u_getIntPropertyValue(point, UCHAR_NFC_QUICK_CHECK) != UNORM_YES)
      return false;
    const std::uint8_t combining_class = point < 0 ? 0 : u_getCombiningClass(point);
    if (combining_class != 0 && combining_class < class_before) return false;
    class_before = combining_class;
  }
  return true;
}

bool is_mark(UChar32 point) {
  return known().contains(point) != 0 &&
         u_getIntPropertyValue(point, UCHAR_LEAD_CANONICAL_COMBINING_CLASS) != 0;
}

// Composes a text that may have bytes which are no UTF-8: what is between them, each by itself.
class Composer {
 public:
  // Appends to `made`.
  explicit Composer(std::string& made) : made_(made) {}

  void compose(std::string_view text) {
    for (std::int32_t at = 0; at < size_of(text);) {
      const std::int32_t begin = at;
      UChar32 point = 0;
      U8_NEXT(text.data(), at, size_of(text), point);
      if (point >= 0 && is_mark(point)) {
        add_mark(point);
        continue;
      }
      flush_marks();
      const std::string_view character =
          text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(at - begin));
      if (point < 0) {
        flush();
        made_.append(character);
      } else {
        ordered_.append(character);
      }
    }
    flush_marks();
    flush();
  }

 private:
  struct Mark {
    std::uint8_t combining_class;
    std::size_t place;  // Those of one class stay in their order.
    UChar32 point;
  };

  void add_mark(UChar32 point) {
    icu::UnicodeString parts(point);
    nfc().getDecomposition(point, parts);
    for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
      marks_.push_back({u_getCombiningClass(parts.char32At(i)), marks_.size(), parts.char32At(i)});
    }
  }

  void flush_marks() {
    if (std::ssize(marks_) > kMarksUnordered) {
      std::ranges::sort(
          marks_, {}, [](const Mark& mark) { return std::pair(mark.combining_class, mark.place); });
    }
    icu::StringByteSink<std::string> sink(&ordered_);
    for (const Mark& mark : marks_) icu::UnicodeString(mark.point).toUTF8(sink);
    marks_.clear();
  }

  void flush() {
    if (ordered_.empty()) return;
    UErrorCode status = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(&made_);
    known_nfc().normalizeUTF8(0, {ordered_.data(), size_of(ordered_)}, sink, nullptr, status);
    CHECK(U_SUCCESS(status) != 0);
    ordered_.clear();
  }

  std::string& made_;
  std::string ordered_;  // Not yet composed.
  std::vector<Mark> marks_;
};

std::string_view composed(std::string_view text, std::string& buffer) {
  // What is composed by all of Unicode is composed by a part of it.
  if (is_surely_composed(text)) return text;
  buffer.clear();
  Composer(buffer).compose(text);
  return buffer;
}

std::string_view spaced(std::string_view text, std::string& buffer) {
  std::size_t at = text.find(kLowerBlock);
  if (at == std::string_view::npos) return text;
  std::string made;
  std::size_t begin = 0;
  for (; at != std::string_view::npos; at = text.find(kLowerBlock, begin)) {
    made.append(text.substr(begin, at - begin)).push_back(' ');
    begin = at + kLowerBlock.size();
  }
  made.append(text.substr(begin));
  buffer = std::move(made);
  return buffer;
}

}  // namespace

std::string_view in_form(NormalForm form, std::string_view text, std::string& buffer) {
  switch (form) {
    case NormalForm::kAsIs:
      break;
    case NormalForm::kNfc:
      return composed(text, buffer);
    case NormalForm::kSpaces:
      return spaced(text, buffer);
  }
  return text;
}

std::size_t whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    const std::size_t length = byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

bool is_settled_before(NormalForm form, std::string_view text, std::size_t at) {
  if (form != NormalForm::kNfc) return true;
  if (at == text.size()) return false;
  text.remove_prefix(at);
  std::int32_t behind = 0;
  UChar32 point = 0;
  U8_NEXT(text.data(), behind, size_of(text), point);
  return point < 0 || known_nfc().hasBoundaryBefore(point) != 0;
}

}  // namespace tollgate::tokens
