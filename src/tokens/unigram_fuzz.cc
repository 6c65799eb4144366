// Small unigram vocabularies and any text: the tokens found are as good as any way to cut the
// text, the count is theirs, and whoever counts the text in parts or up to a figure comes to the
// same. The scores are quarters, so sums are exact and ties are many.
//
// The first byte chooses the vocabulary and the parts; the rest is the text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tokens/characters.h"
#include "tokens/tables.h"
#include "tokens/unigram.h"
#include "tokens/vocabulary.h"

namespace {

using namespace tollgate::tokens;

constexpr std::size_t kVocabularies = 64;
constexpr std::size_t kTextBytesMax = 4096;
constexpr std::string_view kLowerBlock = "\xe2\x96\x81";
constexpr std::string_view kLetters[] = {
    "a", "b", "c", "d", "aa", "ab", "\xc3\xa9", "\xe6\x97\xa5", kLowerBlock, "\xf0\x9f\x98\x80"};

// The tokens of the vocabulary `number`, as the file writes them, with their scores.
std::map<std::string, double> tokens_of(std::size_t number) {
  std::mt19937_64 random(number);
  std::map<std::string, double> tokens;
  for (std::size_t left = number % 40; left > 0; --left) {
    std::string text;
    for (auto letters = 1 + random() % 4; letters > 0; --letters) {
      text += kLetters[random() % std::size(kLetters)];
    }
    tokens.emplace(std::move(text), -static_cast<double>(random() % (1 + number)) / 4);
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

struct Kept {
  Kept(std::map<std::string, double> of, std::unique_ptr<const Tables> tables)
      : tokens(std::move(of)), vocabulary(std::move(tables)), counter(vocabulary) {}
  std::map<std::string, double> tokens;
  Vocabulary vocabulary;
  Counter counter;
};

// Kept from run to run: to make one takes far longer than to cut a text.
Kept& kept(std::size_t number) {
  static std::array<std::unique_ptr<Kept>, kVocabularies> all;
  std::unique_ptr<Kept>& found = all[number];
  if (found == nullptr) {
    std::map<std::string, double> tokens = tokens_of(number);
    auto tables = Tables::parse_json("fuzzed", written(tokens));
    CHECK(tables.has_value());
    found = std::make_unique<Kept>(std::move(tokens), std::move(*tables));
  }
  return *found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Kept& by = kept(data[0] % kVocabularies);
  const std::string text = text_of({reinterpret_cast<const char*>(data) + 1, size - 1});
  if (!text.empty()) check_piece(by.tokens, by.vocabulary.tables(), text);
  Counter& counter = by.counter;
  const auto ids = static_cast<tollgate::Tokens>(counter.ids(text).size());
  CHECK(counter.count(text) == ids);
  CHECK(counter.count_up_to(text, ids) == ids);
  CHECK(ids == 0 || counter.count_up_to(text, ids - 1) >= ids);
  StreamCounter stream(counter);
  const std::size_t part = 1 + data[0] / kVocabularies;
  for (std::size_t at = 0; at < text.size(); at += part) {
    stream.feed(std::string_view(text).substr(at, part));
  }
  CHECK(stream.finish() == ids);
  return 0;
}
