#include "controls/content/smuggling.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "controls/content/survey.h"

namespace tollgate::content {

namespace {

constexpr std::array<std::string_view, kSmugglingCount> kRules{
    "unicode.tags",         "unicode.variation_selectors", "unicode.bidi",
    "unicode.zero_width",   "unicode.private_use",         "unicode.control",
    "unicode.invisible",    "unicode.combining",           "unicode.interlinear",
    "unicode.noncharacter", "unicode.deprecated",          "unicode.mixed_script"};

constexpr std::uint32_t kEscape = 0x1B;
constexpr std::uint32_t kBlackFlag = 0x1F3F4;
constexpr std::uint32_t kBrailleBlank = 0x2800;

UChar32 point(std::uint32_t c) { return static_cast<UChar32>(c); }
bool has(std::uint32_t c, UProperty property) {
  return u_hasBinaryProperty(point(c), property) != 0;
}
bool is_ascii_letter(std::uint32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

// Of a script in which nothing stands within a word that nobody sees.
bool is_of_plain_word(std::uint32_t c) {
  return is_ascii_letter(c) || (c >= '0' && c <= '9') ||
         (c >= 0x80 && has(c, UCHAR_CASED) && !has(c, UCHAR_EMOJI));
}

UScriptCode script_of(std::uint32_t c) {
  UErrorCode error = U_ZERO_ERROR;
  return uscript_getScript(point(c), &error);
}

bool is_filler(std::uint32_t c) { return script_of(c) == USCRIPT_HANGUL; }

// Marks that are of no script stack on every letter.
bool is_free_mark(std::uint32_t c) {
  const UScriptCode script = script_of(c);
  return script == USCRIPT_INHERITED || script == USCRIPT_COMMON;
}

// What a variation selector may follow: it says how an emoji or a symbol, an ideograph, or a letter
// of a script without capitals is drawn.
bool may_vary(std::uint32_t base, std::uint32_t selector) {
  constexpr std::uint32_t kIdeographicFirst = 0xE0100;
  if (selector >= kIdeographicFirst) return has(base, UCHAR_IDEOGRAPHIC);
  const bool is_text_or_emoji = selector == 0xFE0E || selector == 0xFE0F;
  if (has(base, UCHAR_EMOJI)) return true;
  if (has(base, UCHAR_CASED)) return false;
  // What an emoji was cut off from hides nothing.
  return is_text_or_emoji || (base > ' ' && !has(base, UCHAR_WHITE_SPACE));
}

// A letter and a mark in one, of which the letter alone would look alike.
bool is_marked_look_alike(std::uint32_t c, const Character& known) {
  return u_getIntPropertyValue(point(c), UCHAR_DECOMPOSITION_TYPE) == U_DT_CANONICAL &&
         !known.folded.empty() && std::ranges::all_of(known.folded, [](char folded) {
           return is_ascii_letter(static_cast<unsigned char>(folded));
         });
}

bool opens(std::uint32_t control) {
  return (control >= 0x202A && control <= 0x202E && control != 0x202C) ||
         (control >= 0x2066 && control <= 0x2068);
}

}  // namespace

std::span<const std::string_view> smuggling_rules() { return kRules; }

std::optional<Smuggled> SmugglingPass::next() {
  while (told_next_ == told_count_) {
    if (is_over_) return std::nullopt;
    told_next_ = told_count_ = 0;
    step();
  }
  return told_[told_next_++];
}

void SmugglingPass::go_on(std::string_view part, Part which) {
  text_ = part;
  at_ = hidden_ = mixed_ = 0;
  is_over_ = false;
  is_last_ = which == Part::kLast;
}

std::size_t SmugglingPass::next_suspect(std::string_view text, std::size_t from) {
  SmugglingPass pass(text);
  pass.at_ = from;
  return std::min(pass.next_hidden(from), pass.next_mixed(from));
}

// A letter that is neither Latin nor like one: is_mixed() tells nothing of a word that has it.
bool SmugglingPass::is_of_one_script(std::string_view text) {
  const std::span<const std::uint32_t> briefs = table_of(Form::kNormal).briefs;
  bool is_one = false;  // Of the word at hand.
  for (std::size_t at = 0; at < text.size();) {
    const Wide wide = wide_at(text, at);
    if (wide.size == 0) {
      ++at;
      continue;
    }
    const bool may_hide = (briefs[wide.character] & Brief::kHides) != 0;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    auto end = static_cast<std::int64_t>(at);
    UChar32 c = 0;
    // NOLINTNEXTLINE(bugprone-inc-dec-in-conditions): ICU's macro.
    U8_NEXT(bytes, end, static_cast<std::int64_t>(text.size()), c);
    const auto code = static_cast<std::uint32_t>(std::max<UChar32>(c, 0));
    const bool is_letter = c > 0 && u_isalpha(c) != 0;
    const bool is_other = !may_hide && is_letter && script_of(code) != USCRIPT_LATIN &&
                          !is_marked_look_alike(code, character(code));
    is_one = is_other || (is_one && (is_letter || may_hide));
    at = static_cast<std::size_t>(end);
  }
  return is_one;
}

void SmugglingPass::tell(Smuggling kind, Extent extent) {
  CHECK(told_count_ < told_.size());
  told_[told_count_++] = {kind, extent};
}

void SmugglingPass::step() {
  if (at_ == 0 || text_[at_ - 1] == '\n') skip_paragraphs();
  if (at_ == text_.size()) {
    is_over_ = true;
    if (!is_last_) return;
    end_run(0);
    end_word();
    end_paragraph(text_.size());
    return;
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text_.data());
  const auto size = static_cast<std::int64_t>(text_.size());
  auto end = static_cast<std::int64_t>(at_);
  UChar32 c = 0;
  U8_NEXT(bytes, end, size, c);  // NOLINT(bugprone-inc-dec-in-conditions): ICU's macro.
  const Extent extent{at_, static_cast<std::size_t>(end)};
  at_ = extent.end;
  const auto code = static_cast<std::uint32_t>(std::max<UChar32>(c, 0));
  const Character& known = character(c < 0 ? ' ' : code);
  if (known.hides == Hiding::kNone) {
    if (is_hiding_) end_run(code);
    see(code, known, extent);
  } else {
    hide(code, known.hides, extent);
  }
}

// Of a paragraph nothing is left behind in the next but how far it is from what hid before.
void SmugglingPass::skip_paragraphs() {
  if (hidden_ <= at_) hidden_ = next_hidden(at_);
  if (mixed_ <= at_) mixed_ = next_mixed(at_);
  const std::size_t next = std::min(hidden_, mixed_);
  std::size_t begin = next;
  while (next < text_.size() && begin > at_ && text_[begin - 1] != '\n') --begin;
  if (begin == at_) return;
  invisible_.seen_since += begin - at_;
  control_.seen_since += begin - at_;
  before_ = '\n';
  at_ = begin;
}

std::size_t SmugglingPass::next_hidden(std::size_t at) const {
  const std::span<const std::uint32_t> briefs = table_of(Form::kNormal).briefs;
  while (true) {
    at = hiding_bytes().find(text_, at);
    if (at == text_.size()) return at;
    const Wide wide = wide_at(text_, at);
    if (wide.size == 0 || (briefs[wide.character] & Brief::kHides) != 0) return at;
    at += wide.size;
  }
}

// A word with letters of ASCII and some that look like them.
std::size_t SmugglingPass::next_mixed(std::size_t at) const {
  const std::span<const std::uint32_t> briefs = table_of(Form::kNormal).briefs;
  const auto is_of_word = [&](std::size_t i) {
    return static_cast<signed char>(text_[i]) < 0 ||
           is_ascii_letter(static_cast<unsigned char>(text_[i]));
  };
  while (true) {
    at = next_mix(text_, at);
    if (at == text_.size()) return at;
    std::size_t begin = at;
    while (begin > at_ && is_of_word(begin - 1)) --begin;
    for (at = begin; at < text_.size() && is_of_word(at); ++at) {
      const Wide wide = wide_at(text_, at);
      if (wide.size > 0 && (briefs[wide.character] & Brief::kHides) != 0) return begin;
    }
  }
}

void SmugglingPass::hide(std::uint32_t c, Hiding hides, Extent extent) {
  Run& run = runs_[static_cast<std::size_t>(hides)];
  is_hiding_ = true;
  // Braille leaves cells blank; marks of a script stack as it needs.
  const bool counts = c != kBrailleBlank && (hides != Hiding::kCombining || is_free_mark(c));
  if (run.extent.end == 0) {
    run.extent = extent;
    run.first = c;
  }
  run.extent.end = extent.end;
  run.has_several = run.has_several || c != run.first;
  if (counts) ++run.count;
  if (c == kEscape) run.is_found = run.is_found || !is_colour(extent.begin);
  if (hides == Hiding::kBidi) direct(c, extent);
}

// From here on it is known what stands on both sides of the run.
void SmugglingPass::end_run(std::uint32_t after) {
  is_hiding_ = false;
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    if (runs_[i].extent.end == 0) continue;
    judge(static_cast<Hiding>(i), runs_[i], after);
    runs_[i] = {};
  }
}

// Two different ones are bits; of the same one it takes some to be a number.
bool SmugglingPass::is_message(const Run& run) {
  constexpr std::size_t kSameMin = 8;
  return run.count >= kSameMin || (run.count >= 2 && run.has_several);
}

void SmugglingPass::judge(Hiding hides, const Run& run, std::uint32_t after) {
  const bool is_in_word = is_of_plain_word(before_) && is_of_plain_word(after);
  bool is_found = run.is_found;
  switch (hides) {
    case Hiding::kTag:
      is_found = !is_flag(run.extent);
      break;
    case Hiding::kVariationSelector:
      // The same one over and over says nothing, unless how often does.
      is_found = is_message(run) || !may_vary(before_, run.first);
      break;
    case Hiding::kZeroWidth:
      is_found = is_in_word || run.count >= 8 || (run.count >= 4 && run.has_several);
      break;
    case Hiding::kPrivateUse:
      is_found = is_in_word || run.count >= 4 || (run.count >= 2 && run.first >= 0xF0000);
      break;
    case Hiding::kControl:
      // Of C1 there are two where UTF-8 was read as Latin-1. One of C0 is what an editor, a paste
      // or a lost emoji left behind; it hides nothing but the rest of a word.
      if (run.first >= 0x80) {
        is_found = is_found || run.count >= 3;
        break;
      }
      control_.add();
      is_found = is_found || is_in_word || run.count >= 2 || control_.count >= 3;
      break;
    case Hiding::kInvisible:
      invisible_.add();
      is_found = is_message(run) || invisible_.count >= 3 ||
                 (is_in_word && (is_filler(run.first) || run.first == kBrailleBlank));
      break;
    case Hiding::kCombining:
      is_found = run.count > 4;
      break;
    case Hiding::kInterlinear:
    case Hiding::kNoncharacter:
    case Hiding::kDeprecated:
      is_found = true;
      break;
    case Hiding::kBidi:  // By direct().
    case Hiding::kNone:
      break;
  }
  if (is_found) tell(static_cast<Smuggling>(static_cast<int>(hides) - 1), run.extent);
}

// Whether `c` is a letter that ends a conversion or an escape.
bool SmugglingPass::is_led(std::uint32_t c) {
  const Lead lead = std::exchange(lead_, Lead::kNone);
  switch (lead) {
    case Lead::kNone:
      if (c == '%') lead_ = Lead::kConversion;
      if (c == '\\') lead_ = Lead::kEscape;
      return false;
    case Lead::kConversion:
      if (c == '(') lead_ = Lead::kName;
      if (c < 0x80 && std::string_view("0123456789$.-+#").contains(static_cast<char>(c))) {
        lead_ = Lead::kConversion;
      }
      return is_ascii_letter(c);
    case Lead::kName:
      if (c != '\n') lead_ = c == ')' ? Lead::kConversion : Lead::kName;
      return false;
    case Lead::kEscape:
      if (c == 'f') lead_ = Lead::kFont;
      return is_ascii_letter(c);
    case Lead::kFont:
      if (c == '(') lead_ = Lead::kFontOfTwo;
      if (c == '[') lead_ = Lead::kFontName;
      return c == 'B' || c == 'I' || c == 'R' || c == 'P';
    case Lead::kFontOfTwo:
      lead_ = Lead::kFontOfOne;
      return is_ascii_letter(c);
    case Lead::kFontOfOne:
      return is_ascii_letter(c);
    case Lead::kFontName:
      if (is_ascii_letter(c)) lead_ = Lead::kFontName;
      return is_ascii_letter(c);
  }
  return false;
}

void SmugglingPass::see(std::uint32_t c, const Character& known, Extent extent) {
  before_ = c;
  ++invisible_.seen_since;
  ++control_.seen_since;
  const bool is_letter =
      !is_led(c) && (is_ascii_letter(c) || (c >= 0x80 && u_isalpha(point(c)) != 0));
  see_direction(c, is_letter, extent.begin);
  if (is_letter) {
    spell(c, known, extent);
  } else {
    end_word();
  }
}

void SmugglingPass::see_direction(std::uint32_t c, bool is_letter, std::size_t begin) {
  // Nothing to tell of most characters, and ICU is not asked about them.
  const bool may_end_paragraph = c < ' ' || c == 0x85 || c == 0x2029;
  if (directed_ == 0 && paragraph_ != Strong::kNone && !may_end_paragraph) return;
  const UCharDirection direction = u_charDirection(point(c));
  const bool is_left_to_right = is_letter && direction == U_LEFT_TO_RIGHT;
  const bool is_right_to_left = direction == U_RIGHT_TO_LEFT || direction == U_RIGHT_TO_LEFT_ARABIC;
  if (directed_ > 0) {
    Direction& inner = directions_[directed_ - 1];
    inner.has_left_to_right |= is_left_to_right;
    inner.has_right_to_left |= is_right_to_left;
  } else if (paragraph_ == Strong::kNone && (is_left_to_right || is_right_to_left)) {
    paragraph_ = is_right_to_left ? Strong::kRightToLeft : Strong::kLeftToRight;
    if (undecided_ && is_left_to_right) tell(Smuggling::kBidi, *undecided_);
    undecided_.reset();
  }
  // A direction ends with its paragraph.
  if (direction == U_BLOCK_SEPARATOR) end_paragraph(begin);
}

void SmugglingPass::end_paragraph(std::size_t end) {
  while (directed_ > 0) end_direction(end, Ending::kCutOff);
  if (undecided_) tell(Smuggling::kBidi, *undecided_);
  undecided_.reset();
  paragraph_ = Strong::kNone;
}

void SmugglingPass::spell(std::uint32_t c, const Character& known, Extent extent) {
  if (word_.extent.end == 0) word_.extent.begin = extent.begin;
  word_.extent.end = extent.end;
  const bool is_latin = is_ascii_letter(c);
  if (!is_latin && !known.is_look_alike) return;
  const bool is_first = word_.latin + word_.alike == 0;
  if (!is_first && word_.is_alike != known.is_look_alike) ++word_.changes;
  word_.is_alike = known.is_look_alike;
  ++(is_latin ? word_.latin : word_.alike);
}

void SmugglingPass::end_word() {
  if (word_.extent.end == 0) return;
  const Word word = std::exchange(word_, {});
  const bool may_be_mixed = word.alike > 0 && word.latin > 0 && word.alike + word.latin >= 3;
  if (may_be_mixed && is_mixed(word) && has_disguise_) tell(Smuggling::kMixedScript, word.extent);
}

// A second look, at few words. Keeps which letters mix.
bool SmugglingPass::is_mixed(const Word& word) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text_.data());
  bool has_strange = word.changes >= 2;  // One that nobody writes next to Latin letters.
  std::uint32_t first = 0;
  bool has_two = false;
  for (auto at = static_cast<std::int64_t>(word.extent.begin);
       std::cmp_less(at, word.extent.end);) {
    UChar32 next = 0;
    // NOLINTNEXTLINE(bugprone-inc-dec-in-conditions): ICU's macro.
    U8_NEXT(bytes, at, static_cast<std::int64_t>(word.extent.end), next);
    const auto c = static_cast<std::uint32_t>(std::max<UChar32>(next, 0));
    const Character& known = character(c);
    if (c < 0x80 || known.hides != Hiding::kNone) continue;
    const UScriptCode script = script_of(c);
    if (!known.is_look_alike) {
      // A look-alike with a mark (\u045e) is seen as what it is, and tells nothing.
      if (script != USCRIPT_LATIN && !is_marked_look_alike(c, known)) return false;
      continue;
    }
    const auto letter = static_cast<std::uint32_t>(u_foldCase(next, U_FOLD_CASE_DEFAULT));
    has_two |= first != 0 && letter != first;
    first = letter;
    // Greek small letters stand next to Latin ones in the names of things ("TNFα").
    has_strange |= script != USCRIPT_GREEK || u_islower(next) == 0;
  }
  if (!has_strange) return false;
  has_disguise_ |= has_two || (mixed_letter_ != 0 && mixed_letter_ != first);
  mixed_letter_ = first;
  return true;
}

