#include "dialects/json_strict.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <functional>

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Up to this many keys, comparing each with each is cheaper than sorting.
constexpr std::size_t kFewKeys = 12;
constexpr std::size_t kSpelledKeyMax = 64;
constexpr std::size_t kSpelledPathMax = 512;

bool is_number_character(char c) {
  return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

// At most `bytes` of `text`, cut between characters.
std::string_view shorten(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

bool must_escape(char c) {
  return (static_cast<unsigned char>(c) < 0x20) | (c == '"') | (c == '\\');
}

// The most bytes that one takes: \u0000.
constexpr std::size_t kEscapeMax = 6;

char* escape(char c, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out++ = '\\';
  switch (c) {
    case '"':
    case '\\':
      *out++ = c;
      return out;
    case '\n':
      *out++ = 'n';
      return out;
    case '\r':
      *out++ = 'r';
      return out;
    case '\t':
      *out++ = 't';
      return out;
    default:
      break;
  }
  std::memcpy(out, "u00", 3);  // NOLINT: the string goes on.
  out[3] = kHex[static_cast<unsigned char>(c) >> 4];
  out[4] = kHex[c & 15];
  return out + 5;
}

// The lowest high bit marks the first byte of `word` that is below 0x20, a quote or a
// backslash; the bits above it may be false.
std::uint64_t escape_marks(std::uint64_t word) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const std::uint64_t quote = word ^ (kOnes * '"');
  const std::uint64_t backslash = word ^ (kOnes * '\\');
  const std::uint64_t below = (word - kOnes * 0x20) & ~word;
  return (below | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash)) & kHigh;
}

// Whether a block has nothing to escape. A fixed number of bytes and no branch, so that the
// compiler looks at them all at once.
constexpr std::size_t kBlock = 32;
bool is_plain_block(const char* at) {
  bool odd = false;
  for (std::size_t i = 0; i < kBlock; ++i) odd |= must_escape(at[i]);
  return !odd;
}

// Copies `text` escaped to `out`, which has room for the worst case; returns the end.
char* escape(std::string_view text, char* out) {
  std::size_t at = 0;
  while (at + sizeof(std::uint64_t) <= text.size()) {
    if (at + kBlock <= text.size() && is_plain_block(text.data() + at)) [[likely]] {
      std::memcpy(out, text.data() + at, kBlock);
      at += kBlock;
      out += kBlock;
      continue;
    }
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    std::memcpy(out, &word, sizeof word);
    const std::uint64_t marks = escape_marks(word);
    // All eight where there is no mark: 64 zero bits.
    const std::size_t clean = static_cast<std::size_t>(std::countr_zero(marks)) / 8;
    at += clean;
    out += clean;
    if (marks != 0) out = escape(text[at++], out);
  }
  for (; at < text.size(); ++at) {
    if (must_escape(text[at])) {
      out = escape(text[at], out);
    } else {
      *out++ = text[at];
    }
  }
  return out;
}

template <class Number>
void append_integer(Number number, std::string& out) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// A double stays one for whoever reads it next: "1" would come back as an integer.
void append_double(double number, std::string& out) {
  char digits[32];
  const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  const std::string_view text(digits, static_cast<std::size_t>(end - digits));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

}  // namespace

std::string FieldPath::spell() const {
  std::string spelled = parent ? parent->spell() : std::string();
  if (spelled.size() > kSpelledPathMax) return spelled;
  if (index >= 0) {
    spelled += fmt::format("[{}]", index);
  } else if (!key.empty()) {
    if (!spelled.empty()) spelled.push_back('.');
    spelled += shorten(key, kSpelledKeyMax);
  }
  return spelled;
}

