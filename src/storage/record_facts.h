// What a sealed record says of itself, for those who look for records and prove them.
//
// Pure. One thread at a time.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"
#include "controls/audit/audit.h"

namespace tollgate::storage {

// Texts are as the record has them, cut to audit::kTextBytesMax, and valid until the next read.
struct RecordFacts {
  std::int64_t sequence = 0;
  WallTime time{};
  audit::Phase phase = audit::Phase::kDecision;
  audit::Outcome outcome = audit::Outcome::kAllowed;  // A change has none.
  std::string_view id;
  std::string_view tenant;  // Of a change, whose the object is.
  std::string_view subject;
  std::string_view key_id;
  std::string_view route;
  std::string_view model;  // The one served.
  std::string_view code;
  std::string_view action;  // Of a change, as the next.
  std::string_view object;
  std::string_view accounts;  // Of the budgets that it was held on, packed; see accounts.h.
  std::string_view price_version;
  Money held;          // On the budget that held most.
  Tokens counted = 0;  // Input, before it was admitted; 0 where it was only bounded.
  // What it used and cost, by its outcome.
  Tokens input = 0;
  Tokens cached_input = 0;
  Tokens audio_input = 0;
  Tokens image_input = 0;
  Tokens cache_write_5m = 0;
  Tokens cache_write_1h = 0;
  Tokens output = 0;
  Tokens reasoning = 0;
  Tokens audio_output = 0;
  ServiceTier tier = ServiceTier::kDefault;
  Money cost;
  bool by_provider = false;              // The provider's own figures.
  std::optional<Tokens> input_reported;  // By the provider, whatever was charged.
};

class FactReader {
 public:
  // Empty where `line` is no record. simdjson::SIMDJSON_PADDING bytes after it are readable.
  std::optional<RecordFacts> read(std::string_view line);

 private:
  simdjson::dom::parser parser_;
  std::string accounts_;
};

// Whether requests with this verdict went upstream.
bool lets_leave(audit::Outcome outcome);

// A moment as records write it: RFC 3339 in UTC with microseconds.
std::optional<WallTime> parse_record_time(std::string_view text);

// When the request or change was named `id`, to the millisecond; empty for ids that do not tell.
std::optional<WallTime> time_of_id(std::string_view id);
// Whether `id` is of the form of a change's.
bool is_change_id(std::string_view id);

}  // namespace tollgate::storage
