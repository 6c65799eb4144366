#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "controls/content/identifiers.h"
#include "controls/content/pii.h"
#include "controls/content/pii_checks.h"
#include "controls/content/pii_forms.h"
#include "controls/content/pii_words.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tollgate::content {

namespace {

// A run of letters and digits that is longer holds nothing that is looked for.
constexpr std::size_t kRunMax = 80;
// Bytes around a number in which the word has to stand that says what it is.
constexpr std::size_t kWordBefore = 64;
constexpr std::size_t kWordAfter = 24;

constexpr std::array<bool, 256> kAlnum = [] {
  std::array<bool, 256> is{};
  for (std::size_t c = 0; c < 128; ++c) is[c] = is_alnum(static_cast<char>(c));
  return is;
}();
bool is_run(char c) { return kAlnum[static_cast<unsigned char>(c)]; }

constexpr char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }
constexpr char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// The next place from `at` on where digits begin, or an @ stands; the size where there is none.
std::size_t find_sign(std::string_view text, std::size_t at) {
  bool was_digit = at > 0 && is_digit(text[at - 1]);
#ifdef __SSE2__
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i value = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    const __m128i nine = _mm_set1_epi8(9);
    const auto digits = static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, nine), value)));
    const auto signs =
        static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('@'))));
    const std::uint32_t begins = (digits & ~(digits << 1 | (was_digit ? 1U : 0U))) | signs;
    if (begins != 0) return at + static_cast<std::size_t>(std::countr_zero(begins));
    was_digit = (digits >> 15 & 1) != 0;
  }
#endif
  for (; at < text.size(); ++at) {
    if (text[at] == '@' || (is_digit(text[at]) && !was_digit)) return at;
    was_digit = is_digit(text[at]);
  }
  return at;
}

// Whether what begins there is not the rest of something longer: a decimal, a version, a path.
bool is_beginning(std::string_view text, std::size_t at) {
  if (at == 0) return true;
  const char before = text[at - 1];
  if (is_run(before) || before == '_') return false;
  if (at == 1) return true;
  const char further = text[at - 2];
  return !((before == '.' && is_digit(further)) ||
           ((before == '-' || before == '/' || before == '+') && is_run(further)));
}

// Here and below `open` is set where more text could tell something else.
bool is_end(std::string_view text, std::size_t at, bool& open) {
  if (at >= text.size()) {
    open = true;
    return true;
  }
  const char after = text[at];
  if (is_run(after) || after == '_' || after == '@' || after == '%') return false;
  if (at + 1 >= text.size()) {
    open = open || after == '.' || after == '-' || after == '/';
    return true;
  }
  const char further = text[at + 1];
  return !((after == '.' && is_digit(further)) ||
           ((after == '-' || after == '/') && is_run(further)));
}

// Whether a number that is written in groups stands beside another one: it may be a part of a row.
bool is_in_a_row(std::string_view text, const Extent& extent, bool& open) {
  if (text.substr(extent.begin, extent.end - extent.begin).find(' ') == std::string_view::npos) {
    return false;
  }
  if (extent.begin >= 2 && text[extent.begin - 1] == ' ' && is_digit(text[extent.begin - 2])) {
    return true;
  }
  constexpr std::size_t kGroup = 3;  // A shorter one may be the year in which a card ends.
  const std::string_view after = text.substr(extent.end, kGroup + 1);
  const std::string_view group = after.substr(std::min<std::size_t>(1, after.size()));
  const bool is_group = (after.empty() || after[0] == ' ') && std::ranges::all_of(group, is_digit);
  if (after.size() > kGroup) return is_group;
  open = open || is_group;
  return false;
}