bool has_long_number(std::string_view text, int characters) {
  const auto most = static_cast<std::size_t>(characters);
  // A run that is too long covers one of the places most, 2 * most + 1, …: only these are
  // looked at, and their neighbours where they could be part of a number.
  bool suspicious = false;
  for (std::size_t at = most; at < text.size() && !suspicious; at += most + 1) {
    if (!is_number_character(text[at])) continue;
    std::size_t first = at;
    std::size_t last = at;
    while (first > 0 && at - first <= most && is_number_character(text[first - 1])) --first;
    while (last + 1 < text.size() && last - at <= most && is_number_character(text[last + 1]))
      ++last;
    suspicious = last - first + 1 > most;
  }
  if (!suspicious) return false;
  // The run may be part of a string: read once more, knowing what is one.
  std::size_t run = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    }
    run = !quoted && is_number_character(c) ? run + 1 : 0;
    if (run > most) return true;
  }
  return false;
}

Expected<dom::element> StrictJson::parse(std::string_view text, const ReadLimits& limits) {
  if (parser_.capacity() > kKeptMax && text.size() <= kKeptMax) parser_ = dom::parser(kCapacityMax);
  comparisons_ = 0;
  nodes_left_ = limits.nodes;
  depth_max_ = limits.depth;
  keys_.clear();

  dom::element root;
  const simdjson::error_code error = parser_.parse(text.data(), text.size(), false).get(root);
  if (error == simdjson::CAPACITY || error == simdjson::MEMALLOC)
    return refuse(Reason::kBodyTooLarge, "body", "The body is too large to be parsed.");
  if (error != simdjson::SUCCESS)
    return refuse(Reason::kInvalidJson, "body",
                  fmt::format("The body is not valid JSON: {}.", simdjson::error_message(error)));
  if (has_long_number(text, limits.number_characters))
    return refuse(
        Reason::kInvalidJson, "body",
        fmt::format("A number in the body has more than {} characters.", limits.number_characters));

  switch (walk(root, 1, FieldPath{})) {
    case Problem::kNone:
      return root;
    case Problem::kDepth:
      return refuse(Reason::kInvalidJson, "body",
                    fmt::format("The body is nested deeper than {} levels.", limits.depth));
    case Problem::kNodes:
      return refuse(Reason::kInvalidJson, "body",
                    fmt::format("The body has more than {} values.", limits.nodes));
    case Problem::kDuplicate:
      break;
  }
  return refuse(
      Reason::kDuplicateKey, "body",
      fmt::format("The body has the field '{}' twice in one object; send it once.", where_),
      where_);
}

StrictJson::Problem StrictJson::found(Problem problem, const FieldPath& path) {
  where_ = path.spell();
  return problem;
}

StrictJson::Problem StrictJson::walk(dom::element value, int depth, const FieldPath& path) {
  if (--nodes_left_ < 0) return found(Problem::kNodes, path);
  switch (value.type()) {
    case dom::element_type::OBJECT:
      if (depth > depth_max_) return found(Problem::kDepth, path);
      return walk_object(dom::object(value), depth, path);
    case dom::element_type::ARRAY: {
      if (depth > depth_max_) return found(Problem::kDepth, path);
      FieldPath element{&path, {}, 0};
      for (const dom::element child : dom::array(value)) {
        if (const Problem problem = walk(child, depth + 1, element); problem != Problem::kNone)
          return problem;
        ++element.index;
      }
      return Problem::kNone;
    }
    default:
      return Problem::kNone;
  }
}

StrictJson::Problem StrictJson::walk_object(dom::object object, int depth, const FieldPath& path) {
  const std::size_t first = keys_.size();
  for (const dom::key_value_pair field : object) {
    keys_.push_back(field.key);
    const FieldPath member{&path, field.key};
    const Problem problem = walk(field.value, depth + 1, member);
    if (problem != Problem::kNone) return problem;
  }
  if (has_duplicate(first)) return found(Problem::kDuplicate, FieldPath{&path, duplicate_});
  keys_.resize(first);
  return Problem::kNone;
}

