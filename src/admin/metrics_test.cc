#include "admin/metrics.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace tollgate::admin {
namespace {

// The text format as a scrape reads it: every line is HELP, TYPE or a sample of the family that
// was typed last, no sample comes twice. Returns the samples by name and labels.
std::map<std::string, std::string> scrape(const std::string& text) {
  std::map<std::string, std::string> samples;
  std::set<std::string> families;
  std::string family;
  EXPECT_TRUE(text.ends_with('\n'));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family;
      continue;
    }
    if (line.starts_with("# TYPE ")) {
      EXPECT_EQ(line.substr(7, line.find(' ', 7) - 7), family);
      continue;
    }
    EXPECT_TRUE(line.starts_with(family)) << line;
    const std::size_t space = line.rfind(' ');
    EXPECT_NE(space, std::string::npos) << line;
    if (space == std::string::npos) continue;
    const std::string value = line.substr(space + 1);
    std::size_t read = 0;
    EXPECT_NO_THROW((void)std::stod(value, &read)) << line;
    EXPECT_EQ(read, value.size()) << line;
    const std::string name = line.substr(0, space);
    EXPECT_EQ(name.find('{') == std::string::npos, name.find('}') == std::string::npos) << line;
    EXPECT_TRUE(samples.emplace(name, value).second) << line;
  }
  return samples;
}

struct Ended {
  Ended() {
    actor.tenant = "acme";
    record.actor = &actor;
    record.route = "chat";
    record.model_served = "small";
    record.upstream = "vllm";
    record.usage_source = audit::UsageSource::kProvider;
    record.input = 9;
    record.output = 4;
    record.cost = {49};
    attempt.upstream = "vllm";
    attempt.status = 200;
    record.attempts = {&attempt, 1};
  }
  authentication::Identity actor;
  audit::Attempt attempt;
  audit::Record record;
};

struct Tallied final : alerts::Tally::Reader {
  explicit Tallied(Metrics& metrics) {
    metrics.each_tally([&](alerts::Tally& tally) { tally.drain(*this); });
  }
  void caller(const alerts::Who&, const alerts::Deed& deed) override {
    refused += deed.refused;
    spent = add_saturated(spent, deed.spent);
  }
  void upstream(std::string_view, const alerts::Attempts& attempts) override {
    failed += attempts.failed;
  }
  void model(std::string_view, const alerts::Counted&) override {}
  void authentication_failures(std::int64_t count) override { disbelieved += count; }
  std::int64_t refused = 0, failed = 0, disbelieved = 0;
  Money spent;
};

// A dead key that leaked, an upstream that is down and what is attempted anew say nothing against
// whose name is on record.
TEST(Metrics, TallyAgainstCallersOnlyWhatTheyAskedFor) {
  Metrics metrics;
  pipeline::Meter& shard = metrics.shard();
  metrics.tally_callers(true);
  struct Row {
    std::string_view code, rule, followed_by;
    std::int64_t refused, disbelieved;
  };
  const Row rows[] = {
      {"content_refused", "content", "", 1, 0},
      {"content_refused", "content", "req_2", 0, 0},
      {"anomaly_refused", "alerts[0]", "", 0, 0},
      {"revoked_credential", "", "", 0, 1},
      {"expired_credential", "", "", 0, 1},
      {"invalid_credential", "", "", 0, 1},
      {"missing_credential", "", "", 0, 0},
      {"rate_limited", "authentication.failures", "", 0, 1},
      {"rate_limited", "limits.user_id", "", 1, 0},
      {"upstream_error", "upstreams.vllm", "", 0, 0},
      {"upstream_timeout", "upstreams.vllm", "", 0, 0},
      {"overloaded", "", "", 0, 0},
      {"store_unavailable", "", "", 0, 0},
      {"audit_unavailable", "", "", 0, 0},
  };
  for (const Row& row : rows) {
    Ended ended;
    ended.record.cost = {};
    ended.record.outcome = audit::Outcome::kRefused;
    ended.record.code = row.code;
    ended.record.rule = row.rule;
    ended.record.followed_by = row.followed_by;
    shard.ended(ended.record, {});
    const Tallied tallied(metrics);
    EXPECT_EQ(tallied.refused, row.refused) << row.code << row.rule;
    EXPECT_EQ(tallied.disbelieved, row.disbelieved) << row.code;
  }
  // A guard that is paid has refused it.
  Ended paid;
  paid.record.outcome = audit::Outcome::kRefused;
  paid.record.code = "content_refused";
  shard.ended(paid.record, {});
  const Tallied tallied(metrics);
  EXPECT_EQ(tallied.refused, 1);
  EXPECT_EQ(tallied.spent, Money{49});
}

