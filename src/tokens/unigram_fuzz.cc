// Any small unigram vocabulary and any text: the tokens found are as good as any way to cut the
// text, the count is theirs, and whoever counts the text in parts or up to a figure comes to the
// same. The scores are quarters, so sums are exact and ties are many.
//
// The input: how many tokens there are, then for each its length and score and as many letters, and
// behind them the text.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tokens/characters.h"
#include "tokens/tables.h"
#include "tokens/unigram.h"
#include "tokens/vocabulary.h"

namespace {

using namespace tollgate::tokens;

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::string_view kLowerBlock = "\xe2\x96\x81";
constexpr std::string_view kLetters[] = {
    "a", "b", "c", "d", "aa", "ab", "\xc3\xa9", "\xe6\x97\xa5", kLowerBlock, "\xf0\x9f\x98\x80"};

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  std::uint8_t next() { return size_ == 0 ? 0 : (--size_, *data_++); }
  std::string_view rest() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

// The tokens as the file writes them, with their scores.
std::map<std::string, double> read_tokens(Input& input) {
  std::map<std::string, double> tokens;
  for (int left = input.next() % 32; left > 0; --left) {
    const std::uint8_t head = input.next();
    std::string text;
    for (int letters = 1 + head % 4; letters > 0; --letters) {
      text += kLetters[input.next() % std::size(kLetters)];
    }
    tokens.emplace(std::move(text), -static_cast<double>(head / 4) / 4);
  }
  return tokens;
}

std::string written(const std::map<std::string, double>& tokens) {
  std::string vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary += fmt::format(R"(["<0x{:02X}>",-1],)", byte);
  for (const auto& [text, score] : tokens) vocabulary += fmt::format(R"(["{}",{}],)", text, score);
  vocabulary.pop_back();
  return fmt::format(
      R"({{"normalizer":{{"type":"Sequence","normalizers":[]}},"pre_tokenizer":{{"type":"Metaspace",)"
      R"("replacement":"{}","prepend_scheme":"always","split":true}},"model":{{"type":"Unigram",)"
      R"("unk_id":0,"vocab":[{}],"byte_fallback":true}}}})",
      kLowerBlock, vocabulary);
}

// As letters where it can be, else as it is; without what begins the names of bytes.
std::string text_of(std::string_view rest) {
  std::string text;
  for (const char c : rest.substr(0, kTextBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < std::size(kLetters)) {
      text += kLetters[byte] == kLowerBlock ? std::string_view(" ") : kLetters[byte];
    } else {
      text += c == '<' ? 'a' : c;
    }
  }
  return text;
}

// The highest sum of any way to cut `text`, by trying all tokens at all places.
double highest_sum(const std::map<std::string, double>& tokens, const Tables& tables,
                   std::string_view text) {
  std::vector<std::pair<std::string, double>> spaced;
  for (const auto& [token, score] : tokens) {
    std::string made = token;
    for (std::size_t at = 0; (at = made.find(kLowerBlock)) != made.npos;) {
      made.replace(at, kLowerBlock.size(), " ");
    }
    spaced.emplace_back(std::move(made), score);
  }
  const double nowhere = -1e9;
  std::vector<double> best(text.size() + 1, nowhere);
  best[0] = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t character = character_bytes(text.substr(at));
    bool is_token = false;
    for (const auto& [token, score] : spaced) {
      if (!text.substr(at).starts_with(token)) continue;
      best[at + token.size()] = std::max(best[at + token.size()], best[at] + score);
      is_token = is_token || token.size() == character;
    }
    const double unknown = best[at] + tables.score_lowest() - Unigram::kUnknownPenalty;
    if (!is_token) best[at + character] = std::max(best[at + character], unknown);
    at += character;
  }
  return best.back();
}

void check_piece(const std::map<std::string, double>& tokens, const Tables& tables,
                 std::string_view piece) {
  std::uint64_t steps = 0;
  Unigram unigram(tables);
  std::vector<std::uint32_t> ranks;
  unigram.encode(piece, ranks, steps);
  CHECK(unigram.count(piece, steps) == static_cast<tollgate::Tokens>(ranks.size()));
  double sum = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < ranks.size();) {
    if (ranks[i] != kNone) {
      sum += tables.score(ranks[i]);
      at += tables.length(ranks[i++]);
      continue;
    }
    const std::size_t character = character_bytes(piece.substr(at));
    sum += tables.score_lowest() - Unigram::kUnknownPenalty;
    at += character;
    i += character;
  }
  CHECK(at == piece.size());
  CHECK(sum == highest_sum(tokens, tables, piece));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::map<std::string, double> tokens = read_tokens(input);
  auto tables = Tables::parse_json("fuzzed", written(tokens));
  CHECK(tables.has_value());
  const std::string text = text_of(input.rest());
  if (!text.empty()) check_piece(tokens, **tables, text);

  const Vocabulary vocabulary(std::move(*tables));
  Counter counter(vocabulary);
  const auto ids = static_cast<tollgate::Tokens>(counter.ids(text).size());
  CHECK(counter.count(text) == ids);
  CHECK(counter.count_up_to(text, ids) == ids);
  CHECK(ids == 0 || counter.count_up_to(text, ids - 1) >= ids);
  StreamCounter stream(counter);
  const std::size_t part = 1 + (size == 0 ? 0 : data[0] / 32);
  for (std::size_t at = 0; at < text.size(); at += part) {
    stream.feed(std::string_view(text).substr(at, part));
  }
  CHECK(stream.finish() == ids);
  return 0;
}
