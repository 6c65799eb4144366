// What recorded usage would have cost at other prices.
//
// Pure. One thread at a time.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "config/price_table.h"
#include "storage/record_facts.h"

namespace tollgate::cli {

// What an outcome on record says was used.
struct RecordedUsage {
  std::string id;
  WallTime time{};
  std::string model;
  std::string tenant;
  cost::Amounts amounts;
  std::string unit;  // "images"; empty: nothing is paid beside tokens.
  std::int64_t units = 0;
  std::map<std::string, std::int64_t, std::less<>> tool_calls;
  bool has_usage = false;
  bool costs_tokens = true;  // By its surface; else it costs nothing.
  // There were images, of which the record does not say how many tokens they were.
  bool has_untold_images = false;
  Money cost;  // As it was settled, without that of guards.
};

class RecordedUsageReader {
 public:
  // Nothing: no outcome of a request to a model. `line` has simdjson::SIMDJSON_PADDING readable
  // bytes behind its end.
  std::optional<RecordedUsage> read(std::string_view line);
  // A decision: whether its request had images is only said there. From then on read() knows it.
  void note_images(std::string_view line);

 private:
  storage::FactReader facts_;
  std::set<std::string, std::less<>> with_images_;  // By id.
  simdjson::dom::parser parser_;
};

// What that costs at `list`; or in words what has no price there.
std::expected<Money, std::string> reprice(const config::PriceList& list,
                                          const RecordedUsage& usage);

// The list of `lists`, which are as of a PriceTable and not empty, that holds at that moment.
const config::PriceList& list_at(const std::vector<config::PriceList>& lists, WallTime moment);

struct WhatIfRow {
  std::int64_t requests = 0;
  Money recorded;  // Of those that could be priced…
  Money what_if;
  std::int64_t unpriced = 0;
  Money unpriced_recorded;  // …and of those that could not.
};
struct WhatIf {
  std::map<std::pair<std::string, std::string>, WhatIfRow> rows;  // By model and tenant.
  // By model and why: how many requests.
  std::map<std::pair<std::string, std::string>, std::int64_t> unpriced;

  void add(const RecordedUsage& usage, const std::expected<Money, std::string>& cost);
};

}  // namespace tollgate::cli
