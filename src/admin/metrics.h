// What is counted for Prometheus, in its text format (version 0.0.4).
//
// Each loop has a Shard of its own, so that counting contends with nobody but a scrape; a
// scrape sums the shards. Labels come from the configuration and the table of refusals only,
// never from a caller, so their number is bounded. Names: contract.md, "Metrics and traces".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/money.h"
#include "base/units.h"
#include "controls/alerts/tally.h"
#include "pipeline/ports.h"

namespace tollgate::admin {

// Observations in buckets that double: from 1 µs for overhead, from 1 ms for first bytes.
struct Histogram {
  static constexpr int kBuckets = 18;
  explicit Histogram(Duration first) : first(first) {}
  void observe(Duration value);
  void add(const Histogram& other);

  Duration first;
  std::array<std::uint64_t, kBuckets> counts{};  // Not cumulative; the last is "above all".
  std::uint64_t total = 0;
  Duration sum{};
};

// A gauge that is asked for at the scrape.
struct Gauge {
  std::string name;
  std::string help;
  // Appends lines "{labels} value" through `emit`; labels may be empty.
  using Emit = std::function<void(std::string_view labels, double value)>;
  std::function<void(const Emit&)> collect;
  std::string type = "gauge";
};

class Metrics {
 public:
  class Shard;

  Metrics();
  ~Metrics();

  // A new shard; lives as long as the Metrics.
  pipeline::Meter& shard();

  // Registered before the first scrape.
  void gauge(Gauge gauge);

  // Whether callers are tallied for alerts from now on.
  void tally_callers(bool tallied);
  // Calls with what each loop has tallied since the last time; whoever is called empties it. One
  // thread at a time.
  void each_tally(const std::function<void(alerts::Tally&)>& take);

  // A reload of the configuration went well, or did not.
  void reloaded(bool successful);

  // The whole exposition. Any thread.
  std::string expose() const;

 private:
  mutable std::mutex mutex_;  // Of what follows; each shard has its own for its counts.
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Gauge> gauges_;
  std::uint64_t reloads_ = 0;
  bool last_reload_successful_ = true;
  alerts::Tally spare_;  // Of each_tally().
};

// A label value as the text format wants it: backslash, quote and newline escaped.
std::string escape_label(std::string_view value);

}  // namespace tollgate::admin
