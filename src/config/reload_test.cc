#include "config/reload.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "config/load.h"

namespace tollgate::config {
namespace {

std::string small() {
  std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/small.yaml");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::shared_ptr<const Config> load(const std::string& text) {
  const Loaded loaded = load_text(text, "t.yaml", [](const std::string&) { return "set"; });
  EXPECT_NE(loaded.config, nullptr)
      << (loaded.problems.empty() ? "" : format(loaded.problems.front()));
  return loaded.config;
}

std::string with(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

TEST(Reload, NamesAllThatNeedsARestartAtOnce) {
  const auto now = load(small());
  EXPECT_TRUE(needs_restart(*now, *now).empty());
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"listeners: { a: { address: \"127.0.0.1:1\" } }\n",
       "listeners (addresses, exposures, whether they speak TLS)"},
      {"admin: { address: \"127.0.0.1:9\" }\n", "admin.address"},
      {"store: { ledger: memory }\n", "store.ledger"},
      {"audit: { keep: 1d }\n", "audit.keep"},
      {"audit: { queue: 1MiB }\n", "audit.queue"},
      {"edge: { workers: 7 }\n", "edge.workers"},
      {"admin: { token: another-token-of-32-characters-x }\n", ""},
      {"edge: { idle_timeout: 7s }\n", ""},
      {"audit: { content: hash }\n", ""},
      {"audit: { survives: power_loss }\n", ""},
  };
  for (const auto& [more, expected] : rows) {
    const auto next = load(small() + std::string(more));
    EXPECT_EQ(fmt::format("{}", fmt::join(needs_restart(*now, *next), "|")), expected) << more;
  }
  const auto both = load(small() + "edge: { workers: 7 }\naudit: { keep: 1d, queue: 1MiB }\n");
  EXPECT_EQ(needs_restart(*now, *both),
            (std::vector<std::string>{"audit.keep", "audit.queue", "edge.workers"}));
}

TEST(Reload, NamesWhatWouldBeGone) {
  const std::string more = "budgets: { user_id: { usd: 1, per: day, when_exhausted: refuse } }\n";
  const auto now = load(small() + more);
  EXPECT_TRUE(vanished(*now, *now).empty());
  EXPECT_EQ(vanished(*now, *load(small())), std::vector<std::string>{"budgets.user_id"});
  // What comes, and what gets other figures, is no loss.
  EXPECT_TRUE(vanished(*load(small()), *now).empty());
  const auto wider =
      load(with(small() + more, "requests_per_minute: 120", "requests_per_minute: 121"));
  EXPECT_TRUE(vanished(*now, *wider).empty());
  const auto inspecting =
      load(with(small() + more, "    prompt:", "    content: { request: [secrets] }\n    prompt:"));
  EXPECT_TRUE(vanished(*now, *inspecting).empty());
  EXPECT_EQ(vanished(*inspecting, *now),
            std::vector<std::string>{"routes.chat.content.request.secrets"});
  const std::string guards =
      "guards: { g: { kind: http, upstream: vllm, price_per_request: 0 } }\n";
  const auto guarded =
      load(guards + with(small() + more, "    prompt:", "    guards: [g]\n    prompt:"));
  EXPECT_EQ(vanished(*guarded, *now), std::vector<std::string>{"routes.chat.guards.g"});
  const auto judged =
      load(guards + with(small() + more, "    prompt:", "    response_guards: [g]\n    prompt:"));
  EXPECT_EQ(vanished(*judged, *guarded), std::vector<std::string>{"routes.chat.response_guards.g"});
  const auto fewer = load(with(small() + more, "requests_per_minute: 120", "requests_per_day: 9"));
  EXPECT_EQ(vanished(*now, *fewer),
            std::vector<std::string>{"limits.tenant_id.requests_per_minute"});
  const auto renamed = load(with(small() + more, "name: chat", "name: talk"));
  EXPECT_EQ(vanished(*now, *renamed), std::vector<std::string>{"routes.chat"});
}

std::shared_ptr<const Config> inspecting(std::string_view content) {
  return load(
      with(small(), "    prompt:", fmt::format("    content: {{ {} }}\n    prompt:", content)));
}

// An exception, an override and a mode take as much away as a pack that is gone.
TEST(Reload, NamesWhatContentPoliciesWouldDoLess) {
  const struct {
    std::string_view now;
    std::string_view next;
    std::vector<std::string> told;
  } rows[] = {
      {"request: [pii]",
       "request: [pii], except: [pii.email]",
       {"routes.chat.content.request.pii.email (left out)"}},
      {"request: [pii]",
       "request: [pii], overrides: { pii.email: { on_match: flag } }",
       {"routes.chat.content.request.pii.email (flag instead of refuse)"}},
      {"request: [pii]",
       "request: [pii], overrides: { pii: { mode: observe } }",
       {"routes.chat.content.request.pii (observe instead of refuse)"}},
      {"request: [pii, secrets]",
       "request: [pii, secrets], on_match: flag",
       {"routes.chat.content.request.pii (flag instead of refuse)",
        "routes.chat.content.request.secrets (flag instead of refuse)"}},
      {"response: [secrets]",
       "response: [secrets], mode: observe",
       {"routes.chat.content.response.secrets (observe instead of refuse)"}},
      {"request: [pii], overrides: { pii.email: { on_match: flag } }", "request: [pii]", {}},
      {"request: [pii], mode: observe", "request: [pii]", {}},
      {"request: [pii], except: [pii.email]", "request: [pii, secrets]", {}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(vanished(*inspecting(row.now), *inspecting(row.next)), row.told) << row.next;
  }
  const auto most = vanished(
      *inspecting("request: [pii]"),
      *inspecting("request: [pii], overrides: { pii: { on_match: flag }, pii.email: { on_match: "
                  "refuse } }"));
  ASSERT_EQ(most.size(), 1U);
  EXPECT_TRUE(most[0].starts_with("routes.chat.content.request.pii (")) << most[0];
  EXPECT_TRUE(most[0].ends_with(" of its rules: flag instead of refuse)")) << most[0];
}

// Rules of the operator's own are numbered by what there is: they are compared by name.
TEST(Reload, NamesWhatRulesOfOnesOwnWouldDoLess) {
  const auto own = [](std::string_view rules, std::string_view content) {
    return load(
        fmt::format("content: {{ rules: {{ {} }} }}\n", rules) +
        with(small(), "    prompt:", fmt::format("    content: {{ {} }}\n    prompt:", content)));
  };
  constexpr std::string_view kBoth =
      "a: { pattern: 'A-[0-9]' }, z: { words: [Nightingale, Harvest] }";
  constexpr std::string_view kAsk = "request: [own], response: [own]";
  const auto now = own(kBoth, kAsk);
  const struct {
    std::string_view rules;
    std::string_view content;
    std::vector<std::string> told;
  } rows[] = {
      {kBoth, kAsk, {}},
      {"z: { words: [Nightingale, Harvest] }", kAsk, {"content.rules.a"}},
      {"a: { pattern: 'A-[0-9]' }, z: { words: [Nightingale] }",
       kAsk,
       {"content.rules.z.words (1 of 2 left out)"}},
      // More, and another pattern, are no loss.
      {"a: { pattern: 'A-[1-9]' }, m: { words: [More] }, z: { words: [Harvest, Nightingale, More] "
       "}",
       kAsk,
       {}},
      {kBoth,
       "request: [own], response: [own], overrides: { own.z: { mode: observe } }",
       {"routes.chat.content.request.own.z (observe instead of refuse)",
        "routes.chat.content.response.own.z (observe instead of refuse)"}},
      {kBoth,
       "request: [own], response: [own], overrides: { own.a: { on_match: flag } }",
       {"routes.chat.content.request.own.a (flag instead of refuse)",
        "routes.chat.content.response.own.a (flag instead of refuse)"}},
      {kBoth,
       "request: [own], response: [own], mode: observe",
       {"routes.chat.content.request.own (observe instead of refuse)",
        "routes.chat.content.response.own (observe instead of refuse)"}},
      {kBoth, "request: [own]", {"routes.chat.content.response.own"}},
      // Another is gone before it, so it has another number.
      {"z: { words: [Nightingale, Harvest] }",
       "request: [own], response: [own], overrides: { own.z: { on_match: flag } }",
       {"content.rules.a", "routes.chat.content.request.own.z (flag instead of refuse)",
        "routes.chat.content.response.own.z (flag instead of refuse)"}},
  };
  for (const auto& row : rows)
    EXPECT_EQ(vanished(*now, *own(row.rules, row.content)), row.told) << row.rules << row.content;
  EXPECT_EQ(vanished(*now, *inspecting("request: [pii]")),
            (std::vector<std::string>{"content.rules.a", "content.rules.z",
                                      "routes.chat.content.request.own",
                                      "routes.chat.content.response.own"}));
}

TEST(Reload, NamesWhatGuardsWouldDoLess) {
  const auto guarded = [](std::string_view more) {
    return load(fmt::format("guards: {{ g: {{ kind: http, upstream: vllm, price_per_request: 0{} "
                            "}} }}\n",
                            more) +
                with(small(), "    prompt:", "    guards: [g]\n    prompt:"));
  };
  const auto now = guarded("");
  EXPECT_TRUE(vanished(*now, *guarded(", cache: 1m")).empty());
  EXPECT_EQ(vanished(*now, *guarded(", mode: observe, on_match: flag, on_failure: pass")),
            (std::vector<std::string>{"guards.g (observe instead of enforce)",
                                      "guards.g.on_match (flag instead of refuse)",
                                      "guards.g.on_failure (pass instead of refuse)"}));
  EXPECT_TRUE(vanished(*guarded(", mode: observe, on_failure: pass"), *now).empty());
}

TEST(Reload, NamesWhatToolsWouldBeHeldToLess) {
  const auto holding = [](std::string_view tools) {
    return load(with(small(), "    prompt:", fmt::format("    tools: {{{}}}\n    prompt:", tools)));
  };
  const auto now =
      holding("allow: [look], deny: [rm, 'del_*'], arguments: validate, steps: 9, repeats: 3");
  EXPECT_TRUE(vanished(*now, *holding("allow: [look, more], deny: [rm, 'del_*', x], arguments: "
                                      "validate, steps: 20, repeats: 5"))
                  .empty());
  EXPECT_EQ(vanished(*now, *holding("allow: [look], deny: [rm], mode: observe")),
            (std::vector<std::string>{"routes.chat.tools (observe instead of enforce)",
                                      "routes.chat.tools.deny.del_*",
                                      "routes.chat.tools.arguments (parse instead of validate)",
                                      "routes.chat.tools.steps", "routes.chat.tools.repeats"}));
}

}  // namespace
}  // namespace tollgate::config
