// Reads texts and says which rules match where.
//
// A text is read in all the forms in which a model could read it (forms.h), so that what is split
// by characters that nobody sees, written in look-alikes or encoded is found. What is split between
// two texts is not.
//
// One thread: a Scanner belongs to one loop and is reused, its memory with it, so that the steady
// state allocates nothing. What a text costs is linear in its bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/content/content.h"
#include "controls/content/forms.h"
#include "controls/content/rules.h"
#include "controls/content/scanned_texts.h"
#include "controls/content/smuggling.h"

struct hs_scratch;

namespace tollgate::content {

// What a text is to who reads it: one of `kJson`, the arguments of a call, may be parsed, so what
// its escapes stand for hides in it as well.
enum class ReadAs : std::uint8_t { kText, kJson };

class Scanner {
 public:
  // More are not told: one is enough to refuse, and the record is bounded. Where there are more,
  // those are told that most is done about.
  static constexpr std::size_t kFindingsMax = 16;
  // The same where what is found is masked, so that it all has to be known.
  static constexpr std::size_t kMaskedMax = 1024;

  Scanner();
  ~Scanner();
  Scanner(const Scanner&) = delete;

  // From here on texts are numbered from 0 anew, and read by those of the `rules` that do
  // something: `actions` has one for each of Rules::all(), and lives until the last read(). Fails
  // where there is no memory for it. Without `layers` a text that is encoded is not decoded: what
  // comes in a stream could not be, and is held to the same. At most `room` findings are told:
  // kFindingsMax or kMaskedMax.
  FaultOr<void> begin(std::shared_ptr<const Rules> rules, std::span<const Action> actions,
                      Layers layers = Layers::kAll, std::size_t room = kFindingsMax);
  // Until the next begin(): a text in which nothing is found is remembered, and not read again
  // where it comes once more from that owner and is read by the same rules, to do the same. What
  // one has sent tells no other, not even by the time that it takes.
  void remember(std::string_view owner);
  // The next text; UTF-8. A fault: it was not read to its end, and what stands in it is not known.
  FaultOr<void> read(std::string_view text, ReadAs as = ReadAs::kText);

  // The first text that is encoded more than Forms::kLayersMax times over, and was not read to its
  // end for that.
  std::optional<std::size_t> too_deep() const { return too_deep_; }

  // How many of the texts since begin() were known, and not read.
  std::size_t known() const { return known_; }

  // In the order of the texts. Of the pack `unicode` a rule is told once a text: each letter of a
  // word may hide something. Valid until the next begin() or read().
  std::span<const Finding> found() const { return found_; }

 private:
  struct Match {
    std::uint16_t rule = 0;
    Action action = Action::kNone;
    Extent extent;
  };
  // Of one form, in no order; the weakest make room.
  class Matches {
   public:
    // False where no further match could matter.
    bool keep(const Match& match, std::size_t room);
    std::span<const Match> all() const { return matches_; }
    void clear() {
      matches_.clear();
      weak_ = {};
    }
    // Leads their extents elsewhere, all at once.
    template <class Lead>
    void lead(Lead lead) {
      extents_.clear();
      for (const Match& match : matches_) extents_.push_back(match.extent);
      lead(std::span(extents_));
      for (std::size_t i = 0; i < matches_.size(); ++i) matches_[i].extent = extents_[i];
    }

   private:
    bool has_place_for(const Match& match);

    std::vector<Match> matches_;
    // Of those that are neither masked nor refused, by action: kFindingsMax of them are enough.
    std::array<std::size_t, static_cast<std::size_t>(Action::kRedact)> weak_{};
    std::vector<Extent> extents_;
  };
  // Sets of actions that are told apart; with more of them all is forgotten.
  static constexpr std::size_t kActionsMax = 64;
  std::uint32_t number_of_actions();
  std::optional<ScannedTexts::Tag> tag_of(std::string_view text, ReadAs as);
  FaultOr<void> read_anew(std::string_view text, ReadAs as);

  static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void* context);
  FaultOr<void> scan(const Forms::Seen& form);
  FaultOr<void> scan_database(const Forms::Seen& form);
  FaultOr<void> scan_turned(const Forms::Seen& form);
  FaultOr<void> scan_backwards(const Forms::Seen& form);
  void scan_own(std::string_view text);
  void scan_numbers(std::string_view text);
  void scan_characters(std::string_view text);
  void scan_escaped(std::string_view json);
  bool is_of_cut(const Extent& extent);
  bool keep(std::size_t rule, const Extent& extent);
  void add(const Match& match);

  std::span<const Action> actions_;
  bool has_pii_ = false;  // Whether some rule does something that is found by its pass…
  bool has_unicode_ = false;
  bool has_words_ = false;              // …or reads words…
  bool has_others_ = false;             // …or is of the database.
  std::shared_ptr<const Rules> rules_;  // Of the last begin(); kept, as the scratch is for it.
  hs_scratch* scratch_ = nullptr;
  Layers layers_ = Layers::kAll;
  Reads reads_ = Reads::kWindows;
  Forms forms_;                        // Of the text that is being read.
  Forms::Seen form_;                   // Which is being scanned…
  std::optional<Forms::Edges> edges_;  // …the ends of it that a cut may have made, if asked…
  Matches matched_;                    // …and what matched there…
  Matches of_form_;                    // …and in all windows of its form.
  bool may_be_turned_ = false;         // It has a sign of ROT13…
  bool may_be_backwards_ = false;      // …or of being backwards…
  std::string turned_;                 // …and what it says then.
  Matches of_turned_;                  // What matched before it was turned around.
  std::string unescaped_;              // A text that is JSON.
  std::size_t room_ = kFindingsMax;
  std::vector<std::size_t> candidates_;  // Own rules that may match there…
  std::vector<Extent> own_extents_;      // …and where one does.
  std::vector<Finding> found_;
  std::size_t text_ = 0;                          // Number of the next text.
  std::array<bool, kSmugglingCount> smuggled_{};  // What was found in it.
  std::optional<std::size_t> too_deep_;
  ScannedTexts scanned_;                    // By the rules…
  std::vector<std::vector<Action>> acted_;  // …and the number of what was done then.
  bool remembers_ = false;
  std::string context_;          // Of a verdict, beside the text and how it is read.
  ScannedTexts::Found in_text_;  // Found in the text that is being read.
  std::size_t known_ = 0;
};

}  // namespace tollgate::content