// The number of digits alone that a space parts from what ends or begins at `at`; empty: none. What
// is part of a date, a time or a decimal is none.
std::string_view number_before(std::string_view text, std::size_t at) {
  if (at == 0 || text[at - 1] != ' ') return {};
  const std::size_t end = at - 1;
  std::size_t begin = end;
  while (begin > 0 && end - begin < kWrittenMax && is_digit(text[begin - 1])) --begin;
  return is_beginning(text, begin) ? text.substr(begin, end - begin) : std::string_view();
}
std::string_view number_behind(std::string_view text, std::size_t at, bool& open) {
  open = open || at == text.size();
  if (at >= text.size() || text[at] != ' ') return {};
  std::size_t end = at + 1;
  while (end < text.size() && end - at <= kWrittenMax && is_digit(text[end])) ++end;
  return is_end(text, end, open) ? text.substr(at + 1, end - at - 1) : std::string_view();
}

// Month and year in which a card ends: "0127".
bool is_expiry(std::string_view number) {
  if (number.size() != 4) return false;
  const std::string_view month = number.substr(0, 2);
  return month >= "01" && month <= "12" && number[2] >= '2' && number[2] <= '4';
}

// The kinds one of whose words stands near.
PiiWords::Kinds named_near(std::string_view text, const Extent& extent, bool& open) {
  const std::size_t begin = extent.begin - std::min(extent.begin, kWordBefore);
  const std::string_view before = text.substr(begin, extent.begin - begin);
  const std::string_view after = text.substr(extent.end, kWordAfter);
  open = open || after.size() < kWordAfter;
  std::array<char, kWordBefore + 1 + kWordAfter> near;
  char* end = std::ranges::transform(before, near.begin(), lower).out;
  *end++ = '\n';
  end = std::ranges::transform(after, end, lower).out;
  return PiiWords::get().in({near.data(), static_cast<std::size_t>(end - near.data())});
}

// Its digits and letters, in upper case.
class Compacted {
 public:
  explicit Compacted(std::string_view text) {
    for (const char c : text) {
      if (is_run(c) && size_ < text_.size()) text_[size_++] = upper(c);
    }
  }
  std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, kRunMax> text_;
  std::size_t size_ = 0;
};

bool is_of_card(const PiiForms::Use& use) { return use.kind == kPaymentCard && !use.needs_word; }

// Whether a card begins there, in groups.
bool is_card_at(std::string_view text, std::size_t begin, bool& open) {
  const PiiForms& forms = PiiForms::get();
  const std::size_t most = std::min(text.size(), begin + kWrittenMax);
  std::uint16_t node = 0;
  for (std::size_t at = begin; at < most; ++at) {
    node = forms.next(node, text[at]);
    if (node == 0) return false;
    if (std::ranges::any_of(forms.uses(node), is_of_card) && is_end(text, at + 1, open) &&
        pii::payment_card(Compacted(text.substr(begin, at + 1 - begin)).text())) {
      return true;
    }
  }
  open = open || most == text.size();
  return false;
}

// Whether a card that stands beside other numbers is one of a row of them. A number of another size
// is not of the row, such as the code of the card, but two of them are one; before it there may be
// a match that ends at `done`, and behind it another card, or the month in which it ends.
bool is_card_of_row(std::string_view text, const Extent& card, std::size_t done, bool& open) {
  const std::string_view groups = text.substr(card.begin, card.end - card.begin);
  if (done + 1 != card.begin) {
    const std::string_view before = number_before(text, card.begin);
    if (before.size() == groups.find(' ')) return true;
    if (!before.empty() && !number_before(text, card.begin - before.size() - 1).empty()) {
      return true;
    }
  }
  if (is_card_at(text, card.end + 1, open)) return false;
  std::size_t end = card.end;
  std::string_view behind = number_behind(text, end, open);
  if (is_expiry(behind)) {
    end += behind.size() + 1;
    behind = number_behind(text, end, open);
  }
  if (behind.empty()) return false;
  if (behind.size() == groups.size() - groups.rfind(' ') - 1) return true;
  return !number_behind(text, end + behind.size() + 1, open).empty();
}

