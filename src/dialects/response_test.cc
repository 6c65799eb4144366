// OpenAI's Responses: requests are read whole, replies and streams told once, endings fit.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "dialects/answer.h"
#include "dialects/fixture_test.h"
#include "dialects/reply.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

using Strings = std::vector<std::string>;

struct Asked {
  explicit Asked(std::string_view text)
      : body(text), request(reader.read(Surface::kResponses, body.view())) {}
  Strings texts(TextKind kind) const {
    Strings found;
    for (const Text& text : request->texts)
      if (text.kind == kind) found.emplace_back(text.text);
    return found;
  }
  RequestReader reader;
  Padded body;
  Expected<Request> request;
};

constexpr std::string_view kItems = R"({
  "model": "m", "instructions": "Be brief.", "max_output_tokens": 99, "stream": true,
  "stream_options": {"include_obfuscation": false}, "reasoning": {"effort": "low"},
  "include": ["reasoning.encrypted_content"], "parallel_tool_calls": false,
  "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "f", "schema": {}}},
  "input": [
    {"role": "user", "content": "What now?"},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
      "encrypted_content": "Zm9v"},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look",
      "arguments": "{\"a\":1}", "status": "completed"},
    {"type": "function_call_output", "call_id": "c1", "output": "42"},
    {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
      {"type": "output_text", "text": "It is 42.", "annotations": []}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And now?"}]}],
  "tools": [{"type": "function", "name": "look", "parameters": {}, "strict": true},
    {"type": "custom", "name": "run"}, {"type": "web_search"}]})";

TEST(Response, SeesAllThatIsAskedAndCosts) {
  const Asked asked(kItems);
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  const Request& request = *asked.request;
  EXPECT_EQ(request.delivery, Delivery::kStreamed);
  EXPECT_EQ(request.output_tokens_asked, 99);
  EXPECT_EQ(request.choices, 1);
  EXPECT_EQ(request.messages, 6);
  EXPECT_TRUE(request.turns.begins_with_system);
  EXPECT_EQ(request.turns.user, 2);
  EXPECT_EQ(request.turns.calls, 1);
  EXPECT_EQ(request.turns.tool, 1);
  EXPECT_EQ(request.turns.formats, 1);
  EXPECT_EQ(asked.texts(TextKind::kRole), (Strings{"system", "user", "assistant", "user"}));
  EXPECT_EQ(asked.texts(TextKind::kContent),
            (Strings{"Be brief.", "What now?", "hm", "Zm9v", "42", "It is 42.", "[]", "And now?"}));
  EXPECT_EQ(asked.texts(TextKind::kToolCall), (Strings{"c1", "look", R"({"a":1})", "c1"}));
  ASSERT_EQ(request.tools.size(), 3u);
  EXPECT_EQ(request.tools[0].name, "look");
  EXPECT_EQ(request.tools[2].type, "web_search");
  EXPECT_EQ(place_of(request.texts, 3), "input[0]");
}

TEST(Response, GoesUpstreamUnderTheCapAndIsKeptNowhere) {
  const Asked asked(kItems);
  ASSERT_TRUE(asked.request);
  std::string written;
  asked.reader.write({.model = "there", .output_tokens = 50}, written);
  EXPECT_NE(written.find(R"("max_output_tokens":50)"), std::string::npos);
  EXPECT_NE(written.find(R"("store":false)"), std::string::npos);
  EXPECT_NE(written.find(R"("stream_options":{"include_obfuscation":false})"), std::string::npos);
  EXPECT_EQ(written.find("include_usage"), std::string::npos);
  EXPECT_EQ(written.find("\"max_tokens\""), std::string::npos);

  const Asked bare(R"({"model":"m","input":"hi"})");
  ASSERT_TRUE(bare.request);
  written.clear();
  bare.reader.write({.model = "there", .output_tokens = 7}, written);
  EXPECT_EQ(written, R"({"model":"there","input":"hi","max_output_tokens":7,"store":false})");
  EXPECT_EQ(bare.request->turns.user, 1);
}

