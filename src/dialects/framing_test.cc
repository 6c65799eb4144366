#include "dialects/framing.h"

#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/json_form.h"
#include "dialects/json_strict.h"

namespace tollgate::dialects {
namespace {

Framing framing(Surface surface, std::string body, ChatTemplate chat_template) {
  static RequestReader reader;
  const std::size_t size = body.size();
  body.append(RequestReader::kPadding, ' ');
  const auto request = reader.read(surface, std::string_view(body).substr(0, size));
  EXPECT_TRUE(request) << body;
  return request ? framing_of(*request, chat_template) : Framing{};
}

constexpr char kUser[] =
    R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"b"}]})";
constexpr char kSystem[] = R"({"model":"m","messages":[{"role":"system","content":"a"},
    {"role":"user","content":"b"}]})";

// "<|begin_of_text|>", "<|start_header_id|>user<|end_header_id|>\n\n" and "<|eot_id|>", the same
// for the reply; and so on, counted by hand.
TEST(Framing, IsWhatTheTemplatesPrint) {
  struct Case {
    ChatTemplate chat_template;
    Tokens user;
    Tokens with_system;
  };
  for (const Case& expected :
       {Case{ChatTemplate::kOpenAi, 6, 9}, Case{ChatTemplate::kLlama3, 10, 15},
        Case{ChatTemplate::kLlama3_1, 35, 35}, Case{ChatTemplate::kChatml, 8, 13},
        Case{ChatTemplate::kQwen2_5, 29, 13}, Case{ChatTemplate::kDeepseekV3, 3, 3},
        Case{ChatTemplate::kGemma3, 9, 10}}) {
    SCOPED_TRACE(name_of(expected.chat_template));
    const Framing user = framing(Surface::kChatCompletions, kUser, expected.chat_template);
    EXPECT_EQ(user.tokens, expected.user);
    EXPECT_EQ(user.unsure, 0);
    const Framing system = framing(Surface::kChatCompletions, kSystem, expected.chat_template);
    EXPECT_EQ(system.tokens, expected.with_system);
  }
}

TEST(Framing, OfAnUnknownTemplateIsTheLargestAndUnsure) {
  for (const char* const body : {kUser, kSystem}) {
    const Framing largest = framing(Surface::kChatCompletions, body, ChatTemplate::kLargest);
    EXPECT_EQ(largest.unsure, largest.tokens);
    for (std::size_t i = 1; i < chat_template_names().size(); ++i) {
      const auto known = static_cast<ChatTemplate>(i);
      EXPECT_GE(largest.tokens, framing(Surface::kChatCompletions, body, known).tokens);
    }
  }
}

TEST(Framing, OfAnthropicsDialectIsABoundWhateverTheModel) {
  const Framing bound = framing(Surface::kMessages, kUser, ChatTemplate::kLargest);
  EXPECT_EQ(bound.tokens, 2 * 8 + 3);
  EXPECT_EQ(bound.unsure, bound.tokens);
  // A server of the model's own that speaks it prints the model's template.
  EXPECT_EQ(framing(Surface::kMessages, kUser, ChatTemplate::kQwen2_5).tokens, 29);
  EXPECT_EQ(framing(Surface::kMessages, kUser, ChatTemplate::kDeepseekV3).tokens, bound.tokens);
}

// The cookbook's reckoning for gpt-4o of one function with two properties, one of them enumerated
// (7 + 12 + 3 + 2 · 3 - 3 + 2 · 3), is within what stands around its JSON.
TEST(Framing, BoundsToolsAndFormatsAndSaysSo) {
  const std::string with_tool = R"({"model":"m","messages":[{"role":"user","content":"b"}],"tools":[
      {"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{
      "a":{"type":"string","enum":["x","y"]},"b":{"type":"number"}}}}}]})";
  const Framing tool = framing(Surface::kChatCompletions, with_tool, ChatTemplate::kOpenAi);
  EXPECT_GE(tool.tokens, 6 + 7 + 12 + 3 + 2 * 3 - 3 + 2 * 3);
  EXPECT_EQ(tool.unsure, tool.tokens - 6);

  const std::string with_format = R"({"model":"m","messages":[{"role":"user","content":"b"}],
      "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}})";
  const Framing format = framing(Surface::kChatCompletions, with_format, ChatTemplate::kQwen2_5);
  EXPECT_GT(format.tokens, 29);
  EXPECT_EQ(format.unsure, format.tokens - 29);
}

