#include "mock/mock_model.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/json_writer.h"
#include "dialects/framing.h"
#include "dialects/reply.h"
#include "mock/asked_call.h"
#include "mock/wire.h"
#include "mock/wire_made.h"
#include "mock/wire_mcp.h"
#include "mock/wire_responses.h"

namespace tollgate::mock {

namespace {

using dialects::Surface;

constexpr Bytes kBodyBytesMax = 64 << 20;
constexpr std::string_view kConversationsPath = "/v1/conversations";
constexpr Tokens kOutputMax = 1'000'000;
constexpr Tokens kOutputUsual = 48;
constexpr Tokens kOverrunTimes = 10;
constexpr std::int64_t kSlowTokensPerSecond = 50;
constexpr Tokens kLieTimes = 1000;

// Each is one token of o200k_base when a space stands before it; the constructor CHECKs it.
constexpr std::array<std::string_view, 32> kWords{
    " the",     " model", " answer", " is",   " simple", " and",   " every", " word",
    " of",      " it",    " costs",  " one",  " token",  " so",    " you",   " can",
    " count",   " what",  " was",    " made", " here",   " while", " it",    " passes",
    " through", " a",     " gate",   " that", " keeps",  " the",   " books", " true"};

// What it says that leaks. No scanner of repositories finds a key in this file.
constexpr std::array<std::string_view, 12> kLeaked{
    " the", " key", " is", " AKIA", "Q3EG", "RS5W", "XNB7", "TC2V", ".", " Keep", " it", " safe."};

constexpr std::array<std::pair<std::string_view, Fail>, 11> kFails{{
    {"never", Fail::kNever},
    {"500", Fail::kStatus500},
    {"429", Fail::kStatus429},
    {"401", Fail::kStatus401},
    {"silent", Fail::kSilent},
    {"cut", Fail::kCut},
    {"garbage", Fail::kGarbage},
    {"lie-low", Fail::kLieLow},
    {"lie-high", Fail::kLieHigh},
    {"overrun", Fail::kOverrun},
    {"leak", Fail::kLeak},
}};

// The last number in `text`, as in "Write 200 words".
std::optional<Tokens> number_in(std::string_view text) {
  const std::size_t last = text.find_last_of("0123456789");
  if (last == std::string_view::npos) return std::nullopt;
  std::size_t first = last;
  while (first > 0 && text[first - 1] >= '0' && text[first - 1] <= '9') --first;
  Tokens number = 0;
  const auto read = std::from_chars(text.data() + first, text.data() + last + 1, number);
  if (read.ec != std::errc() || number < 1) return std::nullopt;
  return std::min(number, kOutputMax);
}

std::string_view last_content(const dialects::Request& request) {
  for (std::size_t i = request.texts.size(); i-- > 0;) {
    if (request.texts[i].kind == dialects::TextKind::kContent) return request.texts[i].text;
  }
  return {};
}

// Arguments that fill each required property of the tool's schema with a plain value.
std::string arguments_for(std::string_view definition) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  simdjson::dom::parser parser;
  const simdjson::padded_string text(definition);
  simdjson::dom::element root;
  if (parser.parse(text).get(root) == simdjson::SUCCESS) {
    simdjson::dom::array required;
    for (const char* path :
         {"/function/parameters/required", "/input_schema/required", "/parameters/required"}) {
      if (root.at_pointer(path).get(required) != simdjson::SUCCESS) continue;
      for (const simdjson::dom::element name : required) {
        std::string_view key;
        if (name.get(key) == simdjson::SUCCESS) json.member(key, "example");
      }
      break;
    }
  }
  json.end_object();
  return out;
}

// What is asked for comes in its order, one after each answer of a tool. Where no call is asked
// for, one of the first tool, until any has answered.
std::optional<ToolCall> call_for(const dialects::Request& request) {
  if (request.tools.empty()) return std::nullopt;
  const auto answered = static_cast<std::size_t>(request.turns.tool);
  std::vector<ToolCall> asked = calls_asked(request);
  if (answered < asked.size()) return std::move(asked[answered]);
  if (!asked.empty() || answered > 0) return std::nullopt;
  const dialects::Tool& first = request.tools.front();
  if (takes_text(request, first)) return ToolCall{std::string(first.name), "example", {}, true};
  return ToolCall{std::string(first.name), arguments_for(first.definition)};
}

}  // namespace

