#include "base/json_escapes.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/hex.h"
#include "base/utf8.h"

namespace tollgate {

namespace {

constexpr std::size_t kUnitSize = 6;  // \uXXXX
constexpr std::uint32_t kNoUnit = 0x10000;
constexpr std::uint32_t kLeadsBegin = 0xD800;
constexpr std::uint32_t kTrailsBegin = 0xDC00;
constexpr std::uint32_t kPairsEnd = 0xE000;

struct Escape {
  std::size_t size = 0;  // 0: it is not complete.
  std::array<char, kUnitSize> plain{};
  std::size_t plain_size = 0;

  std::string_view view() const { return {plain.data(), plain_size}; }
  void put(std::string_view bytes) {
    std::ranges::copy(bytes, plain.begin() + plain_size);
    plain_size += bytes.size();
  }
};

// What \uXXXX at the beginning of `text` says; kNoUnit: it is none. `is_cut`: more of it may come.
std::uint32_t unit_at(std::string_view text, bool& is_cut) {
  std::uint32_t unit = 0;
  for (std::size_t at = 0; at < kUnitSize; ++at) {
    if (at == text.size()) {
      is_cut = true;
      return kNoUnit;
    }
    if (at < 2) {
      if (text[at] != "\\u"[at]) return kNoUnit;
      continue;
    }
    if (!is_hex(text[at])) return kNoUnit;
    unit = unit * 16 + hex(text[at]);
  }
  return unit;
}

Escape read_as(std::uint32_t c) {
  constexpr std::string_view kNamed = "\bb\tt\nn\ff\rr\"\"\\\\";
  constexpr std::string_view kDigits = "0123456789abcdef";
  Escape made{.size = kUnitSize};
  for (std::size_t at = 0; at < kNamed.size(); at += 2) {
    if (c != static_cast<unsigned char>(kNamed[at])) continue;
    made.put("\\");
    made.put(kNamed.substr(at + 1, 1));
    return made;
  }
  if (c >= 0x20) {
    made.put(utf8(c).view());
    return made;
  }
  made.put("\\u00");
  made.put(kDigits.substr(c >> 4, 1));
  made.put(kDigits.substr(c & 0xF, 1));
  return made;
}

// As it stands.
Escape keep(std::string_view text) {
  Escape kept{.size = text.size()};
  kept.put(text);
  return kept;
}

// What begins `text` with a backslash.
Escape escape_at(std::string_view text) {
  if (text.size() < 2) return {};
  if (text[1] == '/') return {.size = 2, .plain = {'/'}, .plain_size = 1};
  if (text[1] != 'u') return keep(text.substr(0, 2));
  bool is_cut = false;
  const std::uint32_t unit = unit_at(text, is_cut);
  if (is_cut) return {};
  if (unit == kNoUnit) return keep(text.substr(0, 2));
  if (unit < kLeadsBegin || unit >= kPairsEnd) return read_as(unit);
  const std::string_view first = text.substr(0, kUnitSize);
  if (unit >= kTrailsBegin) return keep(first);
  const std::uint32_t trail = unit_at(text.substr(kUnitSize), is_cut);
  if (is_cut) return {};
  if (trail < kTrailsBegin || trail >= kPairsEnd) return keep(first);
  Escape made{.size = 2 * kUnitSize};
  made.put(utf8(0x10000 + ((unit - kLeadsBegin) << 10) + (trail - kTrailsBegin)).view());
  return made;
}

}  // namespace

std::size_t append_plain_json(std::string_view json, std::string& out) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t escape = std::min(json.find('\\', at), json.size());
    out += json.substr(at, escape - at);
    if (escape == json.size()) return escape;
    const Escape read = escape_at(json.substr(escape));
    if (read.size == 0) return escape;
    out += read.view();
    at = escape + read.size;
  }
}

std::size_t origin_in_json(std::string_view json, std::size_t at) {
  std::size_t from = 0;  // In `json`…
  std::size_t made = 0;  // …and what is made of what stands before.
  for (;;) {
    const std::size_t escape = std::min(json.find('\\', from), json.size());
    if (at < made + (escape - from) || escape == json.size()) return from + (at - made);
    made += escape - from;
    const Escape read = escape_at(json.substr(escape));
    if (read.size == 0 || at < made + read.plain_size) return escape;
    made += read.plain_size;
    from = escape + read.size;
  }
}

}  // namespace tollgate
