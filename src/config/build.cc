#include "config/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "config/price_table.h"
#include "config/scalars.h"
#include "tokens/vocabulary.h"

namespace tollgate::config {

namespace {

class Builder {
 public:
  Builder(const View& root, Config& config, Report& report)
      : root_(root), config_(config), report_(report) {}

  void build() {
    listeners();
    store();
    upstreams();
    config_.retries = build_retries(root_);
    build_guards(root_, config_, report_);
    models();
    limits_and_budgets();
    tenants();
    build_authentication(root_.section("authentication"), config_, report_);
    build_admin(root_.section("admin"), config_, report_);
    build_own_rules(root_, config_, report_);
    routes();
    build_content_rules(root_, config_, report_);
    build_alerts(root_, config_, report_);
    audit();
    edge();
  }

 private:
  void tell(const View& view, std::string_view key, std::string message) {
    tell_in(report_, view, key, std::move(message));
  }

  std::string file(const View& view, std::string_view key) { return file_of(report_, view, key); }

  void listeners() {
    for (const View& view : root_.each("listeners")) {
      Listener made;
      made.name = view.name();
      if (const auto address = parse_host_port(view.text("address"))) {
        made.host = address->host;
        made.port = address->port;
      }
      made.exposure = view.choice("exposure", made.exposure);
      made.tls = build_tls(view, report_);
      made.proxy_protocol = view.choice("proxy_protocol", made.proxy_protocol);
      config_.listeners.push_back(std::move(made));
    }
    if (!root_.has("listeners")) {
      Listener local;
      local.name = "local";
      local.host = "127.0.0.1";
      local.port = 8080;
      config_.listeners.push_back(std::move(local));
    } else if (const Node* node = root_.node("listeners");
               node->kind == NodeKind::kMapping && node->children.empty()) {
      tell(root_, "listeners", "expected at least one listener, found none");
    }
  }

  void store() {
    const View view = root_.section("store");
    Store& made = config_.store;
    const std::string ledger = view.text("ledger");
    constexpr std::string_view kSqlite = "sqlite://";
    made.in_memory = ledger == "memory";
    made.state_directory = file(view, "state_directory");
    if (ledger.starts_with(kSqlite)) {
      made.sqlite_path = beside(report_.file, ledger.substr(kSqlite.size()));
      if (made.state_directory.empty()) {
        made.state_directory = std::filesystem::path(made.sqlite_path).parent_path().string();
      }
    } else if (!made.in_memory) {
      made.postgres_url = Secret(ledger);
      if (made.state_directory.empty()) made.state_directory = "/var/lib/tollgate";
    }
    if (const std::string rates = view.text("rates"); rates != "memory") {
      made.redis_url = Secret(rates);
    }
    const View on_fault = view.section("on_fault");
    made.rates_on_fault = on_fault.choice("rates", made.rates_on_fault);
    made.keys_on_fault = on_fault.choice("keys", made.keys_on_fault);
  }

  void upstreams() {
    for (const View& view : root_.each("upstreams")) {
      Upstream made;
      made.name = view.name();
      endpoints(view, made);
      made.speaks = view.choice("speaks", made.speaks);
      made.credential = Secret(view.text("credential"));
      made.credential_header =
          view.choice("credential_header", made.speaks == dialects::Dialect::kAnthropic
                                               ? CredentialHeader::kXApiKey
                                               : CredentialHeader::kAuthorization);
      made.query = view.text("query");
      const View timeout = view.section("timeout");
      made.timeout.connect = timeout.duration("connect");
      made.timeout.first_byte = timeout.duration("first_byte");
      made.timeout.between_chunks = timeout.duration("between_chunks");
      made.timeout.total = timeout.duration("total");
      made.concurrent_requests = view.count("concurrent_requests");
      made.output_cap_field = view.choice("output_cap_field", usual_cap_field(made));
      made.certificate_authority = authority_of(report_, view);
      made.surfaces = surfaces_of(view, made.speaks);
      made.dropped_fields = view.texts("drop_fields");
      made.adaptive_concurrency = view.flag("adaptive_concurrency");
      made.queue = build_queue(view);
      made.breaker = build_breaker(view, report_);
      made.health_check = build_health_check(view);
      upstream_credentials(report_, view, made);
      config_.upstreams.push_back(std::move(made));
    }
  }

