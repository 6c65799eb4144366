#include "controls/audit/pen.h"

#include <algorithm>

namespace tollgate::audit {

namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char32_t kReplacement = 0xfffd;

bool is_odd(char c) { return (c < 0x20) | (c == 0x7f) | (c == '"') | (c == '\\'); }

template <std::size_t kBytes>
bool any_odd(const char* at) {
  bool odd = false;
  for (std::size_t i = 0; i < kBytes; ++i) odd |= is_odd(at[i]);
  return odd;
}

// Printable ASCII but the two that JSON escapes. A fixed number of bytes a step, the last ones
// perhaps twice, so that the compiler looks at each step's bytes at once.
bool is_plain(std::string_view text) {
  const char* const end = text.data() + text.size();
  if (text.size() < 4) return std::ranges::none_of(text, is_odd);
  if (text.size() < 8) return !any_odd<4>(text.data()) && !any_odd<4>(end - 4);
  if (text.size() < 16) return !any_odd<8>(text.data()) && !any_odd<8>(end - 8);
  bool odd = any_odd<16>(end - 16);
  for (const char* at = text.data(); at + 16 <= end; at += 16) odd |= any_odd<16>(at);
  return !odd;
}

struct Decoded {
  char32_t point = kReplacement;
  std::size_t bytes = 1;
};

// One code point; what is no UTF-8 (overlong, surrogate, cut) is a replacement of one byte.
Decoded decode(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  char32_t point = lead & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    point = (point << 6) | (byte(i) & 0x3f);
  }
  const bool overlong = (bytes == 3 && point < 0x800) || (bytes == 4 && point < 0x10000);
  if (overlong || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return {};
  return {point, bytes};
}

// Characters that change how a line is shown without being seen.
bool is_hazard(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad || point == 0x61c ||
         (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2060 && point <= 0x206f) || point == 0xfeff ||
         (point >= 0xfff9 && point <= 0xfffb) || (point >= 0xe0000 && point <= 0xe0fff);
}

// At most `most` bytes, not ending inside a code point.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > most - 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

void Pen::digits(std::uint64_t value, int count) {
  char* at = place(static_cast<std::size_t>(count));
  for (int i = count; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
  size_ += static_cast<std::size_t>(count);
}

void Pen::millionths(std::int64_t value) {
  if (value < 0) literal("-");
  const auto size =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  number(size / 1'000'000);
  std::uint64_t part = size % 1'000'000;
  if (part == 0) return;
  int places = 6;
  for (; part % 10 == 0; part /= 10) --places;
  literal(".");
  digits(part, places);
}

void Pen::reading(WallTime moment) {
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const auto second = static_cast<std::uint64_t>((moment - day) / std::chrono::seconds(1));
  digits(static_cast<std::uint64_t>(std::clamp(static_cast<int>(date.year()), 0, 9999)), 4);
  literal("-");
  digits(static_cast<unsigned>(date.month()), 2);
  literal("-");
  digits(static_cast<unsigned>(date.day()), 2);
  literal("T");
  digits(second / 3600, 2);
  literal(":");
  digits(second / 60 % 60, 2);
  literal(":");
  digits(second % 60, 2);
}

void Pen::time(WallTime moment) {
  literal("\"");
  reading(moment);
  literal(".");
  const Duration second = moment - std::chrono::floor<std::chrono::seconds>(moment);
  digits(static_cast<std::uint64_t>(second.count()), 6);
  literal("Z\"");
}

void Pen::time_ahead(WallTime moment, Duration ahead) {
  const auto minutes = std::chrono::round<std::chrono::minutes>(ahead);
  const auto size = static_cast<std::uint64_t>(std::chrono::abs(minutes).count());
  literal("\"");
  reading(moment + minutes);
  literal(minutes < minutes.zero() ? "-" : "+");
  digits(size / 60, 2);
  literal(":");
  digits(size % 60, 2);
  literal("\"");
}

void Pen::hex(std::uint64_t value) {
  char* at = place(16);
  for (int i = 16; i-- > 0; value >>= 4) at[i] = kHex[value & 15];
  size_ += 16;
}

void Pen::text(std::string_view bytes, std::size_t most) {
  bytes = cut(bytes, most);
  literal("\"");
  if (is_plain(bytes)) [[likely]]
    name(bytes);
  else
    escaped(bytes);
  literal("\"");
}

void Pen::code_unit(std::uint32_t unit) {
  const char text[] = {
      '\\',           'u', kHex[unit >> 12 & 15], kHex[unit >> 8 & 15], kHex[unit >> 4 & 15],
      kHex[unit & 15]};
  name({text, sizeof text});
}

std::size_t Pen::character(std::string_view bytes) {
  const Decoded next = decode(bytes);
  const bool replaced = next.point == kReplacement && next.bytes == 1;
  if (replaced) {
    literal("\xef\xbf\xbd");
  } else if (!is_hazard(next.point)) {
    name(bytes.substr(0, next.bytes));
  } else if (next.point < 0x10000) {
    code_unit(next.point);
  } else {
    code_unit(0xd800 + ((next.point - 0x10000) >> 10));
    code_unit(0xdc00 + ((next.point - 0x10000) & 0x3ff));
  }
  return next.bytes;
}

void Pen::escaped(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes[0] == '"' || bytes[0] == '\\') literal("\\");
    bytes.remove_prefix(character(bytes));
  }
}

void Pen::json(std::string_view bytes) {
  while (!bytes.empty()) bytes.remove_prefix(character(bytes));
}

}  // namespace tollgate::audit