std::optional<Fail> fail_named(std::string_view name) {
  for (const auto& [known, fail] : kFails) {
    if (known == name) return fail;
  }
  return std::nullopt;
}

std::vector<std::string_view> fail_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, fail] : kFails) names.push_back(name);
  return names;
}

struct MockModel::Answer {
  Wire wire;
  std::int64_t choices = 1;
  std::int64_t inputs = 1;  // Of an embedding.
  Tokens each = 0;          // Tokens of each choice.
  std::optional<ToolCall> call;
  std::string_view finish;
  bool streamed = false;
  std::int64_t tokens_per_second = 0;
};

MockModel::MockModel(net::Loop& loop, const tokens::Vocabulary& vocabulary, const Policy& policy,
                     Stats& stats)
    : loop_(loop), policy_(policy), stats_(stats), counter_(vocabulary) {
  for (const std::string_view word : kWords) CHECK(counter_.count(word) == 1);
}

// Images cost what they cost on the model that each dialect's users know best.
dialects::MediaTokens MockModel::media_of(const dialects::Request& request) {
  const bool anthropic = dialects::dialect_of(request.surface) == dialects::Dialect::kAnthropic;
  const dialects::MediaFormulas formulas{
      dialects::image_formula_named(anthropic ? "claude" : "gpt-4o"),
      dialects::audio_formula_named("openai")};
  return dialects::media_tokens(request.images, request.recordings, formulas);
}

Tokens MockModel::input_of(const dialects::Request& request) {
  const dialects::MediaTokens media = media_of(request);
  Tokens tokens = dialects::framing_of(request, dialects::ChatTemplate::kOpenAi).tokens +
                  request.tokens_given + media.images + media.audio;
  for (const dialects::Text& text : request.texts) {
    tokens += counter_.count(text.text) *
              dialects::readings_of(text.kind, request, dialects::ChatTemplate::kOpenAi);
  }
  return tokens;
}

namespace {

// All of the input but its end is kept, where it is asked to keep any, and nothing is found again.
void keep(const dialects::Request& request, Usage& reported) {
  constexpr Tokens kEnd = 3;
  const dialects::CacheMarks& marks = request.cache;
  const Tokens kept = marks.count > 0 ? std::max<Tokens>(0, reported.input - kEnd) : 0;
  const Tokens hour = !marks.has_1h ? 0 : marks.has_5m ? kept / 2 : kept;
  reported.cache_write_1h = hour;
  reported.cache_write_5m = kept - hour;
  const bool anthropic = dialects::dialect_of(request.surface) == dialects::Dialect::kAnthropic;
  const std::string_view tier = request.service_tier;
  if (tier == "auto") {
    reported.tier = anthropic ? "priority" : "default";
  } else if (!tier.empty()) {
    reported.tier = tier == "standard_only" ? "standard" : std::string(tier);
  }
}

}  // namespace

MockModel::Answer MockModel::answer_to(const dialects::Request& request) {
  Answer answer;
  answer.streamed = request.delivery == dialects::Delivery::kStreamed;
  answer.choices = request.choices;
  answer.wire.surface = request.surface;
  answer.wire.model = std::string(request.model);
  answer.wire.usage = policy_.reports_usage;
  answer.wire.usage_asked = request.usage_asked;
  answer.wire.id = fmt::format("{}{}",
                               request.surface == Surface::kMessages    ? "msg_mock_"
                               : request.surface == Surface::kResponses ? "resp_mock_"
                                                                        : "chatcmpl-mock-",
                               ++serial_);

  const std::string_view asked = last_content(request);
  answer.tokens_per_second = asked.find("slowly") == std::string_view::npos
                                 ? policy_.tokens_per_second
                                 : kSlowTokensPerSecond;
  const Tokens wanted = number_in(asked).value_or(kOutputUsual);
  const Tokens cap = request.output_tokens_asked.value_or(kOutputMax);
  if (policy_.fail == Fail::kOverrun) {
    answer.each = std::min(cap * kOverrunTimes, kOutputMax);
  } else {
    answer.each = std::min(wanted, cap);
  }
  answer.finish = wanted > cap ? "length" : "stop";
  if (!dialects::makes_output(request.surface)) answer.each = 0;

  Tokens output = answer.each * answer.choices;
  answer.call = call_for(request);
  if (answer.call) {
    answer.call->serial = std::to_string(serial_);
    answer.finish = "tool_calls";
    answer.choices = 1;
    output = counter_.count(answer.call->name) + counter_.count(answer.call->arguments);
  }
  answer.inputs = dialects::unit_of(request.surface) == dialects::Unit::kImages ? request.choices
                                                                                : request.prompts;
  answer.wire.reported = {input_of(request), output, media_of(request).audio};
  keep(request, answer.wire.reported);
  if (policy_.fail == Fail::kLieLow) answer.wire.reported = {1, 1};
  if (policy_.fail == Fail::kLieHigh) {
    answer.wire.reported.input *= kLieTimes;
    answer.wire.reported.output *= kLieTimes;
  }
  return answer;
}

