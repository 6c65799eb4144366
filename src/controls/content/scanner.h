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
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/fault.h"
#include "controls/content/content.h"
#include "controls/content/forms.h"
#include "controls/content/rules.h"
#include "controls/content/smuggling.h"

struct hs_scratch;

namespace tollgate::content {

class Scanner {
 public:
  // More are not told: one is enough to refuse, and the record is bounded.
  static constexpr std::size_t kFindingsMax = 16;

  Scanner();
  ~Scanner();
  Scanner(const Scanner&) = delete;

  // From here on texts are numbered from 0 anew, and read by those of the `rules` that are of one
  // of the packs. Fails where there is no memory for it. Without `layers` a text that is encoded is
  // not decoded: what comes in a stream could not be, and is held to the same.
  FaultOr<void> begin(std::shared_ptr<const Rules> rules, std::span<const Pack> packs,
                      Layers layers = Layers::kAll);
  // The next text; UTF-8. A fault: it was not read to its end, and what stands in it is not known.
  FaultOr<void> read(std::string_view text);

  // The first text that is encoded more than Forms::kLayersMax times over, and was not read to its
  // end for that.
  std::optional<std::size_t> too_deep() const { return too_deep_; }

  // In the order of the texts. Of the pack `unicode` a rule is told once a text: each letter of a
  // word may hide something. Valid until the next begin() or read().
  std::span<const Finding> found() const { return {found_.data(), count_}; }

 private:
  static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void* context);
  FaultOr<void> scan(const Forms::Seen& form);
  FaultOr<void> scan_database(const Forms::Seen& form);
  void add(std::string_view rule, const Extent& extent);

  bool has_secrets_ = false;  // Which packs are asked for.
  bool has_unicode_ = false;
  std::shared_ptr<const Rules> rules_;  // Of the last begin(); kept, as the scratch is for it.
  hs_scratch* scratch_ = nullptr;
  Layers layers_ = Layers::kAll;
  Forms forms_;                                           // Of the text that is being read.
  Forms::Seen form_;                                      // Which is being scanned…
  std::array<std::string_view, kFindingsMax> matched_{};  // …and what matched there…
  std::array<Extent, kFindingsMax> extents_{};            // …and where.
  std::size_t matches_ = 0;
  std::array<Finding, kFindingsMax> found_;
  std::size_t count_ = 0;
  std::size_t text_ = 0;                          // Number of the next text.
  std::array<bool, kSmugglingCount> smuggled_{};  // What was found in it.
  std::optional<std::size_t> too_deep_;
};

}  // namespace tollgate::content
