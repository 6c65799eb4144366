#include "admin/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "dialects/surface.h"

namespace tollgate::admin {

namespace {

// The counters that share one set of labels, found by a hash and told apart by the labels.
template <class Labels, class Counts>
class Series {
 public:
  template <class View>
  Counts& at(const View& labels) {
    const std::uint64_t hash = labels.hash();
    for (auto [it, end] = index_.equal_range(hash); it != end; ++it) {
      if (labels.same(entries_[it->second].first)) return entries_[it->second].second;
    }
    index_.emplace(hash, entries_.size());
    entries_.emplace_back(labels.own(), Counts{});
    return entries_.back().second;
  }
  const std::vector<std::pair<Labels, Counts>>& entries() const { return entries_; }

 private:
  std::unordered_multimap<std::uint64_t, std::size_t> index_;
  std::vector<std::pair<Labels, Counts>> entries_;
};

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  return (hash ^ std::hash<std::string_view>{}(text)) * 0x9e3779b97f4a7c15ULL;
}

using Labels3 = std::tuple<std::string, std::string, std::string>;
using Labels4 = std::tuple<std::string, std::string, std::string, std::string>;

struct RequestLabels {
  std::string_view route, tenant, outcome, code;
  std::uint64_t hash() const { return mix(mix(mix(mix(1, route), tenant), outcome), code); }
  bool same(const Labels4& other) const { return other == std::tie(route, tenant, outcome, code); }
  Labels4 own() const {
    return {std::string(route), std::string(tenant), std::string(outcome), std::string(code)};
  }
};

struct ModelLabels {
  std::string_view tenant, model, upstream;
  std::uint64_t hash() const { return mix(mix(mix(2, tenant), model), upstream); }
  bool same(const Labels3& other) const { return other == std::tie(tenant, model, upstream); }
  Labels3 own() const { return {std::string(tenant), std::string(model), std::string(upstream)}; }
};

// Names that callers may choose, where the operator allows any: no more than so many are told
// apart.
constexpr std::size_t kToolsMax = 1000;

constexpr int kGivenUp = 499;  // For the status of an attempt; as nginx has it.

struct ToolLabels {
  std::string_view route, tool, outcome;
  std::uint64_t hash() const { return mix(mix(mix(3, route), tool), outcome); }
  bool same(const Labels3& other) const { return other == std::tie(route, tool, outcome); }
  Labels3 own() const { return {std::string(route), std::string(tool), std::string(outcome)}; }
};

// Answers that are kept and given again: how many, and what making them anew had cost.
struct ReuseCounts {
  std::uint64_t hits = 0, misses = 0, stored = 0;
  Money saved;
};

struct NameLabel {
  std::string_view name;
  int status = 0;
  std::uint64_t hash() const { return mix(static_cast<std::uint64_t>(status), name); }
  bool same(const std::pair<std::string, int>& other) const {
    return other.first == name && other.second == status;
  }
  std::pair<std::string, int> own() const { return {std::string(name), status}; }
};

struct TokenCounts {
  Tokens input = 0, cached_input = 0, output = 0, reasoning = 0;
  std::int64_t images = 0, characters = 0, audio_seconds = 0, tool_calls = 0, requests = 0;
  Money spend;
};

struct CountError {
  Tokens ours = 0, provider = 0;
};

bool is_failed_authentication(const audit::Record& record) {
  constexpr std::string_view kCodes[] = {"missing_credential", "invalid_credential",
                                         "expired_credential", "revoked_credential",
                                         "credential_conflict"};
  return std::ranges::find(kCodes, record.code) != std::end(kCodes) ||
         (record.code == "rate_limited" && record.rule == "authentication.failures");
}

// Whoever shows no credential tries none.
bool is_disbelieved(const audit::Record& record) {
  return is_failed_authentication(record) && record.code != "missing_credential";
}

// What the caller can do nothing about.
bool is_no_doing_of_the_caller(const audit::Record& record) {
  constexpr std::string_view kCodes[] = {"upstream_error", "upstream_timeout", "overloaded",
                                         "store_unavailable", "audit_unavailable"};
  return std::ranges::find(kCodes, record.code) != std::end(kCodes);
}

// Of an attempt that was given up as nobody waited for it: its lack of a reply says nothing of the
// upstream.
bool is_given_up(const audit::Record& record, const audit::Attempt& attempt) {
  return attempt.status == 0 &&
         (record.code == "caller_gone" || record.code == "revoked_credential");
}

void head_of(std::string& out, std::string_view name, std::string_view help,
             std::string_view type) {
  fmt::format_to(std::back_inserter(out), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

}  // namespace

void Histogram::observe(Duration value) {
  int bucket = 0;
  for (Duration bound = first; value > bound && bucket < kBuckets - 1; bound *= 2) ++bucket;
  ++counts[bucket];
  ++total;
  sum += value;
}

void Histogram::add(const Histogram& other) {
  for (int i = 0; i < kBuckets; ++i) counts[i] += other.counts[i];
  total += other.total;
  sum += other.sum;
}

class Metrics::Shard final : public pipeline::Meter {
 public:
  void began() override {
    const std::lock_guard lock(mutex);
    ++at_work;
  }

  void ended(const audit::Record& record, Duration overhead_time) override {
    const std::lock_guard lock(mutex);
    if (record.followed_by.empty()) --at_work;
    const std::string_view tenant =
        record.actor == nullptr ? std::string_view() : record.actor->tenant;
    if (record.followed_by.empty()) {
      ++requests.at(
          RequestLabels{record.route, tenant, audit::name_of(record.outcome), record.code});
      overhead.observe(overhead_time);
    } else {
      ++followed.at(NameLabel{record.upstream});
    }
    if (record.reuse != audit::Reuse::kNone && record.followed_by.empty()) count_reuse(record);
    if (is_failed_authentication(record)) ++failures.at(NameLabel{record.code});
    for (const audit::ToolCount& one : record.tool_counts) {
      ++tools.at(ToolLabels{record.route, one.tool, one.outcome});
    }
    for (const std::string_view rule : record.observed) ++observed.at(NameLabel{rule});
    for (const audit::Attempt& attempt : record.attempts) {
      const int status = is_given_up(record, attempt) ? kGivenUp : attempt.status;
      upstreams.at(NameLabel{attempt.upstream, status}) += attempt.calls;
    }
    if (record.mcp_method == "tools/call") count_call(record);
    for (const std::string_view server : record.mcp_absent) {
      ++absent.at(ToolLabels{record.route, server, {}});
    }
    if (!record.mcp_method.empty() && record.cost > Money{}) {
      TokenCounts& counts = tokens.at(ModelLabels{tenant, {}, {}});
      counts.spend = add_saturated(counts.spend, record.cost);
    }
    if (is_tallied) tally_up(record);
    if (record.reuse == audit::Reuse::kHit) {
      Money& spend = tokens.at(ModelLabels{tenant, record.model_served, record.upstream}).spend;
      spend = add_saturated(spend, record.cost);
    }
    if (record.usage_source == audit::UsageSource::kNone) return;
    first_byte.observe(record.first_byte);
    TokenCounts& counts = tokens.at(ModelLabels{tenant, record.model_served, record.upstream});
    counts.input += record.input;
    counts.cached_input += record.cached_input;
    counts.output += record.output;
    counts.reasoning += record.reasoning;
    if (record.unit == dialects::name_of(dialects::Unit::kImages)) counts.images += record.units;
    if (record.unit == dialects::name_of(dialects::Unit::kCharacters)) {
      counts.characters += record.units;
    }
    if (record.unit == dialects::name_of(dialects::Unit::kAudioSeconds)) {
      counts.audio_seconds += record.units;
    }
    if (record.unit == "requests") counts.requests += record.units;
    for (const audit::PaidCalls& paid : record.paid_calls) counts.tool_calls += paid.calls;
    counts.spend = add_saturated(counts.spend, record.cost);
  }

  void tally_up(const audit::Record& record) {
    for (const audit::Attempt& attempt : record.attempts) {
      if (is_given_up(record, attempt)) continue;
      const bool served = attempt.status > 0 && attempt.status < 500;
      tally.attempted(attempt.upstream, served, attempt.calls);
    }
    if (is_disbelieved(record)) tally.failed_authentication();
    if (record.actor == nullptr) return;
    const alerts::Who who{
        record.actor->tenant,   record.actor->subject, record.actor->credential_id,
        record.actor->verifier, record.route,          record.model_served};
    if (record.cost.micro_usd > 0) tally.spent(who, record.cost);
    if (counts_as_refused(record)) tally.refused(who);
  }

  // Of whom it names. What an answer to an alert refuses is no news: it would be told again for
  // ever. Whoever shows a credential that is dead is not whose it was.
  static bool counts_as_refused(const audit::Record& record) {
    return record.outcome == audit::Outcome::kRefused && record.followed_by.empty() &&
           !record.rule.starts_with("alerts[") && !is_failed_authentication(record) &&
           !is_no_doing_of_the_caller(record);
  }

  void count_reuse(const audit::Record& record) {
    ReuseCounts& counts = reuses.at(NameLabel{record.route});
    if (record.reuse == audit::Reuse::kHit) {
      ++counts.hits;
    } else {
      ++counts.misses;
    }
    if (record.reuse == audit::Reuse::kStored) ++counts.stored;
    counts.saved = add_saturated(counts.saved, record.saved);
  }

  // What may not be called has no name here: whoever asks for it chose that.
  void count_call(const audit::Record& record) {
    std::string_view tool = record.mcp_name;
    if (record.outcome == audit::Outcome::kRefused && record.code == "tool_not_allowed") tool = {};
    if (calls.entries().size() >= kToolsMax) tool = "other";
    const std::string_view outcome =
        record.mcp_failed ? std::string_view("failed") : audit::name_of(record.outcome);
    ++calls.at(ToolLabels{record.route, tool, outcome});
  }

  void counted(std::string_view model, Tokens ours, Tokens provider) override {
    const std::lock_guard lock(mutex);
    CountError& error = errors.at(NameLabel{model});
    error.ours += ours;
    error.provider += provider;
    if (is_tallied) tally.counted(model, ours, provider);
  }

  mutable std::mutex mutex;
  std::int64_t at_work = 0;
  Series<Labels4, std::uint64_t> requests;
  Series<Labels3, TokenCounts> tokens;
  Series<Labels3, std::uint64_t> calls;
  Series<Labels3, std::uint64_t> absent;  // By route and server.
  Series<std::pair<std::string, int>, std::uint64_t> upstreams;
  Series<std::pair<std::string, int>, std::uint64_t> followed;
  Series<std::pair<std::string, int>, CountError> errors;
  Series<std::pair<std::string, int>, ReuseCounts> reuses;
  Series<std::pair<std::string, int>, std::uint64_t> failures;
  Series<std::pair<std::string, int>, std::uint64_t> observed;
  Series<Labels3, std::uint64_t> tools;
  Histogram overhead{Duration(1)};
  Histogram first_byte{std::chrono::milliseconds(1)};
  bool is_tallied = false;
  alerts::Tally tally;
};

namespace {

// The sum of all shards.
struct Sums {
  std::int64_t at_work = 0;
  std::map<Labels4, std::uint64_t> requests;
  std::map<Labels3, TokenCounts> tokens;
  std::map<Labels3, std::uint64_t> calls;
  std::map<Labels3, std::uint64_t> absent;
  std::map<std::pair<std::string, int>, std::uint64_t> upstreams;
  std::map<std::string, std::uint64_t> followed;
  std::map<std::string, CountError> errors;
  std::map<std::string, ReuseCounts> reuses;
  std::map<std::string, std::uint64_t> failures;
  std::map<std::string, std::uint64_t> observed;
  std::map<Labels3, std::uint64_t> tools;
  Histogram overhead{Duration(1)};
  Histogram first_byte{std::chrono::milliseconds(1)};

  void add(const Metrics::Shard& shard);
};

void write_requests(const Sums& sums, std::string& out) {
  const auto to = std::back_inserter(out);
  head_of(out, "tollgate_requests_total", "Requests by how they ended.", "counter");
  for (const auto& [labels, count] : sums.requests) {
    const auto& [route, tenant, outcome, code] = labels;
    fmt::format_to(
        to, "tollgate_requests_total{{route=\"{}\",tenant=\"{}\",outcome=\"{}\",code=\"{}\"}} {}\n",
        escape_label(route), escape_label(tenant), outcome, code, count);
  }
  head_of(out, "tollgate_mcp_calls_total", "Calls of MCP tools by how they ended.", "counter");
  for (const auto& [labels, count] : sums.calls) {
    const auto& [route, tool, outcome] = labels;
    fmt::format_to(to, "tollgate_mcp_calls_total{{route=\"{}\",tool=\"{}\",outcome=\"{}\"}} {}\n",
                   escape_label(route), escape_label(tool), outcome, count);
  }
  head_of(out, "tollgate_mcp_absent_total",
          "Lists and sessions without a server of their endpoint that could not be asked.",
          "counter");
  for (const auto& [labels, count] : sums.absent) {
    fmt::format_to(to, "tollgate_mcp_absent_total{{route=\"{}\",server=\"{}\"}} {}\n",
                   escape_label(std::get<0>(labels)), escape_label(std::get<1>(labels)), count);
  }
  head_of(out, "tollgate_upstream_requests_total",
          "Attempts at an upstream by status; 0 is no reply, 499 that nobody waited for one.",
          "counter");
  for (const auto& [labels, count] : sums.upstreams) {
    fmt::format_to(to, "tollgate_upstream_requests_total{{upstream=\"{}\",status=\"{}\"}} {}\n",
                   escape_label(labels.first), labels.second, count);
  }
  head_of(out, "tollgate_retries_total",
          "Attempts that failed and were followed by another, there or elsewhere.", "counter");
  for (const auto& [upstream, count] : sums.followed) {
    fmt::format_to(to, "tollgate_retries_total{{upstream=\"{}\"}} {}\n", escape_label(upstream),
                   count);
  }
  head_of(out, "tollgate_authentication_failures_total",
          "Requests refused for their credential; rate_limited: unseen, as too many failed before.",
          "counter");
  for (const auto& [reason, count] : sums.failures) {
    fmt::format_to(to, "tollgate_authentication_failures_total{{reason=\"{}\"}} {}\n", reason,
                   count);
  }
  head_of(out, "tollgate_observed_total",
          "Requests that a rule would have refused that is only to observe, or to alert.",
          "counter");
  for (const auto& [rule, count] : sums.observed) {
    fmt::format_to(to, "tollgate_observed_total{{rule=\"{}\"}} {}\n", escape_label(rule), count);
  }
  head_of(out, "tollgate_tools_total",
          "Tools that were offered, removed from a request, called and refused; `other`: one that "
          "the configuration does not name.",
          "counter");
  for (const auto& [labels, count] : sums.tools) {
    const auto& [route, tool, outcome] = labels;
    fmt::format_to(to, "tollgate_tools_total{{route=\"{}\",tool=\"{}\",outcome=\"{}\"}} {}\n",
                   escape_label(route), escape_label(tool), outcome, count);
  }
  head_of(out, "tollgate_concurrent_requests", "Requests at work now.", "gauge");
  fmt::format_to(to, "tollgate_concurrent_requests {}\n", sums.at_work);
}

void write_reuses(const Sums& sums, std::string& out) {
  const auto to = std::back_inserter(out);
  head_of(out, "tollgate_cache_total",
          "Requests of routes that keep answers: hit, miss, and stored of those that missed.",
          "counter");
  for (const auto& [route, counts] : sums.reuses) {
    const std::pair<std::string_view, std::uint64_t> outcomes[] = {
        {"hit", counts.hits}, {"miss", counts.misses}, {"stored", counts.stored}};
    for (const auto& [outcome, count] : outcomes) {
      fmt::format_to(to, "tollgate_cache_total{{route=\"{}\",outcome=\"{}\"}} {}\n",
                     escape_label(route), outcome, count);
    }
  }
  head_of(out, "tollgate_cache_saved_usd_total",
          "What answers that were given again had cost to make, beyond what they cost.", "counter");
  for (const auto& [route, counts] : sums.reuses) {
    fmt::format_to(to, "tollgate_cache_saved_usd_total{{route=\"{}\"}} {}\n", escape_label(route),
                   format_usd(counts.saved));
  }
}

void write_tokens(const Sums& sums, std::string& out) {
  const auto to = std::back_inserter(out);
  head_of(out, "tollgate_tokens_total", "Tokens settled, by kind.", "counter");
  for (const auto& [labels, counts] : sums.tokens) {
    const auto& [tenant, model, upstream] = labels;
    const std::pair<std::string_view, Tokens> kinds[] = {{"input", counts.input},
                                                         {"cached_input", counts.cached_input},
                                                         {"output", counts.output},
                                                         {"reasoning", counts.reasoning}};
    for (const auto& [kind, count] : kinds) {
      fmt::format_to(to, "tollgate_tokens_total{{tenant=\"{}\",model=\"{}\",kind=\"{}\"}} {}\n",
                     escape_label(tenant), escape_label(model), kind, count);
    }
  }
  head_of(out, "tollgate_units_total", "What else was settled, by kind.", "counter");
  for (const auto& [labels, counts] : sums.tokens) {
    for (const auto& [unit, count] :
         {std::pair(dialects::name_of(dialects::Unit::kImages), counts.images),
          std::pair(dialects::name_of(dialects::Unit::kCharacters), counts.characters),
          std::pair(dialects::name_of(dialects::Unit::kAudioSeconds), counts.audio_seconds),
          std::pair(std::string_view("requests"), counts.requests),
          std::pair(std::string_view("tool_calls"), counts.tool_calls)}) {
      if (count == 0) continue;
      fmt::format_to(to, "tollgate_units_total{{tenant=\"{}\",model=\"{}\",kind=\"{}\"}} {}\n",
                     escape_label(std::get<0>(labels)), escape_label(std::get<1>(labels)), unit,
                     count);
    }
  }
  head_of(out, "tollgate_spend_usd_total", "Money settled, in dollars.", "counter");
  for (const auto& [labels, counts] : sums.tokens) {
    fmt::format_to(to, "tollgate_spend_usd_total{{tenant=\"{}\",model=\"{}\"}} {}\n",
                   escape_label(std::get<0>(labels)), escape_label(std::get<1>(labels)),
                   format_usd(counts.spend));
  }
  head_of(out, "tollgate_token_count_error_ratio",
          "Our count of the input against the provider's, less one.", "gauge");
  for (const auto& [model, error] : sums.errors) {
    if (error.provider == 0) continue;
    fmt::format_to(to, "tollgate_token_count_error_ratio{{model=\"{}\"}} {}\n", escape_label(model),
                   static_cast<double>(error.ours) / static_cast<double>(error.provider) - 1);
  }
}

void write_histogram(std::string_view name, std::string_view help, const Histogram& histogram,
                     std::string& out) {
  const auto to = std::back_inserter(out);
  head_of(out, name, help, "histogram");
  std::uint64_t below = 0;
  Duration bound = histogram.first;
  for (int i = 0; i < Histogram::kBuckets - 1; ++i, bound *= 2) {
    below += histogram.counts[i];
    fmt::format_to(to, "{}_bucket{{le=\"{}\"}} {}\n", name,
                   std::chrono::duration<double>(bound).count(), below);
  }
  fmt::format_to(to, "{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name,
                 histogram.total, std::chrono::duration<double>(histogram.sum).count());
}

void Sums::add(const Metrics::Shard& shard) {
  const std::lock_guard lock(shard.mutex);
  at_work += shard.at_work;
  for (const auto& [labels, count] : shard.requests.entries()) requests[labels] += count;
  for (const auto& [labels, count] : shard.calls.entries()) calls[labels] += count;
  for (const auto& [labels, count] : shard.absent.entries()) absent[labels] += count;
  for (const auto& [labels, count] : shard.upstreams.entries()) upstreams[labels] += count;
  for (const auto& [labels, count] : shard.followed.entries()) followed[labels.first] += count;
  for (const auto& [labels, counts] : shard.tokens.entries()) {
    // Two upstreams that serve one model are one series.
    TokenCounts& sum = tokens[{std::get<0>(labels), std::get<1>(labels), {}}];
    sum.input += counts.input;
    sum.cached_input += counts.cached_input;
    sum.output += counts.output;
    sum.reasoning += counts.reasoning;
    sum.images += counts.images;
    sum.characters += counts.characters;
    sum.audio_seconds += counts.audio_seconds;
    sum.tool_calls += counts.tool_calls;
    sum.requests += counts.requests;
    sum.spend = add_saturated(sum.spend, counts.spend);
  }
  for (const auto& [labels, count] : shard.failures.entries()) failures[labels.first] += count;
  for (const auto& [labels, count] : shard.observed.entries()) observed[labels.first] += count;
  for (const auto& [labels, count] : shard.tools.entries()) tools[labels] += count;
  for (const auto& [labels, counts] : shard.reuses.entries()) {
    ReuseCounts& sum = reuses[labels.first];
    sum.hits += counts.hits;
    sum.misses += counts.misses;
    sum.stored += counts.stored;
    sum.saved = add_saturated(sum.saved, counts.saved);
  }
  for (const auto& [labels, error] : shard.errors.entries()) {
    errors[labels.first].ours += error.ours;
    errors[labels.first].provider += error.provider;
  }
  overhead.add(shard.overhead);
  first_byte.add(shard.first_byte);
}

}  // namespace

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

pipeline::Meter& Metrics::shard() {
  const std::lock_guard lock(mutex_);
  shards_.push_back(std::make_unique<Shard>());
  return *shards_.back();
}

void Metrics::tally_callers(bool tallied) {
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Shard>& shard : shards_) {
    const std::lock_guard shard_lock(shard->mutex);
    shard->is_tallied = tallied;
  }
}

void Metrics::each_tally(const std::function<void(alerts::Tally&)>& take) {
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Shard>& shard : shards_) {
    {
      const std::lock_guard shard_lock(shard->mutex);
      swap(shard->tally, spare_);
    }
    take(spare_);
  }
}