// Whether it may be kept is for others to say; the caller's id of one before never leaves.
TEST(Response, TellsWhatIsToBeKeptAndGoneOnFrom) {
  const Asked asked(R"({"model":"m","input":"hi","store":true,"previous_response_id":"resp_A"})");
  ASSERT_TRUE(asked.request);
  EXPECT_TRUE(asked.request->store);
  EXPECT_EQ(asked.request->previous_response, "resp_A");
  EXPECT_TRUE(asked.request->carried.empty());
  std::string written;
  asked.reader.write({.model = "there", .previous_response = "resp_1"}, written);
  EXPECT_EQ(written,
            R"({"model":"there","input":"hi","store":true,"previous_response_id":"resp_1"})");
  written.clear();
  asked.reader.write({.model = "there"}, written);
  EXPECT_EQ(written, R"({"model":"there","input":"hi","store":true})");

  const Asked none(R"({"model":"m","input":"hi","store":null,"previous_response_id":null})");
  ASSERT_TRUE(none.request);
  EXPECT_FALSE(none.request->store);
  EXPECT_TRUE(none.request->previous_response.empty());
  written.clear();
  none.reader.write({.model = "there"}, written);
  EXPECT_EQ(written, R"({"model":"there","input":"hi","store":false})");
}

TEST(Response, RefusesByNameWhatLiesElsewhereOrIsNotCounted) {
  const struct {
    std::string_view body;
    Reason reason;
    std::string_view param;
  } kCases[] = {
      {R"({"model":"m"})", Reason::kInvalidRequest, "input"},
      {R"({"input":"x"})", Reason::kInvalidRequest, "model"},
      {R"({"model":"m","input":[]})", Reason::kInvalidRequest, "input"},
      {R"({"model":"m","input":{}})", Reason::kInvalidRequest, "input"},
      {R"({"model":"m","input":[1]})", Reason::kInvalidRequest, "input[0]"},
      {R"({"model":"m","input":"x","store":1})", Reason::kInvalidRequest, "store"},
      {R"({"model":"m","input":"x","background":true})", Reason::kUnsupportedParameter,
       "background"},
      {R"({"model":"m","input":"x","previous_response_id":""})", Reason::kInvalidRequest,
       "previous_response_id"},
      {R"({"model":"m","input":"x","previous_response_id":7})", Reason::kInvalidRequest,
       "previous_response_id"},
      {R"({"model":"m","input":"x","conversation":7})", Reason::kInvalidRequest, "conversation"},
      {R"({"model":"m","input":"x","conversation":""})", Reason::kInvalidRequest, "conversation"},
      {R"({"model":"m","input":"x","prompt":{"id":"p"}})", Reason::kUnsupportedParameter, "prompt"},
      {R"({"model":"m","input":"x","max_tokens":5})", Reason::kUnsupportedParameter, "max_tokens"},
      {R"({"model":"m","input":"x","n":2})", Reason::kUnsupportedParameter, "n"},
      {R"({"model":"m","input":[{"type":"item_reference","id":"x"}]})",
       Reason::kUnsupportedParameter, "input[0]"},
      {R"({"model":"m","input":[{"type":"web_search_call","id":"x"}]})",
       Reason::kUnsupportedParameter, "input[0]"},
      {R"({"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]})",
       Reason::kUnsupportedParameter, "input[0].content[0]"},
      {R"({"model":"m","input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]})",
       Reason::kUnsupportedParameter, "input[0].content[0].file_id"},
      {R"({"model":"m","input":[{"role":"user","content":[{"type":"input_image",)"
       R"("image_url":"http://x.example/a.png"}]}]})",
       Reason::kUnsupportedParameter, "input[0].content[0].image_url"},
      {R"({"model":"m","input":[{"role":"root","content":"x"}]})", Reason::kInvalidRequest,
       "input[0].role"},
      {R"({"model":"m","input":[{"content":"x"}]})", Reason::kInvalidRequest, "input[0].role"},
      {R"({"model":"m","input":[{"type":"function_call_output","call_id":"c"}]})",
       Reason::kInvalidRequest, "input[0].output"},
      {R"({"model":"m","input":"x","tools":[{"type":"function"}]})", Reason::kInvalidRequest,
       "tools[0].name"},
      {R"({"model":"m","input":"x","tools":[{"type":"namespace","name":"n"}]})",
       Reason::kInvalidRequest, "tools[0].tools"},
      {R"({"model":"m","input":"x","tools":[{"type":"namespace","name":"n","tools":[)"
       R"({"type":"web_search"}]}]})",
       Reason::kUnsupportedParameter, "tools[0].tools[0]"},
      {R"({"model":"m","input":"x","tools":[{"type":"namespace","name":"n","tools":[)"
       R"({"type":"namespace","name":"o","tools":[]}]}]})",
       Reason::kUnsupportedParameter, "tools[0].tools[0]"},
      {R"({"model":"m","input":"x","tools":[{"type":"namespace","name":"n","tools":[)"
       R"({"type":"function"}]}]})",
       Reason::kInvalidRequest, "tools[0].tools[0].name"},
      {R"({"model":"m","input":[{"type":"additional_tools","role":"developer"}]})",
       Reason::kInvalidRequest, "input[0].tools"},
      {R"({"model":"m","input":[{"type":"additional_tools","tools":[{"type":"function"}]}]})",
       Reason::kInvalidRequest, "input[0].tools[0].name"},
      {R"({"model":"m","input":"x","tools":[{"type":"image_generation"}]})",
       Reason::kUnsupportedParameter, "tools[0]"},
      {R"({"model":"m","input":"x","text":{"FORMAT":1}})", Reason::kInvalidRequest, "text.FORMAT"},
      {R"({"model":"m","input":"x","max_output_tokens":0})", Reason::kInvalidRequest,
       "max_output_tokens"},
  };
  for (const auto& one : kCases) {
    const Asked asked(one.body);
    ASSERT_FALSE(asked.request) << one.body;
    EXPECT_EQ(asked.request.error().reason, one.reason) << one.body;
    EXPECT_EQ(asked.request.error().param, one.param) << one.body;
  }
}

