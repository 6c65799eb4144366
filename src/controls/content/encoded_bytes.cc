#include "controls/content/encoded_bytes.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/utf8.h"
#include "controls/content/base64_text.h"
#include "controls/content/characters.h"
#include "controls/content/identifiers.h"

namespace tollgate::content {

namespace {

bool is_printable(UChar32 c) {
  if (c < 0x80) return (c >= ' ' && c != 0x7F) || (c >= '\t' && c <= '\r');
  constexpr std::uint32_t kNot = U_GC_CN_MASK | U_GC_CO_MASK | U_GC_CC_MASK | U_GC_CS_MASK;
  return (U_GET_GC_MASK(c) & kNot) == 0;
}

// Stretches of units of two bytes that are characters, a line each, behind `texts`. What is short
// is taken back.
class Stretches {
 public:
  explicit Stretches(std::string& texts) : texts_(texts) {}
  void add(std::uint32_t unit) {
    if (units_++ == 0) {
      begin_ = texts_.size();
      if (told_ > 0) texts_.push_back('\n');
    }
    texts_ += utf8(unit).view();
  }
  void end() {
    constexpr std::size_t kUnitsMin = 8;
    if (units_ >= kUnitsMin) told_ += 2 * units_;
    if (units_ > 0 && units_ < kUnitsMin) texts_.resize(begin_);
    units_ = 0;
  }
  std::size_t told() const { return told_; }  // Bytes.