void Metrics::gauge(Gauge gauge) {
  const std::lock_guard lock(mutex_);
  gauges_.push_back(std::move(gauge));
}

void Metrics::reloaded(bool successful) {
  const std::lock_guard lock(mutex_);
  ++reloads_;
  last_reload_successful_ = successful;
}

std::string Metrics::expose() const {
  const std::lock_guard lock(mutex_);
  Sums sums;
  for (const std::unique_ptr<Shard>& shard : shards_) sums.add(*shard);

  std::string out;
  const auto to = std::back_inserter(out);
  head_of(out, "tollgate_build_info", "Always 1; the labels say which build.", "gauge");
  fmt::format_to(to, "tollgate_build_info{{version=\"{}\"}} 1\n", TOLLGATE_VERSION);
  write_requests(sums, out);
  write_reuses(sums, out);
  write_tokens(sums, out);
  write_histogram("tollgate_overhead_seconds", "Time a request spent in the gateway itself.",
                  sums.overhead, out);
  write_histogram("tollgate_first_byte_seconds",
                  "Time from the hold to the head of the upstream's reply.", sums.first_byte, out);
  head_of(out, "tollgate_config_reloads_total", "Reloads of the configuration tried.", "counter");
  fmt::format_to(to, "tollgate_config_reloads_total {}\n", reloads_);
  head_of(out, "tollgate_config_last_reload_successful",
          "Whether the configuration in force is the one last read.", "gauge");
  fmt::format_to(to, "tollgate_config_last_reload_successful {}\n",
                 last_reload_successful_ ? 1 : 0);
  for (const Gauge& gauge : gauges_) {
    head_of(out, gauge.name, gauge.help, gauge.type);
    gauge.collect([&](std::string_view labels, double value) {
      if (labels.empty()) {
        fmt::format_to(to, "{} {}\n", gauge.name, value);
      } else {
        fmt::format_to(to, "{}{{{}}} {}\n", gauge.name, labels, value);
      }
    });
  }
  return out;
}

std::string escape_label(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace tollgate::admin