  static std::vector<dialects::Surface> surfaces_of(const View& view, dialects::Dialect speaks) {
    std::vector<dialects::Surface> made;
    for (const std::string& name : view.texts("surfaces")) {
      if (const auto surface = dialects::surface_named(name)) made.push_back(*surface);
    }
    if (!made.empty()) return made;
    using enum dialects::Surface;
    if (speaks == dialects::Dialect::kAnthropic) return {kMessages};
    return {kChatCompletions, kResponses};
  }

  // What OpenAI serves by itself, or Azure for it, refuses some chats with both names.
  static bool is_openai(const Endpoint& endpoint) {
    std::string host;
    for (const char c : endpoint.host) {
      host.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
    }
    return host == "api.openai.com" || host.ends_with(".api.openai.com") ||
           host.ends_with(".openai.azure.com");
  }

  static dialects::CapField usual_cap_field(const Upstream& upstream) {
    const bool openai =
        !upstream.endpoints.empty() && std::ranges::all_of(upstream.endpoints, is_openai);
    return openai ? dialects::CapField::kMaxCompletionTokens : dialects::CapField::kBoth;
  }

  void endpoints(const View& view, Upstream& made) {
    std::vector<std::string> urls = view.texts("urls");
    if (view.has("url")) {
      if (view.has("urls")) tell(view, "url", "expected `url` or `urls`, found both");
      urls = {view.text("url")};
    } else if (!view.has("urls")) {
      if (const Node* node = root_.node("upstreams")->find(made.name)) {
        report_.tell(*node, view.path(), "`url` is missing: expected `url` or `urls`");
      }
    }
    std::vector<std::string> seen;
    for (const std::string& url : urls) {
      const auto endpoint = parse_url(url);
      if (!endpoint) continue;
      std::string form = format_url(*endpoint);
      if (std::ranges::count(seen, form) != 0) {
        tell(view, "urls", fmt::format("`{}` is there twice", form));
      }
      seen.push_back(std::move(form));
      made.endpoints.push_back(*endpoint);
    }
  }

  PriceTable price_table() {
    PriceTable table;
    build_price_table(root_, table, report_);
    const std::string path = file(root_, "prices_file");
    if (path.empty()) return table;
    config_.prices_file = path;
    config_.prices_version = version_of(load_price_table(path, table, report_.problems));
    return table;
  }

  void models() {
    const PriceTable table = price_table();
    for (const View& view : root_.each("models")) {
      Model made;
      made.name = view.name();
      const std::string upstream = view.text("upstream");
      made.upstream = index_of(config_.upstreams, upstream);
      if (made.upstream < 0 && !upstream.empty()) {
        tell(view, "upstream", unknown_name(upstream, "upstream", config_.upstreams));
      }
      made.upstream_name = view.text("name");
      if (made.upstream_name.empty()) made.upstream_name = made.name;
      made.tokenizer = view.text("tokenizer");
      if (tokens::names_file(made.tokenizer)) made.tokenizer = file(view, "tokenizer");
      made.chat_template =
          view.choice("chat_template", dialects::chat_template_of(view.text("tokenizer")));
      made.context_tokens = view.count("context_tokens");
      made.reasoning = view.flag("reasoning");
      made.media.images = dialects::image_formula_named(view.text("images"));
      made.media.audio = dialects::audio_formula_named(view.text("audio"));
      model_prices(view, table, made, report_);
      audio_price(view, made);
      model_attempts(report_, view, made);
      config_.models.push_back(std::move(made));
    }
  }

  // Recordings have a price of their own everywhere, and it is for nothing else.
  void audio_price(const View& view, const Model& model) {
    const auto has_one = [](const PriceList& list) { return list.prices.audio.has_value(); };
    const bool all = has_one(model) && std::ranges::all_of(model.later, has_one);
    const bool is_bad = view.has("price_per_million") &&
                        view.section("price_per_million").has("audio") && !has_one(model);
    if (is_bad) return;  // That is told.
    if (view.has("audio") && !all) {
      tell(view, "audio",
           "recordings are paid at a price of their own: write `price_per_million.audio` as well");
    } else if (has_one(model) && !view.has("audio") && !view.has("prices")) {
      tell(view.section("price_per_million"), "audio",
           "no recording is sent to this model: write its `audio` as well, or leave this out");
    }
  }