// However it is written that the user says the same again.
TEST(Framing, KnowsThatMistralPrintsToolsBeforeEachMessageLikeTheLast) {
  const auto with = [](std::string_view before) {
    return R"({"model":"m","messages":[{"role":"user","content":)" + std::string(before) +
           R"(},{"content":"b","role":"assistant"},{"content":"b\nc","role":"user"}],"tools":[
           {"type":"function","function":{"name":"f"}}]})";
  };
  const auto tokens = [&](std::string_view before, ChatTemplate chat_template) {
    return framing(Surface::kChatCompletions, with(before), chat_template).tokens;
  };
  const Tokens once = tokens(R"("a")", ChatTemplate::kMistral);
  EXPECT_GT(tokens(R"("b\nc")", ChatTemplate::kMistral), once);
  EXPECT_GT(
      tokens(R"([{"text":"b","type":"text"},{"type":"text","text":"c"}])", ChatTemplate::kMistral),
      once);
  EXPECT_EQ(tokens(R"("b\nc")", ChatTemplate::kQwen2_5), tokens(R"("a")", ChatTemplate::kQwen2_5));
}

TEST(Framing, KnowsOfTokensThatTheCallerAsksFor) {
  const std::string body =
      R"({"model":"m","messages":[{"role":"user","content":"b"}],"add_special_tokens":true})";
  EXPECT_EQ(framing(Surface::kChatCompletions, body, ChatTemplate::kLlama3).tokens, 10 + 2);
}

TEST(Printed, TakesApartWhatATemplateTrims) {
  const TemplateRow& trims = row_of(ChatTemplate::kLlama3);
  const Text text{TextKind::kContent, "\u3000 \nGrüße, 世界 \u00a0\t"};
  const Printed parts = printed(text, Surface::kChatCompletions, trims);
  EXPECT_EQ(parts.before, "\u3000 \n");
  EXPECT_EQ(parts.text, "Grüße, 世界");
  EXPECT_EQ(parts.after, " \u00a0\t");
  for (const std::string_view white : {" ", "\n\u2028", "\u1680\x1f"}) {
    const Printed all = printed({TextKind::kContent, white}, Surface::kChatCompletions, trims);
    EXPECT_EQ(all.before, white);
    EXPECT_EQ(all.text, "");
    EXPECT_EQ(all.after, "");
  }
  const TemplateRow& keeps = row_of(ChatTemplate::kQwen2_5);
  EXPECT_EQ(printed(text, Surface::kChatCompletions, keeps).text, text.text);
  // The name of the role is in the row.
  EXPECT_EQ(printed({TextKind::kRole, "user"}, Surface::kChatCompletions, keeps).text, "");
  EXPECT_EQ(printed({TextKind::kRole, "user"}, Surface::kMessages, keeps).text, "user");
}

TEST(JsonForm, TellsWhatGrows) {
  const JsonForm form = form_of(std::string_view(R"({"a":[1,2,{}],"b,:{":"x\"\n","c":1e15})"));
  EXPECT_EQ(form.commas, 4);
  EXPECT_EQ(form.colons, 3);
  EXPECT_EQ(form.containers, 3);
  EXPECT_EQ(form.exponents, 1);
  EXPECT_EQ(form.levels, 1 + 2 + 2 + 2 + 3 + 2 + 1 + 1 + 1 + 0);
  EXPECT_EQ(growth_as_string("plain"), growth_as_string(""));
  EXPECT_GT(growth_as_string("\"\n"), growth_as_string("a"));
  // A value has the form of its text, without what its strings gain.
  simdjson::dom::parser parser;
  for (const std::string_view json :
       {R"({"a":[1,2,{}],"b,:{":"x\"\n","c":1e15})", R"([[],[[0.0001]],{"a":{"b":[]}}])", "1.5"}) {
    const simdjson::dom::element value = parser.parse(simdjson::padded_string(json));
    std::string written;
    append_json(value, written);
    const JsonForm of_text = form_of(std::string_view(written));
    const JsonForm of_value = form_of(value);
    EXPECT_EQ(of_value.commas, of_text.commas) << json;
    EXPECT_EQ(of_value.colons, of_text.colons) << json;
    EXPECT_EQ(of_value.containers, of_text.containers) << json;
    EXPECT_EQ(of_value.levels, of_text.levels) << json;
    EXPECT_EQ(of_value.exponents, of_text.exponents) << json;
  }
  // No text is too odd.
  for (const std::string_view odd : {"", "\"", "\"\\", "}}]", "{[", "1e", "e"})
    EXPECT_GE(growth_of(form_of(odd)), 0) << odd;
}

TEST(ChatTemplates, AreThoseOfTheVocabulariesModels) {
  EXPECT_EQ(chat_template_of("cl100k_base"), ChatTemplate::kOpenAi);
  EXPECT_EQ(chat_template_of("o200k_harmony"), ChatTemplate::kHarmony);
  EXPECT_EQ(chat_template_of("llama3"), ChatTemplate::kLlama3_1);
  EXPECT_EQ(chat_template_of("/srv/tokenizer.json"), ChatTemplate::kLargest);
  EXPECT_EQ(chat_template_of(""), ChatTemplate::kLargest);
  for (const std::string_view name : chat_template_names())
    EXPECT_EQ(name_of(chat_template_named(name).value()), name);
  EXPECT_FALSE(chat_template_named("llama4"));
}

}  // namespace
}  // namespace tollgate::dialects