Task<void> MockModel::serve(pipeline::Exchange& exchange) {
  const pipeline::RequestHead& head = exchange.head();
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  if (path == "/mock/stats") {
    co_return co_await reply_json(
        exchange, 200,
        fmt::format(R"({{"requests":{},"streams":{},"cancelled":{},"input_tokens":{},)"
                    R"("output_tokens":{}}})",
                    stats_.requests.load(), stats_.streams.load(), stats_.cancelled.load(),
                    stats_.input_tokens.load(), stats_.output_tokens.load()));
  }
  if (path == "/mock/hook") {
    const Expected<std::string_view> body = co_await exchange.read_body(1 << 20);
    if (body && !head.header("webhook-signature").empty()) ++stats_.hooks;
    co_return co_await reply_json(exchange, 200, "{}");
  }
  if (path == "/mcp") co_return co_await serve_mcp(exchange);
  if (path.starts_with(kConversationsPath)) co_return co_await serve_conversations(exchange, path);
  const std::optional<Surface> surface = dialects::surface_of_path(path);
  if (!surface) {
    co_return co_await reply_json(
        exchange, 404,
        R"({"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":null}})");
  }
  if (*surface == Surface::kModels) co_return co_await reply_json(exchange, 200, models_reply());

  ++stats_.requests;
  if (co_await misbehave(exchange)) co_return;
  const Expected<std::string_view> body = co_await exchange.read_body(kBodyBytesMax);
  if (!body) co_return;
  const Expected<dialects::Request> request =
      dialects::asks_by_form(*surface)
          ? reader_.read_form(*surface, head.header("content-type"), *body)
          : reader_.read(*surface, *body);
  if (!request) {
    std::string error;
    dialects::RefusalWords words;
    words.type = "invalid_request_error";
    words.message = request.error().message;
    words.param = request.error().param;
    dialects::write_refusal(dialects::dialect_of(*surface), words, error);
    co_return co_await reply_json(exchange, 400, std::move(error));
  }
  Answer answer = answer_to(*request);
  if (request->is_turn && !take_turn(*request, *body, answer)) {
    co_return co_await reply_json(
        exchange, 404,
        R"({"error":{"message":"no such conversation","type":"invalid_request_error","param":"conversation","code":null}})");
  }
  stats_.input_tokens += answer.wire.reported.input;
  if (*surface == Surface::kSpeech) {
    co_await send_sound(exchange, request->characters, request->made_format);
  } else if (dialects::reads_sound(*surface)) {
    co_await send_transcript(exchange, *request);
  } else if (answer.streamed) {
    ++stats_.streams;
    co_await send_stream(exchange, answer);
  } else {
    co_await send_whole(exchange, answer);
  }
}

Task<void> MockModel::serve_mcp(pipeline::Exchange& exchange) {
  if (exchange.head().method != "POST") co_return co_await reply_json(exchange, 405, {});
  ++stats_.requests;
  const Expected<std::string_view> body = co_await exchange.read_body(kBodyBytesMax);
  if (!body) co_return;
  const bool is_poisoned = policy_.fail == Fail::kLeak;
  McpReply reply = mcp_reply(*body, is_poisoned ? McpTools::kPoisoned : McpTools::kHonest);
  co_await reply_json(exchange, reply.status, std::move(reply.body));
}

Task<void> MockModel::serve_conversations(pipeline::Exchange& exchange, std::string_view path) {
  ++stats_.requests;
  if (co_await misbehave(exchange)) co_return;
  const Expected<std::string_view> body = co_await exchange.read_body(kBodyBytesMax);
  if (!body) co_return;
  Conversations::Reply reply = stats_.conversations.serve(
      exchange.head().method, path.substr(kConversationsPath.size()), *body);
  co_await reply_json(exchange, reply.status, std::move(reply.body));
}