 private:
  std::string& texts_;
  std::size_t begin_ = 0;
  std::size_t units_ = 0;
  std::size_t told_ = 0;
};

}  // namespace

std::size_t append_texts(std::string_view bytes, std::string& texts) {
  constexpr std::size_t kWholeMin = 8;
  const auto* at_bytes = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto size = static_cast<std::int64_t>(bytes.size());
  std::size_t told = 0;
  std::size_t from = 0;
  const auto take = [&](std::size_t to) {
    const std::size_t stretch = to - from;
    if (stretch < (stretch == bytes.size() ? kWholeMin : kStretchMin)) return;
    if (told > 0) texts.push_back('\n');
    texts += bytes.substr(from, stretch);
    told += stretch;
  };
  for (std::int64_t at = 0; at < size;) {
    const auto begin = static_cast<std::size_t>(at);
    UChar32 c = 0;
    U8_NEXT(at_bytes, at, size, c);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
    if (c >= 0 && is_printable(c)) continue;
    take(begin);
    from = static_cast<std::size_t>(at);
  }
  take(bytes.size());
  return told;
}

std::size_t append_wide_latin(std::string_view bytes, std::string& texts) {
  constexpr unsigned char kBeyondAscii = 0xA0;  // Of Latin-1.
  Stretches stretches(texts);
  for (const std::size_t first : {0, 1}) {
    for (std::size_t at = first; at < bytes.size(); at += 2) {
      const auto letter = static_cast<unsigned char>(bytes[at]);
      const bool is_wide = at + 1 == bytes.size() || bytes[at + 1] == '\0';
      if (is_wide && (letter < 0x80 ? is_printable(letter) : letter >= kBeyondAscii)) {
        stretches.add(letter);
      } else {
        stretches.end();
      }
    }
    stretches.end();
    if (stretches.told() > 0) break;
  }
  return stretches.told();
}

bool may_be_wide(std::string_view letters) {
  return std::ranges::count(letters, 'A') * 6 >= std::ssize(letters);
}

namespace {

// Scripts that are told apart; 0: none of them. Latin with marks goes with ASCII.
struct Range {
  std::uint32_t first;
  std::uint32_t last;
  int script;
};
constexpr int kAnyScript = 1;
constexpr Range kScripts[] = {
    {0x00A0, 0x024F, 1}, {0x0300, 0x036F, 1}, {0x0370, 0x03FF, 2}, {0x0400, 0x052F, 3},
    {0x0590, 0x05FF, 4}, {0x0600, 0x06FF, 5}, {0x0900, 0x097F, 6}, {0x0E00, 0x0E7F, 7},
    {0x1E00, 0x1EFF, 1}, {0x2010, 0x2027, 1}, {0x3000, 0x303F, 1}, {0x3041, 0x30FF, 8},
    {0x4E00, 0x9FFF, 8}, {0xAC00, 0xD7A3, 9}, {0xFF01, 0xFF5E, 1},
};

int script_of(std::uint32_t unit) {
  if (unit < 0x80) return is_printable(static_cast<UChar32>(unit)) ? kAnyScript : 0;
  const auto* const found = std::ranges::lower_bound(kScripts, unit, {}, &Range::last);
  return found != std::end(kScripts) && unit >= found->first ? found->script : 0;
}

enum class Order : std::uint8_t { kLowFirst, kHighFirst };

// Of units that begin at `first`.
std::size_t append_units(std::string_view bytes, std::size_t first, Order order,
                         std::string& texts) {
  Stretches stretches(texts);
  int script = kAnyScript;
  for (std::size_t at = first; at + 1 < bytes.size(); at += 2) {
    const auto one = static_cast<unsigned char>(bytes[at]);
    const auto other = static_cast<unsigned char>(bytes[at + 1]);
    const std::uint32_t unit = order == Order::kLowFirst ? one | std::uint32_t{other} << 8
                                                         : other | std::uint32_t{one} << 8;
    const int of = script_of(unit);
    const bool goes_on = of == kAnyScript || (of != 0 && (script == kAnyScript || of == script));
    if (!goes_on) {
      stretches.end();
      script = kAnyScript;
    }
    if (of == 0) continue;
    if (of != kAnyScript) script = of;
    stretches.add(unit);
  }
  stretches.end();
  return stretches.told();
}

}  // namespace

std::size_t append_wide_scripts(std::string_view bytes, std::string& texts) {
  if (!may_be_wide_scripts(bytes)) return 0;
  std::string best;
  std::string other;
  std::size_t told = 0;
  for (const std::size_t first : {0, 1}) {
    for (const Order order : {Order::kLowFirst, Order::kHighFirst}) {
      other.clear();
      const std::size_t more = append_units(bytes, first, order, other);
      if (more <= told) continue;
      told = more;
      best.swap(other);
    }
  }
  // All of it, but for what a run has around it.
  if (told * 2 < bytes.size()) return 0;
  texts += best;
  return told;
}

bool is_clearly_more(std::size_t scripts, std::size_t latin) { return scripts * 4 > latin * 5; }

std::size_t append_wide_texts(std::string_view bytes, std::string& texts) {
  const std::size_t kept = texts.size();
  const std::size_t told = append_wide_latin(bytes, texts);
  if (told == bytes.size()) return told;
  std::string other;
  const std::size_t more = append_wide_scripts(bytes, other);
  if (!is_clearly_more(more, told)) return told;
  texts.replace(kept, std::string::npos, other);
  return more;
}

bool may_be_wide_scripts(std::string_view bytes) {
  constexpr std::size_t kSample = 32;
  constexpr int kOthersMax = 2;
  static constexpr std::array<bool, 256> kIsHigh = [] {
    std::array<bool, 256> is{};
    for (const Range& range : kScripts) {
      for (std::uint32_t high = range.first >> 8; high <= range.last >> 8; ++high) is[high] = true;
    }
    is[0xFE] = true;  // Of the mark of the order.
    return is;
  }();
  std::array<int, 2> others{};
  for (std::size_t i = 0; i < std::min(bytes.size(), kSample); ++i) {
    others[i % 2] += kIsHigh[static_cast<unsigned char>(bytes[i])] ? 0 : 1;
  }
  return std::ranges::min(others) <= kOthersMax;
}

bool is_mixed_base64(std::string_view letters) {
  constexpr unsigned kAll = 7;
  static constexpr std::array<std::uint8_t, 256> kKinds = [] {
    std::array<std::uint8_t, 256> kinds{};
    for (std::size_t c = 0; c < kinds.size(); ++c) {
      const auto letter = static_cast<char>(c);
      kinds[c] = is_lower(letter) ? 1 : is_upper(letter) ? 2 : 4;
    }
    return kinds;
  }();
  unsigned seen = 0;
  for (const char c : letters) {
    seen |= kKinds[static_cast<unsigned char>(c)];
    if (seen == kAll) return true;
  }
  return false;
}

}  // namespace tollgate::content
