#include "tokens/tokenizer_rules.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace tollgate::tokens {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// U+2581, by which these vocabularies write a space.
constexpr std::string_view kLowerBlock = "\xe2\x96\x81";
// Nobody nests deeper, and what recurses has a bound.
constexpr int kNestedMax = 4;

constexpr std::string_view kO200kText =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenText =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Text =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Text =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Text =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepseekNumbers = R"(\p{N}{1,3})";
constexpr std::string_view kDeepseekWide = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr std::string_view kDeepseekText =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
    "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

// One step of a normalizer or pre-tokenizer, with what it depends on.
struct Step {
  std::string kind;     // Its type, and what else must be as it is.
  std::string pattern;  // That it splits or replaces by.
  bool operator==(const Step&) const = default;
};
using Steps = std::vector<Step>;

std::string_view text_of(object step, std::string_view key) {
  std::string_view text;
  return step[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

bool flag_of(object step, std::string_view key, bool otherwise) {
  bool flag = otherwise;
  return step[key].get(flag) == simdjson::SUCCESS ? flag : otherwise;
}

// "regex:…" or "string:…", as the two may not be taken for each other.
std::string pattern_of(object step) {
  object pattern;
  if (step["pattern"].get(pattern) != simdjson::SUCCESS) return "none";
  if (const std::string_view regex = text_of(pattern, "Regex"); !regex.empty()) {
    return fmt::format("regex:{}", regex);
  }
  return fmt::format("string:{}", text_of(pattern, "String"));
}

Step step_of(std::string_view type, object step) {
  if (type == "Split") {
    return {fmt::format("Split {}{}", text_of(step, "behavior"),
                        flag_of(step, "invert", false) ? " inverted" : ""),
            pattern_of(step)};
  }
  if (type == "ByteLevel") {
    return {fmt::format("ByteLevel{}{}", flag_of(step, "use_regex", true) ? " pattern" : "",
                        flag_of(step, "add_prefix_space", true) ? " space" : ""),
            ""};
  }
  if (type == "Metaspace") {
    std::string_view scheme = text_of(step, "prepend_scheme");
    // Older files say it by a flag.
    if (scheme.empty()) scheme = flag_of(step, "add_prefix_space", true) ? "always" : "never";
    return {fmt::format("Metaspace {}{}", scheme, flag_of(step, "split", true) ? " split" : ""),
            std::string(text_of(step, "replacement"))};
  }
  if (type == "Prepend") return {"Prepend", std::string(text_of(step, "prepend"))};
  if (type == "Replace") {
    return {fmt::format("Replace by {}", text_of(step, "content")), pattern_of(step)};
  }
  return {std::string(type), ""};
}

// The steps that `from` says, sequences dissolved. Nothing and null are none.
bool add_steps(element from, std::string_view list_key, int nested, Steps& steps) {
  if (from.is_null()) return true;
  object step;
  if (from.get(step) != simdjson::SUCCESS) return false;
  const std::string_view type = text_of(step, "type");
  if (type.empty()) return false;
  if (type != "Sequence") {
    steps.push_back(step_of(type, step));
    return true;
  }
  array list;
  if (nested == kNestedMax || step[list_key].get(list) != simdjson::SUCCESS) return false;
  for (const element item : list) {
    if (!add_steps(item, list_key, nested + 1, steps)) return false;
  }
  return true;
}

std::string told(const Steps& steps) {
  std::string all;
  for (const Step& step : steps) {
    all += fmt::format("{}{}", all.empty() ? "" : ", ", step.kind);
    if (!step.pattern.empty()) all += fmt::format(" `{}`", step.pattern);
  }
  return all.empty() ? "nothing" : all;
}

std::expected<void, std::string> read_normalizer(const Steps& steps, Rules& rules) {
  const Step spaces{fmt::format("Replace by {}", kLowerBlock), "string: "};
  const Step prepend{"Prepend", std::string(kLowerBlock)};
  if (steps.empty()) {
    rules.normal_form = NormalForm::kAsIs;
  } else if (steps == Steps{{"NFC", ""}}) {
    rules.normal_form = NormalForm::kNfc;
  } else if (steps == Steps{spaces}) {
    rules.normal_form = NormalForm::kSpaces;
  } else if (steps == Steps{prepend, spaces}) {
    rules.normal_form = NormalForm::kSpaces;
    rules.leading_space = LeadingSpace::kAlways;
  } else {
    return std::unexpected(
        fmt::format("normalizer: {} is not known; known are none, NFC, and spaces as U+2581 with "
                    "or without one before the text",
                    told(steps)));
  }
  return {};
}

struct KnownSplit {
  Steps steps;
  Pattern pattern;
};

std::vector<KnownSplit> known_splits() {
  const Step bytes{"ByteLevel", ""};
  const auto split = [](std::string_view regex) {
    return Step{"Split Isolated", fmt::format("regex:{}", regex)};
  };
  return {
      {{split(kLlama3Text), bytes}, Pattern::kCl100k},
      {{split(kQwen2Text), bytes}, Pattern::kQwen2},
      {{split(kTekkenText), bytes}, Pattern::kTekken},
      {{split(kO200kText), bytes}, Pattern::kO200k},
      {{split(kGpt2Text), bytes}, Pattern::kGpt2},
      {{{"ByteLevel pattern", ""}}, Pattern::kGpt2},
      {{split(kDeepseekNumbers), split(kDeepseekWide), split(kDeepseekText), bytes},
       Pattern::kDeepseek},
  };
}

// Of a vocabulary that writes spaces as U+2581: its words are whole texts, or begin with a space.
bool read_spaced(const Steps& steps, Rules& rules) {
  if (rules.normal_form == NormalForm::kSpaces) {
    // Spaces are no more when it is split by them.
    const bool whole = steps.empty() || steps == Steps{{"Split MergedWithPrevious", "string: "}};
    if (whole) rules.pattern = Pattern::kWhole;
    return whole;
  }
  if (rules.normal_form != NormalForm::kAsIs || steps.size() != 1) return false;
  const Step& step = steps[0];
  if (step.pattern != kLowerBlock || !step.kind.starts_with("Metaspace ")) return false;
  rules.normal_form = NormalForm::kSpaces;
  rules.pattern = step.kind.ends_with(" split") ? Pattern::kEachSpace : Pattern::kWhole;
  const bool never = step.kind.starts_with("Metaspace never");
  rules.leading_space = never ? LeadingSpace::kNone : LeadingSpace::kUnlessThere;
  return true;
}

std::expected<void, std::string> read_pre_tokenizer(const Steps& steps, Rules& rules) {
  for (const KnownSplit& known : known_splits()) {
    if (steps != known.steps || rules.normal_form == NormalForm::kSpaces) continue;
    rules.pattern = known.pattern;
    return {};
  }
  if (read_spaced(steps, rules)) return {};
  return std::unexpected(
      fmt::format("pre_tokenizer: {} is not known here; leave `tokenizer` out, and a token a byte "
                  "is counted, or name a vocabulary that splits as Llama 2 and 3, Qwen, DeepSeek, "
                  "Mistral, Gemma or GPT do",
                  told(steps)));
}

}  // namespace

std::expected<void, std::string> read_rules(object file, Rules& rules) {
  Steps normalizer;
  Steps pre_tokenizer;
  element part;
  if (file["normalizer"].get(part) == simdjson::SUCCESS &&
      !add_steps(part, "normalizers", 0, normalizer)) {
    return std::unexpected("normalizer: expected a step with its type, or a sequence of them");
  }
  if (file["pre_tokenizer"].get(part) == simdjson::SUCCESS &&
      !add_steps(part, "pretokenizers", 0, pre_tokenizer)) {
    return std::unexpected("pre_tokenizer: expected a step with its type, or a sequence of them");
  }
  std::expected<void, std::string> read = read_normalizer(normalizer, rules);
  if (read) read = read_pre_tokenizer(pre_tokenizer, rules);
  return read;
}

}  // namespace tollgate::tokens