TEST(Metrics, ACallerThatLeavesIsNoFailureOfTheUpstream) {
  for (const std::string_view code : {"caller_gone", "revoked_credential", "upstream_error"}) {
    Metrics metrics;
    pipeline::Meter& shard = metrics.shard();
    metrics.tally_callers(true);
    Ended ended;
    ended.record.code = code;
    ended.attempt.status = 0;
    shard.ended(ended.record, {});
    const bool failed = code == "upstream_error";
    EXPECT_EQ(Tallied(metrics).failed, failed ? 1 : 0) << code;
    EXPECT_EQ(scrape(metrics.expose())
                  .contains(fmt::format(
                      R"(tollgate_upstream_requests_total{{upstream="vllm",status="{}"}})",
                      failed ? 0 : 499)),
              true)
        << code;
  }
}

TEST(Metrics, ExposeAnEmptyGateway) {
  Metrics metrics;
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at("tollgate_concurrent_requests"), "0");
  EXPECT_EQ(samples.at("tollgate_config_last_reload_successful"), "1");
  EXPECT_EQ(samples.at("tollgate_overhead_seconds_count"), "0");
}

TEST(Metrics, CountAnswersThatAreGivenAgain) {
  Metrics metrics;
  pipeline::Meter& one = metrics.shard();
  pipeline::Meter& two = metrics.shard();
  Ended stored;
  stored.record.reuse = audit::Reuse::kStored;
  Ended missed;
  missed.record.reuse = audit::Reuse::kMiss;
  Ended followed = missed;  // Counted with the attempt after it.
  followed.record.actor = &followed.actor;
  followed.record.followed_by = "req_2";
  Ended hit;
  hit.record.reuse = audit::Reuse::kHit;
  hit.record.usage_source = audit::UsageSource::kNone;
  hit.record.cost = {2};
  hit.record.saved = {47};
  for (const Ended* each : {&stored, &followed, &missed, &hit}) one.ended(each->record, {});
  two.ended(hit.record, {});
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at(R"(tollgate_cache_total{route="chat",outcome="hit"})"), "2");
  EXPECT_EQ(samples.at(R"(tollgate_cache_total{route="chat",outcome="miss"})"), "2");
  EXPECT_EQ(samples.at(R"(tollgate_cache_total{route="chat",outcome="stored"})"), "1");
  EXPECT_EQ(samples.at(R"(tollgate_cache_saved_usd_total{route="chat"})"), "0.000094");
  EXPECT_EQ(samples.at(R"(tollgate_spend_usd_total{tenant="acme",model="small"})"), "0.000151")
      << "three that were made, and two hits";
}

TEST(Metrics, SumTheShards) {
  Metrics metrics;
  pipeline::Meter& one = metrics.shard();
  pipeline::Meter& two = metrics.shard();
  Ended ended;
  for (pipeline::Meter* meter : {&one, &two, &two}) {
    meter->began();
    meter->ended(ended.record, Duration(20));
  }
  one.began();
  audit::Record refused;
  refused.outcome = audit::Outcome::kRefused;
  refused.code = "invalid_credential";
  two.began();
  two.ended(refused, Duration(3));
  one.counted("small", 90, 100);
  two.counted("small", 20, 100);
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at(
                R"(tollgate_requests_total{route="chat",tenant="acme",outcome="allowed",code=""})"),
            "3");
  EXPECT_EQ(
      samples.at(
          R"(tollgate_requests_total{route="",tenant="",outcome="refused",code="invalid_credential"})"),
      "1");
  EXPECT_EQ(samples.at(R"(tollgate_tokens_total{tenant="acme",model="small",kind="input"})"), "27");
  EXPECT_EQ(samples.at(R"(tollgate_tokens_total{tenant="acme",model="small",kind="output"})"),
            "12");
  EXPECT_EQ(samples.at(R"(tollgate_spend_usd_total{tenant="acme",model="small"})"), "0.000147");
  EXPECT_EQ(samples.at(R"(tollgate_upstream_requests_total{upstream="vllm",status="200"})"), "3");
  EXPECT_EQ(samples.at("tollgate_concurrent_requests"), "1");
  EXPECT_NEAR(std::stod(samples.at(R"(tollgate_token_count_error_ratio{model="small"})")), -0.45,
              1e-9);
  EXPECT_EQ(samples.at("tollgate_overhead_seconds_count"), "4");
  EXPECT_EQ(samples.at("tollgate_first_byte_seconds_count"), "3");
}

