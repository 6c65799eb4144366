#include "controls/content/encoded_reader.h"

#include <algorithm>

namespace tollgate::content {

namespace {

constexpr std::int8_t kNone = -1;

using Values = std::array<std::int8_t, 256>;

// The characters stand for 0, 1, 2…, from `first` on.
constexpr void add(Values& values, std::string_view characters, std::int8_t first) {
  for (const char c : characters) values[static_cast<unsigned char>(c)] = first++;
}

// Of both alphabets of base64.
constexpr Values kBase64 = [] {
  Values values{};
  values.fill(kNone);
  add(values, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 0);
  add(values, "-_", 62);
  return values;
}();

constexpr Values kHex = [] {
  Values values{};
  values.fill(kNone);
  add(values, "0123456789abcdef", 0);
  add(values, "ABCDEF", 10);
  return values;
}();

constexpr std::size_t kBase64Bits = 6;
constexpr std::size_t kHexBits = 4;

bool is_of_run(char c) { return kBase64[static_cast<unsigned char>(c)] != kNone; }
bool is_hex(char c) { return kHex[static_cast<unsigned char>(c)] != kNone; }

// Characters that so many bytes begin behind, and those that they end with.
std::size_t characters_before(std::size_t bytes, std::size_t bits) { return bytes * 8 / bits; }
std::size_t characters_of(std::size_t bytes, std::size_t bits) {
  return (bytes * 8 + bits - 1) / bits;
}

}  // namespace

void EncodedReader::read(std::string_view piece, std::vector<StreamMatch>& found) {
  for (const char c : piece) {
    ++size_;
    if (!is_of_run(c)) {
      if (run_ > 0 && !goes_on(c, found)) end_run(found);
      continue;
    }
    if (break_ != Break::kNone) {
      if (break_ == Break::kReturn) end_run(found);
      break_ = Break::kNone;
      if (run_ > 0) lines_.push_back({run_, size_ - 1});
    }
    if (run_ == 0) {
      lines_.assign(1, {0, size_ - 1});
      may_be_hex_ = true;
    }
    if (!is_hex(c)) {
      may_be_hex_ = false;
      end_decoding(hex_, found);
    }
    ++run_;
    if (run_ <= kRunMin) {
      beginning_[run_ - 1] = c;
      if (run_ == kRunMin) begin_run(found);
    } else {
      put(base64_, c);
      put(hex_, c);
    }
  }
  scan(base64_, found);
  scan(hex_, found);
  forget_lines();
}

// Whether the run may go on in another line behind `c`, which is none of it.
bool EncodedReader::goes_on(char c, std::vector<StreamMatch>& found) {
  constexpr std::size_t kSetInMax = 16;
  switch (break_) {
    case Break::kNone:
      if (run_ - lines_.back().character < kRunMin || !has_place_for_line(found)) return false;
      if (c == '\r') break_ = Break::kReturn;
      if (c == '\n') break_ = Break::kLine;
      set_in_ = 0;
      return break_ != Break::kNone;
    case Break::kReturn:
      if (c != '\n') return false;
      break_ = Break::kLine;
      return true;
    case Break::kLine:
      return (c == ' ' || c == '\t' || c == '>') && ++set_in_ <= kSetInMax;
  }
  return false;
}

// Whether so few lines are not decided that one more may be. How many are known to be so differs
// with the pieces, so what is there is read first.
bool EncodedReader::has_place_for_line(std::vector<StreamMatch>& found) {
  constexpr std::size_t kLinesMax = 1024;
  if (lines_.size() < kLinesMax) return true;
  scan(base64_, found);
  scan(hex_, found);
  forget_lines();
  return lines_.size() < kLinesMax;
}

// Where a character of the run stands.
std::size_t EncodedReader::place_of(std::size_t character) const {
  const auto behind = std::ranges::upper_bound(lines_, character, {}, &Line::character);
  const Line& line = behind == lines_.begin() ? lines_.front() : *(behind - 1);
  return line.at + character - line.character;
}

void EncodedReader::begin_run(std::vector<StreamMatch>& found) {
  base64_.emplace(reads_, kBase64Bits);
  if (may_be_hex_) hex_.emplace(reads_, kHexBits);
  for (const char c : beginning_) {
    put(base64_, c);
    put(hex_, c);
  }
  scan(base64_, found);
  scan(hex_, found);
}

void EncodedReader::put(std::optional<Decoding>& decoding, char c) {
  if (!decoding || !decoding->is_text) return;
  const auto& values = decoding->bits == kHexBits ? kHex : kBase64;
  decoding->value = decoding->value << decoding->bits |
                    static_cast<std::uint32_t>(values[static_cast<unsigned char>(c)]);
  decoding->pending += decoding->bits;
  if (decoding->pending < 8) return;
  decoding->pending -= 8;
  const auto byte = static_cast<unsigned char>(decoding->value >> decoding->pending);
  decoding->value &= (1U << decoding->pending) - 1;
  const std::size_t at = decoding->bytes++;
  if (decoding->is_wide && (at - decoding->zero) % 2 == 0) {
    decoding->is_text = byte == 0;
    return;
  }
  // Of UTF-16, behind the mark of its order.
  constexpr std::size_t kZeroMax = 3;
  if (byte == 0 && !decoding->is_wide && at <= kZeroMax) {
    decoding->is_wide = true;
    decoding->zero = at;
    decoding->narrow = decoding->letters;
    return;
  }
  decoding->is_text = byte >= ' ' || byte == '\n' || byte == '\r' || byte == '\t';
  if (!decoding->is_text) return;
  // What is looked for is ASCII, and what else comes out may be no UTF-8.
  decoding->text += byte < 0x7F ? static_cast<char>(byte) : ' ';
  ++decoding->letters;
}

void EncodedReader::scan(std::optional<Decoding>& decoding, std::vector<StreamMatch>& found) {
  if (!decoding) return;
  const std::size_t known = found.size();
  if (!decoding->text.empty()) decoding->scanner.read(decoding->text, found);
  decoding->text.clear();
  if (!decoding->is_text) decoding->scanner.end(found);
  tell(*decoding, known, found);
  if (!decoding->is_text) decoding.reset();
}

void EncodedReader::end_decoding(std::optional<Decoding>& decoding,
                                 std::vector<StreamMatch>& found) {
  if (!decoding) return;
  decoding->is_text = false;
  scan(decoding, found);
}

void EncodedReader::end_run(std::vector<StreamMatch>& found) {
  end_decoding(base64_, found);
  end_decoding(hex_, found);
  run_ = 0;
  break_ = Break::kNone;
}

void EncodedReader::end(std::vector<StreamMatch>& found) {
  if (run_ > 0) end_run(found);
}

// Those from `known` on are of what was decoded.
void EncodedReader::tell(const Decoding& decoding, std::size_t known,
                         std::vector<StreamMatch>& found) const {
  for (std::size_t i = known; i < found.size(); ++i) {
    Extent& extent = found[i].extent;
    const std::size_t end = decoding.byte_of(extent.end - 1) + 1;
    extent = {place_of(characters_before(decoding.byte_of(extent.begin), decoding.bits)),
              place_of(characters_of(end, decoding.bits) - 1) + 1};
  }
}

std::size_t EncodedReader::decided() const {
  if (run_ == 0) return size_;
  if (run_ < kRunMin) return lines_.front().at;
  const std::size_t characters = decided_characters();
  return characters < run_ ? place_of(characters) : size_;
}

// Of the run.
std::size_t EncodedReader::decided_characters() const {
  std::size_t decided = run_;
  for (const std::optional<Decoding>* decoding : {&base64_, &hex_}) {
    if (!*decoding) continue;
    const std::size_t byte = (*decoding)->byte_of((*decoding)->scanner.decided());
    decided = std::min(decided, characters_before(byte, (*decoding)->bits));
  }
  return decided;
}

void EncodedReader::forget_lines() {
  if (lines_.size() < 2) return;
  const std::size_t decided = decided_characters();
  const auto behind = std::ranges::upper_bound(lines_, decided, {}, &Line::character);
  if (behind - lines_.begin() > 1) lines_.erase(lines_.begin(), behind - 1);
}

std::size_t EncodedReader::memory() const {
  std::size_t bytes = lines_.capacity() * sizeof(Line);
  for (const std::optional<Decoding>* decoding : {&base64_, &hex_}) {
    if (*decoding) bytes += (*decoding)->scanner.memory() + (*decoding)->text.capacity();
  }
  return bytes;
}

}  // namespace tollgate::content
