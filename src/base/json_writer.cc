#include "base/json_writer.h"

#include <array>
#include <cmath>

#include "base/check.h"

namespace tollgate {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// Bytes that cannot stand in a string as they are. 0xE2 may begin U+2028 or U+2029.
constexpr std::array<bool, 256> kSpecial = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[c] = true;
  table['"'] = table['\\'] = table[0x7f] = table[0xe2] = true;
  return table;
}();

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
    if (c == 0xe2) {
      const bool separator = i + 2 < text.size() && text[i + 1] == '\x80' &&
                             (text[i + 2] == '\xa8' || text[i + 2] == '\xa9');
      if (!separator) continue;
      out_.append(text, clean, i - clean);
      out_ += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
      clean = i + 1;
      continue;
    }
    out_.append(text, clean, i - clean);
    clean = i + 1;
    switch (c) {
      case '"': out_ += "\\\""; break;
      case '\\': out_ += "\\\\"; break;
      case '\n': out_ += "\\n"; break;
      case '\r': out_ += "\\r"; break;
      case '\t': out_ += "\\t"; break;
      default:
        out_ += "\\u00";
        out_.push_back(kHex[c >> 4]);
        out_.push_back(kHex[c & 15]);
    }
  }
  out_.append(text, clean, text.size() - clean);
  out_.push_back('"');
}

}  // namespace tollgate