// What is told -----------------------------------------------------------------------------

class Texts final : public AnswerSink {
 public:
  void text(std::string_view place, std::string_view text) override { add(place, text); }
  void piece(std::string_view place, std::string_view piece) override { add(place, piece); }
  void ended(std::string_view) override {}
  std::map<std::string, std::string> told;

 private:
  void add(std::string_view place, std::string_view text) { told[std::string(place)] += text; }
};

constexpr std::string_view kDone = R"({"id":"resp_1","object":"response","created_at":7,)"
                                   R"("status":"completed","model":"m","instructions":"Be brief.",)"
                                   R"("output":[)"
                                   R"({"id":"rs_1","type":"reasoning","summary":[)"
                                   R"({"type":"summary_text","text":"hm"}]},)"
                                   R"({"id":"msg_1","type":"message","role":"assistant",)"
                                   R"("status":"completed","content":[{"type":"output_text",)"
                                   R"("text":"Hé 😀","annotations":[]}]},)"
                                   R"({"id":"fc_1","type":"function_call","call_id":"c1",)"
                                   R"("name":"look","arguments":"{\"a\":1}"}],)"
                                   R"("usage":{"input_tokens":12,)"
                                   R"("input_tokens_details":{"cached_tokens":4},)"
                                   R"("output_tokens":9,)"
                                   R"("output_tokens_details":{"reasoning_tokens":3},)"
                                   R"("total_tokens":21}})";

std::string event(std::string_view type, int sequence, std::string_view rest) {
  return fmt::format("event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{},{}}}\n\n", type,
                     type, sequence, rest);
}

