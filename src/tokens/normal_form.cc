#include "tokens/normal_form.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tollgate::tokens {
namespace {

constexpr std::string_view kLowerBlock = "\xe2\x96\x81";
// U+0300 is the first character that is not in composed form wherever it stands.
constexpr unsigned char kFirstLeadOfMarks = 0xcc;
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

bool has_no_marks(std::string_view text) {
  unsigned char most = 0;
  for (const char byte : text) most = std::max(most, static_cast<unsigned char>(byte));
  return most < kFirstLeadOfMarks;
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
  if (has_no_marks(text)) return text;
  UErrorCode status = U_ZERO_ERROR;
  // What is composed by all of Unicode is composed by a part of it.
  if (nfc().isNormalizedUTF8({text.data(), size_of(text)}, status) != 0) return text;
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
