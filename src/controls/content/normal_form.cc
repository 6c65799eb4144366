#include "controls/content/normal_form.h"

#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/hex.h"
#include "base/utf8.h"
#include "controls/content/characters.h"
#include "controls/content/identifiers.h"
#include "controls/content/places.h"
#include "controls/content/survey.h"

namespace tollgate::content {

namespace {

constexpr std::uint32_t kTagsFirst = 0xE0020;
constexpr std::uint32_t kTagsLast = 0xE007E;

// Four hex digits, or nothing.
int unit_at(std::string_view digits) {
  constexpr std::size_t kDigits = 4;
  if (digits.size() < kDigits) return -1;
  int unit = 0;
  for (const char c : digits.substr(0, kDigits)) {
    if (!is_hex(c)) return -1;
    unit = unit * 16 + hex(c);
  }
  return unit;
}

// However often something is escaped, it means the same; more often than this is not written, and
// is read in parts of this length.
constexpr std::size_t kBackslashesMax = 16;

// The character that an escape of a JSON string stands for and how long the escape is; 0: none.
struct Escape {
  std::uint32_t character = 0;
  std::size_t size = 0;
};

// Behind backslashes that end at `at`: what \uXXXX, or two of them for a pair, stands for. Its size
// is that of what stands behind the backslashes. Half of a pair stands for nothing.
Escape unicode_escape(std::string_view text, std::size_t at) {
  constexpr std::size_t kSize = 5;  // uXXXX
  const std::string_view rest = text.substr(at);
  if (rest.empty() || rest[0] != 'u') return {};
  const int unit = unit_at(rest.substr(1));
  if (unit < 0 || U16_IS_TRAIL(unit)) return {};
  if (!U16_IS_LEAD(unit)) return {static_cast<std::uint32_t>(unit), kSize};
  std::size_t second = kSize;
  while (second < std::min(rest.size(), kSize + kBackslashesMax) && rest[second] == '\\') ++second;
  if (second == kSize || second >= rest.size() || rest[second] != 'u') return {};
  const int trail = unit_at(rest.substr(second + 1));
  if (trail < 0 || !U16_IS_TRAIL(trail)) return {};
  return {static_cast<std::uint32_t>(U16_GET_SUPPLEMENTARY(unit, trail)), second + kSize};
}

// Whether it is the beginning of an escape that begins with backslashes up to `at`, and no more of
// it is there.
bool is_escape_begun(std::string_view text, std::size_t at) {
  const auto passes = [&](std::size_t most, const auto& is_of_it) {
    const std::size_t end = std::min(text.size(), at + most);
    while (at < end && is_of_it(text[at])) ++at;
    return at == text.size();
  };
  const auto is_u = [](char c) { return c == 'u'; };
  const auto is_backslash = [](char c) { return c == '\\'; };
  if (at == text.size()) return true;
  if (text[at] != 'u') return false;
  if (passes(1, is_u)) return true;
  const std::size_t digits = at;
  if (passes(4, is_hex)) return digits + 4 > at || U16_IS_LEAD(unit_at(text.substr(digits)));
  if (digits + 4 > at || !U16_IS_LEAD(unit_at(text.substr(digits)))) return false;
  return passes(kBackslashesMax, is_backslash) || passes(1, is_u) || passes(4, is_hex);
}

char letter_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case '"':
    case '/':
      return c;
    default:
      return '\0';
  }
}

// Puts the pieces of a form together, each with its place in the text; what stays comes in as few
// pieces as there can be. `put(extent, bytes, stays)` says whether to go on. Where it has runs(),
// it is given the characters that are replaced in a row at once, by run().
template <class Put>
class Pieces {
 public:
  Pieces(std::string_view text, Form form, Tags tags, MoreText more, Put& put)
      : text_(text), form_(form), table_(table_of(form)), tags_(tags), more_(more), put_(put) {}

