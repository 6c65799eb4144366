// Any configuration, any caller, any request, any upstream: nothing crashes, every request gets
// one reply unless its caller has left, and every hold is settled once and within itself.
//
// The first byte says how many follow that make a small configuration and tell what will happen;
// the rest, up to a zero byte, is the body, and what follows are the upstream's bytes.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "controls/content/rules.h"
#include "pipeline/testing.h"

namespace tollgate::pipeline::testing {
namespace {

class Bytestream {
 public:
  explicit Bytestream(std::string_view bytes) : bytes_(bytes) {}
  std::uint8_t take() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  bool flag() { return (take() & 1) != 0; }
  std::int64_t below(std::int64_t bound) { return take() % bound; }
  std::string_view until_zero() {
    const std::string_view text = bytes_.substr(0, bytes_.find('\0'));
    bytes_.remove_prefix(std::min(bytes_.size(), text.size() + 1));
    return text;
  }

 private:
  std::string_view bytes_;
};

Mode mode_of(Bytestream& bytes) { return bytes.flag() ? Mode::kObserve : Mode::kEnforce; }

limits::Policy limit_of(Bytestream& bytes) {
  limits::Policy limit;
  limit.mode = mode_of(bytes);
  limit.scope = static_cast<limits::Scope>(bytes.below(limits::kScopeCount));
  limit.figure = static_cast<limits::Figure>(bytes.below(limits::kFigureCount));
  limit.limit = std::int64_t{1} << bytes.below(40);
  limit.rule = "limits.a.b";
  return limit;
}

cost::Policy budget_of(Bytestream& bytes) {
  cost::Policy budget;
  budget.mode = mode_of(bytes);
  budget.scope = static_cast<limits::Scope>(bytes.below(limits::kScopeCount));
  budget.limit = {std::int64_t{1} << bytes.below(50)};
  budget.rule = "budgets.a";
  return budget;
}

config::Model model_of(Bytestream& bytes, std::string name, int upstream) {
  config::Model model;
  model.name = std::move(name);
  model.upstream = upstream;
  model.upstream_name = model.name + "-there";
  model.context_tokens = bytes.flag() ? std::int64_t{1} << bytes.below(30) : 0;
  model.prices.input = {bytes.below(256) * 1'000'000};
  model.prices.output = {bytes.below(256) * 1'000'000'000};
  if (bytes.flag()) model.prices.cached_input = Price{bytes.below(256) * 500'000};
  return model;
}

config::Route route_of(Bytestream& bytes) {
  constexpr dialects::Surface kSurfaces[] = {
      dialects::Surface::kChatCompletions, dialects::Surface::kCompletions,
      dialects::Surface::kEmbeddings, dialects::Surface::kMessages, dialects::Surface::kResponses};
  config::Route route;
  route.surface = kSurfaces[bytes.below(std::size(kSurfaces))];
  route.name = dialects::name_of(route.surface);
  route.access.path = dialects::standard_path(route.surface);
  route.access.mode = mode_of(bytes);
  route.access.exposure =
      bytes.below(8) == 0 ? authorization::Exposure::kInternal : authorization::Exposure::kPublic;
  route.access.models = {"a", "b"};
  route.models = {0, 1};
  if (bytes.below(4) != 0) route.access.allow = {{{"acme"}, {}, {}}};
  if (bytes.flag()) route.tools.allow = tools::NameSet({"*"});
  route.tools.mode = mode_of(bytes);
  route.prompt.mode = mode_of(bytes);
  route.prompt.body = std::int64_t{1} << bytes.below(20);
  route.prompt.input_tokens = std::int64_t{1} << bytes.below(40);
  route.prompt.output_tokens = std::int64_t{1} << bytes.below(40);
  route.prompt.choices = 1 + bytes.below(128);
  if (bytes.flag()) route.prompt.on_output_over = prompts::OverCap::kRefuse;
  if (bytes.flag()) route.limits.push_back(limit_of(bytes));
  return route;
}

std::shared_ptr<config::Config> config_of(Bytestream& bytes) {
  auto config = std::make_shared<config::Config>();
  config->version = "fuzz";
  config->authentication.api_keys = bytes.below(16) != 0;
  config::Upstream upstream;
  upstream.name = "there";
  upstream.endpoints = {{false, "10.0.0.5", 80, "/v1"}};
  upstream.credential = config::Secret("sk-secret");
  config->upstreams = {upstream, upstream};
  config->upstreams[1].speaks = dialects::Dialect::kAnthropic;
  config->models = {model_of(bytes, "a", 0), model_of(bytes, "b", 1)};
  config::Tenant tenant;
  tenant.name = "acme";
  if (bytes.flag()) tenant.limits.push_back(limit_of(bytes));
  config->tenants = {tenant};
  for (std::int64_t i = bytes.below(4); i > 0; --i) config->limits.push_back(limit_of(bytes));
  for (std::int64_t i = bytes.below(3); i > 0; --i) config->budgets.push_back(budget_of(bytes));
  if (bytes.flag()) config->tenants[0].budget = budget_of(bytes);
  for (std::int64_t i = 1 + bytes.below(3); i > 0; --i) config->routes.push_back(route_of(bytes));
  for (const config::Route& route : config->routes) config->access.push_back(&route.access);
  if (bytes.flag()) config->audit.content = audit::Content::kHash;
  return config;
}

// What the budgets say of what they do not hold. Read last, so that older inputs still mean what
// they did: without bytes a budget refuses.
void say_when_exhausted(Bytestream& bytes, config::Config& config) {
  int number = 0;
  const auto say = [&](cost::Policy& budget) {
    budget.rule = "budgets." + std::to_string(number++);
    budget.when_exhausted = static_cast<cost::WhenExhausted>(bytes.below(4));
    budget.downgrade_to = bytes.flag() ? "a" : "b";
    budget.cap_output_tokens = std::int64_t{1} << bytes.below(40);
  };
  for (cost::Policy& budget : config.budgets) say(budget);
  if (config.tenants[0].budget) say(*config.tenants[0].budget);
}

// Which models may be sent images and recordings; after that, for the same reason.
void say_media(Bytestream& bytes, config::Config& config) {
  const std::vector<std::string_view> images = dialects::image_formula_names();
  for (config::Model& model : config.models) {
    if (bytes.flag()) {
      const auto which = static_cast<std::size_t>(bytes.below(std::ssize(images)));
      model.media.images = dialects::image_formula_named(images[which]);
    }
    if (bytes.flag()) {
      model.media.audio = dialects::audio_formula_named("openai");
      model.prices.audio = Price{bytes.below(256) * 4'000'000};
    }
  }
}

// What their texts are held to; last of all, as before.
void say_content(Bytestream& bytes, config::Config& config) {
  static constexpr content::Pack kPacks[] = {content::Pack::kSecrets, content::Pack::kPii,
                                             content::Pack::kInjection};
  static const std::shared_ptr<const content::Rules> rules = [] {
    const auto compiled = content::Rules::compile(kPacks);
    CHECK(compiled.has_value());
    return *compiled;
  }();
  if (!bytes.flag()) return;
  if (bytes.below(8) != 7) config.content_rules = rules;  // Else nothing can be inspected.
  for (config::Route& route : config.routes) {
    if (bytes.flag()) route.content.request = {content::Pack::kSecrets, content::Pack::kPii};
    route.content.mode = mode_of(bytes);
    if (bytes.flag()) route.content.on_match = content::OnMatch::kFlag;
  }
  for (config::Route& route : config.routes) {
    if (bytes.flag()) route.content.request.push_back(content::Pack::kUnicode);
  }
  for (config::Route& route : config.routes) {
    if (bytes.flag()) route.content.request.push_back(content::Pack::kInjection);
  }
  for (config::Route& route : config.routes) {
    if (bytes.flag()) route.content.on_match = content::OnMatch::kRedact;
    content::resolve(route.content, content::all_rules());
  }
}

// What else they are paid by; last of all, as before.
void say_prices(Bytestream& bytes, config::Config& config) {
  for (config::Model& model : config.models) {
    if (bytes.flag()) model.made.request = Money{bytes.below(256) * 1000};
    if (bytes.flag()) model.made.tool_call_tokens = std::int64_t{1} << bytes.below(30);
    for (std::optional<Money>& price : model.made.tool_call) {
      if (bytes.flag()) price = Money{bytes.below(256) * 100};
    }
    if (!bytes.flag()) continue;
    model.prices.long_context.push_back({.above = std::int64_t{1} << bytes.below(20),
                                         .input = {model.prices.input.pico_usd_per_token * 2},
                                         .cached_input = {},
                                         .output = model.prices.output});
  }
  for (config::Route& route : config.routes) {
    if (!bytes.flag()) continue;
    route.tools.allow = tools::NameSet({"*", "type:web_search", "type:web_fetch", "type:mcp"});
    route.tools.calls = 1 + bytes.below(64);
  }
}

cost::PricesApart apart_of(Bytestream& bytes) {
  const auto maybe = [&]() -> std::optional<Price> {
    if (!bytes.flag()) return std::nullopt;
    return Price{bytes.below(256) * 4'000'000};
  };
  return {maybe(), maybe(), maybe(), maybe(), maybe()};
}

// What has a price of its own, and tiers; last of all, as before.
void say_parts(Bytestream& bytes, config::Config& config) {
  for (config::Model& model : config.models) {
    model.prices.apart = apart_of(bytes);
    for (const ServiceTier tier : {ServiceTier::kFlex, ServiceTier::kPriority}) {
      if (!bytes.flag()) continue;
      cost::Prices& made = model.prices.tiers.emplace_back();
      made.tier = tier;
      made.input = {bytes.below(256) * 1'000'000};
      made.output = {bytes.below(256) * 1'000'000};
      made.apart = apart_of(bytes);
    }
  }
  for (config::Route& route : config.routes) {
    route.service_tiers.bits = static_cast<std::uint8_t>(bytes.below(8) & 6);
  }
}

Script script_of(Bytestream& bytes) {
  constexpr int kStatuses[] = {200, 200, 200, 200, 400, 401, 429, 500};
  constexpr FaultKind kFaults[] = {FaultKind::kTimeout, FaultKind::kBroken,
                                   FaultKind::kUnreachable};
  Script script;
  script.full = bytes.below(32) == 31;
  if (bytes.below(16) == 15) script.send_fault = kFaults[bytes.below(3)];
  script.sent = bytes.flag();
  script.status = kStatuses[bytes.below(8)];
  script.hangs_before_head = bytes.below(16) == 15;
  script.hangs_after_pieces = bytes.below(4) == 3;
  if (bytes.below(4) == 3) script.fault = kFaults[bytes.below(3)];
  if (bytes.flag()) script.content_type = "text/event-stream";
  return script;
}

Ask ask_of(Bytestream& bytes, const std::string& key, const config::Config& config) {
  Ask ask;
  ask.target = config.routes[bytes.below(std::ssize(config.routes))].access.path;
  if (bytes.below(32) == 31) {
    ask.method = "GET";
    ask.target = "/v1/models?x=%zz";
  }
  if (bytes.below(32) != 31) ask.headers.emplace_back("x-api-key", key);
  if (bytes.flag()) ask.headers.emplace_back("anthropic-version", "2023-06-01");
  ask.ip.bytes.fill(bytes.take());
  return ask;
}

void run(std::string_view input) {
  const std::size_t settings =
      input.empty() ? 0 : std::min(input.size(), 1UL + static_cast<std::uint8_t>(input[0]));
  Bytestream bytes(input.substr(0, settings));
  (void)bytes.take();
  Bytestream texts(input.substr(settings));
  static const Vocabularies none("/nowhere");
  const std::shared_ptr<config::Config> config = config_of(bytes);
  World world(config, none);
  const std::string key = world.add_key("acme", bytes.flag() ? "ada" : "");
  world.upstreams.script = script_of(bytes);
  world.trail.fails = bytes.below(16) == 15;
  if (bytes.below(16) == 15) world.ledger.refusal.emplace();
  Ask ask = ask_of(bytes, key, *config);
  const int writes_until_gone = static_cast<int>(bytes.below(8)) - 1;
  const std::size_t piece_bytes = static_cast<std::size_t>(1 + bytes.below(255));
  say_when_exhausted(bytes, *config);
  Books books;
  if (bytes.flag()) world.ledger.books = &books;
  ask.body = texts.until_zero();
  for (std::string_view rest = texts.until_zero(); !rest.empty();) {
    const std::string_view piece = rest.substr(0, piece_bytes);
    world.upstreams.script.pieces.emplace_back(piece);
    rest.remove_prefix(piece.size());
  }

  // The second time what it is held on is known to be far, or not.
  const int times = bytes.flag() ? 2 : 1;
  say_media(bytes, *config);
  say_content(bytes, *config);
  say_prices(bytes, *config);
  say_parts(bytes, *config);
  for (int time = 1; time <= times; ++time) {
    const auto caller = world.serve(ask, writes_until_gone);
    if (world.meter.over < time) caller->leave();
    CHECK(world.meter.begun == time && world.meter.over == time);
    CHECK(caller->caller_gone() || caller->complete());
    CHECK(world.ledger.open() == 0);
    CHECK(world.upstreams.at_work == 0);
    CHECK(std::ssize(world.upstreams.messages) <= world.ledger.held);
    CHECK(caller->text.find("sk-secret") == std::string::npos ||
          input.find("sk-secret") != std::string_view::npos);
  }
  for (const auto& [account, balance] : books.balances) CHECK(balance.held == Money{});
  for (const Settled& settled : world.ledger.settled) {
    CHECK(settled.held == Money{} || settled.used.cost <= settled.held);
  }
}

}  // namespace
}  // namespace tollgate::pipeline::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tollgate::pipeline::testing::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