  // The figures written in one `limits` section.
  std::vector<limits::Policy> figures(const View& view, limits::Scope scope) {
    std::vector<limits::Policy> made;
    for (int i = 0; i < limits::kFigureCount; ++i) {
      limits::Policy policy;
      policy.figure = static_cast<limits::Figure>(i);
      const std::string_view key = limits::name_of(policy.figure);
      if (!view.has(key)) continue;
      policy.mode = view.choice("mode", Mode::kEnforce);
      policy.scope = scope;
      policy.limit = std::max<std::int64_t>(1, view.count(key));
      policy.rule = view.path(key);
      made.push_back(std::move(policy));
    }
    return made;
  }

  std::vector<limits::Policy> figures_by_scope(const View& owner) {
    std::vector<limits::Policy> made;
    for (const View& view : owner.each("limits")) {
      const auto scope = limits::scope_named(view.name());
      if (!scope) continue;
      for (limits::Policy& policy : figures(view, *scope)) made.push_back(std::move(policy));
      if (figures(view, *scope).empty()) {
        if (const Node* node = owner.node("limits")->find(view.name())) {
          report_.tell(*node, view.path(), "no figure is written: this limits nothing");
        }
      }
    }
    return made;
  }

  cost::Policy budget(const View& view, limits::Scope scope) {
    cost::Policy made;
    made.mode = view.choice("mode", made.mode);
    made.scope = scope;
    made.limit = view.money("usd").value_or(Money{});
    made.window = view.choice("per", made.window);
    const std::string zone = (view.has("time_zone") ? view : root_).text("time_zone");
    made.zone = cost::TimeZone::named(zone).value_or(made.zone);
    if (made.window == cost::Window::kTotal && view.has("time_zone")) {
      tell(view, "time_zone", "a budget in `total` has no calendar: remove `time_zone`");
    }
    made.when_exhausted = view.choice("when_exhausted", made.when_exhausted);
    when_exhausted(view.section("when_exhausted"), made);
    for (const std::string& share : view.texts("alert_at")) {
      made.alert_at.push_back(parse_share(share).value_or(0));
    }
    if (!std::ranges::is_sorted(made.alert_at, std::less_equal<>{})) {
      tell(view, "alert_at", "expected shares that ascend, each once");
    }
    made.rule = view.path();
    return made;
  }

  void when_exhausted(const View& view, cost::Policy& made) {
    if (view.has("downgrade_to")) {
      made.when_exhausted = cost::WhenExhausted::kDowngradeTo;
      made.downgrade_to = view.text("downgrade_to");
    } else if (view.has("cap_output_tokens")) {
      made.when_exhausted = cost::WhenExhausted::kCapOutputTokens;
      made.cap_output_tokens = std::max<Tokens>(1, view.count("cap_output_tokens"));
    }
  }

  void limits_and_budgets() {
    config_.limits = figures_by_scope(root_);
    for (const View& view : root_.each("budgets")) {
      const auto scope = limits::scope_named(view.name());
      if (scope) config_.budgets.push_back(budget(view, *scope));
    }
  }

  void tenants() {
    for (const View& view : root_.each("tenants")) {
      Tenant made;
      made.name = view.name();
      made.roles = view.texts("roles");
      made.grantable_roles = view.texts("grantable_roles");
      made.keys_max = view.count("keys_max");
      made.weight = view.count("weight");
      made.limits = figures(view.section("limits"), limits::Scope::kTenantId);
      if (view.has("limits") && made.limits.empty()) {
        tell(view, "limits", "no figure is written: this limits nothing");
      }
      if (view.has("budget")) {
        made.budget = budget(view.section("budget"), limits::Scope::kTenantId);
      }
      made.tools = build_tenant_tools(view, report_);
      config_.tenants.push_back(std::move(made));
    }
    std::ranges::sort(config_.tenants, {}, &Tenant::name);
  }