  // Up to where it was read.
  std::size_t all() {
    std::size_t at = 0;
    while (goes_on_) {
      if (form_ == Form::kFolded) {
        at = table_.specials.find_or_gap(text_, more_space(at));
      } else {
        at = table_.specials.find(text_, at);
      }
      if (at == text_.size()) break;
      const std::size_t behind = next(at);
      if (behind == at) break;  // More may come.
      at = behind;
    }
    keep_to(at);
    return at;
  }
  // Some character, as it came, is of a class that hides or looks like another.
  bool may_hide() const { return may_hide_; }
  bool has_tags() const { return has_tags_; }

 private:
  std::size_t next(std::size_t at) {
    if (text_[at] == '\\') return backslashes(at);
    if (is_space(text_[at])) return at + 1;  // The first of many.
    if (const Wide wide = wide_at(text_, at); wide.size > 0) {
      const std::uint32_t brief = table_.briefs[wide.character];
      may_hide_ = may_hide_ || (brief & Brief::kHides) != 0;
      if ((brief & Brief::kStays) != 0) return at + wide.size;
      if ((brief & Brief::kLonger) == 0) return replace(at, at + wide.size, brief);
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text_.data());
    auto end = static_cast<std::int64_t>(at);
    UChar32 c = 0;
    const auto size = static_cast<std::int64_t>(text_.size());
    U8_NEXT(bytes, end, size, c);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
    if (c >= 0) {
      const auto code = static_cast<std::uint32_t>(c);
      const Character& known = character(code);
      may_hide_ = may_hide_ || known.hides != Hiding::kNone || known.is_look_alike;
      become(code, {at, static_cast<std::size_t>(end)}, Written::kPlainly);
    }
    return static_cast<std::size_t>(end);
  }

  // Leaves out white space where there is some before it; up to where.
  std::size_t more_space(std::size_t at) {
    if (at == text_.size() || !is_space(text_[at])) return at;
    const bool is_more = at > kept_ ? is_space(text_[at - 1]) : is_space(last_);
    if (!is_more) return at;
    std::size_t end = at;
    while (end < text_.size() && is_space(text_[end])) ++end;
    put({at, end}, {});
    return end;
  }

  std::size_t replace(std::size_t begin, std::size_t end, std::uint32_t brief) {
    if constexpr (requires { put_.runs(); }) {
      keep_to(begin);
      kept_ = put_.run(begin, table_, may_hide_);
      last_ = put_.last();
      return kept_;
    }
    const std::array<char, 4> bytes = std::bit_cast<std::array<char, 4>>(brief);
    put({begin, end}, {bytes.data(), (brief >> Brief::kSize) & 3});
    return end;
  }

  // A run of backslashes with the letter that it escapes.
  std::size_t backslashes(std::size_t at) {
    std::size_t end = at;
    const std::size_t most = std::min(text_.size(), at + kBackslashesMax);
    while (end < most && text_[end] == '\\') ++end;
    if (more_ == MoreText::kMayCome && is_escape_begun(text_, end)) return at;
    if (const Escape escape = unicode_escape(text_, end); escape.size > 0) {
      become(escape.character, {at, end + escape.size}, Written::kEscaped);
      return end + escape.size;
    }
    const std::size_t pairs = (end - at) / 2;
    if (pairs > 0) put(Extent{at, at + pairs * 2}, text_.substr(at, pairs));
    if ((end - at) % 2 == 0) return end;
    const char meant = end < text_.size() ? letter_escape(text_[end]) : '\0';
    if (meant == '\0') return end;
    if (meant > ' ') {  // The most frequent: it stands for itself.
      put({end - 1, end + 1}, text_.substr(end, 1));
      return end + 1;
    }
    become(static_cast<unsigned char>(meant), {end - 1, end + 1}, Written::kEscaped);
    return end + 1;
  }

  enum class Written : std::uint8_t { kPlainly, kEscaped };

