#include "controls/audit/audit.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace tollgate::audit {
namespace {

constexpr std::string_view kRoles[] = {"engineer", "on\"call"};
constexpr std::string_view kObserved[] = {"limits.user_id.requests_per_minute"};
constexpr std::string_view kTools[] = {"search_docs", "get_weather"};

WallTime moment() {
  using namespace std::chrono;
  return sys_days(2026y / 11 / 25) + 12h + 59min + 7s + 42us;
}

authentication::Identity alice() {
  authentication::Identity identity;
  identity.tenant = "acme";
  identity.subject = "alice";
  identity.credential_id = "K1b2C3d4E5f6";
  identity.roles = kRoles;
  return identity;
}

Record allowed(const authentication::Identity& actor) {
  Record record;
  record.id = "req_01";
  record.time = moment();
  record.config_version = "0a1b2c3d4e5f";
  record.listener = "public";
  record.client_ip.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  record.actor = &actor;
  record.route = "chat";
  record.surface = "chat_completions";
  record.model_asked = "gpt-4o";
  record.model_served = "gpt-4o";
  record.upstream = "openai";
  return record;
}

std::string written(const Record& record, Phase phase) {
  std::string out;
  write(record, phase, out);
  return out;
}

TEST(Audit, TellsWhatWasUnusualAndOfTheTextFiguresAlone) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  record.prompt_bytes = 300;
  const std::string_view texts[] = {
      "please look at the invoice of last month and compare what is charged with the contract"};
  anomalies::Features features = anomalies::measure(texts, 7);
  record.features = &features;
  record.anomaly.signs.add(anomalies::Sign::kNewAgent);
  record.anomaly.signs.add(anomalies::Sign::kCampaign);
  record.anomaly.score = record.anomaly.signs.score();
  record.anomaly.action = "alert";
  const std::string decision = written(record, Phase::kDecision);
  EXPECT_NE(
      decision.find(R"("features":{"bytes":86,"words":10,"distinct_words":10,"longest_run":2,)"
                    R"("entropy_bits":)"),
      std::string::npos)
      << decision;
  EXPECT_NE(decision.find(R"("encoded":0,"beyond_ascii":0,"scripts":["latin"]})"),
            std::string::npos)
      << decision;
  EXPECT_NE(decision.find(R"("anomaly":{"score":100,"reasons":["new_agent","campaign"],)"
                          R"("action":"alert"})"),
            std::string::npos)
      << decision;
  EXPECT_EQ(decision.find("invoice"), std::string::npos);
  record.fingerprint = 5;
  EXPECT_NE(written(record, Phase::kDecision).find(R"("simhash":")"), std::string::npos);
  EXPECT_EQ(written(record, Phase::kOutcome).find("anomaly"), std::string::npos);
  record.anomaly = {};
  EXPECT_EQ(written(record, Phase::kDecision).find("anomaly"), std::string::npos);
}

TEST(Audit, TellsTheDecisionWithItsEvidence) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  const LimitEvidence limits[] = {
      {limits::Scope::kTenantId, "acme", limits::Figure::kRequestsPerMinute, 120, 1, 119}};
  const BudgetEvidence budgets[] = {
      {limits::Scope::kTenantId, "acme", cost::Window::kMonth, {500'000'000}, {123}, {12'500'000}}};
  record.limits = limits;
  record.budgets = budgets;
  record.observed = kObserved;
  record.prompt_bytes = 2048;
  record.input_tokens_counted = 331;
  record.output_tokens_cap = 4096;
  record.fingerprint = 0xab;
  record.tools_offered = kTools;
  record.total = std::chrono::seconds(1);  // The end is not told in a decision.
  record.cost = {5};
  record.usage_source = UsageSource::kProvider;
  EXPECT_EQ(
      written(record, Phase::kDecision),
      R"({"id":"req_01","time":"2026-11-25T12:59:07.000042Z","phase":"decision",)"
      R"("config_version":"0a1b2c3d4e5f","listener":"public","client_ip":"192.0.2.1",)"
      R"("actor":{"tenant":"acme","subject":"alice","credential_kind":"api_key",)"
      R"("credential_id":"K1b2C3d4E5f6","roles":["engineer","on\"call"]},"route":"chat",)"
      R"("surface":"chat_completions",)"
      R"("model":{"asked":"gpt-4o","served":"gpt-4o","upstream":"openai"},)"
      R"("decision":{"outcome":"allowed","observed":["limits.user_id.requests_per_minute"]},)"
      R"("limits":[{"scope":"tenant_id","subject":"acme","figure":"requests_per_minute",)"
      R"("limit":120,"held":1,"remaining":119}],"budget":[{"scope":"tenant_id","subject":"acme",)"
      R"("window":"month","limit_usd":500,"held_usd":0.000123,"spent_usd":12.5}],)"
      R"("prompt":{"bytes":2048,"input_tokens_counted":331,"output_tokens_cap":4096,)"
      R"("fingerprint":"00000000000000ab"},"tools":{"offered":["search_docs","get_weather"]}})");
}

