#include "dialects/reply.h"

#include <fmt/format.h>

#include "base/json_writer.h"
#include "dialects/answer_walk.h"
#include "dialects/call_reading.h"
#include "dialects/json_strict.h"
#include "dialects/paid_calls.h"
#include "dialects/reply_reading.h"
#include "dialects/response_output.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

struct ReplyReader::State {
  dom::parser parser{StrictJson::kCapacityMax};
  Teller teller;
  AnswerWalk walk;
  CallReading calls;
  PaidCalls paid;
  std::int64_t images = 0;
};

namespace {

std::unexpected<Fault> broken(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("The upstream's reply {}.", what));
}

// Of two fields of one name one reader takes the first and another the last.
bool has_twice(dom::object object, std::string_view key) {
  int times = 0;
  for (const dom::key_value_pair field : object) times += field.key == key ? 1 : 0;
  return times > 1;
}

FaultOr<std::optional<Usage>> read_choices(Surface surface, dom::object reply, Teller& teller,
                                           CallReading& calls) {
  dom::array choices;
  if (has_twice(reply, "choices")) return broken("has two lists of choices");
  if (reply.at_key("choices").get(choices) != simdjson::SUCCESS)
    return broken("has no list of choices");
  std::int64_t place = 0;
  for (const dom::element element : choices) {
    dom::object choice;
    if (element.get(choice) != simdjson::SUCCESS) return broken("has a choice that is no object");
    std::int64_t index = place++;
    if (choice.at_key("index").get(index) != simdjson::SUCCESS || index < 0) index = place - 1;
    if (surface == Surface::kCompletions) {
      dom::element text;
      if (choice.at_key("text").get(text) == simdjson::SUCCESS) teller.any(index, text);
      continue;
    }
    dom::object message;
    if (choice.at_key("message").get(message) != simdjson::SUCCESS)
      return broken("has a choice without a message");
    if (has_twice(choice, "message")) return broken("has a choice with two messages");
    teller.chat_message(index, message);
    calls.chat_message(index, message, CallReading::Form::kMessage);
    dom::element reason;
    if (choice.at_key("finish_reason").get(reason) == simdjson::SUCCESS)
      calls.chat_ended(index, reason);
  }
  dom::element usage;
  if (reply.at_key("usage").get(usage) != simdjson::SUCCESS) return std::nullopt;
  std::optional<Usage> read = read_openai_usage(surface, usage);
  if (dom::element tier;
      read && reply.at_key("service_tier").get(tier) == simdjson::SUCCESS && !tier.is_null())
    read_tier(tier, *read);
  return read;
}

// A count costs nothing, whatever it says.
FaultOr<std::optional<Usage>> read_count(dom::object reply) {
  if (!read_tokens(reply, "input_tokens").tokens) return broken("has no number of input tokens");
  return Usage{};
}

// Nobody reports the tokens of a moderation.
FaultOr<std::optional<Usage>> read_moderations(dom::object reply) {
  dom::array results;
  if (reply.at_key("results").get(results) != simdjson::SUCCESS)
    return broken("has no list of results");
  return std::nullopt;
}

// Servers tell the tokens of a ranking under one name or the other, or not at all.
FaultOr<std::optional<Usage>> read_ranking(dom::object reply) {
  dom::array results;
  if (reply.at_key("results").get(results) != simdjson::SUCCESS)
    return broken("has no list of results");
  dom::object told;
  if (reply.at_key("usage").get(told) != simdjson::SUCCESS) return std::nullopt;
  const TokenField prompt = read_tokens(told, "prompt_tokens");
  const TokenField total = read_tokens(told, "total_tokens");
  if (prompt.broken || total.broken || (!prompt.tokens && !total.tokens)) return std::nullopt;
  Usage usage;
  usage.input = prompt.tokens ? *prompt.tokens : *total.tokens;
  return usage;
}

