#include "mock/wire.h"

#include <fmt/format.h>

#include "base/json_writer.h"

namespace tollgate::mock {

namespace {

using dialects::Surface;

constexpr std::int64_t kCreated = 1'764'000'000;  // Answers are the same on every day.
constexpr int kDimensions = 8;

std::string_view object_of(Surface surface, bool streamed) {
  if (surface == Surface::kCompletions) return "text_completion";
  return streamed ? "chat.completion.chunk" : "chat.completion";
}

void write_openai_usage(JsonWriter& json, const Usage& usage) {
  json.key("usage");
  json.begin_object();
  json.member("prompt_tokens", usage.input);
  json.member("completion_tokens", usage.output);
  json.member("total_tokens", usage.input + usage.output);
  if (usage.audio > 0) {
    json.key("prompt_tokens_details");
    json.begin_object();
    json.member("audio_tokens", usage.audio);
    json.end_object();
  }
  json.end_object();
}

// Input is told without what the cache was given.
void write_anthropic_usage(JsonWriter& json, const Usage& usage, Tokens output) {
  const Tokens written = usage.cache_write_5m + usage.cache_write_1h;
  json.key("usage");
  json.begin_object();
  json.member("input_tokens", usage.input - written);
  if (written > 0) {
    json.member("cache_creation_input_tokens", written);
    json.member("cache_read_input_tokens", 0);
    json.key("cache_creation");
    json.begin_object();
    json.member("ephemeral_5m_input_tokens", usage.cache_write_5m);
    json.member("ephemeral_1h_input_tokens", usage.cache_write_1h);
    json.end_object();
  }
  json.member("output_tokens", output);
  if (!usage.tier.empty()) json.member("service_tier", std::string_view(usage.tier));
  json.end_object();
}

std::string_view anthropic_finish(std::string_view finish) {
  if (finish == "length") return "max_tokens";
  if (finish == "tool_calls") return "tool_use";
  return "end_turn";
}

void open_openai(JsonWriter& json, const Wire& wire, bool streamed) {
  json.begin_object();
  json.member("id", std::string_view(wire.id));
  json.member("object", object_of(wire.surface, streamed));
  json.member("created", kCreated);
  json.member("model", std::string_view(wire.model));
  if (!wire.reported.tier.empty()) {
    json.member("service_tier", std::string_view(wire.reported.tier));
  }
}

void write_openai_call(JsonWriter& json, const ToolCall& call, std::string_view arguments,
                       bool indexed) {
  json.key("tool_calls");
  json.begin_array();
  json.begin_object();
  if (indexed) json.member("index", 0);
  json.member("id", std::string_view("call_mock_" + call.serial));
  json.member("type", "function");
  json.key("function");
  json.begin_object();
  json.member("name", std::string_view(call.name));
  json.member("arguments", arguments);
  json.end_object();
  json.end_object();
  json.end_array();
}

std::string openai_whole(const Wire& wire, const std::vector<std::string>& choices,
                         const ToolCall* call, std::string_view finish) {
  std::string out;
  JsonWriter json(out);
  open_openai(json, wire, false);
  json.key("choices");
  json.begin_array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    json.begin_object();
    json.member("index", static_cast<std::int64_t>(i));
    if (wire.surface == Surface::kCompletions) {
      json.member("text", std::string_view(choices[i]));
    } else {
      json.key("message");
      json.begin_object();
      json.member("role", "assistant");
      json.key("content");
      if (call != nullptr) {
        json.null();
        write_openai_call(json, *call, call->arguments, false);
      } else {
        json.value(std::string_view(choices[i]));
      }
      json.key("refusal");
      json.null();
      json.end_object();
    }
    json.key("logprobs");
    json.null();
    json.member("finish_reason", finish);
    json.end_object();
  }
  json.end_array();
  if (wire.usage) write_openai_usage(json, wire.reported);
  json.end_object();
  return out;
}

std::string anthropic_whole(const Wire& wire, const std::vector<std::string>& choices,
                            const ToolCall* call, std::string_view finish) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("id", std::string_view(wire.id));
  json.member("type", "message");
  json.member("role", "assistant");
  json.member("model", std::string_view(wire.model));
  json.key("content");
  json.begin_array();
  json.begin_object();
  if (call != nullptr) {
    json.member("type", "tool_use");
    json.member("id", std::string_view("toolu_mock_" + call->serial));
    json.member("name", std::string_view(call->name));
    json.key("input");
    json.raw(call->arguments);
  } else {
    json.member("type", "text");
    json.member("text", std::string_view(choices.front()));
  }
  json.end_object();
  json.end_array();
  json.member("stop_reason", anthropic_finish(finish));
  json.key("stop_sequence");
  json.null();
  if (wire.usage) write_anthropic_usage(json, wire.reported, wire.reported.output);
  json.end_object();
  return out;
}