  void become(std::uint32_t c, Extent extent, Written written) {
    const bool is_tag = c >= kTagsFirst && c <= kTagsLast;
    has_tags_ = has_tags_ || is_tag;
    if (tags_ == Tags::kRead && is_tag) {
      const auto one = static_cast<char>(c - 0xE0000);
      put(extent, {&one, 1});
      return;
    }
    const Character& known = character(c);
    const bool folds = form_ == Form::kFolded;
    if (!(folds ? known.is_folded : known.is_normal)) {
      put(extent, folds ? known.folded : known.normal);
    } else if (written == Written::kEscaped) {
      const Utf8 bytes = utf8(c);
      put(extent, bytes.view());
    }
  }

  void keep_to(std::size_t at) {
    if (kept_ < at) last_ = text_[at - 1];
    if (goes_on_ && kept_ < at) {
      goes_on_ = put_(Extent{kept_, at}, text_.substr(kept_, at - kept_), true);
    }
    kept_ = at;
  }

  void put(Extent extent, std::string_view becomes) {
    keep_to(extent.begin);
    if (form_ == Form::kFolded && becomes.size() == 1 && is_space(becomes[0]) && is_space(last_)) {
      becomes = {};
    }
    if (!becomes.empty()) last_ = becomes.back();
    if (goes_on_) goes_on_ = put_(extent, becomes, false);
    kept_ = extent.end;
  }

  std::string_view text_;
  Form form_;
  const FormTable& table_;
  Tags tags_;
  MoreText more_;
  Put& put_;
  std::size_t kept_ = 0;  // Up to where pieces were put.
  char last_ = 0;         // Of the form, up to there.
  bool goes_on_ = true;
  bool may_hide_ = false;
  bool has_tags_ = false;
};

// Writes a form, and what of it has to be read.
class Writer {
 public:
  Writer(std::string_view text, Form form, Reads reads, std::string& made,
         std::vector<Window>& windows)
      : text_(text), folds_(form == Form::kFolded), made_(made), windows_(text, reads, windows) {}

  bool operator()(Extent original, std::string_view becomes, bool stays) {
    // Nothing is written of what stays as a whole.
    if (stays && original.end - original.begin == text_.size()) return true;
    if (!stays) windows_.differs(original, size_);
    room(becomes.size());
    becomes.copy(made_.data() + size_, becomes.size());
    size_ += becomes.size();
    if (!stays) {
      differs_ = true;
      windows_.put(original.end, size_);
    }
    return true;
  }

  static void runs() {}
  // Replaces what stands at `at`, and what follows for as long as it is much the same: characters
  // beyond ASCII, and single ones of ASCII between them. Up to where.
  std::size_t run(std::size_t at, const FormTable& table, bool& may_hide) {
    windows_.differs({at, at}, size_);
    differs_ = true;
    // As much as there could be of it, before it is known to be long.
    constexpr std::size_t kTurn = 512;
    bool goes_on = true;
    while (goes_on) {
      room(kTurn + sizeof(std::uint32_t));
      char* written = made_.data() + size_;
      const std::size_t from = at;
      at = some(at, std::min(text_.size(), at + kTurn / 2), table, may_hide, written);
      size_ = static_cast<std::size_t>(written - made_.data());
      goes_on = at - from >= kTurn / 2 - 2;
      if (windows_.is_long(size_)) {
        windows_.put(at, size_);
        windows_.differs({at, at}, size_);
      }
    }
    windows_.put(at, size_);
    return at;
  }

  // The last byte that was written.
  char last() const { return size_ > 0 ? made_[size_ - 1] : '\0'; }

  // Whether it differs.
  bool end() {
    windows_.end();
    made_.resize(size_);
    return differs_;
  }

