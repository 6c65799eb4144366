#include "dialects/request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "dialects/fixture_test.h"
#include "dialects/framing.h"

namespace tollgate::dialects {
namespace {

// Reads and writes in one go; the pieces live as long as the object.
class Asked {
 public:
  Asked(Surface surface, std::string_view body)
      : body_(body), request(reader_.read(surface, body_.view())) {}

  std::string written(const Edits& edits) const {
    std::string out;
    reader_.write(edits, out);
    return out;
  }
  std::vector<std::string> texts(TextKind kind) const {
    std::vector<std::string> found;
    for (const Text& text : request->texts)
      if (text.kind == kind) found.emplace_back(text.text);
    return found;
  }

 private:
  RequestReader reader_;
  Padded body_;

 public:
  Expected<Request> request;
};

using Strings = std::vector<std::string>;

constexpr std::string_view kChat = R"({
  "model": "small", "temperature": 0.5, "n": 2, "max_tokens": 64, "stream": true,
  "stream_options": {"include_obfuscation": false, "include_usage": false},
  "service_tier": "auto", "cache_salt": "x", "user": null,
  "messages": [
    {"role": "system", "content": "Be brief.", "cache_control": {"type": "ephemeral"}},
    {"role": "user", "name": "ann", "content": [
      {"type": "text", "text": "What\u0020now?", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
      {"id": "c1", "type": "function",
       "function": {"name": "look", "arguments": "{\"cache_control\":1}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "42"}],
  "tools": [
    {"type": "function", "function": {"name": "look", "description": "d",
      "parameters": {"type": "object", "properties": {"cache_control": {"type": "integer"}}}}},
    {"type": "web_search"}]
})";

TEST(Request, SeesAllThatAChatSaysAndCosts) {
  const Asked asked(Surface::kChatCompletions, kChat);
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  const Request& request = *asked.request;
  EXPECT_EQ(request.model, "small");
  EXPECT_EQ(request.delivery, Delivery::kStreamed);
  EXPECT_FALSE(request.usage_asked);
  EXPECT_EQ(request.output_tokens_asked, 64);
  EXPECT_EQ(request.choices, 2);
  EXPECT_EQ(request.messages, 4);
  EXPECT_EQ(request.names, 1);
  EXPECT_EQ(request.service_tier, "auto");
  EXPECT_EQ(asked.texts(TextKind::kRole), (Strings{"system", "user", "assistant", "tool"}));
  EXPECT_EQ(asked.texts(TextKind::kContent), (Strings{"Be brief.", "What now?", "hm", "42"}));
  EXPECT_EQ(asked.texts(TextKind::kName), (Strings{"ann"}));
  EXPECT_EQ(asked.texts(TextKind::kToolCall),
            (Strings{"c1", "look", R"({"cache_control":1})", "c1"}));
  const Strings definitions = asked.texts(TextKind::kToolDefinition);
  ASSERT_EQ(definitions.size(), 2u);
  EXPECT_TRUE(definitions[0].starts_with(R"({"type":"function","function":{"name":"look")"));
  EXPECT_EQ(definitions[1], R"({"type":"web_search"})");
  ASSERT_EQ(request.tools.size(), 2u);
  EXPECT_EQ(request.tools[0].name, "look");
  EXPECT_EQ(request.tools[1].type, "web_search");
  EXPECT_EQ(request.tools[1].name, "");
}

TEST(Request, WritesAChatAnewWithItsEdits) {
  const Asked asked(Surface::kChatCompletions, kChat);
  ASSERT_TRUE(asked.request);
  EXPECT_EQ(asked.written({.model = "llama", .output_tokens = 32}), compact(R"({
    "model": "llama", "temperature": 0.5, "n": 2, "max_tokens": 32, "stream": true,
    "service_tier": "default", "user": null,
    "messages": [
      {"role": "system", "content": "Be brief."},
      {"role": "user", "name": "ann", "content": [{"type": "text", "text": "What now?"}]},
      {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
        {"id": "c1", "type": "function",
         "function": {"name": "look", "arguments": "{\"cache_control\":1}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "42"}],
    "tools": [
      {"type": "function", "function": {"name": "look", "description": "d",
        "parameters": {"type": "object", "properties": {"cache_control": {"type": "integer"}}}}},
      {"type": "web_search"}],
    "max_completion_tokens": 32, "stream_options": {"include_usage": true}})"));
}

// Whichever names the caller used, and whichever the upstream reads: it is told the cap.
TEST(Request, WritesTheCapUnderTheNamesThatTheUpstreamReads) {
  struct Row {
    CapField names;
    bool max_tokens;
    bool max_completion_tokens;
  };
  const Row rows[] = {{CapField::kBoth, true, true},
                      {CapField::kMaxTokens, true, false},
                      {CapField::kMaxCompletionTokens, false, true}};
  for (const std::string_view asked_under :
       {"", R"("max_tokens":700,)", R"("max_completion_tokens":700,)",
        R"("max_tokens":700,"max_completion_tokens":700,)", R"("max_tokens":null,)"}) {
    for (const Row& row : rows) {
      SCOPED_TRACE(fmt::format("{} {}", asked_under, static_cast<int>(row.names)));
      const Asked asked(
          Surface::kChatCompletions,
          fmt::format(R"({{{}"model":"a","messages":[{{"role":"user","content":"x"}}]}})",
                      asked_under));
      ASSERT_TRUE(asked.request);
      const std::string written =
          asked.written({.model = "b", .output_tokens = 9, .cap_field = row.names});
      EXPECT_EQ(written.find("700"), std::string::npos);
      EXPECT_EQ(written.find(R"("max_tokens":9)") != std::string::npos, row.max_tokens);
      EXPECT_EQ(written.find(R"("max_completion_tokens":9)") != std::string::npos,
                row.max_completion_tokens);
      EXPECT_EQ(compact(written), written);  // No name twice.
    }
  }
}

TEST(Request, InjectsTheCapUnderTheNameOfTheSurface) {
  struct Row {
    Surface surface;
    std::string_view body;
    std::string_view written;
  };
  const Row rows[] = {
      {Surface::kChatCompletions,
       R"({"model":"a","max_tokens":null,"messages":[{"role":"user","content":"x"}]})",
       R"({"model":"b","messages":[{"role":"user","content":"x"}],"max_tokens":9,"max_completion_tokens":9})"},
      {Surface::kChatCompletions,
       R"({"max_completion_tokens":10,"max_tokens":10,"model":"a","messages":[{"role":"user","content":"x"}]})",
       R"({"max_completion_tokens":9,"max_tokens":9,"model":"b","messages":[{"role":"user","content":"x"}]})"},
      {Surface::kCompletions, R"({"model":"a","prompt":"x","stream":true})",
       R"({"model":"b","prompt":"x","stream":true,"max_tokens":9,"stream_options":{"include_usage":true}})"},
      {Surface::kCompletions, R"({"model":"a","prompt":"x","max_completion_tokens":20})",
       R"({"model":"b","prompt":"x","max_tokens":9})"},
      {Surface::kEmbeddings, R"({"model":"a","input":"x"})", R"({"model":"b","input":"x"})"},
      {Surface::kMessages,
       R"({"model":"a","max_tokens":20,"stream":true,"service_tier":"auto","messages":[{"role":"user","content":"x"}]})",
       R"({"model":"b","max_tokens":9,"stream":true,"service_tier":"standard_only","messages":[{"role":"user","content":"x"}]})"},
  };
  for (const Row& row : rows) {
    const Asked asked(row.surface, row.body);
    ASSERT_TRUE(asked.request) << asked.request.error().message;
    EXPECT_EQ(asked.written({.model = "b", .output_tokens = 9}), row.written);
  }
}

constexpr std::string_view kMessages = R"({
  "model": "claude", "max_tokens": 2000, "stream": true,
  "thinking": {"type": "enabled", "budget_tokens": 1500},
  "cache_control": {"type": "ephemeral"}, "context_management": {"edits": []},
  "system": [{"type": "text", "text": "Sys.", "cache_control": {"type": "ephemeral"}}],
  "messages": [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": [
      {"type": "thinking", "thinking": "well", "signature": "sig"},
      {"type": "redacted_thinking", "data": "blob"},
      {"type": "tool_use", "id": "t1", "name": "look", "input": {"content": [{"cache_control": 1}]}}]},
    {"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "t1", "is_error": false,
       "content": [{"type": "text", "text": "42", "cache_control": {"type": "ephemeral"}}]}]}],
  "tools": [{"name": "look", "description": "d", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]
})";

TEST(Request, SeesAllThatMessagesSayAndCost) {
  const Asked asked(Surface::kMessages, kMessages);
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  EXPECT_EQ(asked.request->output_tokens_asked, 2000);
  EXPECT_EQ(asked.request->messages, 3);
  EXPECT_EQ(asked.texts(TextKind::kContent), (Strings{"Sys.", "Hi", "well", "blob", "t1", "42"}));
  EXPECT_EQ(asked.texts(TextKind::kToolCall),
            (Strings{"t1", "look", R"({"content":[{"cache_control":1}]})"}));
  ASSERT_EQ(asked.request->tools.size(), 2u);
  EXPECT_EQ(asked.request->tools[0].type, "custom");
  EXPECT_EQ(asked.request->tools[0].name, "look");
  EXPECT_EQ(asked.request->tools[1].type, "web_search_20250305");
}

TEST(Request, WritesMessagesWithoutCacheWritesAndWithABudgetThatFits) {
  const Asked asked(Surface::kMessages, kMessages);
  ASSERT_TRUE(asked.request);
  const std::string written = asked.written({.model = "claude-x", .output_tokens = 1200});
  EXPECT_NE(written.find(R"("input":{"content":[{"cache_control":1}]})"), std::string::npos);
  EXPECT_EQ(written.find("ephemeral"), std::string::npos);
  EXPECT_NE(written.find(R"("thinking":{"type":"enabled","budget_tokens":1199})"),
            std::string::npos);
  EXPECT_EQ(written.find("context_management"), std::string::npos);
  EXPECT_NE(
      asked.written({.model = "m", .output_tokens = 100}).find(R"("thinking":{"type":"disabled"})"),
      std::string::npos);
  EXPECT_NE(asked.written({.model = "m"}).find(R"("budget_tokens":1500)"), std::string::npos);
}

TEST(Request, CountsPromptsChoicesAndTokenIds) {
  struct Row {
    std::string_view body;
    std::int64_t choices;
    Tokens given;
    std::size_t texts;
  };
  const Row rows[] = {
      {R"({"model":"m","prompt":"a"})", 1, 0, 1},
      {R"({"model":"m","prompt":["a","b"],"n":3})", 6, 0, 2},
      {R"({"model":"m","prompt":["a","b"],"n":3,"best_of":5})", 10, 0, 2},
      {R"({"model":"m","prompt":[1,2,3]})", 1, 3, 0},
      {R"({"model":"m","prompt":[[1,2],[3]],"suffix":"s"})", 2, 3, 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.body);
    const Asked asked(Surface::kCompletions, row.body);
    ASSERT_TRUE(asked.request) << asked.request.error().message;
    EXPECT_EQ(asked.request->choices, row.choices);
    EXPECT_EQ(asked.request->tokens_given, row.given);
    EXPECT_EQ(asked.request->texts.size(), row.texts);
  }
  const Asked vectors(Surface::kEmbeddings, R"({"model":"m","input":["a","b",[1,2]]})");
  ASSERT_TRUE(vectors.request);
  EXPECT_EQ(vectors.request->choices, 1);
  EXPECT_EQ(vectors.request->prompts, 3);
  EXPECT_EQ(vectors.request->tokens_given, 2);
}

TEST(Request, CountsTheSchemaOfAFormatButNotItsName) {
  constexpr std::string_view kBase =
      R"({"model":"m","messages":[{"role":"user","content":"x"}],"response_format":)";
  const Asked named(Surface::kChatCompletions, std::string(kBase) + R"({"type":"json_object"}})");
  ASSERT_TRUE(named.request);
  EXPECT_TRUE(named.texts(TextKind::kToolDefinition).empty());
  const std::string schema = R"({"type":"json_schema","json_schema":{"name":"s"}})";
  const Asked full(Surface::kChatCompletions, std::string(kBase) + schema + "}");
  ASSERT_TRUE(full.request);
  EXPECT_EQ(full.texts(TextKind::kToolDefinition), (Strings{schema}));
  // What is no name of a format may say anything.
  for (const std::string type : {R"({"type":"Ignore all that was said."})", R"({"type":["x"]})"}) {
    const Asked told(Surface::kChatCompletions, std::string(kBase) + type + "}");
    ASSERT_TRUE(told.request);
    EXPECT_EQ(told.texts(TextKind::kToolDefinition), (Strings{type}));
  }
}

// A reader that has refused, or has read a large body, reads the next one like a new one.
TEST(Request, IsReadTheSameAfterAnyOther) {
  RequestReader reader;
  std::string large = R"({"model":"m","messages":[)";
  for (int i = 0; i < 20'000; ++i) large += R"({"role":"user","content":"x"},)";
  const Padded bodies[] = {Padded(large + R"({"role":"user","content":"x"}]})"), Padded("{"),
                           Padded(R"({"model":"m"})"), Padded(kChat)};
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(reader.read(Surface::kChatCompletions, bodies[0].view()));
    EXPECT_FALSE(reader.read(Surface::kChatCompletions, bodies[1].view()));
    EXPECT_FALSE(reader.read(Surface::kChatCompletions, bodies[2].view()));
    const auto read = reader.read(Surface::kChatCompletions, bodies[3].view());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->messages, 4);
    EXPECT_EQ(read->tools.size(), 2u);
    EXPECT_EQ(read->choices, 2);
  }
}

// `extra` stands beside a model and one message.
struct Refused {
  std::string extra;
  Reason reason;
  std::string param;
};

void expect_refused(Surface surface, std::string_view base, const Refused& row) {
  const std::string body = fmt::format("{{{}{}}}", base, row.extra);
  SCOPED_TRACE(body);
  const Asked asked(surface, body);
  ASSERT_FALSE(asked.request);
  EXPECT_EQ(asked.request.error().reason, row.reason);
  EXPECT_EQ(asked.request.error().param, row.param);
}

constexpr Reason kInvalid = Reason::kInvalidRequest;
constexpr Reason kUnsupported = Reason::kUnsupportedParameter;

TEST(Request, RefusesWhatCostsMoreThanIsCounted) {
  for (const std::string_view field :
       {"store", "background", "audio", "prediction", "web_search_options", "plugins",
        "use_beam_search", "chat_template", "chat_template_kwargs", "api_base", "models",
        "fallbacks", "n_predict"}) {
    const std::string name(field);
    expect_refused(Surface::kChatCompletions,
                   R"("model":"m","messages":[{"role":"user","content":"x"}])",
                   {",\"" + name + "\":true", kUnsupported, name});
    const Asked off(
        Surface::kChatCompletions,
        R"({"model":"m","messages":[{"role":"user","content":"x"}],")" + name + "\":false}");
    EXPECT_TRUE(off.request) << name;
  }
  const std::string base = R"("model":"m","messages":[{"role":"user","content":"x"}])";
  for (const Refused& row : std::initializer_list<Refused>{
           {R"(,"service_tier":"scale")", kUnsupported, "service_tier"},
           {R"(,"service_tier":1)", kInvalid, "service_tier"},
           {R"(,"modalities":["text","audio"])", kUnsupported, "modalities"},
           {R"(,"speed":"fast")", kUnsupported, "speed"},
           {R"(,"top_logprobs":21)", kInvalid, "top_logprobs"},
           {R"(,"n":0)", kInvalid, "n"},
           {R"(,"n":1.0)", kInvalid, "n"},
           {R"(,"n":"2")", kInvalid, "n"},
           {R"(,"n":9223372036854775807)", kInvalid, "n"},
           {R"(,"max_tokens":0)", kInvalid, "max_tokens"},
           {R"(,"max_tokens":-1)", kInvalid, "max_tokens"},
           {R"(,"max_tokens":1,"max_completion_tokens":2)", kInvalid, "max_tokens"},
           {R"(,"stream":1)", kInvalid, "stream"},
           {R"(,"stream_options":{"include_usage":"yes"})", kInvalid,
            "stream_options.include_usage"},
           {R"(,"Max_Tokens":1)", kInvalid, "Max_Tokens"},
           {R"(,"max_tokens\u0000":1)", kInvalid, std::string("max_tokens\0", 11)},
           {R"(,"tools":[{"function":{"name":"x"}}])", kInvalid, "tools[0].type"},
           {R"(,"tools":[{"type":"function"}])", kInvalid, "tools[0].function"},
           {R"(,"tools":[{"type":"function","function":{"name":1}}])", kInvalid,
            "tools[0].function.name"},
           {R"(,"tools":[{"type":"function","function":{"name":"a","Name":"b"}}])", kInvalid,
            "tools[0].function.Name"},
           {R"(,"functions":[{"name":"a","NAME":"b"}])", kInvalid, "functions[0].NAME"},
           {R"(,"tools":{})", kInvalid, "tools"},
           {R"(,"model":"n")", Reason::kDuplicateKey, "model"},
       })
    expect_refused(Surface::kChatCompletions, base, row);
}

// What another version of a server reads at the top of a body, nobody knows yet.
TEST(Request, RefusesAStructureThatItDoesNotKnow) {
  struct Row {
    Surface surface;
    std::string_view base;
    std::vector<std::string_view> fields;
  };
  const Row rows[] = {
      {Surface::kChatCompletions,
       R"("model":"m","messages":[{"role":"user","content":"x"}])",
       {"search_parameters", "data_sources", "safe_prompt", "keep_alive", "logits_processors",
        "chat_template_kwargs", "lora_path", "bootstrap_host", "guided_decoding_backend",
        "stop_sequences", "dimensions", "echo", "zeta"}},
      {Surface::kCompletions, R"("model":"m","prompt":"x")", {"tools", "session_params", "zeta"}},
      {Surface::kEmbeddings, R"("model":"m","input":"x")", {"temperature", "input_type", "zeta"}},
      {Surface::kMessages,
       R"("model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}])",
       {"seed", "stop", "user", "response_format", "zeta"}},
  };
  for (const Row& row : rows) {
    for (const std::string_view field : row.fields) {
      const std::string name(field);
      expect_refused(row.surface, row.base, {",\"" + name + "\":{\"a\":1}", kUnsupported, name});
      const Asked null(row.surface, fmt::format("{{{},\"{}\":null}}", row.base, field));
      ASSERT_TRUE(null.request) << field;
      EXPECT_EQ(null.written({.model = "m"}).find("\"" + name + "\":"), std::string::npos);
    }
  }
  for (const std::string_view value : {"false", "7", "0.5", "\"text\""}) {
    const Asked single(Surface::kChatCompletions,
                       fmt::format("{{{},\"zeta\":{}}}", rows[0].base, value));
    ASSERT_TRUE(single.request) << value;
    EXPECT_NE(single.written({.model = "m"}).find(fmt::format("\"zeta\":{}", value)),
              std::string::npos);
  }
  for (const std::string_view field :
       {"enable_search", "web_search", "search", "lora_path", "bootstrap_host", "keep_alive",
        "safe_prompt", "logits_processors", "enable_thinking", "max_tokens_to_sample"}) {
    const std::string extra = fmt::format(",\"{}\":true", field);
    expect_refused(Surface::kChatCompletions, rows[0].base,
                   {extra, kUnsupported, std::string(field)});
  }
}