TEST(Metrics, CountWhatRulesWouldHaveRefused) {
  Metrics metrics;
  const std::string_view rules[] = {"authentication.failures", "routes.chat.tools"};
  Ended ended;
  ended.record.observed = rules;
  metrics.shard().ended(ended.record, {});
  ended.record.observed = std::span(rules).first(1);
  metrics.shard().ended(ended.record, {});
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at(R"(tollgate_observed_total{rule="authentication.failures"})"), "2");
  EXPECT_EQ(samples.at(R"(tollgate_observed_total{rule="routes.chat.tools"})"), "1");
}

TEST(Metrics, CountToolsByRouteAndWhatBecameOfThem) {
  Metrics metrics;
  const audit::ToolCount counts[] = {
      {"search", "offered"}, {"other", "removed"}, {"search", "called"}, {"search", "offered"}};
  Ended ended;
  ended.record.route = "chat";
  ended.record.tool_counts = counts;
  metrics.shard().ended(ended.record, {});
  const auto samples = scrape(metrics.expose());
  const auto count = [&](std::string_view tool, std::string_view outcome) {
    return samples.at("tollgate_tools_total{route=\"chat\",tool=\"" + std::string(tool) +
                      "\",outcome=\"" + std::string(outcome) + "\"}");
  };
  EXPECT_EQ(count("search", "offered"), "2");
  EXPECT_EQ(count("other", "removed"), "1");
  EXPECT_EQ(count("search", "called"), "1");
}

TEST(Metrics, CountCallsByTool) {
  Metrics metrics;
  pipeline::Meter& shard = metrics.shard();
  Ended ended;
  ended.record.route = "docs";
  ended.record.mcp_method = "tools/call";
  ended.record.mcp_name = "search";
  shard.ended(ended.record, {});
  ended.record.mcp_failed = true;
  shard.ended(ended.record, {});
  ended.record.mcp_failed = false;
  ended.record.outcome = audit::Outcome::kRefused;
  ended.record.code = "tool_not_allowed";
  ended.record.mcp_name = "what a caller made up";
  shard.ended(ended.record, {});
  ended.record.mcp_method = "tools/list";
  shard.ended(ended.record, {});
  const auto samples = scrape(metrics.expose());
  const auto of = [&](std::string_view tool, std::string_view outcome) {
    return samples.at(fmt::format(
        R"(tollgate_mcp_calls_total{{route="docs",tool="{}",outcome="{}"}})", tool, outcome));
  };
  EXPECT_EQ(of("search", "allowed"), "1");
  EXPECT_EQ(of("search", "failed"), "1");
  EXPECT_EQ(of("", "refused"), "1");
}

TEST(Metrics, TellOfAbsentServersAndOfPaidCalls) {
  Metrics metrics;
  pipeline::Meter& shard = metrics.shard();
  Ended ended;
  ended.record.route = "docs";
  ended.record.mcp_method = "tools/list";
  ended.record.usage_source = audit::UsageSource::kNone;
  ended.record.cost = {};
  const std::string_view absent[] = {"github", "wiki"};
  ended.record.mcp_absent = absent;
  shard.ended(ended.record, {});
  shard.ended(ended.record, {});
  ended.record.mcp_method = "tools/call";
  ended.record.mcp_absent = {};
  ended.record.cost = Money{250'000};
  for (const std::string_view upstream : {"mcp:docs/github", "mcp:docs/wiki"}) {
    ended.record.upstream = upstream;
    shard.ended(ended.record, {});
  }
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at(R"(tollgate_mcp_absent_total{route="docs",server="wiki"})"), "2");
  EXPECT_EQ(samples.at(R"(tollgate_spend_usd_total{tenant="acme",model=""})"), "0.50");
}