FaultOr<std::optional<Usage>> read_embeddings(dom::object reply) {
  dom::array vectors;
  if (reply.at_key("data").get(vectors) != simdjson::SUCCESS)
    return broken("has no list of embeddings");
  dom::element usage;
  if (reply.at_key("usage").get(usage) != simdjson::SUCCESS) return std::nullopt;
  return read_openai_usage(Surface::kEmbeddings, usage);
}

// An address would be the provider's: whoever has it has the image, past the gateway.
FaultOr<std::optional<Usage>> read_images(dom::object reply, std::int64_t& images) {
  dom::array data;
  if (has_twice(reply, "data")) return broken("has two lists of images");
  if (reply.at_key("data").get(data) != simdjson::SUCCESS) return broken("has no list of images");
  for (const dom::element element : data) {
    dom::object image;
    if (element.get(image) != simdjson::SUCCESS) return broken("has an image that is no object");
    std::string_view bytes;
    if (image.at_key("b64_json").get(bytes) != simdjson::SUCCESS || bytes.empty())
      return broken("has an image that is not in it");
    if (has_twice(image, "url")) return broken("has an image with two addresses");
    dom::element url;
    if (image.at_key("url").get(url) == simdjson::SUCCESS && !url.is_null())
      return broken("hands out the address of an image");
    ++images;
  }
  return read_response_usage(reply);
}

// It is paid by its length, which we know, whatever is said of tokens.
FaultOr<std::optional<Usage>> read_transcript(dom::object reply) {
  std::string_view text;
  if (has_twice(reply, "text")) return broken("has two texts");
  if (reply.at_key("text").get(text) != simdjson::SUCCESS) return broken("has no text");
  return std::nullopt;
}

FaultOr<std::optional<Usage>> read_message(dom::object reply, Teller& teller, CallReading& calls,
                                           PaidCalls& paid) {
  dom::array blocks;
  if (has_twice(reply, "content")) return broken("has two lists of content blocks");
  if (reply.at_key("content").get(blocks) != simdjson::SUCCESS)
    return broken("has no list of content blocks");
  std::int64_t place = 0;
  for (const dom::element element : blocks) {
    dom::object block;
    if (element.get(block) != simdjson::SUCCESS) return broken("has a block that is no object");
    teller.anthropic_block(block);
    calls.block(place++, block);
    paid.block(block);
  }
  if (std::string_view reason; reply.at_key("stop_reason").get(reason) == simdjson::SUCCESS)
    calls.anthropic_ended(reason);
  AnthropicUsage usage;
  dom::element told;
  if (reply.at_key("usage").get(told) == simdjson::SUCCESS) {
    usage.merge(told);
    paid.usage(told);
  }
  return usage.total();
}

FaultOr<std::optional<Usage>> read_response(dom::object reply, Teller& teller, CallReading& calls,
                                            PaidCalls& paid) {
  dom::array output;
  if (has_twice(reply, "output")) return broken("has two lists of output items");
  std::int64_t place = 0;
  if (reply.at_key("output").get(output) != simdjson::SUCCESS)
    return broken("has no list of output items");
  for (const dom::element element : output) {
    dom::object item;
    if (element.get(item) != simdjson::SUCCESS) return broken("has an item that is no object");
    ResponseOutput::item(item, teller);
    paid.item(place, item);
    calls.item(place++, item);
  }
  calls.response_ended(reply);
  return read_response_usage(reply);
}

}  // namespace

ReplyReader::ReplyReader() : state_(std::make_unique<State>()) {}
ReplyReader::~ReplyReader() = default;
ReplyReader::ReplyReader(ReplyReader&&) noexcept = default;

