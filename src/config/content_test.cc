// What the texts of a route are held to.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"
#include "controls/content/rules.h"

namespace tollgate::config {
namespace {

// `%` stands for what is written of the route, in line 12.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 2 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{}]
    prompt: { body: 1MiB, output_tokens: 4096 }
    %
)";

Loaded load(std::string_view says) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, says);
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(Content, OfARouteIsRead) {
  const Loaded loaded = load("content: { request: [secrets], on_match: flag, mode: observe }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  EXPECT_EQ(policy.request, std::vector{content::Pack::kSecrets});
  EXPECT_EQ(policy.on_match, content::OnMatch::kFlag);
  EXPECT_EQ(policy.mode, Mode::kObserve);
  EXPECT_NE(loaded.config->content_rules, nullptr);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("content":{"request":["secrets"],"on_match":"flag","mode":"observe"})"),
            std::string::npos)
      << shown;
}

TEST(Content, OfARouteMayHaveSeveralPacks) {
  const Loaded loaded = load("content: { request: [unicode, secrets] }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->routes.at(0).content.request,
            (std::vector{content::Pack::kUnicode, content::Pack::kSecrets}));
}

TEST(Content, RefusesByDefaultAndIsEnforced) {
  const Loaded loaded = load("content: { request: [secrets] }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->routes.at(0).content.on_match, content::OnMatch::kRefuse);
  EXPECT_EQ(loaded.config->routes.at(0).content.mode, Mode::kEnforce);
}

TEST(Content, OfAnswersIsRead) {
  const Loaded loaded = load("content: { response: [secrets] }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  EXPECT_TRUE(policy.request.empty());
  EXPECT_EQ(policy.response, std::vector{content::Pack::kSecrets});
  EXPECT_NE(loaded.config->content_rules, nullptr);
  EXPECT_NE(effective_json(*loaded.config).find(R"("content":{"response":["secrets"],)"),
            std::string::npos);
}

TEST(Content, HasHostsThatLinksMayLeadTo) {
  const Loaded loaded =
      load("content: { response: [links], links: { allow: [docs.example.com, \"*.a.test\"] } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  EXPECT_EQ(policy.link_hosts, (std::vector<std::string>{"docs.example.com", "*.a.test"}));
  EXPECT_NE(
      effective_json(*loaded.config).find(R"("links":{"allow":["docs.example.com","*.a.test"]})"),
      std::string::npos);
}

TEST(Content, DiffersForPacksAndRules) {
  const Loaded loaded = load(
      "content: { request: [secrets, pii], except: [pii.email], overrides: { pii: { mode: observe "
      "}, pii.iban: { on_match: flag } } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  const auto action = [&](std::string_view name) {
    return policy.actions.at(content::number_of(name));
  };
  EXPECT_EQ(action("secrets.npm_token"), content::Action::kRefuse);
  EXPECT_EQ(action("pii.email"), content::Action::kNone);
  EXPECT_EQ(action("pii.us_ssn"), content::Action::kObserve);
  EXPECT_EQ(action("pii.iban"), content::Action::kFlag);
  EXPECT_EQ(action("injection.do_anything_now"), content::Action::kNone);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("except":["pii.email"],"overrides":{"pii":{"mode":"observe"},)"
                       R"("pii.iban":{"on_match":"flag"}})"),
            std::string::npos)
      << shown;
}

TEST(Content, DiffersForRulesOfEveryPackAndOfAnswers) {
  const Loaded loaded = load(
      "content: { request: [unicode, special_tokens, injection], response: [secrets, links], "
      "except: [unicode.bidi, links.link], overrides: { secrets.npm_token: { on_match: flag } } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  const auto asked = [&](std::string_view name) {
    return policy.actions.at(content::number_of(name));
  };
  const auto answered = [&](std::string_view name) {
    return policy.answer_actions.at(content::number_of(name));
  };
  EXPECT_EQ(asked("unicode.bidi"), content::Action::kNone);
  EXPECT_EQ(asked("unicode.tags"), content::Action::kRefuse);
  EXPECT_EQ(asked("special_tokens.chatml"), content::Action::kRefuse);
  EXPECT_EQ(asked("secrets.npm_token"), content::Action::kNone);
  EXPECT_EQ(answered("secrets.npm_token"), content::Action::kFlag);
  EXPECT_EQ(answered("links.image"), content::Action::kRefuse);
  EXPECT_EQ(answered("links.link"), content::Action::kNone);
  EXPECT_EQ(answered("unicode.tags"), content::Action::kNone);
}

TEST(Content, IsMaskedInRequestsAndRefusedInAnswers) {
  const Loaded loaded = load(
      "content: { request: [secrets, pii, unicode], response: [secrets], on_match: redact, "
      "overrides: { unicode: { on_match: refuse }, pii.email: { mode: observe } } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  const std::size_t npm = content::number_of("secrets.npm_token");
  EXPECT_TRUE(policy.redacts);
  EXPECT_EQ(policy.actions.at(npm), content::Action::kRedact);
  EXPECT_EQ(policy.answer_actions.at(npm), content::Action::kRefuse);
  EXPECT_EQ(policy.actions.at(content::number_of("unicode.tags")), content::Action::kRefuse);
  EXPECT_EQ(policy.actions.at(content::number_of("pii.email")), content::Action::kObserve);
  EXPECT_NE(effective_json(*loaded.config).find(R"("on_match":"redact","mode":"enforce")"),
            std::string::npos);
  const Loaded restoring = load("content: { request: [secrets], on_match: redact, restore: true }");
  ASSERT_NE(restoring.config, nullptr) << told(restoring);
  EXPECT_TRUE(restoring.config->routes.at(0).content.restore);
  EXPECT_NE(effective_json(*restoring.config).find(R"("on_match":"redact","restore":true)"),
            std::string::npos);
}

// No built-in rule matches in a mask of another.
TEST(Content, OfMasksIsInspected) {
  const Loaded loaded =
      load("content: { request: [secrets, pii, injection, special_tokens], on_match: redact }");
  EXPECT_NE(loaded.config, nullptr) << told(loaded);
}

TEST(Content, IsNotInspectedWhereNothingIsWritten) {
  const Loaded loaded = load("mode: enforce");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_TRUE(loaded.config->routes.at(0).content.request.empty());
  EXPECT_EQ(loaded.config->content_rules, nullptr);
  EXPECT_EQ(effective_json(*loaded.config).find("on_match"), std::string::npos);
}

// A route that asks for the operator's own rules, which are `rules`.
std::string with_own(std::string_view rules, std::string_view content = "request: [own]") {
  return fmt::format("content: {{ {} }}\ncontent: {{ rules: {{ {} }} }}", content, rules);
}

TEST(Content, HasRulesOfTheOperatorsOwn) {
  const Loaded loaded = load(with_own(
      R"(emp: { pattern: "EMP-[0-9]{4}", description: d }, plan: { words: [blue harvest] })",
      "request: [secrets, own], overrides: { own: { mode: observe }, own.emp: { on_match: flag } "
      "}"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const content::Policy& policy = loaded.config->routes.at(0).content;
  const std::size_t own = content::all_rules().size();
  ASSERT_EQ(policy.actions.size(), own + 2);
  EXPECT_EQ(policy.actions[own], content::Action::kFlag);
  EXPECT_EQ(policy.actions[own + 1], content::Action::kObserve);
  EXPECT_EQ(policy.actions[content::number_of("secrets.npm_token")], content::Action::kRefuse);
  ASSERT_NE(loaded.config->content_rules, nullptr);
  EXPECT_EQ(loaded.config->content_rules->all()[own + 1].name, "own.plan");
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("content":{"rules":{"emp":{"pattern":"EMP-[0-9]{4}","reads":"text",)"
                       R"("description":"d"},"plan":{"words":["blue harvest"],"reads":"words"}}})"),
            std::string::npos)
      << shown;
}

TEST(Content, OfAnswersMayBeHeldToOwnRules) {
  const Loaded loaded =
      load(with_own("emp: { pattern: \"a[0-9]+\" }, plan: { words: [blue harvest] }",
                    "request: [own], response: [own, secrets], except: [own.emp]"));
  EXPECT_EQ(loaded.config, nullptr);  // It is left out everywhere.
  const Loaded right =
      load(with_own("emp: { pattern: \"a[0-9]{9}\" }, plan: { words: [blue harvest] }",
                    "response: [own], overrides: { own.emp: { on_match: flag } }"));
  ASSERT_NE(right.config, nullptr) << told(right);
  const content::Policy& policy = right.config->routes.at(0).content;
  EXPECT_EQ(content::answer_action_of(policy, "own.emp"), content::Action::kFlag);
  EXPECT_EQ(content::answer_action_of(policy, "own.plan"), content::Action::kRefuse);
  EXPECT_EQ(content::answer_action_of(policy, "secrets.npm_token"), content::Action::kNone);
}

TEST(Content, TellsOfOwnRulesThatCannotBe) {
  const struct {
    std::string says;
    std::string_view at;
    std::string_view message;
  } rows[] = {
      {with_own("emp: { pattern: \"EMP-(\" }"), "content.rules.emp.pattern",
       "missing ), at character 1"},
      {with_own("emp: { pattern: \"[0-9]*\" }"), "content.rules.emp.pattern", "nothing stands"},
      {with_own("emp: { pattern: \".{0,900}x\" }"), "content.rules.emp.pattern",
       "shorter repetitions"},
      {with_own("emp: {}"), "content.rules.emp", "either a `pattern` or `words`"},
      {with_own("emp: { pattern: abc, words: [abc] }"), "content.rules.emp.words",
       "either a `pattern` or `words`"},
      {with_own("emp: { words: [abc], reads: words }"), "content.rules.emp.words", "`reads`"},
      {with_own("emp: { words: [ab] }"), "content.rules.emp.words", "3 to 256 bytes"},
      {with_own("emp: { words: [terra, \"\\u200b\\u200b\"] }"), "content.rules.emp.words",
       "nothing that could be looked for in the phrase at 2"},
      {with_own("emp: { pattern: abc, reads: bytes }"), "content.rules.emp.reads",
       "`text`, `words`"},
      {with_own("\"e p\": { pattern: abc }"), "content.rules", "letters, digits"},
      {with_own("emp: { pattern: abc }, emp: { pattern: abd }"), "t.yaml:13",
       "keep one of the two"},
      {with_own("emp: { pattern: abc }", "request: [secrets]"), "content.rules.emp",
       "no route has `own`"},
      {with_own("emp: { pattern: abc }", "request: [own], except: [own.emp]"), "content.rules.emp",
       "has it in `except`"},
      {with_own("emp: { pattern: abc }", "request: [own], except: [own.epm]"), "content.except",
       "`own.epm` is none of `content.rules`"},
      {with_own("emp: { pattern: abc }", "request: [secrets], except: [own.emp]"), "content.except",
       "neither `request` nor `response` names `own`"},
      {"content: { request: [own] }", "routes[0].content.request", "`own` has no rules"},
      {with_own("number: { words: [number] }", "request: [own], on_match: redact"), "content",
       "masked as `[REDACTED:own.number#1]`, in which `own.number` would match"},
      {"content: { response: [own] }", "routes[0].content.response", "`own` has no rules"},
      {with_own("emp: { pattern: \"a[0-9]+\" }", "request: [own], response: [own]"),
       "routes[0].content.response", "`own.emp` cannot be held to answers: a match may have any"},
      {with_own("emp: { pattern: \"a[0-9]{1,300}\" }", "response: [own]"),
       "routes[0].content.response", "a match may be 301 bytes long"},
  };
  for (const auto& row : rows) {
    const Loaded loaded = load(row.says);
    EXPECT_EQ(loaded.config, nullptr) << row.says;
    EXPECT_NE(told(loaded).find(row.at), std::string::npos) << row.says << "\n" << told(loaded);
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << row.says << "\n"
                                                                 << told(loaded);
  }
}

TEST(Content, HasNoMoreOwnRulesAndOverridesThanItSays) {
  const auto rules = [](int count, const std::string& content = {}) {
    std::string made;
    for (int i = 0; i < count; ++i) made += fmt::format("r{}: {{ pattern: abc }}, ", i);
    return with_own(made, content + "request: [own]");
  };
  EXPECT_NE(load(rules(256)).config, nullptr);
  const Loaded loaded = load(rules(257));
  EXPECT_EQ(loaded.config, nullptr);
  EXPECT_NE(
      told(loaded).find("content.rules: expected a mapping from at most 256 names, found 257"),
      std::string::npos)
      << told(loaded);
  std::string overrides = "own: { mode: observe }";
  for (int i = 0; i < 256; ++i) overrides += fmt::format(", own.r{}: {{ mode: observe }}", i);
  const Loaded too_many = load(rules(256, fmt::format("overrides: {{ {} }}, ", overrides)));
  EXPECT_EQ(told(too_many),
            "t.yaml:12:27: routes[0].content.overrides: expected a mapping from at most 256 names, "
            "found 257\n");
}

TEST(Content, IsToldWhereItCannotBe) {
  const struct {
    std::string_view says;
    std::string_view at;
    std::string_view message;
  } rows[] = {
      {"content: {}", "routes[0].content", "`request` or `response` is missing"},
      {"content: { request: [] }", "routes[0].content.request", "a list of 1 to 16"},
      {"content: { response: [secrets], except: [links.image] }", "content.except",
       "can never apply"},
      {"content: { request: [pii], except: [pii.emial] }", "content.except", "is no rule"},
      {"content: { request: [pii], except: [pii] }", "content.except", "is no rule"},
      {"content: { request: [pii], except: [pii.email, pii.email] }", "content.except", "twice"},
      {"content: { request: [secrets], except: [pii.email] }", "content.except",
       "can never apply: neither `request` nor `response` names `pii`"},
      {"content: { request: [secrets], overrides: { pii: { mode: observe } } }",
       "content.overrides", "can never apply"},
      {"content: { request: [pii], overrides: { pii.emial: { mode: observe } } }",
       "content.overrides", "is no rule"},
      {"content: { request: [pii], overrides: { pii: {} } }", "content.overrides",
       "differs in nothing"},
      {"content: { request: [pii], except: [pii.email], overrides: { pii.email: { mode: observe } "
       "} }",
       "content.overrides", "is left out by `except`"},
      {"content: { request: [secret] }", "request[0]", "did you mean `secrets`?"},
      {"content: { request: [secrets, secrets] }", "routes[0].content.request", "there twice"},
      {"content: { request: [unicode], on_match: redact }", "content.request",
       "`unicode` cannot be masked"},
      {"content: { request: [secrets, unicode], overrides: { unicode: { on_match: redact } } }",
       "content.request", "`unicode` cannot be masked"},
      {"content: { request: [secrets], restore: true }", "content.restore", "never applies"},
      {"content: { request: [secrets], on_match: redact, mode: observe, restore: true }",
       "content.restore", "never applies"},
      {"content: { response: [secrets], on_match: redact }", "content.response",
       "`redact` is for requests"},
      {"content: { request: [secrets], on_match: block }", "content.on_match", "`refuse`, `flag`"},
      {"content: { request: [links] }", "request[0]", "`links`"},
      {"content: { response: [secrets], links: { allow: [a.test] } }", "content.links",
       "never applies"},
      {"content: { response: [links], links: { allow: [\"https://a.test\"] } }",
       "content.links.allow", "is no host"},
      {"content: { response: [injection] }", "response", "`injection` cannot refuse an answer"},
      {"content: { response: [secrets, secrets] }", "content.response", "there twice"},
      {"content: { response: [secrets] }\n  - { name: all, path: /v1/embeddings, models: [small], "
       "allow: [{}], prompt: { body: 1MiB, choices: 1 }, content: { response: [secrets] } }",
       "routes[1].content.response", "has no texts"},
      {"content: { request: [secrets], mode: watch }", "content.mode", "`enforce`, `observe`"},
      {"content: { request: [secrets] }\n  - { name: all, path: /v1/models, models: [small], "
       "allow: [{}], content: { request: [secrets] } }",
       "routes[1].content", "there is nothing to inspect"},
  };
  for (const auto& row : rows) {
    const Loaded loaded = load(row.says);
    EXPECT_EQ(loaded.config, nullptr) << row.says;
    EXPECT_NE(told(loaded).find(row.at), std::string::npos) << row.says << "\n" << told(loaded);
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << row.says << "\n"
                                                                 << told(loaded);
  }
}

}  // namespace
}  // namespace tollgate::config
