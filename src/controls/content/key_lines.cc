#include "controls/content/key_lines.h"

#include <algorithm>
#include <array>
#include <string>

#include "controls/content/identifiers.h"

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
// Names of programs may come near that, but none is a whole line of it, nor are many as long as
// each other.
constexpr std::size_t kWholeLine = 16;
constexpr std::size_t kLineTurnsInTen = 3;
constexpr std::size_t kGroupsMin = 5;

std::size_t run_end(std::string_view text, std::size_t at, std::size_t last) {
  while (at < last && contains(Alphabet::kBase64, text[at])) ++at;
  return at;
}

// Where the signs end that fill up the last line of base64; `at`, where it is none.
std::size_t filled_end(std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.find_first_not_of('=', at), text.size());
  const bool goes_on = end < text.size() && contains(Alphabet::kBase64, text[end]);
  return end - at > 2 || goes_on ? at : end;
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

// Whether the runs of a key are lines or groups, as far as they have come.
class Shape {
 public:
  void add(std::size_t size, std::size_t turns) {
    has_line_ = has_line_ || (size >= kWholeLine && turns * 10 >= size * kLineTurnsInTen);
    ++runs_;
    most_ = std::max(most_, ++of_size_[size]);
  }
  bool is_of_key() const { return has_line_ || (most_ >= kGroupsMin && most_ * 2 >= runs_); }

 private:
  bool has_line_ = false;
  std::size_t runs_ = 0;
  std::size_t most_ = 0;
  std::array<std::size_t, kRunMax + 1> of_size_{};
};

}  // namespace

KeyLook look_at_key_lines(const Secret& secret, std::string_view text, std::size_t at,
                          MoreText more) {
  using enum Look::Answer;
  const std::size_t last = std::min(text.size(), at + kKeyLookMax);
  const bool may_go_on = more == MoreText::kMayCome;
  const bool is_all = last == at + kKeyLookMax;
  std::string key;
  Shape shape;
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
    shape.add(run.size(), turns_of_run);
    turns += turns_of_run;
    others = 0;
    if (key.size() >= std::max(kKeyMin, words) && shape.is_of_key() && is_drawn(key, turns) &&
        secret.check({{}, key})) {
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
      continue;
    }
    others += line.size();
    // The last line may be short, and ends with what fills it up.
    if (const std::size_t filled = filled_end(text, at); filled > at) end = filled;
  }
  return end;
}

}  // namespace tollgate::content