// Where any tool is allowed, its name is the caller's choice.
TEST(Metrics, TellApartSoManyToolsAndNoMore) {
  Metrics metrics;
  pipeline::Meter& shard = metrics.shard();
  Ended ended;
  ended.record.route = "docs";
  ended.record.mcp_method = "tools/call";
  for (int i = 0; i < 1500; ++i) {
    const std::string name = fmt::format("tool_{}", i);
    ended.record.mcp_name = name;
    shard.ended(ended.record, {});
  }
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at(R"(tollgate_mcp_calls_total{route="docs",tool="other",outcome="allowed"})"),
            "500");
}

TEST(Metrics, KeepLabelsApartThatLookAlikeTogether) {
  Metrics metrics;
  pipeline::Meter& meter = metrics.shard();
  Ended a;
  Ended b;
  a.record.route = "ab";
  a.record.code = "c";
  b.record.route = "a";
  b.record.code = "bc";
  meter.ended(a.record, {});
  meter.ended(b.record, {});
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(
      samples.at(R"(tollgate_requests_total{route="ab",tenant="acme",outcome="allowed",code="c"})"),
      "1");
  EXPECT_EQ(
      samples.at(R"(tollgate_requests_total{route="a",tenant="acme",outcome="allowed",code="bc"})"),
      "1");
}

TEST(Metrics, EscapeLabels) {
  EXPECT_EQ(escape_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
  Metrics metrics;
  Ended ended;
  ended.record.route = "a\"} 7\nx{b=\"";
  metrics.shard().ended(ended.record, {});
  (void)scrape(metrics.expose());
}

TEST(Metrics, AskGaugesAtTheScrape) {
  Metrics metrics;
  int asked = 0;
  metrics.gauge({"tollgate_holds_open", "Holds.", [&](const Gauge::Emit& emit) {
                   emit("", ++asked);
                   emit("subject=\"a\"", 0.25);
                 }});
  metrics.reloaded(false);
  EXPECT_EQ(scrape(metrics.expose()).at("tollgate_holds_open"), "1");
  const auto samples = scrape(metrics.expose());
  EXPECT_EQ(samples.at("tollgate_holds_open"), "2");
  EXPECT_EQ(samples.at("tollgate_holds_open{subject=\"a\"}"), "0.25");
  EXPECT_EQ(samples.at("tollgate_config_last_reload_successful"), "0");
  EXPECT_EQ(samples.at("tollgate_config_reloads_total"), "1");
}

// For any observations: buckets only grow, and the last holds all.
TEST(Metrics, KeepHistogramsCumulative) {
  std::mt19937_64 random{4};
  Metrics metrics;
  pipeline::Meter& meter = metrics.shard();
  audit::Record record;
  Duration sum{};
  for (int i = 0; i < 1000; ++i) {
    const Duration overhead(static_cast<std::int64_t>(random() >> (random() % 40 + 24)));
    sum += overhead;
    meter.ended(record, overhead);
  }
  const std::string text = metrics.expose();
  std::uint64_t before = 0;
  int buckets = 0;
  constexpr std::string_view kBucket = "tollgate_overhead_seconds_bucket{le=";
  for (std::size_t at = text.find(kBucket); at != std::string::npos;
       at = text.find(kBucket, at + 1)) {
    const std::uint64_t count = std::stoull(text.substr(text.find(' ', at) + 1));
    EXPECT_GE(count, before);
    before = count;
    ++buckets;
  }
  EXPECT_EQ(buckets, Histogram::kBuckets);
  EXPECT_EQ(before, 1000U);
  EXPECT_NEAR(std::stod(scrape(text).at("tollgate_overhead_seconds_sum")),
              std::chrono::duration<double>(sum).count(), 1e-3 * static_cast<double>(sum.count()));
}

TEST(Histogram, PutsEachValueUnderItsBound) {
  Histogram histogram(Duration(1));
  for (const std::int64_t us : {0, 1, 2, 3, 4}) histogram.observe(Duration(us));
  EXPECT_EQ(histogram.counts[0], 2U);
  EXPECT_EQ(histogram.counts[1], 1U);
  EXPECT_EQ(histogram.counts[2], 2U);
  histogram.observe(std::chrono::hours(1));
  EXPECT_EQ(histogram.counts[Histogram::kBuckets - 1], 1U);
}

}  // namespace
}  // namespace tollgate::admin
