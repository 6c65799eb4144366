#include "config/load.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

#include "base/arena.h"
#include "config/scalars.h"
#include "config/shape.h"

namespace tollgate::config {
namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::string fixture(const std::string& name) {
  return read(std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/" + name);
}

std::optional<std::string> variable(const std::string& name) {
  if (name == "ADMIN_TOKEN") return "sk-hidden-and-as-long-as-is-asked-for";
  if (name == "OPENAI_API_KEY") return "sk-hidden";
  if (name == "RPM") return "77";
  if (name == "EMPTY") return "";
  if (name == "SPLIT") return "a\nb";
  if (name == "NESTED") return "${RPM}";
  return std::nullopt;
}

Loaded load(std::string_view text) { return load_text(text, "t.yaml", variable); }

// small.yaml with one text put in the place of another.
std::string small_with(std::string_view from, std::string_view to) {
  std::string text = fixture("small.yaml");
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

constexpr std::string_view kNotServed =
    "is not served by this version of tollgate: remove it (no control is accepted and then not "
    "applied)";

TEST(Load, ReadsEveryKey) {
  const Loaded loaded = load(fixture("whole.yaml"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Config& config = *loaded.config;
  EXPECT_EQ(config.version.size(), 12u);
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[1].host, "::1");
  EXPECT_EQ(config.listeners[1].port, 8444);
  EXPECT_EQ(config.listeners[1].exposure, authorization::Exposure::kInternal);
  EXPECT_EQ(config.admin.token.reveal(), "sk-hidden-and-as-long-as-is-asked-for");
  EXPECT_EQ(config.store.sqlite_path, "/var/lib/tollgate/tollgate.db");
  EXPECT_TRUE(config.authentication.api_keys);
  EXPECT_EQ(config.authentication.pepper_file, "pepper");
  ASSERT_EQ(config.upstreams.size(), 3u);
  EXPECT_EQ(config.upstreams[0].endpoints[0].path_prefix, "/v1");
  EXPECT_EQ(config.upstreams[0].endpoints[0].port, 443);
  EXPECT_TRUE(config.upstreams[0].endpoints[0].tls);
  EXPECT_EQ(config.upstreams[1].speaks, dialects::Dialect::kAnthropic);
  EXPECT_EQ(config.upstreams[1].credential.reveal(), "none");
  ASSERT_EQ(config.upstreams[2].endpoints.size(), 2u);
  EXPECT_EQ(config.upstreams[2].endpoints[1].path_prefix, "/v1");
  EXPECT_EQ(config.upstreams[2].timeout.connect, std::chrono::milliseconds(200));
  EXPECT_EQ(config.upstreams[2].timeout.total, std::chrono::hours(1));
  ASSERT_EQ(config.models.size(), 4u);
  EXPECT_EQ(config.models[0].upstream, 2);
  EXPECT_EQ(config.models[0].upstream_name, "llama-3.1-8b");
  EXPECT_EQ(config.models[1].prices.cached_input->pico_usd_per_token, 1'250'000);
  EXPECT_EQ(config.models[1].tokenizer, "o200k_base");
  EXPECT_EQ(config.tenants[0].roles, (std::vector<std::string>{"engineer", "researcher"}));
  EXPECT_EQ(config.audit.content, audit::Content::kHash);
  EXPECT_EQ(config.audit.queue_bytes, 16 << 20);
  EXPECT_EQ(config.edge.workers, 2);
  EXPECT_EQ(config.edge.reply_bytes_max, 8 << 20);
}

TEST(Load, ReadsRoutesLimitsAndBudgets) {
  const Loaded loaded = load(fixture("whole.yaml"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Config& config = *loaded.config;
  ASSERT_EQ(config.limits.size(), 7u);
  EXPECT_EQ(config.limits[0].rule, "limits.tenant_id.requests_per_minute");
  EXPECT_EQ(config.limits[3].mode, Mode::kObserve);
  ASSERT_TRUE(config.tenants[1].budget);
  EXPECT_EQ(config.tenants[1].name, "search");
  EXPECT_EQ(config.tenants[1].budget->limit.micro_usd, 50'000'001);
  EXPECT_EQ(config.tenants[1].budget->rule, "tenants.search.budget");
  EXPECT_EQ(config.budgets[0].window, cost::Window::kWeek);
  EXPECT_EQ(config.tenants[1].limits[0].rule, "tenants.search.limits.requests_per_minute");
  ASSERT_EQ(config.routes.size(), 5u);
  const Route& chat = config.routes[0];
  EXPECT_EQ(chat.surface, dialects::Surface::kChatCompletions);
  EXPECT_EQ(chat.models, (std::vector<int>{0, 1}));
  EXPECT_EQ(chat.access.models, (std::vector<std::string>{"small", "gpt-4o"}));
  EXPECT_EQ(chat.prompt.body, 64 << 10);
  EXPECT_EQ(chat.prompt.on_output_over, prompts::OverCap::kRefuse);
  EXPECT_EQ(chat.limits[0].rule, "routes.chat.limits.tenant_id.requests_per_minute");
  EXPECT_EQ(chat.tools.allow.entries().size(), 2u);
  EXPECT_EQ(config.routes[3].access.method, "GET");
  EXPECT_EQ(config.routes[4].access.exposure, authorization::Exposure::kInternal);
  ASSERT_EQ(config.access.size(), 5u);
  EXPECT_EQ(config.access[4], &config.routes[4].access);
}

TEST(Load, ReadsWhetherAModelReasons) {
  EXPECT_FALSE(load(fixture("small.yaml")).config->models[0].reasoning);
  const Loaded loaded = load(small_with("upstream: vllm", "reasoning: true, upstream: vllm"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_TRUE(loaded.config->models[0].reasoning);
}

class StoreSettings : public ::testing::Test {
 protected:
  ~StoreSettings() override { std::remove(path_.c_str()); }
  Loaded of(std::string_view text) {
    std::ofstream(path_, std::ios::binary) << text;
    return load_store_settings(path_, variable);
  }
  const std::string path_ = ::testing::TempDir() + "store_settings.yaml";
};

// A leaked key must be revocable whatever is wrong with the rest of the file.
TEST_F(StoreSettings, DoNotMindWhatIsWrongElsewhere) {
  const Loaded loaded =
      of("store: { ledger: \"sqlite:///x/y.db\" }\n"
         "authentication: { api_keys: { pepper_file: pepper } }\n"
         "tenants: { acme: { bugdet: 1 } }\n"
         "upstreams: { a: { url: 7, credential: \"${UNSET}\" } }\n"
         "routes: nothing\n"
         "jwt: 1\n");
  EXPECT_EQ(loaded.config, nullptr);  // The tenant and the unknown section are wrong.
  const Loaded sound =
      of("store: { ledger: \"sqlite:///x/y.db\" }\n"
         "authentication: { api_keys: { pepper_file: pepper } }\n"
         "tenants: { acme: { budget: { usd: 1, per: day, when_exhausted: { downgrade_to: x } } } "
         "}\n"
         "upstreams: { a: { url: 7, credential: \"${UNSET}\" } }\n"
         "routes: nothing\n");
  ASSERT_NE(sound.config, nullptr) << told(sound);
  EXPECT_EQ(sound.config->store.sqlite_path, "/x/y.db");
  EXPECT_TRUE(sound.config->authentication.pepper_file.ends_with("/pepper"));
  ASSERT_EQ(sound.config->tenants.size(), 1u);
  EXPECT_EQ(sound.config->tenants[0].name, "acme");
}

// Another database than the one that was meant would be worse than none.
TEST_F(StoreSettings, MindWhatIsTheirs) {
  for (const std::string_view text :
       {"stoer: { ledger: memory }\n", "store: { ledger: mysql://x }\n", "store: [1]\n",
        "store: { ledger: \"sqlite://${UNSET}\" }\n", "tenants: { acme: { bugdet: 1 } }\n",
        "store: { ledger: memory\n", "upstreams: {}\n---\nstore: {}\n"}) {
    const Loaded loaded = of(text);
    EXPECT_EQ(loaded.config, nullptr) << text;
    EXPECT_FALSE(loaded.problems.empty()) << text;
  }
  EXPECT_EQ(load_store_settings("/nowhere/t.yaml", variable).config, nullptr);
}

TEST(Load, TheThreeFiguresWorkAsWritten) {
  const Loaded loaded = load(fixture("small.yaml"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  ASSERT_EQ(loaded.config->limits.size(), 3u);
  EXPECT_EQ(loaded.config->limits[0].limit, 120);
  EXPECT_EQ(loaded.config->limits[1].figure, limits::Figure::kInputTokensPerMinute);
  EXPECT_EQ(loaded.config->limits[2].figure, limits::Figure::kConcurrentRequests);
}

// The defaults of the tables are those that the rooms declare.
TEST(Load, DefaultsAreThoseOfTheRooms) {
  const Loaded loaded = load(fixture("small.yaml"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Config& config = *loaded.config;
  const Edge edge;
  EXPECT_EQ(config.edge.header_bytes_max, edge.header_bytes_max);
  EXPECT_EQ(config.edge.headers_max, edge.headers_max);
  EXPECT_EQ(config.edge.header_timeout, edge.header_timeout);
  EXPECT_EQ(config.edge.handshake_timeout, edge.handshake_timeout);
  EXPECT_EQ(config.edge.body_timeout, edge.body_timeout);
  EXPECT_EQ(config.edge.idle_timeout, edge.idle_timeout);
  EXPECT_EQ(config.edge.stalled_reply_timeout, edge.stalled_reply_timeout);
  EXPECT_EQ(config.edge.connections_max, edge.connections_max);
  EXPECT_EQ(config.edge.reply_bytes_max, edge.reply_bytes_max);
  EXPECT_EQ(config.edge.drain_timeout, edge.drain_timeout);
  EXPECT_EQ(config.edge.workers, edge.workers);
  const prompts::Policy prompt;
  EXPECT_EQ(config.routes[0].prompt.body, prompt.body);
  EXPECT_EQ(config.routes[0].prompt.input_tokens, prompt.input_tokens);
  EXPECT_EQ(config.routes[0].prompt.output_tokens, prompt.output_tokens);
  EXPECT_EQ(config.routes[0].prompt.choices, prompt.choices);
  EXPECT_EQ(config.routes[0].prompt.on_output_over, prompt.on_output_over);
  const audit::Policy audit;
  EXPECT_EQ(config.audit.keep, audit.keep);
  EXPECT_EQ(config.audit.queue_bytes, audit.queue_bytes);
  const Upstream upstream;
  EXPECT_EQ(config.upstreams[0].timeout.connect, upstream.timeout.connect);
  EXPECT_EQ(config.upstreams[0].timeout.first_byte, upstream.timeout.first_byte);
  EXPECT_EQ(config.upstreams[0].timeout.between_chunks, upstream.timeout.between_chunks);
  EXPECT_EQ(config.upstreams[0].timeout.total, upstream.timeout.total);
  EXPECT_EQ(config.upstreams[0].concurrent_requests, upstream.concurrent_requests);
  EXPECT_EQ(config.admin.host, Admin{}.host);
  EXPECT_EQ(config.admin.port, Admin{}.port);
  EXPECT_EQ(config.listeners[0].port, 8080);
}

// OpenAI refuses some chats with both names; others ignore the one that they do not know.
TEST(Load, SendsTheOutputCapUnderTheNamesThatAnUpstreamReads) {
  using enum dialects::CapField;
  struct Row {
    std::string_view upstream;
    dialects::CapField expected;
  };
  const Row rows[] = {
      {"url: http://127.0.0.1:8000/v1", kBoth},
      {"url: https://api.openai.com/v1", kMaxCompletionTokens},
      {"url: https://API.OpenAI.com/v1", kMaxCompletionTokens},
      {"url: https://eu.api.openai.com/v1", kMaxCompletionTokens},
      {"url: https://mine.openai.azure.com/openai/v1", kMaxCompletionTokens},
      {"url: https://api.openai.com.example.net/v1", kBoth},
      {"url: https://myapi.openai.com/v1", kBoth},
      {"urls: [https://api.openai.com/v1, https://example.net/v1]", kBoth},
      {"url: https://api.openai.com/v1, output_cap_field: both", kBoth},
      {"url: https://example.net/v1, output_cap_field: max_tokens", kMaxTokens},
      {"url: https://example.net/v1, output_cap_field: max_completion_tokens",
       kMaxCompletionTokens},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.upstream);
    const Loaded loaded = load(small_with(R"(url: "http://127.0.0.1:8000/v1")", row.upstream));
    ASSERT_NE(loaded.config, nullptr) << told(loaded);
    EXPECT_EQ(loaded.config->upstreams[0].output_cap_field, row.expected);
  }
}

struct Broken {
  std::string_view from;
  std::string_view to;
  std::string expected;  // All problems, each a line.
};

void expect_told(const std::vector<Broken>& rows) {
  for (const Broken& row : rows) {
    SCOPED_TRACE(row.to);
    const Loaded loaded = load(small_with(row.from, row.to));
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_EQ(told(loaded), row.expected);
  }
}

TEST(Load, TellsWhatAFieldExpects) {
  const std::string price =
      "dollars a million tokens such as `0.15`, at most six decimals and `1000000`";
  expect_told({
      {"requests_per_minute: 120", "request_per_minute: 120",
       "t.yaml:11:5: limits.tenant_id: unknown key `request_per_minute`; did you mean "
       "`requests_per_minute`?\n"},
      {"requests_per_minute: 120", "requests_per_minute: 1e3",
       "t.yaml:11:26: limits.tenant_id.requests_per_minute: expected a whole number from 1 to "
       "1000000000000, found `1e3`\n"},
      {"requests_per_minute: 120", "requests_per_minute:",
       "t.yaml:11:25: limits.tenant_id.requests_per_minute: expected a whole number from 1 to "
       "1000000000000, found nothing\n"},
      {"requests_per_minute: 120", "requests_per_minute: 0",
       "t.yaml:11:26: limits.tenant_id.requests_per_minute: expected a whole number from 1 to "
       "1000000000000, found `0`\n"},
      {"  tenant_id:\n", "  tenants_id:\n",
       "t.yaml:10:3: limits: unknown key `tenants_id`; did you mean `tenant_id`?\n"},
      {"per: day", "per: dya",
       "t.yaml:8:34: tenants.acme.budget.per: expected one of `hour`, `day`, `week`, `month`, "
       "`total`, found `dya`; did you mean `day`?\n"},
      {"usd: 5", "usd: 5.0000001",
       "t.yaml:8:26: tenants.acme.budget.usd: expected dollars such as `12.50`, at most six "
       "decimals, found `5.0000001`\n"},
      {"input: 0.05", "input: -1",
       "t.yaml:6:56: models.small.price_per_million.input: expected " + price + ", found `-1`\n"},
      {"output: 0.10", "output: [1]",
       "t.yaml:6:70: models.small.price_per_million.output: expected " + price +
           ", found a list\n"},
      {"prompt: { body: 1MiB }", "prompt: { body: 1MB }",
       "t.yaml:19:21: routes[0].prompt.body: expected a size from `1` to `64MiB`, found `1MB`\n"},
      {"url: \"http://127.0.0.1:8000/v1\"", "url: \"https://me:secret@host/v1\"",
       "t.yaml:4:16: upstreams.vllm.url: expected `http://` or `https://`, a host and perhaps a "
       "port and a path, found a URL that carries a user; write a `credential` instead\n"},
      {"speaks: openai", "speaks: openai, timeout: { connect: 5 }",
       "t.yaml:4:80: upstreams.vllm.timeout.connect: expected a duration from `1ms` to `1h`, "
       "found `5`\n"},
      {"path: /v1/chat/completions", "path: /v1/../chat",
       "t.yaml:16:11: routes[0].path: expected a path such as `/v1/chat/completions`, without "
       "dot segments, escapes or a last `/`, found `/v1/../chat`\n"},
      {"authentication: { api_keys: {} }", "authentication: { api_keys: }",
       "t.yaml:2:29: authentication.api_keys: expected a mapping, found nothing; write `{}` for "
       "an empty one\n"},
      {"  acme: {", "  ac/me: {}\n  acme: {",
       "t.yaml:8:3: tenants: `ac/me` cannot be a name here: expected letters, digits, `_`, `.` "
       "or `-`, at most 64\n"},
      {"limits:\n", "admin: { address: 9900 }\nlimits:\n",
       "t.yaml:9:19: admin.address: expected an address and port such as `127.0.0.1:8080` or "
       "`[::1]:8080`, found `9900`\n"},
  });
}

TEST(Load, TellsWhatIsMissing) {
  expect_told({
      {", price_per_million: { input: 0.05, output: 0.10 }", "",
       "t.yaml:6:10: models.small: `price_per_million` is missing: expected a mapping with "
       "`input`, `output`; or `price_per_image`, `price_per_million_characters`, "
       "`price_per_minute` or `price_per_request`. A model without a price is refused.\n"},
      {"url: \"http://127.0.0.1:8000/v1\", ", "",
       "t.yaml:4:9: upstreams.vllm: `url` is missing: expected `url` or `urls`\n"},
      {"speaks: openai", "speaks: openai, urls: [\"http://h/\"]",
       "t.yaml:4:16: upstreams.vllm.url: expected `url` or `urls`, found both\n"},
      {"    models: [small]\n", "",
       "t.yaml:16:11: routes[0].path: `models` is missing: expected the names of the models that "
       "this route serves\n"},
      {"    path: /v1/chat/completions\n", "",
       "t.yaml:15:5: routes[0]: `path` is missing: expected a path such as "
       "`/v1/chat/completions`, without dot segments, escapes or a last `/`. The one canonical "
       "path.\n"},
      {"    requests_per_minute: 120\n    input_tokens_per_minute: 80000\n"
       "    concurrent_requests: 6\n",
       "    mode: observe\n",
       "t.yaml:11:5: limits.tenant_id: no figure is written: this limits nothing\n"},
      {"limits:\n", "listeners: {}\nlimits:\n",
       "t.yaml:9:12: listeners: expected at least one listener, found none\n"},
  });
  EXPECT_EQ(told(load("# nothing\n")),
            "t.yaml:1:1: the file is empty: `tollgate init` writes one to begin with\n");
  EXPECT_EQ(told(load("[]")), "t.yaml:1:1: expected a mapping, found a list\n");
}

TEST(Load, TellsWhatDoesNotFitTogether) {
  const std::string again =
      "  - name: again\n    path: /v1/chat/completions\n"
      "    models: [small]\n    allow: [{ roles: [user] }]\n";
  expect_told({
      {"upstream: vllm", "upstream: vlm",
       "t.yaml:6:22: models.small.upstream: there is no upstream `vlm`; did you mean `vllm`?\n"},
      {"models: [small]", "models: [smal]",
       "t.yaml:17:14: routes[0].models[0]: there is no model `smal`; did you mean `small`?\n"},
      {"tenants: [acme]", "tenants: [acme, acmee]",
       "t.yaml:18:31: routes[0].allow[0].tenants[1]: there is no tenant `acmee`; did you mean "
       "`acme`?\n"},
      {"models: [small]", "models: [small, small]",
       "t.yaml:17:13: routes[0].models: `small` is there twice\n"},
      {"path: /v1/chat/completions", "path: /chat",
       "t.yaml:16:11: routes[0].path: `/chat` implies no surface: say its `surface`\n"},
      {"path: /v1/chat/completions", "path: /v1/chat/completions\n    surface: completions",
       "t.yaml:17:14: routes[0].surface: `/v1/chat/completions` is the path of "
       "`chat_completions`: remove `surface`, or use another path\n"},
      {"routes:\n", "routes:\n" + again,
       "t.yaml:19:5: routes[1]: a request for `small` could match route `again` as well: keep "
       "them apart by path, by models, or by tenants or credentials in `allow` (roles do not, as "
       "a caller may have several; an internal listener serves public routes too)\n"},
      {"name: chat",
       "name: chat\n    path: /x\n    surface: completions\n    models: [small]\n"
       "  - name: chat",
       "t.yaml:19:11: routes[1].name: a route `chat` is there already\n"},
      {"limits:\n", "listeners: { a: { address: \"0.0.0.0:9900\" } }\nlimits:\n",
       "t.yaml:9:28: listeners.a.address: 127.0.0.1:9900 is the admin address, which is never a "
       "listener's\n"},
      {"budget: {", "limits: { requests_per_minute: 121 }, budget: {",
       "t.yaml:8:42: tenants.acme.limits.requests_per_minute: wider than "
       "`limits.tenant_id.requests_per_minute`, which is 120: narrow it, or say `widen: true` on "
       "the tenant\n"},
      {"limits:\n", "store: { ledger: \"postgres://db/x\" }\nlimits:\n",
       "t.yaml:2:29: authentication.api_keys: `pepper_file` is missing: all gateways of one "
       "`postgres://` ledger must read the keys with the same pepper. Make 32 random bytes once "
       "and give every gateway the file.\n"},
      {"limits:\n", "store: { ledger: \"postgre://u:hidden@db/x\" }\nlimits:\n",
       "t.yaml:9:18: store.ledger: expected `sqlite:///absolute/path`, `sqlite://relative/path`, "
       "`postgres://…` or `memory`, found another URL\n"},
      {"limits:\n", "store: { rates: \"redis://\" }\nlimits:\n",
       "t.yaml:9:17: store.rates: expected `memory`, `redis://…` or `rediss://…`, found "
       "`redis://`\n"},
      {"limits:\n", "budgets: { client_ip: { usd: 1, per: day } }\nlimits:\n",
       "t.yaml:9:12: budgets: `client_ip` is not served by this version of tollgate, as the books "
       "do not keep addresses yet: remove it (no control is accepted and then not applied)\n"},
      {"per: day", "per: day, alert_at: [0.8, 0.5]",
       "t.yaml:8:49: tenants.acme.budget.alert_at: expected shares that ascend, each once\n"},
  });
}

TEST(Load, RoutesThatNothingCanConfuseAreKept) {
  std::string text =
      small_with("routes:\n",
                 "routes:\n"
                 "  - { name: a, path: /v1/chat/completions, models: [small], allow: [{ tenants: "
                 "[other] }] }\n"
                 "  - { name: b, path: /v1/completions, models: [small], allow: [{}] }\n"
                 "  - { name: c, path: /v1/chat/completions, models: [small] }\n");
  text.replace(text.find("tenants:\n"), 9, "tenants:\n  other: {}\n");
  EXPECT_NE(load(text).config, nullptr) << told(load(text));
}

TEST(Load, ReadsTheStoresOfSeveralGateways) {
  std::string text = small_with(
      "limits:\n",
      "store:\n"
      "  ledger: postgres://gate:hid:den@db:5432/books?sslmode=require&sslpassword=hidden\n"
      "  rates: rediss://:hidden@cache:6379/1\n"
      "  on_fault: { rates: refuse, keys: refuse }\n"
      "limits:\n");
  text.replace(text.find("api_keys: {}"), 12, "api_keys: { pepper_file: pepper }");
  const Loaded loaded = load(text);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Store& store = loaded.config->store;
  EXPECT_FALSE(store.in_memory);
  EXPECT_EQ(store.state_directory, "/var/lib/tollgate");
  EXPECT_TRUE(store.postgres_url.reveal().starts_with("postgres://gate:hid:den@db:5432/"));
  EXPECT_EQ(store.rates_on_fault, RatesOnFault::kRefuse);
  EXPECT_EQ(store.keys_on_fault, KeysOnFault::kRefuse);
  EXPECT_EQ(without_password(store.postgres_url),
            "postgres://gate:***@db:5432/books?sslmode=require&sslpassword=***");
  EXPECT_EQ(without_password(store.redis_url), "rediss://:***@cache:6379/1");
  EXPECT_EQ(effective_json(*loaded.config).find("hidden"), std::string::npos);
}

TEST(Load, AUrlWithoutAPasswordIsShownWhole) {
  for (const char* url : {"postgres:///books?host=/run", "postgres://db/x:y@z", "redis://h:6379",
                          "postgres://gate@db:5432/books"})
    EXPECT_EQ(without_password(Secret(url)), url);
}

TEST(Load, KnowsWhatItDoesNotServe) {
  const auto row = [](std::string_view from, std::string_view to, std::string_view place,
                      std::string_view what) {
    return Broken{from, to, fmt::format("t.yaml:{}: `{}` {}\n", place, what, kNotServed)};
  };
  expect_told({
      row("limits:\n", "telemetry: {}\nlimits:\n", "9:1: telemetry", "telemetry"),
      row("limits:\n", "audit: { content: full }\nlimits:\n", "9:19: audit.content", "full"),
      row("path: /v1/chat/completions", "path: /x\n    surface: images", "17:14: routes[0].surface",
          "images"),
  });
}

// The example of the public contract: every part that is not served is named, nothing else.
TEST(Load, NamesEveryPartOfTheContractThatItDoesNotServe) {
  const Loaded loaded = load_text(fixture("beyond.yaml"), "t.yaml",
                                  [](const std::string&) { return "0123456789abcdef"; });
  std::vector<std::string> fields;
  for (const Problem& problem : loaded.problems) fields.push_back(problem.field);
  EXPECT_EQ(fields, (std::vector<std::string>{"listeners.public.tls", "listeners.mesh.tls",
                                              "listeners.mesh.tls.client_ca", "telemetry"}))
      << told(loaded);
}

TEST(Load, TellsAllMistakesAtOnce) {
  std::string text = small_with("speaks: openai", "speaks: openia");
  text.replace(text.find("per: day"), 8, "per: fortnight");
  text.replace(text.find("tenants: [acme]"), 15, "tenant: [acme]");
  text += "listners: {}\nedge: { headers_max: 5 }\n";
  EXPECT_EQ(told(load(text)),
            "t.yaml:4:52: upstreams.vllm.speaks: expected one of `openai`, `anthropic`, found "
            "`openia`; did you mean `openai`?\n"
            "t.yaml:8:34: tenants.acme.budget.per: expected one of `hour`, `day`, `week`, "
            "`month`, `total`, found `fortnight`\n"
            "t.yaml:18:15: routes[0].allow[0]: unknown key `tenant`; did you mean `tenants`?\n"
            "t.yaml:20:1: unknown key `listners`; did you mean `listeners`?\n"
            "t.yaml:21:22: edge.headers_max: expected a whole number from 8 to 1000, found "
            "`5`\n");
}

TEST(Load, TakesValuesFromTheEnvironment) {
  const Loaded loaded =
      load(small_with("requests_per_minute: 120", "requests_per_minute: \"${RPM}\""));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->limits[0].limit, 77);
  for (const auto& [written, value] :
       std::vector<std::pair<std::string, std::string>>{{"${OPENAI_API_KEY}", "sk-hidden"},
                                                        {"${NONE:-other}", "other"},
                                                        {"${EMPTY:-other}", "other"},
                                                        {"${EMPTY}", ""},
                                                        {"a${RPM}b${RPM}", "a77b77"},
                                                        {"$${RPM}", "${RPM}"},
                                                        {"${NESTED}", "${RPM}"},
                                                        {"$RPM", "$RPM"}}) {
    SCOPED_TRACE(written);
    const Loaded made = load(
        small_with("speaks: openai", fmt::format("speaks: openai, credential: \"{}\"", written)));
    ASSERT_NE(made.config, nullptr) << told(made);
    EXPECT_EQ(made.config->upstreams[0].credential.reveal(), value);
  }
}

TEST(Load, NeverShowsASecret) {
  const auto with = [](std::string_view secret) {
    return told(load(
        small_with("speaks: openai", fmt::format("speaks: openai, credential: \"{}\"", secret))));
  };
  EXPECT_EQ(with("${NONE}"),
            "t.yaml:4:72: upstreams.vllm.credential: the environment variable `NONE` is not set: "
            "set it, or write `${NONE:-default}`\n");
  EXPECT_EQ(with("${no-name}"),
            "t.yaml:4:72: upstreams.vllm.credential: `${no-name}` names no variable: expected "
            "`${NAME}` or `${NAME:-default}`\n");
  EXPECT_EQ(with("${NONE"), "t.yaml:4:72: upstreams.vllm.credential: `${` has no `}`\n");
  EXPECT_EQ(with("${SPLIT}"),
            "t.yaml:4:72: upstreams.vllm.credential: expected a secret: `${NAME}`, `file:PATH` "
            "or a text, found control characters in it\n");
  EXPECT_EQ(with("file:nowhere"),
            "t.yaml:4:72: upstreams.vllm.credential: the secret's file `nowhere` cannot be read, "
            "is empty or is larger than 64 KiB: name a readable file after `file:`\n");
  const Loaded loaded = load(fixture("whole.yaml"));
  const std::string shown = effective_json(*loaded.config);
  EXPECT_EQ(shown.find("sk-hidden"), std::string::npos);
  EXPECT_NE(shown.find(R"("credential":"***")"), std::string::npos);
  EXPECT_NE(shown.find(R"("usd":"50.000001")"), std::string::npos);
}

TEST(Load, ReadsASecretFromItsFileBesideTheConfiguration) {
  const std::string folder = testing::TempDir();
  std::ofstream(folder + "/key.txt") << "sk-from-file\n";
  const Loaded loaded =
      load_text(small_with("speaks: openai", "speaks: openai, credential: \"file:key.txt\""),
                folder + "/t.yaml", variable);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->upstreams[0].credential.reveal(), "sk-from-file");
}

TEST(Load, TellsAFileThatIsNotThere) {
  const Loaded loaded = load_file("/nowhere/t.yaml", variable);
  EXPECT_EQ(told(loaded),
            "/nowhere/t.yaml:1:1: the file cannot be read: name it with `-c FILE`, or let "
            "`tollgate init` write one\n");
}

// Whatever is done to a sound file: it loads whole, or something is told.
TEST(Load, AnyMutationLoadsOrIsTold) {
  std::mt19937_64 random{11};
  const std::string whole = fixture("whole.yaml");
  const std::string pieces[] = {"{",  "}",      "[",      "]",  ":",     " ",   "\n",
                                "- ", "&a",     "*a",     "${", "0",     "\"",  "'",
                                "~",  "limits", "!!int ", "\t", "---\n", "\xff"};
  int loads = 0;
  for (int round = 0; round < 3'000; ++round) {
    SCOPED_TRACE(round);
    std::string text = whole;
    for (std::uint64_t edits = 1 + random() % 3; edits > 0; --edits) {
      std::size_t at = random() % text.size();
      if (round % 2 == 0) {  // Gently: another digit where one stands.
        at = std::min(text.find_first_of("0123456789", at), text.size() - 1);
        text[at] = static_cast<char>('0' + random() % 10);
        continue;
      }
      const std::size_t cut = random() % 3 == 0 ? random() % 40 : random() % 2;
      text.replace(at, std::min(cut, text.size() - at), pieces[random() % std::size(pieces)]);
    }
    const Loaded loaded = load(text);
    ASSERT_EQ(loaded.config == nullptr, !loaded.problems.empty());
    for (const Problem& problem : loaded.problems) {
      ASSERT_GT(problem.line, 0) << problem.message;
      ASSERT_GT(problem.column, 0) << problem.message;
    }
    if (loaded.config == nullptr) continue;
    ++loads;
    posture(*loaded.config, text);
    ASSERT_FALSE(effective_json(*loaded.config).empty());
    for (const Model& model : loaded.config->models) ASSERT_GE(model.upstream, 0);
    for (const Route& route : loaded.config->routes) {
      ASSERT_EQ(route.models.size(), route.access.models.size());
      Arena arena;
      const auto canonical = authorization::canonical_path(route.access.path, arena);
      ASSERT_TRUE(canonical && *canonical == route.access.path) << route.access.path;
    }
  }
  EXPECT_GT(loads, 100);
  EXPECT_LT(loads, 2'900);
}

}  // namespace
}  // namespace tollgate::config