// Where a fraction of nothing but zeros ends that begins there, as a decimal has that is a whole
// number: "4111111111111111.0".
std::optional<std::size_t> zeros_end(std::string_view text, std::size_t at, bool& open) {
  constexpr std::size_t kZerosMax = 16;
  if (at >= text.size() || text[at] != '.') return std::nullopt;
  std::size_t end = at + 1;
  while (end < text.size() && end - at <= kZerosMax && text[end] == '0') ++end;
  if (end == at + 1 || !is_end(text, end, open)) return std::nullopt;
  return end;
}

constexpr std::array<bool, 256> kLocalPart = [] {
  std::array<bool, 256> is = kAlnum;
  for (const char c : std::string_view("!#$%&'*+-/=?^_`{|}~.")) {
    is[static_cast<unsigned char>(c)] = true;
  }
  return is;
}();
bool is_local(char c) { return kLocalPart[static_cast<unsigned char>(c)]; }
constexpr std::size_t kLocalMax = 64;
constexpr std::size_t kDomainMax = 255;

// Names that are kept for examples (RFC 2606), and the user of addresses of repositories.
bool is_nobody(std::string_view local, std::string_view domain) {
  constexpr std::string_view kDomains[] = {"example.com", "example.org", "example.net"};
  constexpr std::string_view kTops[] = {".example", ".invalid", ".test", ".localhost", ".local"};
  return local == "git" ||
         std::ranges::any_of(
             kDomains,
             [&](std::string_view name) {
               return domain == name ||
                      (domain.ends_with(name) && domain[domain.size() - name.size() - 1] == '.');
             }) ||
         std::ranges::any_of(kTops, [&](std::string_view name) { return domain.ends_with(name); });
}

std::size_t domain_end(std::string_view text, std::size_t at, bool& open) {
  std::size_t end = at;
  const std::size_t most = std::min(text.size(), at + kDomainMax);
  while (end < most && (is_run(text[end]) || text[end] == '-' || text[end] == '.')) ++end;
  open = open || (end == text.size() && end < at + kDomainMax);
  while (end > at && !is_run(text[end - 1])) --end;
  return end;
}

std::optional<Extent> email_at(std::string_view text, std::size_t sign, std::size_t from,
                               bool& open) {
  std::size_t begin = sign;
  while (begin > from && sign - begin < kLocalMax && is_local(text[begin - 1])) {
    --begin;
  }
  // What opens a quotation or a path is of the text around it.
  while (begin < sign && !is_run(text[begin])) ++begin;
  const std::string_view local = text.substr(begin, sign - begin);
  if (local.empty() || !(is_run(local.back()) || local.back() == '_') || local.contains("/")) {
    return std::nullopt;
  }
  const std::size_t end = domain_end(text, sign + 1, open);
  const std::string_view domain = text.substr(sign + 1, end - sign - 1);
  const std::size_t dot = domain.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  const std::string_view top = domain.substr(dot + 1);
  const bool is_top = top.size() >= 2 &&
                      std::ranges::all_of(top, [](char c) { return is_lower(c) || is_upper(c); });
  if (!is_top || domain.contains("..") || is_nobody(local, domain)) return std::nullopt;
  // The password of a URL.
  const std::size_t near = begin - std::min(begin, kLocalMax);
  if (begin > 0 && (text[begin - 1] == ':' || text[begin - 1] == '/') &&
      text.substr(near, begin - near).contains("://")) {
    return std::nullopt;
  }
  return Extent{begin, end};
}

// Whether the sign at `at` is of a number that stands right behind one below zero: "(-5, +5)".
bool is_behind_negative(std::string_view text, std::size_t at) {
  constexpr std::size_t kNear = 40;
  constexpr std::string_view kBetween[] = {",", ";", "..", "/", "|", "to", "and"};
  const std::size_t begin = at - std::min(at, kNear);
  std::string_view before = text.substr(begin, at - begin);
  const auto drop_spaces = [&] {
    while (before.ends_with(' ')) before.remove_suffix(1);
  };
  drop_spaces();
  const auto* const between = std::ranges::find_if(
      kBetween, [&](std::string_view words) { return before.ends_with(words); });
  if (between != std::end(kBetween)) before.remove_suffix(between->size());
  drop_spaces();
  const std::size_t size = before.size();
  while (!before.empty() && (is_digit(before.back()) || before.back() == '.')) {
    before.remove_suffix(1);
  }
  if (before.size() == size || !before.ends_with('-')) return false;
  return before.size() == 1 || !is_run(before[before.size() - 2]);
}

