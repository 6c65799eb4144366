// Variants of one template that come from several actors: what one key would show as near
// duplicates, spread over many.
//
// A bounded table of the templates that were seen last, whoever sent them. A template is the sketch
// of the first text of its kind; a text is of it where half of the 16 minhashes agree and no more
// than 18 of the 64 bits of the simhash differ, so about where both share half of all their words.
// Where to look is told by pairs of minhashes (locality-sensitive hashing in 8 bands of two rows):
// of texts that share three words in four one band agrees with a probability of 0.999.
//
// Texts at the edge of a template begin one of their own. So what is near one that was found to be
// a campaign, where 24 bits may differ, is of that one, whichever else it is nearer to.
//
// It is a campaign where within six hours kActors actors have sent kVariants different texts of it.
// The same text from many is none, whether a greeting or the fixed prompt of an application: what
// differs in nothing but numbers and names is the same. So what is looked at must be what callers
// wrote, not the system prompt that an application puts before it.
//
// No clock, no I/O; not safe from several threads. Sources: Indyk and Motwani, "Approximate Nearest
// Neighbors" (1998); Leskovec et al., "Mining of Massive Datasets", 3.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/units.h"
#include "controls/anomalies/features.h"

namespace tollgate::anomalies {

struct Template {
  Minhash minhash{};
  std::uint64_t simhash = 0;  // 0: the place is free.
  std::int64_t begun_seconds = 0;
  std::int64_t last_seconds = 0;
  std::int64_t flagged_seconds = 0;  // When it last was a campaign; 0: never.
  std::uint64_t actors = 0;          // A bit for each, by hash: few are told apart well enough.
  std::uint64_t variants = 0;        // The same of exact texts.
};
static_assert(std::is_trivially_copyable_v<Template>);

class Campaigns {
 public:
  static constexpr int kActors = 5;
  static constexpr int kVariants = 6;
  static constexpr int kAgreeing = 8;
  static constexpr int kNearBits = 18;
  static constexpr int kNearBitsFlagged = 24;
  static constexpr std::int64_t kWindow = 6 * 3600;  // Seconds.

  // `templates` is a power of two.
  explicit Campaigns(std::size_t templates);

  // Whether that text, of `actor`, is of a campaign.
  bool observe(const Features& features, std::uint64_t actor, WallTime now);

  std::span<const Template> templates() const { return templates_; }
  // Puts a template of an earlier run back.
  void restore(const Template& kept);

 private:
  static constexpr std::size_t kBands = 8;

  std::size_t place_of(const Minhash& minhash, std::size_t band) const;
  Template* find(const Features& features, std::int64_t seconds);
  Template& take_place(std::int64_t seconds);
  void point_to(const Minhash& minhash, const Template& kept);

  std::vector<Template> templates_;
  std::vector<std::uint32_t> index_;  // Of a band: the template and one; 0: none.
  std::size_t next_ = 0;
};

}  // namespace tollgate::anomalies
