// Personal data: numbers of persons, their accounts, cards and devices, by their structure and
// check digits, and addresses of mail and wallets.
//
// A kind is written in known groups ("d3-d2-d4") and has a check: a sum, a date, a list of issuers.
// Where that alone would take a number of other meaning for one in more than about a thousand, a
// word that people write beside such a number has to stand near ("SSN", "Steuer-ID"); so prose,
// code and tables are not found. What is not told by structure (names, postal addresses, birthdays)
// is not here.
//
// Numbers have no anchor that a database of texts could look for, so they are found by a pass of
// their own: it goes from digit to digit, many bytes at once, reads the groups there by a table of
// all forms, and looks at no more than a bounded number of bytes around. Linear in the text.
//
// Immutable; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "controls/content/content.h"
#include "controls/content/normal_form.h"
#include "controls/content/secrets.h"

namespace tollgate::content {

struct PiiKind {
  std::string_view rule;  // "pii.us_ssn"
  // How it is written; several are parted by |. d a digit, A an upper-case letter, x either, with a
  // number behind it for as many; anything else stands for itself. A leading ! asks for a word near
  // it. Empty: it is read in its own way.
  std::string_view forms;
  // Whether it may be one: digits and upper-case letters, without the rest. Null: by its forms.
  bool (*check)(std::string_view compact);
  std::string_view words;   // What is written near it, in lower case, parted by |.
  std::string_view source;  // Who says so.
};

std::span<const PiiKind> pii_kinds();

// Kinds without a digit, told by the name that they are assigned to.
std::span<const Secret> pii_by_name();

struct PiiMatch {
  std::uint16_t kind = 0;  // Of pii_kinds().
  Extent extent;
};

// One pass over a text, or over the end of one that goes on.
class PiiPass {
 public:
  // How far a pass has come, in bytes of its text.
  struct Place {
    std::size_t at = 0;         // Everything before has been looked at…
    std::size_t done = 0;       // …and no match begins before this.
    std::size_t line_done = 0;  // The end of the last line that may have been a passport's.
  };
  // Bytes before a place that a look there may need.
  static constexpr std::size_t kBehind = 256;

  // `actions` has one for each kind; what has none is not looked for.
  PiiPass(std::string_view text, std::span<const Action> actions)
      : PiiPass(text, actions, Place(), MoreText::kNone) {}
  // Goes on from a place.
  PiiPass(std::string_view text, std::span<const Action> actions, const Place& from, MoreText more)
      : text_(text), actions_(actions), more_(more), place_(from) {}

  // The next match, in the order of the text. Where more may come it stops before what that could
  // decide otherwise.
  std::optional<PiiMatch> next();

  // After the last match: from where to go on, and where one could begin that is not known yet.
  Place place() const { return place_; }
  std::size_t undecided() const;

 private:
  bool is_wanted(std::size_t kind) const { return actions_[kind] != Action::kNone; }
  std::optional<PiiMatch> at_digit(std::size_t at);
  std::optional<PiiMatch> written_from(std::size_t begin);
  std::optional<PiiMatch> written_in(Extent extent, std::uint16_t node);
  std::optional<PiiMatch> of_own_form(Extent run);

  std::string_view text_;
  std::span<const Action> actions_;
  const MoreText more_;
  Place place_;
  bool open_ = false;  // What is looked at could be something else with more text behind it.
};

// Makes the table of forms; else the first pass does.
void prepare_pii();

}  // namespace tollgate::content
