#include "controls/content/normal_form.h"

#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "controls/content/characters.h"
#include "controls/content/places.h"

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
    const auto small = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      unit = unit * 16 + (c - '0');
    } else if (small >= 'a' && small <= 'f') {
      unit = unit * 16 + (small - 'a' + 10);
    } else {
      return -1;
    }
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
  const auto is_hex = [](char c) {
    const char small = static_cast<char>(c | 0x20);
    return (c >= '0' && c <= '9') || (small >= 'a' && small <= 'f');
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

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Whether 8 bytes stay in any form, whatever stands around them. White space but spaces, and a
// space that ends them, is left to who looks at each byte.
bool is_plain_word(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  const std::uint64_t escapes = word ^ (kOnes * '\\');  // A byte of it is 0 where one is.
  const std::uint64_t others = word | ((escapes - kOnes) & ~escapes) |
                               ((word - kOnes * ' ') & ~word) |  // Below a space.
                               (word + kOnes);                   // 0x7F.
  const std::uint64_t spaces = word ^ (kOnes * ' ');
  const std::uint64_t where = (spaces - kOnes) & ~spaces & kTops;
  return ((others & kTops) | (where & where << 8) | where >> 63) == 0;
}

// How many bytes from `at` on stay in a form: printable ASCII and white space, in the folded one
// no more of it than one.
std::size_t plain_bytes(std::string_view text, std::size_t at, Form form) {
  const std::size_t begin = at;
  while (at < text.size()) {
    std::uint64_t word = 0;
    for (; at + sizeof word <= text.size(); at += sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if (!is_plain_word(word)) break;
    }
    for (const std::size_t end = std::min(text.size(), at + sizeof word); at < end; ++at) {
      const char c = text[at];
      if (is_white(c)) {
        const bool is_run = at + 1 < text.size() && is_white(text[at + 1]);
        if (is_run && form == Form::kFolded) return at - begin;
      } else if (c == '\\' || c < ' ' || c == 0x7F) {  // Beyond ASCII is below a space, too.
        return at - begin;
      }
    }
  }
  return at - begin;
}

// Puts the pieces of a form together, each with its place in the text; what stays comes in as few
// pieces as there can be. `put(extent, bytes, stays)` says whether to go on.
template <class Put>
class Pieces {
 public:
  Pieces(std::string_view text, Form form, Tags tags, MoreText more, Put& put)
      : text_(text), form_(form), tags_(tags), more_(more), put_(put) {}

  // Up to where it was read.
  std::size_t all() {
    std::size_t at = 0;
    while (at < text_.size() && goes_on_) {
      const std::size_t plain = is_spaced_ ? 0 : plain_bytes(text_, at, form_);
      at += plain;
      if (plain > 0) is_spaced_ = is_white(text_[at - 1]);
      if (at == text_.size()) break;
      const std::size_t behind = next(at);
      if (behind == at) break;  // More may come.
      at = behind;
    }
    keep_to(at);
    return at;
  }

 private:
  std::size_t next(std::size_t at) {
    if (text_[at] == '\\') return backslashes(at);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text_.data());
    auto end = static_cast<std::int64_t>(at);
    UChar32 c = 0;
    const auto size = static_cast<std::int64_t>(text_.size());
    U8_NEXT(bytes, end, size, c);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
    if (c < 0) {
      is_spaced_ = false;
    } else {
      become(static_cast<std::uint32_t>(c), {at, static_cast<std::size_t>(end)}, Written::kPlainly);
    }
    return static_cast<std::size_t>(end);
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
    is_spaced_ = false;
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
    if (tags_ == Tags::kRead && c >= kTagsFirst && c <= kTagsLast) {
      is_spaced_ = false;
      const auto one = static_cast<char>(c - 0xE0000);
      put(extent, {&one, 1});
      return;
    }
    const Character& known = character(c);
    const bool folds = form_ == Form::kFolded;
    if (folds && known.is_space) {
      // A run is one, whatever it is made of.
      if (is_spaced_) {
        put(extent, {});
      } else if (written == Written::kEscaped || c >= 0x80) {
        put(extent, " ");
      }
      is_spaced_ = true;
      return;
    }
    const bool stays = folds ? known.is_folded : known.is_normal;
    const std::string_view becomes = folds ? known.folded : known.normal;
    if (stays || !becomes.empty()) is_spaced_ = false;
    if (!stays) {
      put(extent, becomes);
    } else if (written == Written::kEscaped) {
      const Utf8 bytes = utf8(c);
      put(extent, bytes.view());
    }
  }

  void keep_to(std::size_t at) {
    if (goes_on_ && kept_ < at) {
      goes_on_ = put_(Extent{kept_, at}, text_.substr(kept_, at - kept_), true);
    }
    kept_ = at;
  }

  void put(Extent extent, std::string_view becomes) {
    keep_to(extent.begin);
    if (goes_on_) goes_on_ = put_(extent, becomes, false);
    kept_ = extent.end;
  }

  std::string_view text_;
  Form form_;
  Tags tags_;
  MoreText more_;
  Put& put_;
  std::size_t kept_ = 0;  // Up to where pieces were put.
  bool goes_on_ = true;
  bool is_spaced_ = false;  // What stands before is white space.
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

bool rewrite(std::string_view text, Form form, Tags tags, std::string& made) {
  made.clear();
  bool differs = false;
  each_piece(text, form, tags, [&](Extent extent, std::string_view becomes, bool stays) {
    differs = differs || !stays;
    // Nothing is written of what stays as a whole.
    if (differs || extent.end < text.size()) made += becomes;
    return true;
  });
  if (!differs) made.clear();
  return differs;
}

std::size_t normalise(std::string_view text, Tags tags, MoreText more, NormalSink& sink) {
  const auto put = [&](Extent original, std::string_view becomes, bool stays) {
    sink.put(original, becomes, stays);
    return true;
  };
  return each_piece(text, Form::kNormal, tags, put, more);
}

bool may_differ(std::string_view text) { return plain_bytes(text, 0, Form::kNormal) < text.size(); }

void lead_back(std::string_view text, Form form, Tags tags, std::span<Extent> extents) {
  if (form == Form::kAsIs) return;
  Places places(extents);
  each_piece(text, form, tags, [&](Extent original, std::string_view becomes, bool stays) {
    return places.pass(original, becomes, stays);
  });
  places.end(text.size());
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
