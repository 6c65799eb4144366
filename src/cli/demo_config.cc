#include "cli/demo_config.h"

#include <fmt/format.h>

namespace tollgate::cli {

namespace {

constexpr const char* kYaml =
    R"(# The configuration that `tollgate demo` runs. Change it while the demo runs and
# send SIGHUP, or just save: it is read again.
listeners:
  public: {{ address: "127.0.0.1:{port}", exposure: public }}
admin: {{ address: "127.0.0.1:{admin_port}" }}
store: {{ ledger: "sqlite://{ledger}", rates: memory }}
authentication:
  api_keys: {{}}

# The model is made up: it answers at once, costs nothing and counts tokens truly.
upstreams:
  mock: {{ url: "{model_url}/v1", speaks: openai }}
  mock-anthropic: {{ url: "{model_url}", speaks: anthropic }}
  rogue: {{ url: "{rogue_url}/v1", speaks: openai }}   # Ignores every output cap.
  leaky: {{ url: "{leaky_url}/v1", speaks: openai }}   # Says a key that it should keep.
  gone: {{ url: "http://127.0.0.1:1/v1", speaks: openai }}   # Nobody is there.

models:
  small:
    upstream: mock
    tokenizer: o200k_base
    context_tokens: 131072
    price_per_million: {{ input: 0.05, output: 0.10 }}
  gpt-4o:
    upstream: mock
    tokenizer: o200k_base
    context_tokens: 128000
    price_per_million: {{ input: 2.50, cached_input: 1.25, output: 10.00 }}
    downgrade: [{{ to: small, tenants: [thrifty], budget_used: 0.5 }}]
  claude-sonnet:
    upstream: mock-anthropic
    tokenizer: o200k_base
    context_tokens: 200000
    price_per_million: {{ input: 3.00, output: 15.00 }}
  rogue:
    upstream: rogue
    tokenizer: o200k_base
    price_per_million: {{ input: 2.50, output: 10.00 }}
  leaky:
    upstream: leaky
    tokenizer: o200k_base
    price_per_million: {{ input: 2.50, output: 10.00 }}
  gone:
    upstream: gone
    tokenizer: o200k_base
    price_per_million: {{ input: 2.50, output: 10.00 }}
  safe:                                   # Fails as well, and another model steps in.
    upstream: gone
    tokenizer: o200k_base
    price_per_million: {{ input: 2.50, output: 10.00 }}
    fallback: [small]
  coder:                                  # For coding agents that speak OpenAI's…
    upstream: mock
    tokenizer: o200k_base
    context_tokens: 400000
    price_per_million: {{ input: 0.25, cached_input: 0.025, output: 2.00 }}
  claude-haiku:                           # …or Anthropic's dialect.
    upstream: mock-anthropic
    tokenizer: o200k_base
    context_tokens: 200000
    price_per_million: {{ input: 1.00, cached_input: 0.10, output: 5.00 }}
  text-embedding-3-small:
    upstream: mock
    tokenizer: cl100k_base
    price_per_million: {{ input: 0.02, output: 0 }}

tenants:
  acme:
    roles: [engineer]
    budget: {{ usd: 500, per: month, alert_at: [0.5, 0.8, 1.0], when_exhausted: {{ downgrade_to: small }} }}
  search:
    roles: [service]
    budget: {{ usd: 50, per: day, when_exhausted: refuse }}
  intern:                                 # Runs out of money.
    roles: [engineer]
    budget: {{ usd: 0.05, per: day, when_exhausted: refuse }}
    widen: true
    limits: {{ requests_per_minute: 100000, concurrent_requests: 1000 }}
  agent:                                  # Runs away, and is frozen for it.
    roles: [service]
    budget: {{ usd: 50, per: day, when_exhausted: refuse }}
  storm:                                  # Tries again and again.
    roles: [service]
    budget: {{ usd: 50, per: day, when_exhausted: refuse }}
    widen: true
    limits: {{ requests_per_minute: 100000, concurrent_requests: 1000 }}
  thrifty:                                # Half of its money is for the dear model.
    roles: [service]
    budget: {{ usd: 0.05, per: day, when_exhausted: refuse }}
  coder:                                  # A coding agent: many tools, long prompts.
    roles: [engineer]
    budget: {{ usd: 20, per: day, when_exhausted: refuse }}
    widen: true
    limits: {{ requests_per_minute: 600, input_tokens_per_minute: 5000000, concurrent_requests: 20 }}
  fleet:                                  # Many keys; the attacks play a campaign over them.
    roles: [service]
    budget: {{ usd: 50, per: day, when_exhausted: refuse }}

# Every distinct tenant and user has an allowance of its own.
limits:
  tenant_id:
    requests_per_minute: 120
    input_tokens_per_minute: 80000
    concurrent_requests: 6
  user_id: {{ requests_per_minute: 600, output_tokens_per_minute: 400000 }}

routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, gpt-4o, rogue, leaky, gone, safe]
    allow: [{{ tenants: [acme, intern], roles: [engineer] }}, {{ tenants: [search, agent, storm, thrifty] }}]
    prompt: {{ body: 1MiB, input_tokens: 32000, output_tokens: 4096, choices: 1 }}
    tools: {{ allow: [search_docs, get_weather], steps: 50, repeats: 4 }}
    content: {{ request: [secrets, injection, unicode, special_tokens], response: [secrets, links], on_match: refuse }}
  - name: fleet                           # Variants of one prompt over many keys are refused.
    path: /v1/chat/completions
    models: [small, gpt-4o]
    allow: [{{ tenants: [fleet] }}]
    prompt: {{ body: 1MiB, input_tokens: 32000, output_tokens: 4096, choices: 1 }}
    anomalies: {{ on_anomaly: refuse }}
  - name: messages
    path: /v1/messages
    models: [claude-sonnet]
    allow: [{{ tenants: [acme], roles: [engineer] }}]
    prompt: {{ body: 1MiB, input_tokens: 32000, output_tokens: 4096 }}
    tools: {{ allow: [search_docs, get_weather], steps: 50, repeats: 4 }}
  - name: agent_responses                 # Coding agents run what tools they like on their own side;
    path: /v1/responses
    models: [coder]
    allow: [{{ tenants: [coder] }}]
    prompt: {{ body: 16MiB, input_tokens: 180000, output_tokens: 32000 }}
    tools: {{ allow: ["*"], unlisted: remove, repeats: 20 }}
    content: {{ request: [secrets], response: [secrets], on_match: redact }}
  - name: agent_messages                  # what a provider would run, and bill, is taken out.
    path: /v1/messages
    models: [claude-haiku]
    allow: [{{ tenants: [coder] }}]
    prompt: {{ body: 16MiB, input_tokens: 180000, output_tokens: 32000 }}
    tools: {{ allow: ["*"], unlisted: remove, repeats: 20 }}
    content: {{ request: [secrets], response: [secrets], on_match: redact }}
  - name: agent_chat
    path: /v1/chat/completions
    models: [coder, small]
    allow: [{{ tenants: [coder] }}]
    prompt: {{ body: 16MiB, input_tokens: 180000, output_tokens: 32000 }}
    tools: {{ allow: ["*"], unlisted: remove, repeats: 20 }}
    content: {{ request: [secrets], response: [secrets], on_match: redact }}
  - name: agent_count
    path: /v1/messages/count_tokens
    models: [claude-haiku]
    allow: [{{ tenants: [coder] }}]
    prompt: {{ body: 16MiB, input_tokens: 180000 }}
    tools: {{ allow: ["*"], unlisted: remove }}
  - name: models
    path: /v1/models
    allow: [{{ tenants: [acme, search, coder] }}]
  - name: completions
    path: /v1/completions
    models: [small]
    allow: [{{ tenants: [acme], roles: [engineer] }}]
    prompt: {{ body: 256KiB, input_tokens: 8000, output_tokens: 1024 }}
  - name: embeddings
    path: /v1/embeddings
    models: [text-embedding-3-small]
    allow: [{{ tenants: [acme, search] }}]
    prompt: {{ body: 1MiB, input_tokens: 32000 }}
  - name: docs                            # An MCP server.
    path: /mcp/docs
    allow: [{{ tenants: [acme, search] }}]
    content: {{ request: [secrets], response: [secrets, injection, unicode, links] }}
    mcp: {{ url: "{model_url}/mcp", tools: {{ allow: [search_docs, get_weather] }} }}
  - name: plugins                         # One of somebody else's, with a poisoned tool.
    path: /mcp/plugins
    allow: [{{ tenants: [acme] }}]
    content: {{ request: [secrets], response: [secrets, injection, unicode, links] }}
    mcp: {{ url: "{leaky_url}/mcp", tools: {{ allow: ["*"] }} }}
  - name: evals                           # Not there for anybody who comes from outside.
    path: /admin/evals
    surface: chat_completions
    exposure: internal
    models: [gpt-4o]
    allow: [{{ roles: [evaluator] }}]
    prompt: {{ output_tokens: 1024 }}

# A key that is new and spends a dollar is frozen, and somebody is told.
alerts:
  - when: {{ spend_velocity: {{ scope: key_id, newcomers: 1 }} }}
    notify: [hook]
    do: freeze
    for: 1h
notify:
  hook: {{ webhook: "{model_url}/mock/hook", secret: "made-up-for-the-demo", internal: true }}

audit: {{ content: none, keep: 400d }}
)";

}  // namespace

std::string demo_yaml(const DemoAddresses& at) {
  return fmt::format(kYaml, fmt::arg("port", at.port), fmt::arg("admin_port", at.admin_port),
                     fmt::arg("model_url", at.model_url), fmt::arg("rogue_url", at.rogue_url),
                     fmt::arg("leaky_url", at.leaky_url), fmt::arg("ledger", at.ledger));
}

}  // namespace tollgate::cli