bool StrictJson::has_duplicate(std::size_t first) {
  const std::size_t count = keys_.size() - first;
  if (count <= kFewKeys) {
    for (std::size_t i = first; i + 1 < keys_.size(); ++i) {
      for (std::size_t j = i + 1; j < keys_.size(); ++j) {
        if (keys_[i] != keys_[j]) continue;
        duplicate_ = keys_[i];
        return true;
      }
    }
    comparisons_ += static_cast<std::int64_t>(count * (count - 1) / 2);
    return false;
  }
  // By hash first, so that most comparisons do not look at bytes; keys made to collide cost
  // what sorting the bytes costs, no more.
  hashed_.clear();
  for (std::size_t i = first; i < keys_.size(); ++i)
    hashed_.push_back({std::hash<std::string_view>{}(keys_[i]), keys_[i]});
  std::ranges::sort(hashed_, [this](const HashedKey& a, const HashedKey& b) {
    ++comparisons_;
    return a.hash != b.hash ? a.hash < b.hash : a.key < b.key;
  });
  const auto twice = std::ranges::adjacent_find(hashed_, {}, &HashedKey::key);
  if (twice == hashed_.end()) return false;
  duplicate_ = twice->key;
  return true;
}

bool has_field_twice(dom::element value) {
  if (dom::array array; value.get(array) == simdjson::SUCCESS) {
    return std::ranges::any_of(array, has_field_twice);
  }
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return false;
  std::array<std::string_view, kFewKeys> few;
  std::vector<std::string_view> many;
  std::size_t count = 0;
  for (const dom::key_value_pair field : object) {
    const std::span known = std::span(few).first(std::min(count, few.size()));
    if (std::ranges::find(known, field.key) != known.end()) return true;
    if (count < few.size()) {
      few[count] = field.key;
    } else {
      many.push_back(field.key);
    }
    ++count;
    if (has_field_twice(field.value)) return true;
  }
  std::ranges::sort(many);
  return std::ranges::adjacent_find(many) != many.end();
}

void append_json_string(std::string_view text, std::string& out) {
  // Of a long text a piece at a time, so that room for the worst case is never much.
  constexpr std::size_t kPiece = 4096;
  out.push_back('"');
  do {
    const std::string_view piece = text.substr(0, kPiece);
    const std::size_t before = out.size();
    const auto fill = [&](char* bytes, std::size_t) {
      return static_cast<std::size_t>(escape(piece, bytes + before) - bytes);
    };
    out.resize_and_overwrite(before + kEscapeMax * piece.size(), fill);
    text.remove_prefix(piece.size());
  } while (!text.empty());
  out.push_back('"');
}

void append_json(dom::element value, std::string& out) {
  switch (value.type()) {
    case dom::element_type::OBJECT: {
      char separator = '{';
      for (const dom::key_value_pair field : dom::object(value)) {
        out.push_back(separator);
        separator = ',';
        append_json_string(field.key, out);
        out.push_back(':');
        append_json(field.value, out);
      }
      out += separator == '{' ? "{}" : "}";
      return;
    }
    case dom::element_type::ARRAY: {
      char separator = '[';
      for (const dom::element child : dom::array(value)) {
        out.push_back(separator);
        separator = ',';
        append_json(child, out);
      }
      out += separator == '[' ? "[]" : "]";
      return;
    }
    case dom::element_type::STRING:
      append_json_string(std::string_view(value), out);
      return;
    case dom::element_type::INT64:
      append_integer(std::int64_t(value), out);
      return;
    case dom::element_type::UINT64:
      append_integer(std::uint64_t(value), out);
      return;
    case dom::element_type::DOUBLE:
      append_double(double(value), out);
      return;
    case dom::element_type::BOOL:
      out += bool(value) ? "true" : "false";
      return;
    case dom::element_type::NULL_VALUE:
      out += "null";
      return;
  }
}

}  // namespace tollgate::dialects