void SmugglingPass::direct(std::uint32_t control, Extent extent) {
  if (!opens(control)) {
    end_direction(extent.end, Ending::kClosed);
  } else if (directed_ < directions_.size()) {
    directions_[directed_++] = {control, extent.begin};
  } else {
    // Nobody writes so.
    tell(Smuggling::kBidi, extent);
  }
}

// A direction is found where what stands in it is shown in another order than it is read.
void SmugglingPass::end_direction(std::size_t end, Ending ending) {
  constexpr std::uint32_t kRightToLeftEmbedding = 0x202B;
  constexpr std::uint32_t kLeftToRightOverride = 0x202D;
  constexpr std::uint32_t kRightToLeftOverride = 0x202E;
  constexpr std::uint32_t kRightToLeftIsolate = 0x2067;
  if (directed_ == 0) return;
  const Direction inner = directions_[--directed_];
  bool is_found = inner.control == kRightToLeftOverride;
  if (inner.control == kLeftToRightOverride) is_found = inner.has_right_to_left;
  if (inner.control == kRightToLeftEmbedding || inner.control == kRightToLeftIsolate) {
    is_found = inner.has_left_to_right && !inner.has_right_to_left;
    // In a paragraph from right to left it is where it would be without, if it ends where it says.
    if (is_found && ending == Ending::kClosed && paragraph_ != Strong::kLeftToRight) {
      is_found = false;
      if (paragraph_ == Strong::kNone && !undecided_) undecided_ = Extent{inner.begin, end};
    }
  }
  if (is_found) tell(Smuggling::kBidi, {inner.begin, end});
  if (directed_ == 0) return;
  Direction& outer = directions_[directed_ - 1];
  outer.has_left_to_right |= inner.has_left_to_right;
  outer.has_right_to_left |= inner.has_right_to_left;
}