 private:
  // Up to where it is much the same. What is written may be anything's bytes to the compiler, so
  // nothing here is read through `this`.
  std::size_t some(std::size_t at, std::size_t end, const FormTable& table, bool& may_hide,
                   char*& written) const {
    const std::string_view text = text_;
    const std::uint32_t* const briefs = table.briefs.data();
    const char* const begin = made_.data();
    const bool folds = folds_;
    char* out = written;
    std::uint32_t flags = 0;
    const auto is_more_space = [&] { return folds && out > begin && is_space(out[-1]); };
    while (at < end) {
      // The most frequent: letters of two bytes in a row.
      const std::size_t pairs_end = std::min(end, text.size() - 1);
      while (at < pairs_end) {
        const std::uint32_t first = static_cast<unsigned char>(text[at]) - 0xC2U;
        const std::uint32_t second = static_cast<unsigned char>(text[at + 1]) ^ 0x80U;
        if (first >= 0xE0 - 0xC2 || second >= 0x40) break;
        const std::uint32_t brief = briefs[(first + 2) << 6 | second];
        if ((brief & (Brief::kLonger | Brief::kSpace)) != 0) break;
        flags |= brief;
        std::memcpy(out, &brief, sizeof brief);
        out += (brief >> Brief::kSize) & 3;
        at += 2;
      }
      if (at >= end) break;
      const char c = text[at];
      if (static_cast<signed char>(c) >= 0) {
        // More than one in a row is copied at once.
        if (at + 1 == text.size() || static_cast<signed char>(text[at + 1]) >= 0) break;
        if (table.specials.has(c)) break;
        ++at;
        if (!is_space(c) || !is_more_space()) *out++ = c;
        continue;
      }
      const Wide wide = table.specials.has(c) ? wide_at(text, at) : Wide{};
      const std::uint32_t brief = wide.size > 0 ? briefs[wide.character] : Brief::kLonger;
      if ((brief & Brief::kLonger) != 0) break;
      flags |= brief;
      at += wide.size;
      if ((brief & Brief::kSpace) != 0 && is_more_space()) continue;
      std::memcpy(out, &brief, sizeof brief);
      out += (brief >> Brief::kSize) & 3;
    }
    may_hide = may_hide || (flags & Brief::kHides) != 0;
    written = out;
    return at;
  }

  void room(std::size_t bytes) {
    if (made_.size() - size_ >= bytes) return;
    made_.resize(std::max({size_ + bytes, size_ + size_ / 2, text_.size() + text_.size() / 8}));
  }

  std::string_view text_;
  bool folds_;
  std::string& made_;
  WindowMaker windows_;
  std::size_t size_ = 0;  // What is written; the rest is room.
  bool differs_ = false;
};

template <class Put>
std::size_t each_piece(std::string_view text, Form form, Tags tags, Put put,
                       MoreText more = MoreText::kNone) {
  return Pieces<Put>(text, form, tags, more, put).all();
}

}  // namespace

bool has_tags(std::string_view text) {
  if (text.find("\xF3\xA0\x80") != std::string_view::npos ||
      text.find("\xF3\xA0\x81") != std::string_view::npos) {
    return true;
  }
  // As a pair of escapes: \udb40\udc41.
  constexpr std::string_view kLead = "b40";
  for (std::size_t at = text.find(kLead); at != std::string_view::npos;
       at = text.find(kLead, at + 1)) {
    if (at >= 2 && text[at - 2] == 'u' && (text[at - 1] | 0x20) == 'd') return true;
  }
  return text.find("uDB40") != std::string_view::npos ||
         text.find("udB40") != std::string_view::npos;
}

Rewritten rewrite(std::string_view text, Form form, Tags tags, Reads reads, std::string& made,
                  std::vector<Window>& windows) {
  Writer writer(text, form, reads, made, windows);
  Pieces<Writer> pieces(text, form, tags, MoreText::kNone, writer);
  pieces.all();
  return {writer.end(), pieces.may_hide(), pieces.has_tags()};
}

std::size_t normalise(std::string_view text, Tags tags, MoreText more, NormalSink& sink) {
  const auto put = [&](Extent original, std::string_view becomes, bool stays) {
    sink.put(original, becomes, stays);
    return true;
  };
  return each_piece(text, Form::kNormal, tags, put, more);
}

bool may_differ(std::string_view text) {
  return table_of(Form::kNormal).specials.find(text, 0) < text.size();
}