FaultOr<std::optional<Usage>> ReplyReader::read(Surface surface, std::string_view body,
                                                OutputSink& sink, AnswerSink* answer,
                                                CallSink* calls) {
  State& state = *state_;
  if (state.parser.capacity() > StrictJson::kKeptMax && body.size() <= StrictJson::kKeptMax)
    state.parser = dom::parser(StrictJson::kCapacityMax);
  dom::element root;
  const simdjson::error_code error = state.parser.parse(body.data(), body.size(), false).get(root);
  if (error != simdjson::SUCCESS)
    return broken(fmt::format("is not valid JSON: {}", simdjson::error_message(error)));
  dom::object reply;
  if (root.get(reply) != simdjson::SUCCESS) return broken("is not a JSON object");
  if (answer != nullptr) {
    state.walk.start(*answer);
    state.walk.reply(surface, reply);
  }
  state.teller.start(sink);
  state.calls.start(calls);
  state.images = 0;
  state.paid.start();
  switch (surface) {
    case Surface::kChatCompletions:
    case Surface::kCompletions:
      return read_choices(surface, reply, state.teller, state.calls);
    case Surface::kEmbeddings:
      return read_embeddings(reply);
    case Surface::kMessages:
      return read_message(reply, state.teller, state.calls, state.paid);
    case Surface::kResponses:
      return read_response(reply, state.teller, state.calls, state.paid);
    case Surface::kCountTokens:
      return read_count(reply);
    case Surface::kModerations:
      return read_moderations(reply);
    case Surface::kRerank:
      return read_ranking(reply);
    case Surface::kImages:
    case Surface::kImageEdits:
      return read_images(reply, state.images);
    case Surface::kTranscriptions:
    case Surface::kTranslations:
      return read_transcript(reply);
    case Surface::kSpeech:  // Not JSON.
    case Surface::kMcp:
    case Surface::kModels:
      break;
  }
  return std::nullopt;
}

FaultOr<std::optional<Usage>> ReplyReader::read_text(std::string_view body, AnswerSink* answer) {
  if (!simdjson::validate_utf8(body)) return broken("is not text in UTF-8");
  if (answer != nullptr) answer->text("text", body);
  return std::nullopt;
}

std::int64_t ReplyReader::images() const { return state_->images; }
ToolCalls ReplyReader::tool_calls() const { return state_->paid.total(); }

void write_refusal(Dialect dialect, const RefusalWords& words, std::string& out) {
  JsonWriter json(out);
  json.begin_object();
  if (dialect == Dialect::kAnthropic) json.member("type", "error");
  json.key("error");
  json.begin_object();
  if (dialect == Dialect::kOpenAi) {
    json.member("message", words.message);
    json.member("type", words.type);
    json.key("param");
    words.param.empty() ? json.null() : json.value(words.param);
    json.key("code");
    words.code.empty() ? json.null() : json.value(words.code);
    json.end_object();
  } else {
    json.member("type", words.type);
    json.member("message", words.message);
    if (!words.code.empty()) {
      json.key("details");
      json.begin_object();
      json.member("error_code", words.code);
      json.end_object();
    }
    json.end_object();
    json.key("request_id");
    words.request_id.empty() ? json.null() : json.value(words.request_id);
  }
  json.end_object();
}

namespace {

void write_listing(Dialect dialect, const ModelListing& model, JsonWriter& json) {
  json.begin_object();
  if (dialect == Dialect::kOpenAi) {
    json.member("id", model.id);
    json.member("object", "model");
    json.member("created", 0);
    json.member("owned_by", "tollgate");
  } else {
    json.member("type", "model");
    json.member("id", model.id);
    json.member("display_name", model.id);
    json.member("created_at", "1970-01-01T00:00:00Z");
  }
  json.end_object();
}

}  // namespace

void write_model(Dialect dialect, const ModelListing& model, std::string& out) {
  JsonWriter json(out);
  write_listing(dialect, model, json);
}

void write_models(Dialect dialect, std::span<const ModelListing> models, std::string& out) {
  JsonWriter json(out);
  json.begin_object();
  if (dialect == Dialect::kOpenAi) json.member("object", "list");
  json.key("data");
  json.begin_array();
  for (const ModelListing& model : models) write_listing(dialect, model, json);
  json.end_array();
  if (dialect == Dialect::kAnthropic) {
    json.member("has_more", false);
    json.key("first_id");
    models.empty() ? json.null() : json.value(models.front().id);
    json.key("last_id");
    models.empty() ? json.null() : json.value(models.back().id);
  }
  json.end_object();
}

}  // namespace tollgate::dialects