// ESC [ 1 ; 31 m, as programs print it; 8 would hide what follows.
bool SmugglingPass::is_colour(std::size_t escape) const {
  constexpr std::size_t kSizeMax = 24;
  std::string_view rest = text_.substr(escape + 1, kSizeMax);
  if (!rest.starts_with('[')) return false;
  rest.remove_prefix(1);
  const std::size_t end = rest.find_first_not_of("0123456789;");
  if (end == std::string_view::npos || (rest[end] != 'm' && rest[end] != 'K')) return false;
  for (std::string_view numbers = rest.substr(0, end); !numbers.empty();) {
    const std::string_view number = numbers.substr(0, numbers.find(';'));
    numbers.remove_prefix(std::min(numbers.size(), number.size() + 1));
    // 38 and 48 are followed by what a colour is made of.
    if (number == "38" || number == "48") break;
    if (number.find_first_not_of('0') != std::string_view::npos &&
        number.substr(number.find_first_not_of('0')) == "8") {
      return false;
    }
  }
  return true;
}

// The flags that are made of tags: England, Scotland and Wales (UTS #51, RGI_Emoji_Tag_Sequence).
bool SmugglingPass::is_flag(Extent tags) const {
  if (before_ != kBlackFlag) return false;
  std::string_view rest = text_.substr(tags.begin, tags.end - tags.begin);
  std::array<char, 8> letters{};
  std::size_t count = 0;
  constexpr std::size_t kBytes = 4;
  for (; rest.size() >= kBytes && count < letters.size(); rest.remove_prefix(kBytes)) {
    // F3 A0 80 80 to F3 A0 81 BF: seven bits.
    if (!rest.starts_with("\xF3\xA0")) return false;
    letters[count++] = static_cast<char>((rest[2] & 1) << 6 | (rest[3] & 0x3F));
  }
  constexpr std::array<std::string_view, 3> kFlags{"gbeng\x7F", "gbsct\x7F", "gbwls\x7F"};
  return rest.empty() &&
         std::ranges::find(kFlags, std::string_view(letters.data(), count)) != kFlags.end();
}

}  // namespace tollgate::content
