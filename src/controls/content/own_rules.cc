#include "controls/content/own_rules.h"

#include <fmt/format.h>
#include <hs/hs.h>
#include <re2/re2.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "controls/content/normal_form.h"
#include "controls/content/patterns.h"
#include "controls/content/rot13.h"

namespace tollgate::content {

namespace {

// For RE2's program and the states that it keeps of it.
constexpr std::int64_t kMemoryMax = std::int64_t{8} << 20;
// Of what Vectorscan makes of one pattern.
constexpr std::size_t kDatabaseBytesMax = std::size_t{512} << 10;

constexpr unsigned kFlags = HS_FLAG_PREFILTER | HS_FLAG_SINGLEMATCH | HS_FLAG_UTF8;

struct FreeDatabase {
  void operator()(hs_database* database) const { hs_free_database(database); }
};

std::string told(hs_compile_error* error) {
  std::string made = error != nullptr && error->message != nullptr ? error->message : "no memory";
  if (error != nullptr) hs_free_compile_error(error);
  while (made.ends_with('.')) made.pop_back();
  return made;
}

// Bytes of the shortest and of the longest match; UINT_MAX: none is the longest.
struct Widths {
  unsigned least = 0;
  unsigned most = UINT_MAX;
};

std::expected<Widths, std::string> widths_of(const std::string& pattern, unsigned flags) {
  // Of the pattern itself where Vectorscan knows all of it; as a filter its repetitions have no
  // end.
  for (const unsigned of : {flags & ~(HS_FLAG_PREFILTER | HS_FLAG_SINGLEMATCH), flags}) {
    hs_expr_info_t* known = nullptr;
    hs_compile_error_t* error = nullptr;
    if (hs_expression_info(pattern.c_str(), of, &known, &error) == HS_SUCCESS) {
      const Widths made{known->min_width, known->max_width};
      std::free(known);  // NOLINT(cppcoreguidelines-no-malloc): of Vectorscan's allocator.
      return made;
    }
    std::string why = told(error);
    if (of == flags) return std::unexpected(std::move(why));
  }
  return Widths{};
}

// Empty: it can be looked for.
std::string why_not(const std::string& pattern, unsigned flags) {
  hs_database* made = nullptr;
  hs_compile_error* error = nullptr;
  if (hs_compile(pattern.c_str(), flags, HS_MODE_BLOCK, nullptr, &made, &error) != HS_SUCCESS) {
    return fmt::format(
        "cannot be looked for ({}): write shorter repetitions, or ASCII instead of classes of "
        "Unicode",
        told(error));
  }
  const std::unique_ptr<hs_database, FreeDatabase> database(made);
  std::size_t bytes = 0;
  hs_database_size(made, &bytes);
  if (bytes <= kDatabaseBytesMax) return {};
  return fmt::format("takes {} bytes to look for, more than {}: write shorter repetitions", bytes,
                     kDatabaseBytesMax);
}

// What RE2 says of a pattern that it does not take.
std::string syntax_of(const re2::RE2& re2, std::string_view pattern) {
  switch (re2.error_code()) {
    case re2::RE2::ErrorPatternTooLarge:
      return "is too large for RE2: write shorter repetitions, or fewer of them in each other";
    case re2::RE2::ErrorRepeatSize:
      return fmt::format(
          "has a repetition of more than 1000, or several in each other that come to that: `{}`",
          re2.error_arg());
    default:
      break;
  }
  std::string_view what = re2.error();
  const std::string& at = re2.error_arg();
  if (!at.empty() && what.ends_with(at)) what.remove_suffix(at.size());
  while (what.ends_with(' ') || what.ends_with(':')) what.remove_suffix(1);
  const std::size_t found = at.empty() ? std::string_view::npos : pattern.find(at);
  if (found == std::string_view::npos) return fmt::format("is no pattern of RE2: {}", what);
  return fmt::format("is no pattern of RE2: {}, at character {}: `{}`", what, found + 1, at);
}

bool is_ascii_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// A phrase as an expression: none of its characters is an operator, and what stands between words
// may be anything that does.
std::string expression_of(std::string_view phrase) {
  std::string made;
  for (const char c : phrase) {
    const bool stays = c == ' ' || is_ascii_word(c) || static_cast<unsigned char>(c) >= 0x80;
    if (stays) {
      made += c;
    } else {
      made += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (is_ascii_word(phrase.front())) made = "\\b" + made;
  if (is_ascii_word(phrase.back())) made += "\\b";
  return fold_rule(in_words(made));
}

// Empty: each holds something that can be seen.
std::string why_no_words(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (fold_rule(words[i]).find_first_not_of(' ') != std::string::npos) continue;
    return fmt::format(
        "hold nothing that could be looked for in the phrase at {}, which has only spaces and "
        "characters that nobody sees: write letters, digits or signs, or take it out",
        i + 1);
  }
  return {};
}

}  // namespace

OwnRule::OwnRule() = default;
OwnRule::OwnRule(OwnRule&&) noexcept = default;
OwnRule::~OwnRule() = default;

std::expected<OwnRule, std::string> OwnRule::create(OwnSource source) {
  OwnRule made;
  made.source_ = std::move(source);
  if (made.source_.words.empty()) {
    if (std::optional<std::string> why = made.read_pattern()) return std::unexpected(*why);
  } else {
    if (std::string why = why_no_words(made.source_.words); !why.empty()) {
      return std::unexpected(std::move(why));
    }
    made.source_.reading = Reading::kWords;
    made.read_words();
  }
  for (const Expression& expression : made.expressions_) {
    if (std::string why = why_not(expression.text, expression.flags); !why.empty()) {
      return std::unexpected(std::move(why));
    }
  }
  return made;
}

// Why it cannot be.
std::optional<std::string> OwnRule::read_pattern() {
  const bool is_words = source_.reading == Reading::kWords;
  const std::string pattern = is_words ? fold_rule(source_.pattern) : source_.pattern;
  if (pattern.size() > kPatternBytesMax) {
    return fmt::format("is longer than {} bytes", kPatternBytesMax);
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemoryMax);
  options.set_never_capture(true);
  options.set_case_sensitive(!is_words);
  re2_ = std::make_unique<re2::RE2>(pattern, options);
  if (!re2_->ok()) return syntax_of(*re2_, pattern);
  if (re2_->ProgramSize() > kProgramMax) {
    return fmt::format(
        "comes to {} instructions of RE2, more than {}: write shorter repetitions, and classes of "
        "ASCII instead of `.`",
        re2_->ProgramSize(), kProgramMax);
  }
  const unsigned flags = kFlags | (is_words ? HS_FLAG_CASELESS : 0U);
  const std::expected<Widths, std::string> widths = widths_of(pattern, flags);
  if (!widths) {
    return fmt::format("cannot be looked for ({}): say it without that", widths.error());
  }
  if (widths->least == 0 || re2::RE2::PartialMatch("", *re2_)) {
    return "matches where nothing stands: everything would be a match; demand a character";
  }
  if (widths->most != UINT_MAX) width_ = widths->most;
  expressions_.push_back({pattern, flags, false});
  return std::nullopt;
}

void OwnRule::read_words() {
  for (const std::string& phrase : source_.words) {
    constexpr unsigned kOfWords = HS_FLAG_SOM_LEFTMOST | HS_FLAG_DOTALL | HS_FLAG_CASELESS;
    expressions_.push_back({expression_of(phrase), kOfWords, true});
    const std::expected<Widths, std::string> widths = widths_of(expressions_.back().text, kOfWords);
    if (is_sign_of_rot13(phrase)) {
      std::string turned;
      turn(phrase, turned);
      turned_.push_back(expression_of(turned));
    }
    if (widths) width_ = std::max<std::size_t>(width_.value_or(0), widths->most);
  }
}

std::size_t OwnRule::find(std::string_view text, std::span<Extent> found) const {
  if (re2_ == nullptr) return 0;
  std::size_t at = 0;
  std::size_t count = 0;
  re2::StringPiece match;
  while (count < found.size() && at <= text.size() &&
         re2_->Match(text, at, text.size(), re2::RE2::UNANCHORED, &match, 1)) {
    const auto begin = static_cast<std::size_t>(match.data() - text.data());
    at = begin + std::max<std::size_t>(match.size(), 1);
    if (!match.empty()) found[count++] = {begin, begin + match.size()};
  }
  return count;
}

}  // namespace tollgate::content