// The events of kDone up to the pieces of the message's text, then the others.
Strings begun() {
  return {
      event("response.created", 0,
            R"("response":{"id":"resp_1","object":"response","created_at":7,"model":"m",)"
            R"("status":"in_progress","instructions":"Be brief.","output":[],"usage":null})"),
      event("response.output_item.added", 1,
            R"("output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]})"),
      event("response.reasoning_summary_part.added", 2,
            R"("output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""})"),
      event("response.reasoning_summary_text.delta", 3,
            R"("output_index":0,"summary_index":0,"delta":"hm")"),
      event("response.reasoning_summary_text.done", 4,
            R"("output_index":0,"summary_index":0,"text":"hm")"),
      event("response.output_item.done", 5,
            R"("output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[)"
            R"({"type":"summary_text","text":"hm"}]})"),
      event("response.output_item.added", 6,
            R"("output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant",)"
            R"("status":"in_progress","content":[]})"),
      event("response.content_part.added", 7,
            R"("output_index":1,"content_index":0,"item_id":"msg_1","part":)"
            R"({"type":"output_text","text":"","annotations":[]})"),
      event("response.output_text.delta", 8,
            R"("output_index":1,"content_index":0,"item_id":"msg_1","delta":"Hé ")"),
      event("response.output_text.delta", 9,
            R"("output_index":1,"content_index":0,"item_id":"msg_1","delta":"😀")"),
  };
}
Strings finished() {
  return {
      event("response.output_text.done", 10,
            R"("output_index":1,"content_index":0,"item_id":"msg_1","text":"Hé 😀")"),
      event("response.content_part.done", 11,
            R"("output_index":1,"content_index":0,"item_id":"msg_1","part":)"
            R"({"type":"output_text","text":"Hé 😀","annotations":[]})"),
      event("response.output_item.done", 12,
            R"("output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant",)"
            R"("status":"completed","content":[{"type":"output_text","text":"Hé 😀",)"
            R"("annotations":[]}]})"),
      event("response.output_item.added", 13,
            R"("output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"c1",)"
            R"("name":"look","arguments":""})"),
      event("response.function_call_arguments.delta", 14, R"("output_index":2,"delta":"{\"a\":")"),
      event("response.function_call_arguments.delta", 15, R"("output_index":2,"delta":"1}")"),
      event("response.function_call_arguments.done", 16,
            R"("output_index":2,"arguments":"{\"a\":1}")"),
      event("response.output_item.done", 17,
            R"("output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"c1",)"
            R"("name":"look","arguments":"{\"a\":1}"})"),
      event("response.completed", 18, fmt::format("\"response\":{}", kDone)),
  };
}

std::string joined(const Strings& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

struct Passed {
  std::string out;
  RememberingSink output;
  Texts texts;
  bool finished = false;
};

Passed pass(StreamReader& reader, std::string_view stream, std::size_t step = 1 << 20) {
  reader.start(Surface::kResponses, false, "asked");
  Passed passed;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    const auto fed = reader.feed(stream.substr(at, step), passed.out, passed.output, &passed.texts);
    EXPECT_TRUE(fed.has_value());
    passed.finished = fed && *fed == StreamState::kFinished;
  }
  return passed;
}

TEST(Response, IsToldAlikeWholeAndStreamed) {
  ReplyReader replies;
  RememberingSink output;
  Texts texts;
  const Padded body(kDone);
  const auto usage = replies.read(Surface::kResponses, body.view(), output, &texts);
  ASSERT_TRUE(usage.has_value());
  ASSERT_TRUE(usage->has_value());
  EXPECT_EQ((*usage)->input, 12);
  EXPECT_EQ((*usage)->cached_input, 4);
  EXPECT_EQ((*usage)->output, 9);
  EXPECT_EQ((*usage)->reasoning, 3);
  EXPECT_EQ(output.told[0], "hmHé 😀look{\"a\":1}");
  EXPECT_EQ(texts.told, (std::map<std::string, std::string>{
                            {"output[0].summary[0].text", "hm"},
                            {"output[1].content[0].text", "Hé 😀"},
                            {"output[2].name", "look"},
                            {"output[2].arguments", "{\"a\":1}"},
                        }));

  const std::string stream = joined(begun()) + joined(finished());
  StreamReader reader;
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, stream.size()}) {
    const Passed passed = pass(reader, stream, step);
    EXPECT_TRUE(passed.finished);
    EXPECT_EQ(passed.out, stream);
    EXPECT_EQ(passed.output.told.at(0), output.told[0]);
    EXPECT_EQ(passed.texts.told, texts.told);
    ASSERT_TRUE(reader.usage());
    EXPECT_EQ(reader.usage()->output, 9);
  }
}

