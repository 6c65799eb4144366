#include "controls/content/key_lines.h"

#include <algorithm>
#include <string>

namespace tollgate::content {

namespace {

constexpr std::string_view kMark = "-----";  // Another line that begins or ends a block.
constexpr std::size_t kOthersMax = 128;      // That are of no key, in a row.
constexpr std::size_t kKeyMin = 40;          // Characters that tell a key.
constexpr std::size_t kGroupMin = 4;         // Of one run…
constexpr std::size_t kLineMin = 8;          // …where it is not known what it is among…
constexpr std::size_t kRunMax = 64;          // …and what is longer is taken in parts.
// Of base64 that is drawn at random two in five are turns, of names one in eight.
constexpr std::size_t kTurnsOneIn = 5;
constexpr std::size_t kOfEachCaseOneIn = 8;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::size_t run_end(std::string_view text, std::size_t at, std::size_t last) {
  while (at < last && contains(Alphabet::kBase64, text[at])) ++at;
  return at;
}

// How often its characters change between capitals, small letters and digits, but for a capital
// that begins a word.
std::size_t turns_in(std::string_view run) {
  std::size_t turns = 0;
  for (std::size_t i = 1; i < run.size(); ++i) {
    const char before = run[i - 1];
    const char c = run[i];
    const bool is_turn = (is_upper(c) && (is_lower(before) || is_digit(before))) ||
                         (is_lower(c) && is_digit(before)) ||
                         (is_digit(c) && (is_lower(before) || is_upper(before)));
    if (is_turn) ++turns;
  }
  return turns;
}

bool is_drawn(std::string_view text, std::size_t turns) {
  const auto capitals = static_cast<std::size_t>(std::ranges::count_if(text, is_upper));
  const auto small = static_cast<std::size_t>(std::ranges::count_if(text, is_lower));
  return turns * kTurnsOneIn >= text.size() &&
         std::min(capitals, small) * kOfEachCaseOneIn >= text.size();
}

}  // namespace

KeyLook look_at_key_lines(const Secret& secret, std::string_view text, std::size_t at,
                          MoreText more) {
  using enum Look::Answer;
  const std::size_t last = std::min(text.size(), at + kKeyLookMax);
  const bool may_go_on = more == MoreText::kMayCome;
  const bool is_all = last == at + kKeyLookMax;
  std::string key;
  std::size_t turns = 0;
  std::size_t words = 0;
  for (std::size_t others = 0; at < last && others <= kOthersMax;) {
    if (text.substr(at).starts_with(kMark)) return {};
    const std::size_t end = run_end(text, at, std::min(last, at + kRunMax));
    if (end == at) {
      if (!is_space(text[at++])) ++others;
      continue;
    }
    const std::string_view run = text.substr(at, end - at);
    if (may_go_on && end == text.size() && run.size() < kRunMax) return {kOpen, end};
    at = end;
    const std::size_t turns_of_run = turns_in(run);
    if (run.size() < kGroupMin || turns_of_run == 0) {
      words += run.size();
      others += run.size();
      continue;
    }
    key += run;
    turns += turns_of_run;
    others = 0;
    if (key.size() >= std::max(kKeyMin, words) && is_drawn(key, turns) && secret.check({{}, key})) {
      return {kMatch, end};
    }
  }
  return may_go_on && at == text.size() && !is_all ? KeyLook{kOpen, at} : KeyLook{};
}

std::size_t end_of_key_lines(std::string_view text, std::size_t at) {
  std::size_t end = run_end(text, at, text.size());
  std::size_t others = 0;
  for (at = end; at < text.size() && others <= kOthersMax;) {
    if (text.substr(at).starts_with(kMark)) break;
    const std::size_t run = at;
    at = run_end(text, run, text.size());
    if (at == run) {
      if (!is_space(text[at++])) ++others;
      continue;
    }
    const std::string_view line = text.substr(run, at - run);
    if (line.size() >= kLineMin && is_drawn(line, turns_in(line))) {
      end = at;
      others = 0;
    } else {
      others += line.size();
    }
  }
  return end;
}

}  // namespace tollgate::content