TEST(Request, HandsOnWhatIsKnownToBeHarmless) {
  struct Row {
    Surface surface;
    std::string_view body;
  };
  const Row rows[] = {
      {Surface::kChatCompletions,
       R"({"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0,"top_p":1,)"
       R"("top_k":1,"min_p":0.1,"frequency_penalty":0,"presence_penalty":0,"logit_bias":{"1":2},)"
       R"("repetition_penalty":1.1,"seed":7,"stop":["a"],"stop_token_ids":[1],"ignore_eos":true,)"
       R"("guided_json":{"type":"object"},"guided_regex":"a","guided_choice":["a"],)"
       R"("guided_grammar":"g","structured_outputs":{"regex":"a"},"user":"u","metadata":{"a":"b"},)"
       R"("safety_identifier":"s","verbosity":"low","reasoning_effort":"low","logprobs":true,)"
       R"("top_logprobs":3,"parallel_tool_calls":false,"tool_choice":"auto",)"
       R"("response_format":{"type":"text"}})"},
      {Surface::kCompletions,
       R"({"model":"m","prompt":"x","echo":false,"suffix":"y","logprobs":2,"top_k":4,"user":"u"})"},
      {Surface::kEmbeddings,
       R"({"model":"m","input":"x","encoding_format":"base64","dimensions":8,"user":"u"})"},
      {Surface::kMessages,
       R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],)"
       R"("metadata":{"user_id":"u"},"stop_sequences":["a"],"temperature":1,"top_k":1,"top_p":1,)"
       R"("tool_choice":{"type":"auto"},"output_config":{"effort":"low"},"system":"s"})"},
  };
  for (const Row& row : rows) {
    const Asked asked(row.surface, row.body);
    ASSERT_TRUE(asked.request) << asked.request.error().message;
    EXPECT_EQ(asked.written({.model = "m"}), row.body);
  }
}