TEST(Audit, TellsWhatAnAnswerWasGivenFromAndWhichRetryItIs) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  for (const Phase phase : {Phase::kDecision, Phase::kOutcome}) {
    EXPECT_EQ(written(record, phase).find("answered_from"), std::string::npos);
    EXPECT_EQ(written(record, phase).find("client_retries"), std::string::npos);
  }
  record.answered_from = "cache";
  record.client_retries = 2;
  EXPECT_NE(written(record, Phase::kDecision)
                .find(R"("decision":{"outcome":"allowed","answered_from":"cache"})"),
            std::string::npos)
      << written(record, Phase::kDecision);
  EXPECT_NE(written(record, Phase::kDecision).find(R"("client_retries":2,)"), std::string::npos);
  EXPECT_NE(written(record, Phase::kOutcome).find(R"("answered_from":"cache")"), std::string::npos);
}

TEST(Audit, TellsToolsByWhatBecameOfThem) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  const std::span<const std::string_view> tools = kTools;
  record.tools_offered = tools;
  record.tools_removed = tools.first(1);
  record.tools_called = tools.last(1);
  record.tools_refused = tools.last(1);
  EXPECT_NE(written(record, Phase::kDecision)
                .find(R"("tools":{"offered":["search_docs","get_weather"],)"
                      R"("removed":["search_docs"],"refused":["get_weather"]}})"),
            std::string::npos);
  EXPECT_NE(written(record, Phase::kOutcome)
                .find(R"("tools":{"called":["get_weather"],"refused":["get_weather"]}})"),
            std::string::npos);
  record.tools_called = record.tools_refused = {};
  EXPECT_EQ(written(record, Phase::kOutcome).find("tools"), std::string::npos);
}

TEST(Audit, TellsWhatAnMcpServerWasAsked) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  record.mcp_method = "tools/list";
  const std::string_view absent[] = {"github", "wiki"};
  record.mcp_absent = absent;
  record.mcp_withheld = 2;
  EXPECT_NE(written(record, Phase::kOutcome)
                .find(R"("mcp":{"method":"tools/list","withheld":2,"absent":["github","wiki"]})"),
            std::string::npos);
  EXPECT_NE(written(record, Phase::kDecision).find(R"("mcp":{"method":"tools/list"})"),
            std::string::npos);
}

TEST(Audit, TellsImagesAndSound) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  record.prompt_bytes = 2048;
  record.input_tokens_counted = 785;
  record.images = 1;
  record.audio = std::chrono::milliseconds(1500);
  record.usage_source = UsageSource::kProvider;
  record.input = 785;
  record.audio_input = 15;
  EXPECT_NE(written(record, Phase::kDecision)
                .find(R"("prompt":{"bytes":2048,"input_tokens_counted":785,"images":1,)"
                      R"("audio_seconds":1.5})"),
            std::string::npos);
  EXPECT_NE(written(record, Phase::kOutcome)
                .find(R"("usage":{"input":785,"cached_input":0,"audio_input":15,"output":0,)"),
            std::string::npos);
}