// The longest of the groups behind a + that is a number of a country.
std::optional<Extent> phone_at(std::string_view text, std::size_t begin, bool& open) {
  constexpr std::size_t kDigitsMax = 15;
  constexpr std::size_t kCountryMax = 3;
  constexpr std::string_view kBetween = " -.()/";
  std::array<char, kDigitsMax> digits;
  std::size_t count = 0;
  std::optional<Extent> best;
  for (std::size_t at = begin; at < text.size();) {
    while (at < text.size() && is_digit(text[at]) && count < kDigitsMax)
      digits[count++] = text[at++];
    if (at < text.size() && is_digit(text[at])) break;
    const bool ends = is_end(text, at, open);
    // A decimal: a full stop parts a country from the rest, and the groups of that.
    const bool is_first = at - begin == count;
    if (is_first && count > kCountryMax && !ends && text[at] == '.') return std::nullopt;
    if (ends && pii::international_phone({digits.data(), count})) best = {begin - 1, at};
    std::size_t next = at;
    while (next < text.size() && next - at < 3 && kBetween.contains(text[next])) ++next;
    open = open || next >= text.size();
    if (next == at || next >= text.size() || !is_digit(text[next])) break;
    if (best && is_card_at(text, next, open)) break;
    at = next;
  }
  return best;
}

std::optional<Extent> iban_at(std::string_view text, const Extent& run, bool& open) {
  const std::string_view head = text.substr(run.begin, 4);
  if (run.end - run.begin < 4 || !is_upper(head[0]) || !is_upper(head[1]) || !is_digit(head[2]) ||
      !is_digit(head[3])) {
    return std::nullopt;
  }
  const std::size_t size = pii::iban_size(head.substr(0, 2));
  std::size_t count = 0;
  std::size_t at = run.begin;
  while (at < text.size() && count < size) {
    const bool is_between = (text[at] == ' ' || text[at] == '-') && is_run(text[at - 1]);
    if (!is_run(text[at]) && !is_between) return std::nullopt;
    count += is_between ? 0 : 1;
    ++at;
  }
  open = open || (size > 0 && at == text.size());
  if (size == 0 || count < size || (at < text.size() && is_run(text[at]))) return std::nullopt;
  if (!pii::iban(Compacted(text.substr(run.begin, at - run.begin)).text())) return std::nullopt;
  return Extent{run.begin, at};
}

// The whole line of a passport that a run is in; none where that is not of it: what undecided()
// holds back for a line ends at any other character.
constexpr std::size_t kLineMax = 44;
bool is_of_line(char c) { return is_upper(c) || is_digit(c) || c == '<'; }

std::optional<Extent> line_around(std::string_view text, const Extent& run, bool& open) {
  const std::string_view of_run = text.substr(run.begin, run.end - run.begin);
  if (!std::ranges::all_of(of_run, is_of_line)) return std::nullopt;
  Extent line = run;
  while (line.begin > 0 && run.end - line.begin <= kLineMax && is_of_line(text[line.begin - 1])) {
    --line.begin;
  }
  while (line.end < text.size() && line.end - line.begin <= kLineMax &&
         is_of_line(text[line.end])) {
    ++line.end;
  }
  open = open || line.end == text.size();
  return line;
}

}  // namespace

void prepare_pii() {
  (void)PiiForms::get();
  (void)PiiWords::get();
}

