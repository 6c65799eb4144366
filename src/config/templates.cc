#include "config/templates.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/scalars.h"

namespace tollgate::config {

namespace {

constexpr std::string_view kVllmUrl = "http://127.0.0.1:8000/v1";

struct StarterModel {
  std::string name;
  std::string upstream;
  std::string rest;  // Of its line.
};

// Which models go behind which surface.
struct Doors {
  std::vector<StarterModel> models;
  std::vector<std::string> chat;
  std::vector<std::string> completions;
  std::vector<std::string> embeddings;
  std::vector<std::string> messages;
};

std::string list(const std::vector<std::string>& names) {
  std::string made;
  for (const std::string& name : names) {
    made += fmt::format("{}\"{}\"", made.empty() ? "" : ", ", name);
  }
  return "[" + made + "]";
}

void add(Doors& doors, const std::vector<std::vector<std::string>*>& behind, StarterModel model) {
  const bool known = std::ranges::count(doors.models, model.name, &StarterModel::name) != 0;
  if (known || !is_model_name(model.name)) return;
  for (std::vector<std::string>* door : behind) door->push_back(model.name);
  doors.models.push_back(std::move(model));
}

void add_local(Doors& doors, const std::string& upstream, std::vector<std::string> names,
               std::string_view otherwise) {
  std::erase_if(names, [](const std::string& name) { return !is_model_name(name); });
  if (names.empty()) names.emplace_back(otherwise);
  for (std::string& name : names) {
    add(doors, {&doors.chat, &doors.completions},
        {std::move(name), upstream, "price_per_million: { input: 0, output: 0 }"});
  }
}

Doors doors_of(const StarterUpstreams& found) {
  Doors doors;
  if (found.openai) {
    add(doors, {&doors.chat},
        {"gpt-4o-mini", "openai",
         "tokenizer: o200k_base, images: gpt-4o-mini, context_tokens: 128000, "
         "price_per_million: { input: 0.15, cached_input: 0.075, output: 0.60 }"});
    add(doors, {&doors.chat},
        {"gpt-4o", "openai",
         "tokenizer: o200k_base, images: gpt-4o, context_tokens: 128000, "
         "price_per_million: { input: 2.50, cached_input: 1.25, output: 10.00 }"});
    add(doors, {&doors.embeddings},
        {"text-embedding-3-small", "openai",
         "tokenizer: cl100k_base, price_per_million: { input: 0.02, output: 0 }"});
  }
  if (found.anthropic) {
    add(doors, {&doors.messages},
        {"claude-haiku-4-5", "anthropic",
         "images: claude, context_tokens: 200000, price_per_million: { input: 1.00, "
         "cached_input: 0.10, cache_write_5m: 1.25, cache_write_1h: 2.00, output: 5.00 }"});
    add(doors, {&doors.messages},
        {"claude-sonnet-4-5", "anthropic",
         "images: claude, context_tokens: 200000, price_per_million: { input: 3.00, "
         "cached_input: 0.30, cache_write_5m: 3.75, cache_write_1h: 6.00, output: 15.00 }"});
  }
  if (found.ollama_host) add_local(doors, "ollama", found.ollama_models, "llama3.2");
  if (found.vllm_url || doors.models.empty()) {
    add_local(doors, "vllm", found.vllm_models, "local-model");
  }
  return doors;
}

std::string head(const StarterUpstreams& found) {
  return fmt::format(
      "# yaml-language-server: $schema=tollgate.schema.json\n"
      "#\n"
      "# tollgate: who may ask which model, how much, and what it may cost. Deny is the default.\n"
      "# `tollgate check` says what is wrong or weak here; `tollgate schema >\n"
      "# tollgate.schema.json` lets an editor complete it.\n\n"
      "listeners:\n"
      "  local:\n"
      "    address: {}            # This machine alone. Beyond it, add `tls`.\n\n"
      "admin: {{ address: \"{}\" }}      # Metrics, health and the admin API.\n\n"
      "store:\n"
      "  ledger: {}        # Keys, budgets, spend and the trail.\n"
      "  rates: memory\n\n"
      "authentication:\n"
      "  api_keys: {{}}                        # `tollgate keys create --tenant default`\n\n",
      found.address, found.admin_address, found.ledger);
}

bool is_used(const Doors& doors, std::string_view upstream) {
  return std::ranges::count(doors.models, upstream, &StarterModel::upstream) != 0;
}

std::string upstreams(const StarterUpstreams& found, const Doors& doors) {
  std::string made =
      "# Model servers. A credential stays here: callers have keys of tollgate only.\n"
      "upstreams:\n";
  if (found.openai) {
    made +=
        "  openai: { url: \"https://api.openai.com/v1\", speaks: openai, "
        "credential: \"${OPENAI_API_KEY}\" }\n";
  }
  if (found.anthropic) {
    made +=
        "  anthropic: { url: \"https://api.anthropic.com\", speaks: anthropic, "
        "credential: \"${ANTHROPIC_API_KEY}\" }\n";
  }
  if (is_used(doors, "ollama")) {
    made += fmt::format("  ollama: {{ url: \"{}\", speaks: openai, concurrent_requests: 8 }}\n",
                        ollama_url(*found.ollama_host));
  }
  if (is_used(doors, "vllm")) {
    const std::string url = found.vllm_url.value_or(std::string(kVllmUrl));
    made += fmt::format("  vllm: {{ url: \"{}\", speaks: openai, concurrent_requests: 64 }}\n",
                        parse_url(url) ? url : kVllmUrl);
  }
  return made + "\n";
}

std::string models(const Doors& doors) {
  std::string made =
      "# Dollars a million tokens: compare them with your provider's list, the budget goes by\n"
      "# them. A model without a price is refused; one of your own may cost 0.\n"
      "models:\n";
  for (const StarterModel& model : doors.models) {
    made +=
        fmt::format("  \"{}\": {{ upstream: {}, {} }}\n", model.name, model.upstream, model.rest);
  }
  return made + "\n";
}

constexpr std::string_view kControls =
    "tenants:\n"
    "  default:\n"
    "    roles: [user]\n"
    "    # The worst case of each request is held before it leaves, so this is never exceeded.\n"
    "    budget: { usd: 10, per: day, alert_at: [0.5, 0.8, 1.0], when_exhausted: refuse }\n\n"
    "limits:\n"
    "  tenant_id:                           # Of each tenant.\n"
    "    requests_per_minute: 120\n"
    "    input_tokens_per_minute: 400000\n"
    "    output_tokens_per_minute: 100000\n"
    "    concurrent_requests: 12\n\n";

std::string route(std::string_view name, std::string_view path,
                  const std::vector<std::string>& models, std::string_view caps) {
  if (models.empty()) return "";
  return fmt::format(
      "  - name: {}\n    path: {}\n    models: {}\n"
      "    allow: [{{ tenants: [default], roles: [user] }}]\n    prompt: {{ {} }}\n",
      name, path, list(models), caps);
}

std::string routes(const Doors& doors) {
  constexpr std::string_view kCaps =
      "body: 1MiB, input_tokens: 120000, output_tokens: 4096, choices: 1";
  std::string made =
      "# Doors: a path, the models behind it, who may use them. Tools that a caller offers to the\n"
      "# model are refused unless named: tools: { allow: [get_weather] } on a route.\n"
      "routes:\n";
  made += route("chat", "/v1/chat/completions", doors.chat, kCaps);
  made += route("completions", "/v1/completions", doors.completions, kCaps);
  made +=
      route("embeddings", "/v1/embeddings", doors.embeddings, "body: 1MiB, input_tokens: 120000");
  made += route("messages", "/v1/messages", doors.messages, kCaps);
  made +=
      "  - name: models                       # Lists what the caller may use.\n"
      "    path: /v1/models\n"
      "    allow: [{ tenants: [default], roles: [user] }]\n\n";
  return made;
}

}  // namespace

std::string ollama_url(const std::string& host) {
  constexpr std::string_view kUsual = "http://127.0.0.1:11434/v1";
  if (host.empty()) return std::string(kUsual);
  const bool named = host.starts_with("http://") || host.starts_with("https://");
  auto endpoint = parse_url(named ? host : "http://" + host);
  if (!endpoint) return std::string(kUsual);
  if (!named && host.find(':') == std::string::npos) endpoint->port = 11434;
  if (endpoint->host == "0.0.0.0") endpoint->host = "127.0.0.1";
  if (endpoint->path_prefix.empty()) endpoint->path_prefix = "/v1";
  return format_url(*endpoint);
}

std::string init_yaml(const StarterUpstreams& found) {
  const Doors doors = doors_of(found);
  return head(found) + upstreams(found, doors) + models(doors) + std::string(kControls) +
         routes(doors) + "audit: { content: none, keep: 400d }\n";
}

}  // namespace tollgate::config
