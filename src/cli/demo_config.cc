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
    models: [small, gpt-4o, rogue, leaky]
    allow: [{{ tenants: [acme, intern], roles: [engineer] }}, {{ tenants: [search] }}]
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
  - name: evals                           # Not there for anybody who comes from outside.
    path: /admin/evals
    surface: chat_completions
    exposure: internal
    models: [gpt-4o]
    allow: [{{ roles: [evaluator] }}]
    prompt: {{ output_tokens: 1024 }}

audit: {{ content: none, keep: 400d }}
)";

}  // namespace

std::string demo_yaml(const DemoAddresses& at) {
  return fmt::format(kYaml, fmt::arg("port", at.port), fmt::arg("admin_port", at.admin_port),
                     fmt::arg("model_url", at.model_url), fmt::arg("rogue_url", at.rogue_url),
                     fmt::arg("leaky_url", at.leaky_url), fmt::arg("ledger", at.ledger));
}

}  // namespace tollgate::cli