std::string event(std::string_view name, std::string_view data) {
  std::string out;
  if (!name.empty()) {
    out += "event: ";
    out += name;
    out += "\n";
  }
  out += "data: ";
  out += data;
  out += "\n\n";
  return out;
}

// One chunk of an OpenAI stream. `write_delta` fills the delta of a chat chunk.
template <class WriteDelta>
std::string openai_chunk(const Wire& wire, std::int64_t choice, std::string_view text,
                         std::string_view finish, WriteDelta write_delta) {
  std::string out;
  JsonWriter json(out);
  open_openai(json, wire, true);
  json.key("choices");
  json.begin_array();
  json.begin_object();
  json.member("index", choice);
  if (wire.surface == Surface::kCompletions) {
    json.member("text", text);
  } else {
    json.key("delta");
    json.begin_object();
    write_delta(json);
    json.end_object();
  }
  json.key("finish_reason");
  if (finish.empty()) {
    json.null();
  } else {
    json.value(finish);
  }
  json.end_object();
  json.end_array();
  json.end_object();
  return event({}, out);
}

std::string anthropic_delta(std::string_view type, std::string_view field, std::string_view piece) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("type", "content_block_delta");
  json.member("index", 0);
  json.key("delta");
  json.begin_object();
  json.member("type", type);
  json.member(field, piece);
  json.end_object();
  json.end_object();
  return event("content_block_delta", out);
}

std::string anthropic_opening(const Wire& wire, const ToolCall* call) {
  std::string start;
  JsonWriter json(start);
  json.begin_object();
  json.member("type", "message_start");
  json.key("message");
  json.begin_object();
  json.member("id", std::string_view(wire.id));
  json.member("type", "message");
  json.member("role", "assistant");
  json.member("model", std::string_view(wire.model));
  json.key("content");
  json.raw("[]");
  json.key("stop_reason");
  json.null();
  json.key("stop_sequence");
  json.null();
  if (wire.usage) write_anthropic_usage(json, wire.reported, 1);
  json.end_object();
  json.end_object();

  std::string block;
  JsonWriter inner(block);
  inner.begin_object();
  inner.member("type", "content_block_start");
  inner.member("index", 0);
  inner.key("content_block");
  inner.begin_object();
  if (call != nullptr) {
    inner.member("type", "tool_use");
    inner.member("id", std::string_view("toolu_mock_" + call->serial));
    inner.member("name", std::string_view(call->name));
    inner.key("input");
    inner.raw("{}");
  } else {
    inner.member("type", "text");
    inner.member("text", "");
  }
  inner.end_object();
  inner.end_object();
  return event("message_start", start) + event("ping", R"({"type":"ping"})") +
         event("content_block_start", block);
}

std::string anthropic_closing(const Wire& wire, std::string_view finish) {
  std::string delta;
  JsonWriter json(delta);
  json.begin_object();
  json.member("type", "message_delta");
  json.key("delta");
  json.begin_object();
  json.member("stop_reason", anthropic_finish(finish));
  json.key("stop_sequence");
  json.null();
  json.end_object();
  if (wire.usage) {
    json.key("usage");
    json.begin_object();
    json.member("output_tokens", wire.reported.output);
    json.end_object();
  }
  json.end_object();
  return event("content_block_stop", R"({"type":"content_block_stop","index":0})") +
         event("message_delta", delta) + event("message_stop", R"({"type":"message_stop"})");
}

}  // namespace

std::string whole_reply(const Wire& wire, const std::vector<std::string>& choices,
                        const ToolCall* call, std::string_view finish) {
  return wire.surface == Surface::kMessages ? anthropic_whole(wire, choices, call, finish)
                                            : openai_whole(wire, choices, call, finish);
}

