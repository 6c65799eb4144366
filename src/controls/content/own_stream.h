// Reads one text that comes in pieces by the rules of the operator's own (own_rules.h), and says
// which match where and how much of it is decided.
//
// The verdict is that of a Scanner on the whole text. RE2 cannot tell where a match may have begun
// that is not complete, so as much of the text waits as the widest of the rules has; which is why
// only rules with an end, and a near one, are for answers. A window of twice as much is scanned
// anew with each piece, in all its forms: what begins in its first half was told before, and is
// there for what a rule looks at before a match.
//
// A window that is much longer than that is nearly all characters that nobody sees, and is scanned
// when it has grown by an eighth: until then its end waits.
//
// One thread. Each byte is scanned as often as there are pieces in four times the width, and a few
// times more.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/content/content.h"
#include "controls/content/forms.h"
#include "controls/content/scanner.h"

namespace tollgate::content {

// What answers are held to of the own rules: those that do something by `actions`.
struct OwnReading {
  std::size_t width = 0;        // Of the widest match, in bytes of the form that it is found in; 0:
                                // there is no such rule.
  bool has_words = false;       // Some read words.
  std::vector<Action> actions;  // As given, but kNone for all others.
};
OwnReading reading_of_own(const Rules& rules, std::span<const Action> actions);

// What the texts of one answer are read with; borrowed.
struct OwnReader {
  const OwnReading& reading;
  Scanner& scanner;
  const std::shared_ptr<const Rules>& rules;
  Forms& forms;
};

class OwnStream {
 public:
  // The next piece, whole characters of UTF-8. Matches that are known by now are appended to
  // `found`. A fault: it was not read.
  FaultOr<void> read(std::string_view piece, const OwnReader& by, std::vector<StreamMatch>& found);
  // There are no further pieces, so that all is decided.
  FaultOr<void> end(const OwnReader& by, std::vector<StreamMatch>& found);

  // In bytes of the text, from its beginning.
  std::size_t decided() const { return decided_; }
  // Bytes that it keeps.
  std::size_t memory() const { return window_.capacity(); }

 private:
  FaultOr<void> scan(std::string_view text, std::size_t last, const OwnReader& by,
                     std::vector<StreamMatch>& found);

  std::string window_;
  std::size_t gone_ = 0;  // Bytes of it that are not read any more.
  std::size_t base_ = 0;  // Where those behind them begin in the text.
  std::size_t read_ = 0;  // Bytes behind them that were scanned.
  std::size_t decided_ = 0;
  std::vector<StreamMatch> known_;  // Which were told and may be in the window.
};

}  // namespace tollgate::content