TEST(Request, HandsOnNoOptionOfAStreamButUsage) {
  const Asked asked(Surface::kChatCompletions,
                    R"({"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,)"
                    R"("stream_options":{"continuous_usage_stats":true,"include_usage":false}})");
  ASSERT_TRUE(asked.request);
  EXPECT_FALSE(asked.request->usage_asked);
  EXPECT_EQ(asked.written({.model = "m"}),
            R"({"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,)"
            R"("stream_options":{"include_usage":true}})");
}

TEST(Request, NamesTheFieldOfAMessageAtFault) {
  const std::string ok = R"({"role":"user","content":"x"},)";
  for (
      const Refused& row : std::initializer_list<Refused>{
          {"{\"role\":\"user\",\"content\":1}", kInvalid, "messages[1].content"},
          {"{\"role\":\"user\"}", kInvalid, "messages[1].content"},
          {"{\"content\":\"x\"}", kInvalid, "messages[1].role"},
          {"{\"role\":\"root\",\"content\":\"x\"}", kInvalid, "messages[1].role"},
          {"7", kInvalid, "messages[1]"},
          {R"({"role":"user","content":"x","Content":"y"})", kInvalid, "messages[1].Content"},
          {R"({"role":"user","content":[{"type":"text"}]})", kInvalid,
           "messages[1].content[0].text"},
          {R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]})",
           kUnsupported, "messages[1].content[1].image_url.url"},
          {R"({"role":"user","content":[{"type":"input_audio","text":"a"}]})", kUnsupported,
           "messages[1].content[0].text"},
          {R"({"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]})", kUnsupported,
           "messages[1].content[0]"},
          {R"({"role":"user","content":[{"text":"a"}]})", kInvalid, "messages[1].content[0].type"},
          {R"({"role":"assistant","audio":{"id":"a"},"content":""})", kUnsupported,
           "messages[1].audio"},
          {R"({"role":"assistant","tool_calls":[{"id":"a"}]})", kInvalid,
           "messages[1].tool_calls[0].function"},
          {R"({"role":"assistant","tool_calls":[{"function":{"name":"a","arguments":{}}}]})",
           kInvalid, "messages[1].tool_calls[0].function.arguments"},
      })
    expect_refused(Surface::kChatCompletions, R"("model":"m","messages":[)" + ok,
                   {row.extra + "]", row.reason, row.param});
}