bool MockModel::take_turn(const dialects::Request& request, std::string_view body, Answer& answer) {
  const std::string_view id = request.previous_response;
  const std::optional<std::string> before = stats_.conversations.texts_of(id);
  if (!before) return false;
  answer.wire.conversation = id;
  answer.wire.reported.input += counter_.count(*before);
  std::string said;
  for (Tokens i = 0; i < answer.each; ++i) said += word(static_cast<std::size_t>(i));
  stats_.conversations.add_turn(id, body, said);
  return true;
}

// The faults that need no answer; true when the request is done with.
Task<bool> MockModel::misbehave(pipeline::Exchange& exchange) {
  switch (policy_.fail) {
    case Fail::kStatus500:
      co_await reply_json(
          exchange, 500,
          R"({"error":{"message":"the mock fails as asked","type":"server_error","param":null,"code":null}})");
      co_return true;
    case Fail::kStatus429:
      co_await reply_json(
          exchange, 429,
          R"({"error":{"message":"the mock is busy as asked","type":"requests","param":null,"code":"rate_limit_exceeded"}})");
      co_return true;
    case Fail::kStatus401:
      co_await reply_json(
          exchange, 401,
          R"({"error":{"message":"Incorrect API key provided: sk-mock-provider-secret","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})");
      co_return true;
    case Fail::kGarbage:
      co_await reply_json(exchange, 200, "<html>this is no answer of a model</html>");
      co_return true;
    case Fail::kSilent: {
      constexpr Duration kLook = std::chrono::milliseconds(50);
      while (!exchange.caller_gone()) co_await loop_.sleep(kLook);
      ++stats_.cancelled;
      co_return true;
    }
    default:
      co_return false;
  }
}

Task<void> MockModel::pace(const Answer& answer, Tokens made) {
  if (answer.tokens_per_second <= 0) co_return;
  co_await loop_.sleep(Duration(made * 1'000'000 / answer.tokens_per_second));
}

std::string_view MockModel::word(std::size_t number) const {
  return policy_.fail == Fail::kLeak ? kLeaked[number % kLeaked.size()]
                                     : kWords[number % kWords.size()];
}

std::string MockModel::reply_without_output(const Answer& answer) {
  switch (answer.wire.surface) {
    case Surface::kCountTokens:
      return count_reply(answer.wire);
    case Surface::kModerations:
      return moderation_reply(answer.wire, answer.inputs);
    case Surface::kRerank:
      return ranking_reply(answer.wire, answer.inputs);
    case Surface::kImages:
    case Surface::kImageEdits:
      return images_reply(answer.wire, answer.inputs);
    default:
      return embedding_reply(answer.wire, answer.inputs);
  }
}

Task<void> MockModel::send_whole(pipeline::Exchange& exchange, const Answer& answer) {
  if (!dialects::makes_output(answer.wire.surface)) {
    co_return co_await reply_json(exchange, 200, reply_without_output(answer));
  }
  std::vector<std::string> choices(static_cast<std::size_t>(answer.choices));
  for (std::size_t c = 0; c < choices.size(); ++c) {
    for (Tokens i = 0; i < answer.each; ++i) {
      choices[c] += word(static_cast<std::size_t>(i) + c);
    }
  }
  co_await pace(answer, answer.each);
  const ToolCall* call = answer.call ? &*answer.call : nullptr;
  std::string body = answer.wire.surface == Surface::kResponses
                         ? whole_response(answer.wire, choices.front(), call, answer.finish)
                         : whole_reply(answer.wire, choices, call, answer.finish);
  if (policy_.fail == Fail::kCut) {
    // Begun and never finished: the connection closes with the reply incomplete.
    pipeline::ReplyHead head;
    exchange.begin(head);
    body.resize(body.size() / 2);
    co_await exchange.write(body);
    co_return;
  }
  stats_.output_tokens += answer.each * answer.choices;
  co_await reply_json(exchange, 200, std::move(body));
}

