#include "base/json_writer.h"

#include <array>
#include <cmath>

#include "base/check.h"

namespace tollgate {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// Bytes that cannot stand in a string as they are, or that may begin a character that cannot.
constexpr std::array<bool, 256> kSpecial = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[c] = true;
  table['"'] = table['\\'] = table[0x7f] = true;
  table[0xc2] = table[0xe2] = table[0xf3] = true;
  return table;
}();

// A character of several bytes that is written as an escape instead.
struct Escape {
  std::size_t bytes = 0;                 // That it takes in the text; 0: it stands as it is.
  std::array<std::uint16_t, 2> units{};  // UTF-16; the second may be 0.
};

Escape escape_at(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto unit = [](unsigned value) { return static_cast<std::uint16_t>(value); };
  const unsigned second = byte(1);
  const unsigned third = byte(2);
  switch (byte(0)) {
    case 0xc2:  // C1: U+0080 to U+009F.
      if (second >= 0x80 && second < 0xa0) return {2, {unit(second), 0}};
      break;
    case 0xe2:
      // U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069.
      if (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xa8 && third <= 0xae))) {
        return {3, {unit(0x2000 + (third & 0x3f)), 0}};
      }
      if (second == 0x81 && third >= 0xa6 && third <= 0xa9) {
        return {3, {unit(0x2040 + (third & 0x3f)), 0}};
      }
      break;
    case 0xf3:  // U+E0000 to U+E007F, as a surrogate pair.
      if (second == 0xa0 && (third == 0x80 || third == 0x81) && (byte(3) & 0xc0) == 0x80) {
        return {4, {0xdb40, unit(0xdc00 + ((third & 1) << 6) + (byte(3) & 0x3f))}};
      }
      break;
    default:
      break;
  }
  return {};
}

void append_unit(std::string& out, std::uint16_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[(unit >> shift) & 15]);
}

}  // namespace

void JsonWriter::value(double number) {
  CHECK(std::isfinite(number));
  separate();
  char digits[32];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void JsonWriter::quote(std::string_view text) {
  out_.push_back('"');
  std::size_t clean = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!kSpecial[c]) [[likely]]
      continue;
    if (c >= 0x80) {
      const Escape escape = escape_at(text.substr(i));
      if (escape.bytes == 0) continue;
      out_.append(text, clean, i - clean);
      append_unit(out_, escape.units[0]);
      if (escape.units[1] != 0) append_unit(out_, escape.units[1]);
      i += escape.bytes - 1;
      clean = i + 1;
      continue;
    }
    out_.append(text, clean, i - clean);
    clean = i + 1;
    switch (c) {
      case '"':
        out_ += "\\\"";
        break;
      case '\\':
        out_ += "\\\\";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\t':
        out_ += "\\t";
        break;
      default:
        append_unit(out_, c);
    }
  }
  out_.append(text, clean, text.size() - clean);
  out_.push_back('"');
}

}  // namespace tollgate