std::string embedding_reply(const Wire& wire, std::int64_t inputs) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("object", "list");
  json.key("data");
  json.begin_array();
  for (std::int64_t i = 0; i < inputs; ++i) {
    json.begin_object();
    json.member("object", "embedding");
    json.member("index", i);
    json.key("embedding");
    json.begin_array();
    for (int d = 0; d < kDimensions; ++d) json.value(0.125 * static_cast<double>((i + d) % 8));
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.member("model", std::string_view(wire.model));
  if (wire.usage) {
    json.key("usage");
    json.begin_object();
    json.member("prompt_tokens", wire.reported.input);
    json.member("total_tokens", wire.reported.input);
    json.end_object();
  }
  json.end_object();
  return out;
}

std::string count_reply(const Wire& wire) {
  return fmt::format(R"({{"input_tokens":{}}})", wire.reported.input);
}

std::string moderation_reply(const Wire& wire, std::int64_t inputs) {
  std::string results;
  for (std::int64_t i = 0; i < inputs; ++i) {
    if (i > 0) results += ',';
    results += R"({"flagged":false,"categories":{"violence":false},)"
               R"("category_scores":{"violence":0.01}})";
  }
  return fmt::format(R"({{"id":"modr-mock-1","model":"{}","results":[{}]}})", wire.model, results);
}

std::string ranking_reply(const Wire& wire, std::int64_t documents) {
  std::string results;
  for (std::int64_t i = 0; i < documents; ++i) {
    if (i > 0) results += ',';
    results +=
        fmt::format(R"({{"index":{},"relevance_score":{}}})", i, 1.0 / static_cast<double>(i + 2));
  }
  return fmt::format(
      R"({{"id":"rerank-mock-1","model":"{}","results":[{}],"usage":{{"total_tokens":{}}}}})",
      wire.model, results, wire.usage ? wire.reported.input : 0);
}

std::string stream_opening(const Wire& wire, const ToolCall* call) {
  if (wire.surface == Surface::kMessages) return anthropic_opening(wire, call);
  if (wire.surface == Surface::kCompletions) return {};
  return openai_chunk(wire, 0, {}, {}, [&](JsonWriter& json) {
    json.member("role", "assistant");
    if (call != nullptr) {
      write_openai_call(json, *call, "", true);
    } else {
      json.member("content", "");
    }
  });
}

std::string stream_piece(const Wire& wire, std::int64_t choice, std::string_view piece) {
  if (wire.surface == Surface::kMessages) return anthropic_delta("text_delta", "text", piece);
  return openai_chunk(wire, choice, piece, {},
                      [&](JsonWriter& json) { json.member("content", piece); });
}

std::string stream_arguments(const Wire& wire, std::string_view piece) {
  if (wire.surface == Surface::kMessages) {
    return anthropic_delta("input_json_delta", "partial_json", piece);
  }
  return openai_chunk(wire, 0, {}, {}, [&](JsonWriter& json) {
    json.key("tool_calls");
    json.begin_array();
    json.begin_object();
    json.member("index", 0);
    json.key("function");
    json.begin_object();
    json.member("arguments", piece);
    json.end_object();
    json.end_object();
    json.end_array();
  });
}

std::string stream_closing(const Wire& wire, std::int64_t choices, const ToolCall* call,
                           std::string_view finish) {
  if (wire.surface == Surface::kMessages) return anthropic_closing(wire, finish);
  std::string out;
  for (std::int64_t i = 0; i < (call != nullptr ? 1 : choices); ++i) {
    out += openai_chunk(wire, i, {}, finish, [](JsonWriter&) {});
  }
  if (wire.usage && wire.usage_asked) {
    std::string chunk;
    JsonWriter json(chunk);
    open_openai(json, wire, true);
    json.key("choices");
    json.raw("[]");
    write_openai_usage(json, wire.reported);
    json.end_object();
    out += event({}, chunk);
  }
  out += event({}, "[DONE]");
  return out;
}

std::string models_reply() {
  return R"({"object":"list","data":[{"id":"mock","object":"model","created":0,"owned_by":"mock"}]})";
}

}  // namespace tollgate::mock
