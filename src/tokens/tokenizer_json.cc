#include "tokens/tokenizer_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tokens/byte_letters.h"
#include "tokens/doubled_member.h"
#include "tokens/keyed_hash.h"
#include "tokens/tables.h"
#include "tokens/tokenizer_rules.h"

namespace tollgate::tokens {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

using Checked = std::expected<void, std::string>;

constexpr std::string_view kLowerBlock = "\xe2\x96\x81";
constexpr std::uint32_t kIdMax = (1u << 30) - 1;
constexpr std::size_t kAddedMax = 1u << 14;
constexpr std::size_t kAddedBytesMax = std::size_t{1} << 20;
constexpr std::size_t kToldBytes = 60;

// A text of the file for a message: short, whatever it is.
std::string shown(std::string_view text) {
  if (text.size() <= kToldBytes) return fmt::format("`{}`", text);
  std::size_t end = kToldBytes;
  while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return fmt::format("`{}…`", text.substr(0, end));
}

std::unexpected<std::string> wrong(std::string what) { return std::unexpected(std::move(what)); }

// "<0x0A>" is the byte 0x0a.
std::optional<std::uint8_t> byte_named(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  std::uint8_t byte = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, byte, 16);
  if (error != std::errc{} || end != text.data() + 5) return std::nullopt;
  return byte;
}

std::string with_spaces(std::string_view text) {
  std::string made(text);
  for (std::size_t at = 0; (at = made.find(kLowerBlock, at)) != std::string::npos; ++at) {
    made.replace(at, kLowerBlock.size(), " ");
  }
  return made;
}

class Reader {
 public:
  explicit Reader(object file) : file_(file) {}

  std::expected<TokenizerJson, std::string> read() {
    Checked checked = members();
    if (checked) checked = read_rules(file_, made_.rules);
    if (checked) checked = model();
    if (checked) checked = vocabulary();
    if (checked) checked = merges();
    if (checked) checked = added_tokens();
    if (!checked) return wrong(std::move(checked.error()));
    return std::move(made_);
  }

