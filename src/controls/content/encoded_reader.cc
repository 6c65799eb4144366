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
    if (break_ == Break::kReturn) end_run(found);
    if (run_ == 0) lines_.clear();
    if (run_ == 0 || break_ == Break::kLine) begin_line();
    put(c, found);
  }
  scan_all(found);
  forget_lines();
}

void EncodedReader::begin_line() {
  break_ = Break::kNone;
  lines_.push_back({run_, size_ - 1});
  line_ = 0;
  may_be_hex_ = true;
}

// The next character of the run. What is read joined begins with its first line.
void EncodedReader::put(char c, std::vector<StreamMatch>& found) {
  if (!is_hex(c)) {
    may_be_hex_ = false;
    end_decoding(hex_, found);
    end_decoding(line_hex_, found);
  }
  if (run_ >= kRunMin) {
    put(base64_, c);
    put(hex_, c);
  }
  ++run_;
  ++line_;
  if (line_ > kRunMin) {
    put(line_base64_, c);
    put(line_hex_, c);
    return;
  }
  beginning_[line_ - 1] = c;
  if (line_ < kRunMin) return;
  begin(is_first_line() ? base64_ : line_base64_, kBase64Bits);
  if (may_be_hex_) begin(is_first_line() ? hex_ : line_hex_, kHexBits);
}

// With the first characters of the line.
void EncodedReader::begin(std::optional<Decoding>& decoding, std::size_t bits) {
  decoding.emplace(reads_, bits, run_ - line_);
  for (const char c : beginning_) put(decoding, c);
}

// Whether the run may go on in another line behind `c`, which is none of it.
bool EncodedReader::goes_on(char c, std::vector<StreamMatch>& found) {
  constexpr std::size_t kSetInMax = 16;
  switch (break_) {
    case Break::kNone:
      if ((c != '\r' && c != '\n') || line_ < kRunMin) return false;
      end_line(found);
      if (!has_place_for_line(found)) return false;
      break_ = c == '\r' ? Break::kReturn : Break::kLine;
      set_in_ = 0;
      return true;
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
  scan_all(found);
  forget_lines();
  return lines_.size() < kLinesMax;
}

// Where a character of the run stands.
std::size_t EncodedReader::place_of(std::size_t character) const {
  const auto behind = std::ranges::upper_bound(lines_, character, {}, &Line::character);
  const Line& line = behind == lines_.begin() ? lines_.front() : *(behind - 1);
  return line.at + character - line.character;
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

void EncodedReader::scan_all(std::vector<StreamMatch>& found) {
  for (std::optional<Decoding>* decoding : all()) scan(*decoding, found);
}

// By itself it may be a text that the next line is none of.
void EncodedReader::end_line(std::vector<StreamMatch>& found) {
  scan_all(found);
  end_decoding(line_base64_, found);
  end_decoding(line_hex_, found);
  if (!is_first_line()) return;
  for (const std::optional<Decoding>* joined : {&base64_, &hex_}) {
    std::optional<Decoding> alone;
    if (*joined) alone.emplace(**joined);
    end_decoding(alone, found);
  }
}

void EncodedReader::end_run(std::vector<StreamMatch>& found) {
  for (std::optional<Decoding>* decoding : all()) end_decoding(*decoding, found);
  run_ = 0;
  break_ = Break::kNone;
}

void EncodedReader::end(std::vector<StreamMatch>& found) {
  if (run_ > 0) end_run(found);
}

// Those from `known` on are of what was decoded. What a line says is found joined and alone.
void EncodedReader::tell(const Decoding& decoding, std::size_t known,
                         std::vector<StreamMatch>& found) {
  constexpr std::size_t kToldMax = 32;
  std::size_t kept = known;
  for (std::size_t i = known; i < found.size(); ++i) {
    const Extent& extent = found[i].extent;
    const std::size_t end = decoding.byte_of(extent.end - 1) + 1;
    const std::size_t first = characters_before(decoding.byte_of(extent.begin), decoding.bits);
    const std::size_t last = characters_of(end, decoding.bits) - 1;
    const StreamMatch match{
        found[i].rule, {place_of(decoding.first + first), place_of(decoding.first + last) + 1}};
    const bool is_told = std::ranges::any_of(told_, [&](const StreamMatch& other) {
      return other.rule == match.rule && other.extent.begin == match.extent.begin &&
             other.extent.end == match.extent.end;
    });
    if (is_told) continue;
    found[kept++] = match;
    if (told_.size() == kToldMax) told_.erase(told_.begin());
    told_.push_back(match);
  }
  found.resize(kept);
}

std::size_t EncodedReader::decided() const {
  if (run_ == 0) return size_;
  const std::size_t characters = decided_characters();
  return characters < run_ ? place_of(characters) : size_;
}

// Of the run.
std::size_t EncodedReader::decided_characters() const {
  std::size_t decided = line_ < kRunMin ? run_ - line_ : run_;
  for (const std::optional<Decoding>* decoding : {&base64_, &hex_, &line_base64_, &line_hex_}) {
    if (!*decoding) continue;
    const std::size_t byte = (*decoding)->byte_of((*decoding)->scanner.decided());
    decided = std::min(decided, (*decoding)->first + characters_before(byte, (*decoding)->bits));
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
  std::size_t bytes = lines_.capacity() * sizeof(Line) + told_.capacity() * sizeof(StreamMatch);
  for (const std::optional<Decoding>* decoding : {&base64_, &hex_, &line_base64_, &line_hex_}) {
    if (*decoding) bytes += (*decoding)->scanner.memory() + (*decoding)->text.capacity();
  }
  return bytes;
}

}  // namespace tollgate::content