  void routes() {
    for (const View& view : root_.each("routes")) {
      Route made;
      made.name = view.text("name");
      if (!made.name.empty() && index_of(config_.routes, made.name) >= 0) {
        tell(view, "name", fmt::format("a route `{}` is there already", made.name));
      }
      made.access.name = made.name;
      made.access.path = view.text("path");
      surface(view, made);
      made.access.method = view.text("method");
      if (made.access.method.empty()) {
        made.access.method = made.surface == dialects::Surface::kModels ? "GET" : "POST";
      }
      made.access.exposure = view.choice("exposure", made.access.exposure);
      made.access.mode = view.choice("mode", made.access.mode);
      route_models(view, made);
      for (const View& line : view.each("allow")) made.access.allow.push_back(allow(line));
      made.access.anonymous = view.flag("anonymous");
      made.tools = build_tools(view, report_);
      made.prompt = prompt(view.section("prompt"));
      if (view.has("content")) made.content = build_content(view, made.surface, config_, report_);
      route_guards(report_, view, config_, made);
      made.priority = view.choice("priority", made.priority);
      made.service_tiers = build_service_tiers(view, made.surface, report_);
      if (view.has("anomalies")) made.anomalies = watch(view, made.surface);
      route_stored_responses(report_, view, config_, made);
      route_answers(report_, view, made);
      route_mcp(report_, view, config_, made);
      made.limits = figures_by_scope(view);
      rename(made, view.path());
      config_.routes.push_back(std::move(made));
    }
    for (const Route& route : config_.routes) config_.access.push_back(&route.access);
  }

  // Rules name a route by its name, not by its place: "routes.chat.limits.…".
  static void rename(Route& route, const std::string& path) {
    for (limits::Policy& policy : route.limits) {
      policy.rule = fmt::format("routes.{}{}", route.name, policy.rule.substr(path.size()));
    }
  }

  void surface(const View& view, Route& made) {
    if (view.has("mcp")) {
      made.surface = dialects::Surface::kMcp;
      if (dialects::surface_of_path(made.access.path)) {
        tell(view, "path", "this is the path of models: give an MCP server another");
      }
      return;
    }
    const auto implied = dialects::surface_of_path(made.access.path);
    if (view.has("surface")) {
      made.surface = view.choice("surface", dialects::Surface::kChatCompletions);
      if (implied && *implied != made.surface) {
        tell(view, "surface",
             fmt::format("`{}` is the path of `{}`: remove `surface`, or use another path",
                         made.access.path, dialects::name_of(*implied)));
      }
      return;
    }
    made.surface = implied.value_or(dialects::Surface::kChatCompletions);
    if (implied || made.access.path.empty()) return;
    tell(view, "path",
         is_later_path(made.access.path)
             ? fmt::format("`{}` is not served by this version of tollgate: remove the route",
                           made.access.path)
             : fmt::format("`{}` implies no surface: say its `surface`", made.access.path));
  }

  // A standard path of the contract whose surface is not served yet.
  static bool is_later_path(std::string_view path) {
    constexpr std::string_view kLater[] = {"/v1/images/variations"};
    return std::ranges::any_of(kLater, [&](std::string_view later) {
      return later.ends_with('/') ? path.starts_with(later) : path == later;
    });
  }

  void route_models(const View& view, Route& made) {
    const bool needed =
        made.surface != dialects::Surface::kModels && made.surface != dialects::Surface::kMcp;
    if (needed && (!view.has("models") ||
                   (view.texts("models").empty() && view.node("models")->children.empty()))) {
      const std::string message =
          "`models` is missing: expected the names of the models that this route serves";
      if (view.has("models")) {
        tell(view, "models", message);
      } else {
        tell(view, "path", message);
      }
    }
    for (const std::string& name : view.texts("models")) {
      const int index = index_of(config_.models, name);
      if (index < 0) {
        tell_item(view, "models", name, unknown_name(name, "model", config_.models));
      } else if (std::ranges::count(made.models, index) != 0) {
        tell(view, "models", fmt::format("`{}` is there twice", name));
      } else {
        made.models.push_back(index);
        made.access.models.push_back(name);
      }
    }
  }

  void tell_item(const View& view, std::string_view key, std::string_view text,
                 std::string message) {
    const Node* list = view.node(key);
    for (std::size_t i = 0; i < list->children.size(); ++i) {
      if (list->children[i].text != text) continue;
      report_.tell(list->children[i], fmt::format("{}[{}]", view.path(key), i), std::move(message));
      return;
    }
  }

  authorization::Allow allow(const View& view) {
    authorization::Allow made;
    made.tenants = view.texts("tenants");
    for (const std::string& name : made.tenants) {
      if (index_of(config_.tenants, name) >= 0) continue;
      tell_item(view, "tenants", name, unknown_name(name, "tenant", config_.tenants));
    }
    made.roles = view.texts("roles");
    made.scopes = view.texts("scopes");
    for (const std::string& kind : view.texts("credentials")) {
      if (const auto known = authentication::credential_kind_named(kind)) {
        made.credentials.push_back(*known);
      }
    }
    return made;
  }