std::optional<PiiMatch> PiiPass::next() {
  while (true) {
    const Place before = place_;
    const std::size_t at = find_sign(text_, place_.at);
    if (at >= text_.size()) {
      place_.at = text_.size();
      return std::nullopt;
    }
    place_.at = at + 1;
    open_ = false;
    std::optional<PiiMatch> found;
    if (text_[at] == '@') {
      const auto extent =
          is_wanted(kEmail) ? email_at(text_, at, place_.done, open_) : std::nullopt;
      if (extent) found = {kEmail, *extent};
    } else {
      found = at_digit(at);
    }
    if (open_ && more_ == MoreText::kMayCome) {
      place_ = before;
      place_.at = at;
      return std::nullopt;
    }
    if (!found) continue;
    place_.done = found->extent.end;
    place_.at = std::max(place_.at, place_.done);
    return found;
  }
}

std::size_t PiiPass::undecided() const {
  if (place_.at == text_.size() && (text_.empty() || static_cast<signed char>(text_.back()) < 0)) {
    return text_.size();
  }
  // Back from the sign that is open, or that may come next.
  const auto back = [&](std::size_t most, const auto& is_of) {
    const std::size_t least = std::max(place_.done, place_.at - std::min(place_.at, most));
    std::size_t at = place_.at;
    while (at > least && is_of(text_[at - 1])) --at;
    return at;
  };
  const std::size_t run = back(kRunMax + 1, is_run);
  std::size_t begin = std::min(run, back(kLocalMax, is_local));
  begin = std::min(begin, back(kLineMax + 1, is_of_line));
  // What stands before digits may be of them: a bracket, or two letters.
  const bool may_be_digits = run == text_.size() || is_digit(text_[run]) || is_upper(text_[run]);
  if (!may_be_digits || run <= place_.done) return begin;
  if (text_[run - 1] == '(') return std::min(begin, run - 1);
  const bool has_letters = run >= place_.done + 3 && text_[run - 1] == ' ' &&
                           is_upper(text_[run - 2]) && is_upper(text_[run - 3]);
  return has_letters ? std::min(begin, run - 3) : begin;
}

std::optional<PiiMatch> PiiPass::at_digit(std::size_t at) {
  Extent run{at, at + 1};
  while (run.end < text_.size() && is_run(text_[run.end])) ++run.end;
  place_.at = run.end;
  while (run.begin > place_.done && at - run.begin <= kRunMax && is_run(text_[run.begin - 1]))
    --run.begin;
  if (run.end - run.begin > kRunMax) return std::nullopt;
  open_ = run.end == text_.size();
  if (const auto found = of_own_form(run)) return found;
  if (const auto found = written_from(run.begin)) return found;
  if (run.begin < place_.done + 3) {
    if (run.begin <= place_.done) return std::nullopt;
    return text_[run.begin - 1] == '(' ? written_from(run.begin - 1) : std::nullopt;
  }
  if (text_[run.begin - 1] == '(') return written_from(run.begin - 1);
  // Two letters may stand before it as a group of their own.
  const bool has_letters = text_[run.begin - 1] == ' ' && is_upper(text_[run.begin - 2]) &&
                           is_upper(text_[run.begin - 3]);
  return has_letters ? written_from(run.begin - 3) : std::nullopt;
}

std::optional<PiiMatch> PiiPass::written_from(std::size_t begin) {
  struct End {
    std::size_t at;
    std::uint16_t node;
  };
  std::array<End, kWrittenMax> ends;
  std::size_t count = 0;
  const PiiForms& forms = PiiForms::get();
  std::uint16_t node = 0;
  const std::size_t most = std::min(text_.size(), begin + kWrittenMax);
  std::size_t at = begin;
  for (; at < most; ++at) {
    node = forms.next(node, text_[at]);
    if (node == 0) break;
    if (!forms.uses(node).empty()) ends[count++] = {at + 1, node};
  }
  if (!is_beginning(text_, begin)) return std::nullopt;
  open_ = open_ || (at == text_.size() && most < begin + kWrittenMax);
  while (count-- > 0) {
    if (const auto found = written_in({begin, ends[count].at}, ends[count].node)) return found;
  }
  return std::nullopt;
}