// Two words for each second.
Task<void> MockModel::send_transcript(pipeline::Exchange& exchange,
                                      const dialects::Request& request) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(request.sound).count();
  if (request.delivery == dialects::Delivery::kStreamed) {
    co_return co_await stream_transcript(exchange, seconds);
  }
  std::string said;
  for (std::int64_t i = 0; i < 2 * seconds; ++i) said += word(static_cast<std::size_t>(i));
  const Transcript made = transcript_of(said, seconds, request.made_format);
  pipeline::ReplyHead head;
  head.content_type = made.type;
  if (!co_await exchange.reply(head, made.body)) ++stats_.cancelled;
}

Task<void> MockModel::stream_transcript(pipeline::Exchange& exchange, std::int64_t seconds) {
  ++stats_.streams;
  pipeline::ReplyHead head;
  head.content_type = "text/event-stream";
  exchange.begin(head);
  std::string said;
  for (std::int64_t i = 0; i < 2 * seconds; ++i) {
    if (policy_.fail == Fail::kCut && i == seconds) co_return;
    const std::string_view piece = word(static_cast<std::size_t>(i));
    said += piece;
    const std::string event = transcript_piece(piece);
    if (!co_await exchange.write(event)) {
      ++stats_.cancelled;
      co_return;
    }
  }
  const std::string end = transcript_end(said, seconds);
  if (!co_await exchange.write(end) || !co_await exchange.finish()) ++stats_.cancelled;
}

// In pieces, as it is made.
Task<void> MockModel::send_sound(pipeline::Exchange& exchange, std::int64_t characters,
                                 std::string_view format) {
  constexpr std::size_t kPieceBytes = 4 << 10;
  const Sound sound = speech_of(characters, format);
  pipeline::ReplyHead head;
  head.content_type = sound.type;
  exchange.begin(head);
  std::string_view rest = sound.bytes;
  if (policy_.fail == Fail::kCut) rest = rest.substr(0, rest.size() / 2);
  while (!rest.empty()) {
    const std::string_view piece = rest.substr(0, kPieceBytes);
    rest.remove_prefix(piece.size());
    if (!co_await exchange.write(piece)) {
      ++stats_.cancelled;
      co_return;
    }
  }
  if (policy_.fail != Fail::kCut && !co_await exchange.finish()) ++stats_.cancelled;
}

Task<void> MockModel::send_stream(pipeline::Exchange& exchange, const Answer& answer) {
  pipeline::ReplyHead head;
  head.content_type = "text/event-stream";
  exchange.begin(head);
  const ToolCall* call = answer.call ? &*answer.call : nullptr;
  bool there = true;
  const bool is_response = answer.wire.surface == Surface::kResponses;
  ResponseStream response;
  const std::string opening =
      is_response ? response.opening(answer.wire, call) : stream_opening(answer.wire, call);
  if (!opening.empty()) there = co_await exchange.write(opening);
  if (call != nullptr) {
    const std::string arguments = is_response ? response.arguments(call->arguments)
                                              : stream_arguments(answer.wire, call->arguments);
    there = there && co_await exchange.write(arguments);
  }
  for (Tokens i = 0; call == nullptr && there && i < answer.each; ++i) {
    if (policy_.fail == Fail::kCut && i * 2 >= answer.each) co_return;
    co_await pace(answer, 1);
    std::string pieces;
    for (std::int64_t c = 0; c < answer.choices; ++c) {
      const std::string_view said = word(static_cast<std::size_t>(i + c));
      pieces += is_response ? response.piece(said) : stream_piece(answer.wire, c, said);
    }
    there = co_await exchange.write(pieces);
    if (there) stats_.output_tokens += answer.choices;
  }
  if (there) {
    const std::string closing =
        is_response ? response.closing(answer.wire, call, answer.finish)
                    : stream_closing(answer.wire, answer.choices, call, answer.finish);
    there = co_await exchange.write(closing);
  }
  if (!there || !co_await exchange.finish()) ++stats_.cancelled;
}

Task<void> MockModel::reply_json(pipeline::Exchange& exchange, int status, std::string body) {
  pipeline::ReplyHead head;
  head.status = status;
  if (!co_await exchange.reply(head, body)) ++stats_.cancelled;
}

void MockModel::refuse_malformed(const pipeline::RequestHead&, std::string_view message,
                                 std::string&, std::string& out) {
  dialects::RefusalWords words;
  words.type = "invalid_request_error";
  words.message = message;
  dialects::write_refusal(dialects::Dialect::kOpenAi, words, out);
}

}  // namespace tollgate::mock