TEST(Response, TextsWithoutPiecesAreToldAllTheSame) {
  StreamReader reader;
  const Passed part = pass(reader, event("response.output_text.done", 1,
                                         R"("output_index":0,"content_index":0,"text":"all")"));
  EXPECT_EQ(part.output.told.at(0), "all");
  EXPECT_EQ(part.texts.told.at("output[0].content[0].text"), "all");

  const Passed item = pass(reader, event("response.output_item.done", 1,
                                         R"("output_index":3,"item":{"type":"message","content":[)"
                                         R"({"type":"output_text","text":"all"}]})"));
  EXPECT_EQ(item.output.told.at(0), "all");
  EXPECT_EQ(item.texts.told.at("output[3].content[0].text"), "all");

  const Passed last =
      pass(reader, event("response.completed", 1, fmt::format("\"response\":{}", kDone)));
  EXPECT_EQ(last.output.told.at(0), "hmHé 😀look{\"a\":1}");
  // Another text of the same length than the pieces had is inspected as well.
  const Passed other =
      pass(reader, event("response.output_text.delta", 1,
                         R"("output_index":0,"content_index":0,"delta":"abc")") +
                       event("response.output_text.done", 2,
                             R"("output_index":0,"content_index":0,"text":"xyz")"));
  EXPECT_EQ(other.texts.told.at("output[0].content[0].text"), "abcxyz");
}

// Endings ----------------------------------------------------------------------------------

// The data of each event, and that their numbers go up by one from the first.
std::vector<std::string> data_of(const std::string& stream, int first) {
  std::vector<std::string> made;
  simdjson::dom::parser parser;
  for (std::size_t at = stream.find("data: "); at != std::string::npos;
       at = stream.find("data: ", at + 1)) {
    const std::string data = stream.substr(at + 6, stream.find('\n', at) - at - 6);
    const Padded padded(data);
    std::int64_t number = -1;
    EXPECT_FALSE(
        parser.parse(padded.view().data(), padded.view().size(), false)["sequence_number"].get(
            number))
        << data;
    EXPECT_EQ(number, first++);
    made.push_back(data);
  }
  return made;
}

TEST(Response, CutInATextEndsWithAllThatWasSaid) {
  StreamReader reader;
  (void)pass(reader, joined(begun()));
  std::string out;
  reader.end(Ending::kLength, {.input = 5, .output = 3}, out);
  const auto data = data_of(out, 10);
  ASSERT_EQ(data.size(), 4u);
  EXPECT_EQ(data[0], R"({"type":"response.output_text.done","sequence_number":10,)"
                     R"("item_id":"msg_1","output_index":1,"content_index":0,"text":"Hé 😀",)"
                     R"("logprobs":[]})");
  EXPECT_EQ(data[2], R"({"type":"response.output_item.done","sequence_number":12,"output_index":1,)"
                     R"("item":{"id":"msg_1","type":"message","role":"assistant",)"
                     R"("status":"incomplete","content":[{"type":"output_text","text":"Hé 😀",)"
                     R"("annotations":[]}]}})");
  EXPECT_EQ(data[3],
            R"({"type":"response.incomplete","sequence_number":13,"response":{"id":"resp_1",)"
            R"("object":"response","created_at":7,"model":"m","instructions":"Be brief.",)"
            R"("status":"incomplete","error":null,"incomplete_details":{"reason":)"
            R"("max_output_tokens"},"output":[{"id":"rs_1","type":"reasoning","summary":[)"
            R"({"type":"summary_text","text":"hm"}]},{"id":"msg_1","type":"message",)"
            R"("role":"assistant","status":"incomplete","content":[{"type":"output_text",)"
            R"("text":"Hé 😀","annotations":[]}]}],"usage":{"input_tokens":5,)"
            R"("input_tokens_details":{"cached_tokens":0},"output_tokens":3,)"
            R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":8}}})");
  reader.end(Ending::kLength, {}, out);
  EXPECT_EQ(data_of(out, 10).size(), 4u) << "it has ended once";
}