TEST(Audit, TellsWhichRuleFoundSomethingWhere) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  const ContentFinding found[] = {{"secrets.aws_access_key", "messages[3].content:112+20", "flag"},
                                  {"secrets.npm_token", "tools[0]:7+40", "flag"}};
  record.content = found;
  const std::string_view told =
      R"("content":[{"rule":"secrets.aws_access_key","where":"messages[3].content:112+20",)"
      R"("action":"flag"},{"rule":"secrets.npm_token","where":"tools[0]:7+40","action":"flag"}])";
  EXPECT_NE(written(record, Phase::kDecision).find(told), std::string::npos);
  EXPECT_EQ(written(record, Phase::kOutcome).find("\"content\""), std::string::npos);
}

// The start is a part of the account's name, in UTC; the end is for people.
TEST(Audit, TellsTheEndOfABudgetsWindowByItsClocks) {
  const authentication::Identity actor = alice();
  const WallTime start{std::chrono::sys_days(std::chrono::year(2026) / 11 / 24)};
  const struct {
    const char* zone;
    WallTime end;
    std::string_view told;
  } rows[] = {
      {"UTC", start + std::chrono::hours(24), R"(,"window_end":"2026-11-25T00:00:00+00:00"})"},
      {"Europe/Berlin", start + std::chrono::hours(23),
       R"(,"window_end":"2026-11-25T00:00:00+01:00"})"},
      {"America/St_Johns", start + std::chrono::minutes(27 * 60 + 30),
       R"(,"window_end":"2026-11-25T00:00:00-03:30"})"},
      {"UTC", WallTime::max(), "}"},
      {"UTC", WallTime::min(), "}"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.told);
    Record record = allowed(actor);
    BudgetEvidence budget{limits::Scope::kTenantId, "acme", cost::Window::kDay, {1}, {2}, {3}};
    budget.rule = "budgets.tenant_id";
    budget.window_start = start;
    budget.window_end = row.end;
    budget.zone = cost::TimeZone::named(row.zone).value();
    record.budgets = {&budget, 1};
    const std::string line = written(record, Phase::kDecision);
    EXPECT_NE(line.find(R"("window_start":"2026-11-24T00:00:00.000000Z")" + std::string(row.told)),
              std::string::npos)
        << line;
  }
}