  static prompts::Policy prompt(const View& view) {
    prompts::Policy made;
    made.mode = view.choice("mode", made.mode);
    made.body = view.bytes("body");
    made.input_tokens = view.count("input_tokens");
    made.output_tokens = view.count("output_tokens");
    made.choices = view.count("choices");
    made.on_output_over = view.choice("on_output_over", made.on_output_over);
    made.count_input = view.choice("count_input", made.count_input);
    made.on_repeating_output = view.choice("on_repeating_output", made.on_repeating_output);
    made.media_domains = view.texts("media_domains");
    return made;
  }

  anomalies::Policy watch(const View& route, dialects::Surface surface) {
    const View view = route.section("anomalies");
    anomalies::Policy made;
    made.mode = view.choice("mode", made.mode);
    made.on_anomaly = view.choice("on_anomaly", made.on_anomaly);
    made.threshold = static_cast<int>(view.count("threshold"));
    for (const std::string& name : view.texts("ignore")) {
      for (int i = 0; i < anomalies::kSignCount; ++i) {
        const auto sign = static_cast<anomalies::Sign>(i);
        if (name != anomalies::name_of(sign)) continue;
        if (made.ignored.has(sign)) tell(view, "ignore", fmt::format("`{}` is there twice", name));
        made.ignored.add(sign);
      }
    }
    if (surface == dialects::Surface::kModels) {
      tell(route, "anomalies", "a list of models has no texts: there is nothing to look at");
    } else if (anomalies::Signs::all().without(made.ignored).score() < made.threshold) {
      tell(route, "anomalies", "what is not ignored never reaches the threshold");
    }
    return made;
  }

  void audit() {
    const View view = root_.section("audit");
    config_.audit.content = view.choice("content", config_.audit.content);
    config_.audit.keep = view.duration("keep");
    config_.audit.queue_bytes = view.bytes("queue");
    config_.audit.survives = view.choice("survives", config_.audit.survives);
  }

  static bool is_everybody(const AddressRange& range) {
    constexpr int kV4 = 96;
    return range.bits == 0 || (range.bits <= kV4 && range.contains(*read_address("0.0.0.0")));
  }

  void edge() {
    const View view = root_.section("edge");
    Edge& edge = config_.edge;
    edge.header_bytes_max = view.bytes("header_bytes_max");
    edge.headers_max = static_cast<int>(view.count("headers_max"));
    edge.header_timeout = view.duration("header_timeout");
    edge.handshake_timeout = view.duration("handshake_timeout");
    edge.body_timeout = view.duration("body_timeout");
    edge.idle_timeout = view.duration("idle_timeout");
    edge.stalled_reply_timeout = view.duration("stalled_reply_timeout");
    edge.connections_max = static_cast<int>(view.count("connections_max"));
    edge.connections_per_address = static_cast<int>(view.count("connections_per_address"));
    edge.reply_bytes_max = view.bytes("reply_bytes_max");
    edge.buffered_bytes_max = view.bytes("buffered_bytes_max");
    edge.drain_timeout = view.duration("drain_timeout");
    edge.workers = static_cast<int>(view.count("workers"));
    edge.forwarded_header = view.choice("forwarded_header", edge.forwarded_header);
    for (const std::string& text : view.texts("trusted_proxies")) {
      const std::optional<AddressRange> range = read_address_range(text);
      if (range && !is_everybody(*range)) {
        edge.trusted_proxies.push_back(*range);
        continue;
      }
      tell_item(view, "trusted_proxies", text,
                text == "*" || range
                    ? "everybody could then say who they are: list your own proxies"
                    : fmt::format("expected an address or a range such as `10.0.0.0/8`, without "
                                  "bits beyond its prefix, found `{}`",
                                  text));
    }
  }

  const View& root_;
  Config& config_;
  Report& report_;
};

}  // namespace

void tell_in(Report& report, const View& view, std::string_view key, std::string message) {
  const Node* node = view.node(key);
  if (node != nullptr && !node->broken) report.tell(*node, view.path(key), std::move(message));
}

std::string file_of(const Report& report, const View& view, std::string_view key) {
  const std::string path = view.text(key);
  return path.empty() ? path : beside(report.file, path);
}

void build(const View& root, Config& config, Report& report) {
  Builder(root, config, report).build();
}

}  // namespace tollgate::config