TEST(Response, CutInACallTellsNoCall) {
  const Strings rest = finished();
  StreamReader reader;
  (void)pass(reader, joined(begun()) + joined({rest.begin(), rest.begin() + 5}));
  std::string out;
  reader.end(Ending::kRefused, {}, out);
  const auto data = data_of(out, 15);
  ASSERT_EQ(data.size(), 1u);
  EXPECT_EQ(data[0].find("function_call"), std::string::npos);
  EXPECT_NE(data[0].find(R"("reason":"content_filter")"), std::string::npos);
  EXPECT_NE(data[0].find("Hé 😀"), std::string::npos);
}

TEST(Response, ThatNobodyHasSeenBeginsBeforeItEnds) {
  StreamReader reader;
  reader.start(Surface::kResponses, false, "asked", Holding::kYes);
  RememberingSink sink;
  std::string out;
  ASSERT_TRUE(reader.feed(joined(begun()), out, sink).has_value());
  out.clear();
  reader.end(Ending::kRefused, {}, out);
  const auto data = data_of(out, 0);
  ASSERT_EQ(data.size(), 2u);
  EXPECT_TRUE(data[0].starts_with(R"({"type":"response.created")"));
  EXPECT_NE(data[0].find(R"("model":"asked","status":"in_progress")"), std::string::npos);
  EXPECT_EQ(data[1].find("Hé"), std::string::npos) << "what was held back stays back";
}

TEST(Response, ThatFailsTellsItWhereSdksLook) {
  StreamReader reader;
  (void)pass(reader, joined(begun()));
  std::string out;
  reader.fail(R"({"error":{"message":"gone","type":"server_error","param":null,"code":"c"}})", out);
  EXPECT_EQ(out,
            "event: error\ndata: {\"type\":\"error\",\"sequence_number\":10,\"code\":\"c\","
            "\"message\":\"gone\",\"param\":null,\"error\":{\"message\":\"gone\","
            "\"type\":\"server_error\",\"param\":null,\"code\":\"c\"}}\n\n");
}

TEST(Response, ThatReadersTakeInTwoWaysIsBroken) {
  const std::string delta = R"("output_index":0,"content_index":0,"delta":"x")";
  for (const std::string& event : {
           event("response.output_text.delta", 1, delta + R"(,"response":{})"),
           event("response.output_text.delta", 1, delta + R"(,"item":{})"),
           event("response.output_text.delta", 1, delta + R"(,"delta":"y")"),
           event("response.completed", 1, R"("response":{"output":[]},"response":{"output":[]})"),
           event("response.completed", 1, R"("response":{"output":[],"output":[{"type":"x"}]})"),
           std::string(
               "event: response.output_item.done\ndata: {\"output_index\":0,\"item\":{}}\n\n"),
           std::string("event: response.output_text.delta\ndata: "
                       "{\"type\":\"response.created\",\"delta\":\"x\"}\n\n"),
       }) {
    StreamReader reader;
    reader.start(Surface::kResponses, false);
    RememberingSink sink;
    std::string out;
    EXPECT_FALSE(reader.feed(event, out, sink).has_value()) << event;
    EXPECT_EQ(out, "") << event;
  }
  StreamReader reader;
  reader.start(Surface::kResponses, false);
  RememberingSink sink;
  std::string out;
  EXPECT_TRUE(reader.feed("data: {\"error\":{\"message\":\"gone\"}}\n\n", out, sink).has_value());
  EXPECT_TRUE(reader.failed());
}