TEST(Audit, TellsTheOutcomeWithoutTheEvidence) {
  const authentication::Identity actor = alice();
  Record record = allowed(actor);
  const LimitEvidence limits[] = {{}};
  const Attempt attempts[] = {{"openai", 0, std::chrono::seconds(5)},
                              {"openai", 200, std::chrono::microseconds(1'200)}};
  record.limits = limits;
  record.outcome = Outcome::kCut;
  record.code = "budget_exhausted";
  record.input = 331;
  record.cached_input = 30;
  record.output = 20;
  record.usage_source = UsageSource::kCounted;
  record.cost = {1'028};
  record.price_version = "v1";
  record.attempts = attempts;
  record.first_byte = std::chrono::milliseconds(12);
  record.total = std::chrono::microseconds(1'000'001);
  EXPECT_EQ(written(record, Phase::kOutcome),
            R"({"id":"req_01","time":"2026-11-25T12:59:07.000042Z","phase":"outcome",)"
            R"("actor":{"tenant":"acme","subject":"alice","credential_id":"K1b2C3d4E5f6"},)"
            R"("route":"chat","surface":"chat_completions",)"
            R"("model":{"asked":"gpt-4o","served":"gpt-4o","upstream":"openai"},)"
            R"("decision":{"outcome":"cut","code":"budget_exhausted"},)"
            R"("usage":{"input":331,"cached_input":30,"output":20,"reasoning":0,)"
            R"("source":"counted"},"cost_usd":0.001028,"price_version":"v1",)"
            R"("attempts":[{"upstream":"openai","duration":5},)"
            R"({"upstream":"openai","status":200,"duration":0.0012}],)"
            R"("duration":{"first_byte":0.012,"total":1.000001}})");
}

TEST(Audit, LeavesOutWhatIsNotKnownOfAnUnparsableRequest) {
  Record record;
  record.id = "req_02";
  record.time = moment();
  record.listener = "public";
  record.outcome = Outcome::kRefused;
  record.code = "invalid_request";
  record.message = "The request line is broken.";
  EXPECT_EQ(written(record, Phase::kDecision),
            R"({"id":"req_02","time":"2026-11-25T12:59:07.000042Z","phase":"decision",)"
            R"("config_version":"","listener":"public","client_ip":"::",)"
            R"("decision":{"outcome":"refused","code":"invalid_request",)"
            R"("message":"The request line is broken."}})");
}

// What a caller controls is shown as what it is and never breaks a line or a terminal.
TEST(Audit, EscapesAndReplacesWhatCallersSend) {
  const struct {
    std::string sent, kept;
  } rows[] = {
      {"plain", "plain"},
      {"q\"b\\", R"(q\"b\\)"},
      {"a\nb\x1b[31m\x7f", R"(a\u000ab\u001b[31m\u007f)"},
      {"caf\xc3\xa9", "caf\xc3\xa9"},
      {"\xff", "\xef\xbf\xbd"},
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                  // Overlong.
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // A surrogate.
      {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                  // Cut.
      {"\xc2\x9b", R"(\u009b)"},                                 // C1.
      {"\xe2\x80\xa8\xe2\x80\xae", R"(\u2028\u202e)"},
      {"\xf3\xa0\x81\x81", R"(\udb40\udc41)"},  // A tag character.
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {std::string("\0", 1), R"(\u0000)"},
  };
  for (const auto& row : rows) {
    Record record;
    record.client_request_id = row.sent;
    const std::string text = written(record, Phase::kDecision);
    EXPECT_NE(text.find("\"client_request_id\":\"" + row.kept + "\","), std::string::npos) << text;
  }
}

// Text is looked at many bytes a step: what needs an escape is seen at any place of any length.
TEST(Audit, EscapesAtEveryPlace) {
  for (std::size_t size = 1; size <= 70; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      Record record;
      std::string sent(size, 'x');
      sent[at] = '\n';
      record.client_request_id = sent;
      const std::string kept = std::string(at, 'x') + "\\u000a" + std::string(size - at - 1, 'x');
      ASSERT_NE(written(record, Phase::kDecision).find('"' + kept + '"'), std::string::npos)
          << size << ' ' << at;
    }
  }
}

TEST(Audit, CutsLongTextBetweenCharacters) {
  Record record;
  const std::string plain(10'000, 'x');
  std::string wide(255, 'x');
  for (int i = 0; i < 100; ++i) wide += "\xe2\x82\xac";
  record.client_request_id = plain;
  record.model_asked = wide;
  record.message = plain;
  const std::string text = written(record, Phase::kDecision);
  EXPECT_NE(text.find("\"client_request_id\":\"" + std::string(256, 'x') + "\""),
            std::string::npos);
  EXPECT_NE(text.find("\"asked\":\"" + std::string(255, 'x') + "\""), std::string::npos);
  EXPECT_NE(text.find("\"message\":\"" + std::string(1024, 'x') + "\""), std::string::npos);
}

TEST(Audit, WritesMoneyAndTimeToTheLastDigit) {
  const struct {
    std::int64_t micro_usd;
    const char* text;
  } rows[] = {{0, "0"},
              {1, "0.000001"},
              {-1, "-0.000001"},
              {10'000'000, "10"},
              {100'010, "0.10001"},
              {9'223'372'036'854'775'807, "9223372036854.775807"},
              {-9'223'372'036'854'775'807 - 1, "-9223372036854.775808"}};
  for (const auto& row : rows) {
    Record record;
    record.usage_source = UsageSource::kProvider;
    record.cost = {row.micro_usd};
    const std::string text = written(record, Phase::kOutcome);
    EXPECT_NE(text.find(std::string("\"cost_usd\":") + row.text + ",\"duration\""),
              std::string::npos)
        << text;
  }
  Record record;
  record.time = WallTime{std::chrono::microseconds(951'868'799'999'999)};  // 2000-02-29, its end.
  EXPECT_NE(written(record, Phase::kOutcome).find("\"2000-02-29T23:59:59.999999Z\""),
            std::string::npos);
}

TEST(Audit, AppendsToWhatIsThere) {
  std::string out = "before";
  Record record;
  record.id = "req_03";
  write(record, Phase::kOutcome, out);
  EXPECT_TRUE(out.starts_with("before{\"id\":\"req_03\""));
  EXPECT_TRUE(out.ends_with("}}"));
}

// Any bytes anywhere: the record stays one line of balanced JSON and can be sealed and proven.
TEST(Audit, StaysWholeForAnyBytes) {
  std::mt19937_64 random{23};
  Hash previous{};
  for (int step = 0; step < 2'000; ++step) {
    std::string bytes(random() % 600, '\0');
    for (char& c : bytes)
      c = static_cast<char>(random() % 3 == 0 ? ",\"time\\}{:"[random() % 10] : random() % 256);
    const std::string_view texts[] = {bytes, bytes};
    authentication::Identity actor = alice();
    actor.subject = bytes;
    Record record = allowed(actor);
    record.id = bytes;
    record.client_request_id = record.model_asked = record.message = bytes;
    record.tools_offered = texts;
    const ContentFinding found[] = {{bytes, bytes, bytes}};
    record.content = found;
    const std::string text = written(record, Phase::kDecision);
    bool quoted = false;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      ASSERT_GE(static_cast<unsigned char>(text[i]), 0x20);
      if (quoted && text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        quoted = !quoted;
      } else if (!quoted) {
        depth += text[i] == '{' || text[i] == '[' ? 1 : text[i] == '}' || text[i] == ']' ? -1 : 0;
        ASSERT_TRUE(depth > 0 || i + 1 == text.size());
      }
    }
    ASSERT_FALSE(quoted);
    std::string sealed;
    const Hash own = seal(text, static_cast<std::uint64_t>(step), previous, sealed);
    Hash proven{};
    ASSERT_TRUE(verify(sealed, previous, proven));
    ASSERT_EQ(proven, own);
    previous = own;
  }
}

TEST(Audit, SealsInAChainThatAnyChangeBreaks) {
  const authentication::Identity actor = alice();
  const std::string text = written(allowed(actor), Phase::kDecision);
  std::string sealed;
  const Hash own = seal(text, 41, Hash{}, sealed);
  EXPECT_TRUE(sealed.starts_with(R"({"id":"req_01","sequence":41,"time":"2026-)"));
  EXPECT_NE(sealed.find(R"(,"previous_hash":"0000)"), std::string::npos);
  Hash proven{};
  EXPECT_TRUE(verify(sealed, Hash{}, proven));
  EXPECT_EQ(proven, own);
  Hash other{};
  other[31] = 1;
  EXPECT_FALSE(verify(sealed, other, proven));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    ASSERT_FALSE(verify(changed, Hash{}, proven)) << i;
    ASSERT_FALSE(verify(std::string_view(sealed).substr(0, i), Hash{}, proven)) << i;
  }
}

TEST(Audit, FingerprintsTellBodiesApartUnderAKey) {
  std::set<std::uint64_t> seen;
  std::string body;
  for (int i = 0; i < 500; ++i, body += 'a') seen.insert(fingerprint(body, 1));
  for (char& c : body) {
    c = 'b';
    seen.insert(fingerprint(body, 1));
  }
  EXPECT_EQ(seen.size(), 1'000u);
  EXPECT_EQ(fingerprint("body", 7), fingerprint("body", 7));
  EXPECT_NE(fingerprint("body", 7), fingerprint("body", 8));
}

}  // namespace
}  // namespace tollgate::audit