 private:
  Checked members() {
    static constexpr std::array<std::string_view, 9> kMembers{
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model"};
    for (const auto field : file_) {
      if (std::ranges::count(kMembers, field.key) == 0) {
        return wrong(
            fmt::format("{}: no such member is known in a tokenizer.json", shown(field.key)));
      }
    }
    return {};
  }

  Checked model() {
    if (file_["model"].get(model_) != simdjson::SUCCESS) return wrong("model: it is missing");
    std::string_view type;
    const bool is_text = model_["type"].get(type) == simdjson::SUCCESS;
    if (!is_text || (type != "BPE" && type != "Unigram")) {
      return wrong(fmt::format("model.type: {} is not known here; known are `BPE` and `Unigram`",
                               shown(type)));
    }
    if (type == "Unigram") made_.rules.model = Model::kUnigram;
    for (const auto field : model_) {
      if (Checked checked = member_of_model(field.key, field.value); !checked) return checked;
    }
    const bool spaced = made_.rules.normal_form == NormalForm::kSpaces;
    if (made_.rules.model == Model::kUnigram && !spaced) {
      return wrong("model.type: `Unigram` is known only where spaces are U+2581");
    }
    if (spaced == made_.rules.byte_fallback) return {};
    return wrong(spaced ? "model.byte_fallback: expected true where spaces are U+2581, so that "
                          "every text has tokens"
                        : "model.byte_fallback: expected false where the tokens are of bytes");
  }

  Checked member_of_model(std::string_view key, element value) {
    const auto flag_into = [&](bool& flag) -> Checked {
      if (value.is_null() || value.get(flag) == simdjson::SUCCESS) return {};
      return wrong(fmt::format("model.{}: expected true or false", key));
    };
    if (key == "ignore_merges") return flag_into(made_.rules.ignore_merges);
    if (key == "byte_fallback") return flag_into(made_.rules.byte_fallback);
    if (key == "continuing_subword_prefix" || key == "end_of_word_suffix") {
      std::string_view text;
      if (value.is_null() || (value.get(text) == simdjson::SUCCESS && text.empty())) return {};
      return wrong(fmt::format("model.{}: only an empty one is known here", key));
    }
    if (key == "dropout") {
      double dropout = 0;
      if (value.is_null() || (value.get(dropout) == simdjson::SUCCESS && dropout == 0)) return {};
      return wrong("model.dropout: expected null, else no two counts are the same");
    }
    // Every text has tokens, so nothing is ever unknown.
    if (key == "type" || key == "vocab" || key == "merges" || key == "unk_token" ||
        key == "fuse_unk" || key == "unk_id") {
      return {};
    }
    return wrong(fmt::format("model.{}: no such member is known", key));
  }

  // The bytes that a token stands for in a text; none if no text can have it.
  std::optional<std::string> bytes_of(std::string_view written) const {
    if (!made_.rules.byte_fallback) return bytes_of_letters(written);
    if (written.find(' ') != std::string_view::npos) return std::nullopt;
    return with_spaces(written);
  }

  // Of pairs of a token and its score; its place is its id.
  Checked scores() {
    array entries;
    if (model_["vocab"].get(entries) != simdjson::SUCCESS) {
      return wrong("model.vocab: expected a list of tokens and their scores");
    }
    made_.byte_ids.assign(256, kNone);
    std::size_t bytes_all = 0;
    std::uint32_t id = 0;
    for (const element entry : entries) {
      array both;
      std::string_view text;
      double score = 0;
      if (entry.get(both) != simdjson::SUCCESS || both.size() != 2 ||
          both.at(0).get(text) != simdjson::SUCCESS || both.at(1).get(score) != simdjson::SUCCESS) {
        return wrong(fmt::format("model.vocab[{}]: expected a token and its score", id));
      }
      const std::size_t known = made_.vocabulary.size();
      if (Checked checked = add(text, id++, bytes_all); !checked) return checked;
      if (made_.vocabulary.size() != known) made_.scores.push_back(score);
    }
    return bytes_are_there();
  }

  Checked vocabulary() {
    if (made_.rules.model == Model::kUnigram) return scores();
    object entries;
    if (model_["vocab"].get(entries) != simdjson::SUCCESS) {
      return wrong("model.vocab: expected a mapping from tokens to ids");
    }
    if (made_.rules.byte_fallback) made_.byte_ids.assign(256, kNone);
    std::unordered_set<std::uint64_t, KeyedHash> ids;
    std::size_t bytes_all = 0;
    for (const auto entry : entries) {
      std::uint64_t id = 0;
      if (entry.value.get(id) != simdjson::SUCCESS || id > kIdMax) {
        return wrong(fmt::format("model.vocab: {} has no whole number up to {} as its id",
                                 shown(entry.key), kIdMax));
      }
      if (!ids.insert(id).second) {
        return wrong(fmt::format("model.vocab: {} has the id {}, which another token has too",
                                 shown(entry.key), id));
      }
      if (Checked checked = add(entry.key, static_cast<std::uint32_t>(id), bytes_all); !checked) {
        return checked;
      }
    }
    return bytes_are_there();
  }

  Checked add(std::string_view written, std::uint32_t id, std::size_t& bytes_all) {
    const auto place = static_cast<std::uint32_t>(made_.vocabulary.size());
    std::optional<std::string> bytes = bytes_of(written);
    if (!place_of_.emplace(written, bytes ? place : kNone).second) {
      return wrong(fmt::format("model.vocab: {} is there twice", shown(written)));
    }
    if (!made_.byte_ids.empty()) {
      if (const auto byte = byte_named(written)) made_.byte_ids[*byte] = id;
    }
    if (!bytes) return {};
    if (bytes->empty() || bytes->size() > Tables::kTokenBytesMax) {
      return wrong(fmt::format("model.vocab: {} is not of 1 to {} bytes", shown(written),
                               Tables::kTokenBytesMax));
    }
    bytes_all += bytes->size();
    if (place == Tables::kTokensLimit || bytes_all > Tables::kBytesLimit) {
      return wrong(fmt::format("model.vocab: more than {} tokens or {} bytes of them",
                               Tables::kTokensLimit, Tables::kBytesLimit));
    }
    made_.vocabulary.push_back({std::move(*bytes), id});
    return {};
  }

  // Whatever a text is, it has tokens.
  Checked bytes_are_there() const {
    std::array<bool, 256> there{};
    for (const VocabularyEntry& entry : made_.vocabulary) {
      if (entry.bytes.size() == 1) there[static_cast<unsigned char>(entry.bytes[0])] = true;
    }
    for (std::size_t byte = 0; byte < there.size(); ++byte) {
      if (there[byte] || (!made_.byte_ids.empty() && made_.byte_ids[byte] != kNone)) continue;
      return wrong(fmt::format("model.vocab: no token for the byte {:#04x}", byte));
    }
    return {};
  }

  Checked merges() {
    if (made_.rules.model == Model::kUnigram) return {};
    array list;
    if (model_["merges"].get(list) != simdjson::SUCCESS) {
      return wrong("model.merges: expected a list");
    }
    std::unordered_set<std::uint64_t, KeyedHash> seen;
    std::string merged;
    std::size_t number = 0;
    for (const element item : list) {
      const auto pair = pair_of(item);
      if (!pair) {
        return wrong(
            fmt::format("model.merges[{}]: expected two tokens, as `a b` or as a list", number));
      }
      merged.assign(pair->first).append(pair->second);
      const MergeRule rule{place_of(pair->first), place_of(pair->second), place_of(merged)};
      for (const auto& [place, text] :
           {std::pair{rule.left, pair->first}, std::pair{rule.right, pair->second},
            std::pair{rule.merged, std::string_view(merged)}}) {
        if (place != kNone) continue;
        return wrong(
            fmt::format("model.merges[{}]: {} is no token of model.vocab that a text can "
                        "have",
                        number, shown(text)));
      }
      if (!seen.insert(std::uint64_t{rule.left} << 32 | rule.right).second) {
        return wrong(fmt::format("model.merges[{}]: {} and {} are merged by an earlier one", number,
                                 shown(pair->first), shown(pair->second)));
      }
      made_.merges.push_back(rule);
      ++number;
    }
    return {};
  }

  static std::optional<std::pair<std::string_view, std::string_view>> pair_of(element item) {
    std::string_view text;
    if (item.get(text) == simdjson::SUCCESS) {
      const std::size_t space = text.find(' ');
      if (space == 0 || space >= text.size() - 1 || text.find(' ', space + 1) != text.npos) {
        return std::nullopt;
      }
      return std::pair{text.substr(0, space), text.substr(space + 1)};
    }
    array both;
    std::array<std::string_view, 2> parts;
    if (item.get(both) != simdjson::SUCCESS || both.size() != 2 ||
        both.at(0).get(parts[0]) != simdjson::SUCCESS ||
        both.at(1).get(parts[1]) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    return std::pair{parts[0], parts[1]};
  }

  std::uint32_t place_of(std::string_view written) const {
    const auto found = place_of_.find(written);
    return found == place_of_.end() ? kNone : found->second;
  }

  Checked added_tokens() {
    element added;
    if (file_["added_tokens"].get(added) != simdjson::SUCCESS || added.is_null()) return {};
    array list;
    if (added.get(list) != simdjson::SUCCESS || list.size() > kAddedMax) {
      return wrong(fmt::format("added_tokens: expected a list of at most {}", kAddedMax));
    }
    std::size_t number = 0;
    for (const element item : list) {
      if (Checked checked = added_token(item, number++); !checked) return checked;
    }
    return {};
  }

  Checked added_token(element item, std::size_t number) {
    object token;
    std::string_view text;
    std::uint64_t id = 0;
    if (item.get(token) != simdjson::SUCCESS || token["content"].get(text) != simdjson::SUCCESS ||
        token["id"].get(id) != simdjson::SUCCESS || id > kIdMax) {
      return wrong(fmt::format("added_tokens[{}]: expected a content and an id", number));
    }
    if (text.empty() || text.size() > Tables::kTokenBytesMax) {
      return wrong(fmt::format("added_tokens[{}].content: expected 1 to {} bytes", number,
                               Tables::kTokenBytesMax));
    }
    added_bytes_ += text.size();
    if (!added_texts_.insert(text).second || added_bytes_ > kAddedBytesMax) {
      return wrong(
          fmt::format("added_tokens[{}].content: {} is there twice, or there are more "
                      "than {} bytes of them",
                      number, shown(text), kAddedBytesMax));
    }
    const auto flag = [&](std::string_view key) {
      bool is = false;
      return token[key].get(is) == simdjson::SUCCESS && is;
    };
    if (flag("special")) {
      made_.special.push_back({std::string(text), static_cast<std::uint32_t>(id)});
      return {};
    }
    for (const std::string_view key : {"lstrip", "rstrip", "single_word"}) {
      if (flag(key)) {
        return wrong(fmt::format("added_tokens[{}].{}: expected false for {}, which is not special",
                                 number, key, shown(text)));
      }
    }
    // What is looked for after normalizing is the same as before it, if nothing is normalized.
    if (flag("normalized") && made_.rules.normal_form != NormalForm::kAsIs) {
      return wrong(
          fmt::format("added_tokens[{}].normalized: expected false for {}, where texts "
                      "are normalized",
                      number, shown(text)));
    }
    if (made_.rules.leading_space != LeadingSpace::kNone) {
      return wrong(
          fmt::format("added_tokens[{}]: expected {} to be special where a space is put "
                      "before a text",
                      number, shown(text)));
    }
    made_.added.push_back({std::string(text), static_cast<std::uint32_t>(id)});
    return {};
  }

  object file_;
  object model_;
  TokenizerJson made_;
  std::unordered_set<std::string_view, KeyedHash> added_texts_;
  std::size_t added_bytes_ = 0;
  std::unordered_map<std::string_view, std::uint32_t, KeyedHash> place_of_;  // As in the file.
};

}  // namespace

FaultOr<TokenizerJson> read_tokenizer_json(std::string_view name, std::string_view json) {
  const auto damaged = [&](std::string_view what) {
    return fault(FaultKind::kCorrupt, fmt::format("{}: {}", name, what));
  };
  if (json.size() > kTokenizerJsonBytesMax) {
    return damaged(fmt::format("more than {} MiB", kTokenizerJsonBytesMax >> 20));
  }
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(json).get(root); error != simdjson::SUCCESS) {
    return damaged(fmt::format("it is no JSON: {}", simdjson::error_message(error)));
  }
  object file;
  if (root.get(file) != simdjson::SUCCESS) return damaged("expected a JSON object");
  // One reader takes the first of two, another one the last.
  if (const std::optional<std::string> doubled = doubled_member(root)) {
    return damaged(fmt::format("{} is there twice", *doubled));
  }
  std::expected<TokenizerJson, std::string> read = Reader(file).read();
  if (!read) return damaged(read.error());
  return std::move(*read);
}

}  // namespace tollgate::tokens