void lead_back(std::string_view text, Form form, Tags tags, std::span<Extent> extents) {
  if (form == Form::kAsIs) return;
  Places places(extents);
  each_piece(text, form, tags, [&](Extent original, std::string_view becomes, bool stays) {
    return places.pass(original, becomes, stays);
  });
  places.end(text.size());
}

namespace {

// One end of a part of a form.
struct End {
  std::size_t made = 0;       // The byte at its edge…
  std::size_t* at = nullptr;  // …and what is to become its place in the text.
  bool is_begin = false;
};

// So many of them as there have to be, without the heap where they are few.
template <class T>
class Row {
 public:
  explicit Row(std::size_t size) : many_(size > few_.size() ? size : 0) {
    all_ = many_.empty() ? std::span(few_).first(size) : std::span(many_);
  }
  Row(const Row&) = delete;
  std::span<T> all() const { return all_; }

 private:
  std::array<T, 32> few_{};
  std::vector<T> many_;
  std::span<T> all_;
};

void note_ends(std::span<Extent> extents, std::span<End> ends) {
  std::size_t count = 0;
  for (Extent& extent : extents) {
    const bool is_empty = extent.end == extent.begin;
    ends[count++] = {extent.begin, &extent.begin, true};
    ends[count++] = {is_empty ? extent.begin : extent.end - 1, &extent.end, is_empty};
  }
  std::ranges::sort(ends, {}, &End::made);
}

// Leads back those that are in one window, at most Places::kMax.
void lead_ends(std::string_view text, Form form, Tags tags, const Window& window,
               std::span<const End> ends) {
  const Row<Extent> row(ends.size());
  const std::span<Extent> places = row.all();
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::size_t at = ends[i].made - window.made.begin;
    places[i] = {at, at + 1};
  }
  const Extent& original = window.original;
  lead_back(text.substr(original.begin, original.end - original.begin), form, tags, places);
  for (std::size_t i = 0; i < ends.size(); ++i)
    *ends[i].at = original.begin + (ends[i].is_begin ? places[i].begin : places[i].end);
}

}  // namespace

std::size_t lead_back(std::string_view text, Form form, Tags tags, std::span<const Window> windows,
                      std::span<Extent> extents) {
  const Row<End> row(2 * extents.size());
  const std::span<End> ends = row.all();
  note_ends(extents, ends);
  std::size_t read = 0;
  for (std::size_t at = 0; at < ends.size();) {
    const std::size_t made = ends[at].made;
    if (const Window* const window = window_at(windows, made)) {
      std::size_t behind = at + 1;
      while (behind < ends.size() && ends[behind].made < window->made.end &&
             behind - at < Places::kMax) {
        ++behind;
      }
      lead_ends(text, form, tags, *window, ends.subspan(at, behind - at));
      read += window->original.end - window->original.begin;
      at = behind;
      continue;
    }
    // It stays, so it is as far behind the window before it.
    const auto next = std::ranges::upper_bound(
        windows, made, {}, [](const Window& window) { return window.made.end; });
    const std::size_t place =
        next == windows.begin() ? made : made - (next - 1)->made.end + (next - 1)->original.end;
    *ends[at].at = place + (ends[at].is_begin ? 0 : 1);
    ++at;
  }
  return read;
}

std::string fold_rule(std::string_view expression) {
  std::string folded;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(expression.data());
  const auto size = static_cast<std::int64_t>(expression.size());
  for (std::int64_t at = 0; at < size;) {
    const auto begin = static_cast<std::size_t>(at);
    UChar32 c = 0;
    U8_NEXT(bytes, at, size, c);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
    const Character* const known = c < 0x80 ? nullptr : &character(static_cast<std::uint32_t>(c));
    if (known == nullptr || known->is_folded) {
      folded += expression.substr(begin, static_cast<std::size_t>(at) - begin);
    } else {
      folded += known->folded;
    }
  }
  return folded;
}

void prepare() { prepare_characters(); }

}  // namespace tollgate::content