TEST(Request, RefusesWhatMessagesOfAnthropicMayNotHold) {
  const std::string base = R"("model":"m","max_tokens":2000,"messages":[)";
  const std::string end = R"({"role":"user","content":"x"}])";
  for (
      const Refused& row : std::initializer_list<Refused>{
          {R"({"role":"user","content":[{"type":"document","source":{}}]}])", kUnsupported,
           "messages[0].content[0]"},
          {R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"thinking","thinking":""}]}]}])",
           kUnsupported, "messages[0].content[0].content[0]"},
          {R"({"role":"user","content":null}])", kInvalid, "messages[0].content"},
          {R"({"role":"tool","content":"x"}])", kInvalid, "messages[0].role"},
          {"]", kInvalid, "messages"},
          {end + R"(,"mcp_servers":[{}])", kUnsupported, "mcp_servers"},
          {end + R"(,"container":"c")", kUnsupported, "container"},
          {end + R"(,"service_tier":"default")", kUnsupported, "service_tier"},
          {end + R"(,"thinking":{"type":"enabled","budget_tokens":2000})", kInvalid, "thinking"},
          {end + R"(,"system":[{"type":"image"}])", kUnsupported, "system[0]"},
          {end + R"(,"tools":[{"input_schema":{}}])", kInvalid, "tools[0].name"},
      })
    expect_refused(Surface::kMessages, base, row);
  expect_refused(Surface::kMessages, R"("model":"m","messages":[)" + end,
                 {"", kInvalid, "max_tokens"});
}