TEST(Response, CutInAThoughtEndsItAsOne) {
  StreamReader reader;
  const Strings all = begun();
  (void)pass(reader,
             joined({all.begin(), all.begin() + 4}) +
                 event("response.output_item.added", 4,
                       R"("output_index":1,"item":{"id":"rs_2","type":"reasoning"})") +
                 event("response.content_part.added", 5,
                       R"("output_index":1,"content_index":0,"part":{"type":"reasoning_text"})") +
                 event("response.reasoning_text.delta", 6,
                       R"("output_index":1,"content_index":0,"delta":"so")"));
  std::string out;
  reader.end(Ending::kLength, {}, out);
  const auto data = data_of(out, 7);
  ASSERT_EQ(data.size(), 7u);
  EXPECT_EQ(data[0], R"({"type":"response.reasoning_summary_text.done","sequence_number":7,)"
                     R"("item_id":"rs_1","output_index":0,"summary_index":0,"text":"hm"})");
  EXPECT_TRUE(data[1].starts_with(R"({"type":"response.reasoning_summary_part.done")"));
  EXPECT_EQ(data[3], R"({"type":"response.reasoning_text.done","sequence_number":10,)"
                     R"("item_id":"rs_2","output_index":1,"content_index":0,"text":"so"})");
  EXPECT_EQ(out.find("output_text.done"), std::string::npos);
}

TEST(Response, ReadsWhatAShellAnswered) {
  const Asked asked(R"({"model":"m","input":[{"type":"shell_call","call_id":"c","action":)"
                    R"({"commands":["ls"]}},{"type":"shell_call_output","call_id":"c","output":)"
                    R"([{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]}]})");
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  EXPECT_EQ(asked.texts(TextKind::kContent),
            (Strings{R"([{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}])"}));
}

TEST(Ranking, TakesTextsAlone) {
  RequestReader reader;
  for (const std::string_view document :
       {R"({"content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/x"}}]})",
        R"({"image_url":"http://169.254.169.254/x"})", R"({"text":{"x":1}})", "1", "null"}) {
    const Padded body(fmt::format(R"({{"model":"m","query":"q","documents":[{}]}})", document));
    EXPECT_FALSE(reader.read(Surface::kRerank, body.view())) << document;
  }
  const Padded instructed(R"({"model":"m","query":"q","documents":["a"],"instruction":"x"})");
  EXPECT_FALSE(reader.read(Surface::kRerank, instructed.view()));
  const Padded plain(R"({"model":"m","query":"q","documents":["a",{"text":"b","title":"t"}]})");
  const auto read = reader.read(Surface::kRerank, plain.view());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->prompts, 2);
}

TEST(Response, OfALyingUpstreamStaysBounded) {
  StreamReader reader;
  RememberingSink sink;
  std::string out;
  reader.start(Surface::kResponses, false);
  EXPECT_FALSE(
      reader
          .feed(event("response.output_text.delta", 1, R"("output_index":70000,"delta":"x")"), out,
                sink)
          .has_value());
  // More than is kept: the ending leaves out what it cannot tell as a whole.
  const std::string text(300'000, 'x');
  std::string stream = joined(begun());
  for (int i = 0; i < 4; ++i)
    stream += event("response.output_text.delta", 10 + i,
                    fmt::format(R"("output_index":1,"content_index":0,"delta":"{}")", text));
  (void)pass(reader, stream);
  out.clear();
  reader.end(Ending::kLength, {}, out);
  EXPECT_LT(out.size(), 1000u);
  EXPECT_EQ(data_of(out, 14).size(), 1u);
}

}  // namespace
}  // namespace tollgate::dialects
