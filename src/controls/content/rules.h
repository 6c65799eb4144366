// The rules of all packs, compiled into one Vectorscan database.
//
// The database finds where a rule may begin: its anchor, a text that ordinary prose does not have.
// Whether it is a match is then told by a look at the characters around it (secrets.h), which knows
// lengths, alphabets and checksums exactly. So no pattern has a repetition without an end, and what
// a text costs is linear in its bytes, whatever stands in it.
//
// Source: Vectorscan 5.4 (a fork of Hyperscan), "Developer's Reference Guide", block mode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/fault.h"
#include "controls/content/forms.h"
#include "controls/content/secrets.h"

struct hs_database;

namespace tollgate::content {

// Immutable, and safe from any thread.
class Rules {
  struct Private {};

 public:
  // What is looked for behind a short anchor, in characters.
  static constexpr std::size_t kAhead = 8;

  // Takes some milliseconds. Fails where the processor lacks what Vectorscan needs, or memory.
  static FaultOr<std::shared_ptr<const Rules>> compile();

  explicit Rules(Private) {}

  const hs_database& database() const { return *database_; }
  // Whose anchor the database reports under that id, and where the anchor ends.
  static const Secret& secret(unsigned id) { return secrets()[id]; }
  static std::size_t anchor_end(unsigned id, std::size_t match_end);
  static Reading reading(unsigned) { return Reading::kExact; }
  // Whether any rule reads words: else no text is folded.
  static constexpr bool kHasWords = false;

 private:
  struct Free {
    void operator()(hs_database* database) const;
  };
  std::unique_ptr<hs_database, Free> database_;
};

}  // namespace tollgate::content