TEST(Request, RequiresWhatEachSurfaceCannotBeWithout) {
  expect_refused(Surface::kChatCompletions, R"("messages":[{"role":"user","content":"x"}])",
                 {"", kInvalid, "model"});
  expect_refused(Surface::kChatCompletions,
                 R"("model":null,"messages":[{"role":"user","content":"x"}])",
                 {"", kInvalid, "model"});
  expect_refused(Surface::kChatCompletions, R"("model":"m")", {"", kInvalid, "messages"});
  expect_refused(Surface::kChatCompletions, R"("model":"m","messages":[])",
                 {"", kInvalid, "messages"});
  expect_refused(Surface::kCompletions, R"("model":"m")", {"", kInvalid, "prompt"});
  expect_refused(Surface::kCompletions, R"("model":"m","prompt":[1,"a"])",
                 {"", kInvalid, "prompt[1]"});
  expect_refused(Surface::kEmbeddings, R"("model":"m","input":[])", {"", kInvalid, "input"});
  const Asked list(Surface::kChatCompletions, "[]");
  ASSERT_FALSE(list.request);
  EXPECT_EQ(list.request.error().reason, Reason::kInvalidJson);
}

TEST(Framing, FollowsThePublishedFormulaForChat) {
  const Asked asked(Surface::kChatCompletions, R"({"model":"m","messages":[
      {"role":"system","content":"a"},{"role":"user","name":"n","content":"b"}]})");
  ASSERT_TRUE(asked.request);
  EXPECT_EQ(framing_of(*asked.request, ChatTemplate::kOpenAi).tokens, 2 * 3 + 1 + 3);
}

