#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "config/load.h"

namespace tollgate::config {
namespace {

constexpr std::string_view kTenant = "  anonymous: { budget: { usd: 1, per: day } }\n";
constexpr std::string_view kLimits =
    "    limits: { client_ip: { requests_per_minute: 10, input_tokens_per_minute: 10000 } }\n";

Loaded load_open(std::string_view tenant, std::string_view limits) {
  std::string text =
      "authentication: { api_keys: {} }\n"
      "upstreams:\n"
      "  vllm: { url: \"http://127.0.0.1:8000/v1\", speaks: openai }\n"
      "models:\n"
      "  small: { upstream: vllm, price_per_million: { input: 0.05, output: 0.10 } }\n"
      "tenants:\n"
      "  acme: { budget: { usd: 5, per: day, when_exhausted: refuse } }\n";
  text.append(tenant);
  text +=
      "routes:\n"
      "  - name: chat\n"
      "    path: /v1/chat/completions\n"
      "    models: [small]\n"
      "    anonymous: true\n"
      "    allow: [{ tenants: [acme] }]\n"
      "    prompt: { body: 1MiB }\n";
  text.append(limits);
  return load_text(text, "t.yaml", [](const std::string&) { return std::nullopt; });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

// Somebody must answer for callers without a credential, and something must tell them apart.
TEST(Anonymous, NeedsATenantAndALimitByAddress) {
  const Loaded sound = load_open(kTenant, kLimits);
  ASSERT_NE(sound.config, nullptr) << told(sound);
  EXPECT_TRUE(sound.config->routes[0].access.anonymous);

  const std::string tenant =
      "t.yaml:12:16: routes[0].anonymous: callers without a credential are the tenant "
      "`anonymous`: add it to `tenants`, with a budget\n";
  const std::string limits =
      "routes[0].anonymous: callers without a credential are told apart by their address alone: "
      "give the route `limits: { client_ip: { requests_per_minute: 10, input_tokens_per_minute: "
      "10000 } }`\n";
  EXPECT_EQ(told(load_open("", kLimits)), tenant);
  EXPECT_EQ(told(load_open(kTenant, "")), "t.yaml:13:16: " + limits);
  EXPECT_EQ(told(load_open("", "")), tenant + "t.yaml:12:16: " + limits);
  // What only observes holds nobody back.
  EXPECT_EQ(
      told(load_open(kTenant,
                     "    limits: { client_ip: { requests_per_minute: 10, mode: observe } }\n")),
      "t.yaml:13:16: " + limits);
}

}  // namespace
}  // namespace tollgate::config