std::optional<PiiMatch> PiiPass::written_in(Extent extent, std::uint16_t node) {
  // A program that takes a card for a decimal writes it with zeros behind.
  const bool ends = is_end(text_, extent.end, open_);
  const auto end = ends ? extent.end : zeros_end(text_, extent.end, open_);
  if (!end) return std::nullopt;
  const std::span<const PiiForms::Use> uses = PiiForms::get().uses(node);
  const bool is_in_row = is_in_a_row(text_, extent, open_);
  if ((is_in_row || !ends) && std::ranges::none_of(uses, is_of_card)) return std::nullopt;
  const Compacted compact(text_.substr(extent.begin, extent.end - extent.begin));
  std::optional<PiiMatch> found;
  std::optional<PiiWords::Kinds> named;
  const auto is_named = [&](std::size_t kind) {
    if (!named) named = named_near(text_, extent, open_);
    return named->test(kind);
  };
  for (const PiiForms::Use& use : uses) {
    const PiiKind& kind = pii_kinds()[use.kind];
    if (!is_wanted(use.kind) || (found && !use.needs_word) ||
        ((is_in_row || !ends) && !is_of_card(use)) || !kind.check(compact.text())) {
      continue;
    }
    if (is_in_row && is_card_of_row(text_, extent, place_.done, open_) && !is_named(use.kind)) {
      continue;
    }
    // What is named beside it is more likely than what it only may be.
    if (!use.needs_word) {
      found = {use.kind, {extent.begin, *end}};
    } else if (is_named(use.kind)) {
      return PiiMatch{use.kind, {extent.begin, *end}};
    }
  }
  return found;
}

std::optional<PiiMatch> PiiPass::of_own_form(Extent run) {
  const auto told = [&](OwnForm kind, bool is_one, Extent extent) -> std::optional<PiiMatch> {
    return is_one ? std::optional(PiiMatch{kind, extent}) : std::nullopt;
  };
  const std::size_t size = run.end - run.begin;
  const char before = run.begin > 0 ? text_[run.begin - 1] : ' ';
  if (before == '+' && is_wanted(kPhoneNumber) && run.begin > place_.done &&
      is_beginning(text_, run.begin) && (run.begin < 2 || text_[run.begin - 2] != '+') &&
      !is_behind_negative(text_, run.begin - 1)) {
    if (const auto extent = phone_at(text_, run.begin, open_))
      return PiiMatch{kPhoneNumber, *extent};
  }
  if ((before == '<' || (run.end < text_.size() && text_[run.end] == '<')) &&
      is_wanted(kPassportMrz) && run.begin >= place_.line_done) {
    if (const auto line = line_around(text_, run, open_)) {
      place_.line_done = line->end;
      return told(kPassportMrz,
                  line->begin >= place_.done &&
                      pii::passport_mrz(text_.substr(line->begin, line->end - line->begin)),
                  *line);
    }
  }
  if (is_wanted(kIban) && is_beginning(text_, run.begin)) {
    if (const auto extent = iban_at(text_, run, open_)) return PiiMatch{kIban, *extent};
  }
  const std::string_view text = text_.substr(run.begin, size);
  const auto is_named = [&](OwnForm kind) { return named_near(text_, run, open_).test(kind); };
  const bool is_whole = is_beginning(text_, run.begin) && is_end(text_, run.end, open_);
  if (size == 17) {
    return told(kVehicleNumber,
                is_wanted(kVehicleNumber) && is_whole && std::ranges::none_of(text, is_lower) &&
                    pii::vin(text) && is_named(kVehicleNumber),
                run);
  }
  if (size == 10) {
    return told(kIdentityCard,
                is_wanted(kIdentityCard) && is_whole && std::ranges::none_of(text, is_lower) &&
                    pii::de_identity_card(text) && is_named(kIdentityCard),
                run);
  }
  if (size == 42 && text.starts_with("0x")) {
    return told(kEthereumAddress, is_wanted(kEthereumAddress) && pii::ethereum_address(text), run);
  }
  return told(kBitcoinAddress,
              size >= 14 && is_wanted(kBitcoinAddress) && pii::bitcoin_like_address(text), run);
}

}  // namespace tollgate::content
