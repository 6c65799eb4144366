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
#include "mock/wire.h"
#include "mock/wire_responses.h"

namespace tollgate::mock {

namespace {

using dialects::Surface;

constexpr Bytes kBodyBytesMax = 64 << 20;
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

bool tool_has_answered(const dialects::Request& request) {
  if (request.surface == Surface::kResponses) return request.turns.tool > 0;
  return std::any_of(request.texts.begin(), request.texts.end(), [](const dialects::Text& text) {
    return text.kind == dialects::TextKind::kRole && text.text == "tool";
  });
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
  const auto definition = std::find_if(
      request.texts.begin(), request.texts.end(),
      [](const dialects::Text& text) { return text.kind == dialects::TextKind::kToolDefinition; });
  if (!request.tools.empty() && definition != request.texts.end() && !tool_has_answered(request)) {
    answer.call =
        ToolCall{std::string(request.tools.front().name), arguments_for(definition->text)};
    answer.finish = "tool_calls";
    answer.choices = 1;
    output = counter_.count(answer.call->name) + counter_.count(answer.call->arguments);
  }
  answer.inputs = request.prompts;
  answer.wire.reported = {input_of(request), output, media_of(request).audio};
  if (policy_.fail == Fail::kLieLow) answer.wire.reported = {1, 1, 0};
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
  const Expected<dialects::Request> request = reader_.read(*surface, *body);
  if (!request) {
    std::string error;
    dialects::RefusalWords words;
    words.type = "invalid_request_error";
    words.message = request.error().message;
    words.param = request.error().param;
    dialects::write_refusal(dialects::dialect_of(*surface), words, error);
    co_return co_await reply_json(exchange, 400, std::move(error));
  }
  const Answer answer = answer_to(*request);
  stats_.input_tokens += answer.wire.reported.input;
  if (answer.streamed) {
    ++stats_.streams;
    co_await send_stream(exchange, answer);
  } else {
    co_await send_whole(exchange, answer);
  }
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