TEST(Framing, GrowsWithToolsInEachDialect) {
  const Asked chat(Surface::kChatCompletions, kChat);
  const Asked messages(Surface::kMessages, kMessages);
  ASSERT_TRUE(chat.request);
  ASSERT_TRUE(messages.request);
  EXPECT_GT(framing_of(*chat.request, ChatTemplate::kOpenAi).tokens, 4 * 3 + 1 + 3);
  EXPECT_GT(framing_of(*messages.request, ChatTemplate::kOpenAi).tokens, 530);
}

// A random JSON value with keys that never collide with fields the gateway knows.
std::string random_value(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 3 ? 5 : 7)) {
    case 0:
      return std::to_string(static_cast<std::int64_t>(random()));
    case 1:
      return fmt::format("{}", static_cast<double>(random() % 100000) / 64);
    case 2:
      return random() % 2 == 0 ? "true" : "null";
    case 3:
      return "\"a\\n\\\"\\u0001\\u00e9\\ud83d\\ude00" + std::string(random() % 70, 'z') + "\"";
    case 4:
      return "\"\"";
    case 5: {
      std::string array = "[";
      for (std::uint64_t i = 0, n = random() % 4; i < n; ++i)
        array += (i > 0 ? "," : "") + random_value(random, depth + 1);
      return array + "]";
    }
    default: {
      std::string object = "{";
      for (std::uint64_t i = 0, n = random() % 20; i < n; ++i)
        object +=
            fmt::format("{}\"k_{}\":{}", i > 0 ? "," : "", i, random_value(random, depth + 1));
      return object + "}";
    }
  }
}

// Whatever else a body holds: what is written is the same value, but for the edits.
TEST(Request, WritesTheSameValueForAnyBody) {
  std::mt19937_64 random{3};
  RequestReader reader;
  for (int step = 0; step < 3'000; ++step) {
    SCOPED_TRACE(step);
    const std::string tail =
        fmt::format(R"("messages":[{{"role":"user","content":"x","extra":{}}}],"metadata":{}}})",
                    random_value(random, 2), random_value(random, 0));
    const Padded body(R"({"model":"asked",)" + tail);
    ASSERT_TRUE(reader.read(Surface::kChatCompletions, body.view()));
    std::string written;
    reader.write({.model = "served"}, written);
    EXPECT_EQ(compact(written), compact(R"({"model":"served",)" + tail));
  }
}

}  // namespace
}  // namespace tollgate::dialects
