#include "mock/wire_responses.h"

#include <fmt/format.h>

#include "base/json_writer.h"

namespace tollgate::mock {

namespace {

std::string json_string(std::string_view text) {
  std::string out;
  JsonWriter json(out);
  json.value(text);
  return out;
}

std::string message(std::string_view text, std::string_view status) {
  return fmt::format(
      R"({{"id":"msg_mock_1","type":"message","status":"{}","role":"assistant","content":[)"
      R"({{"type":"output_text","text":{},"annotations":[]}}]}})",
      status, json_string(text));
}

std::string_view item_prefix(bool is_custom) { return is_custom ? "ctc" : "fc"; }

std::string call_item(const ToolCall& call, std::string_view arguments, std::string_view status) {
  return fmt::format(R"({{"id":"{}_mock_{}","type":"{}","status":"{}","call_id":"call_mock_{}",)"
                     R"("name":{},"{}":{}}})",
                     item_prefix(call.is_custom), call.serial,
                     call.is_custom ? "custom_tool_call" : "function_call", status, call.serial,
                     json_string(call.name), call.is_custom ? "input" : "arguments",
                     json_string(arguments));
}

std::string usage_of(const Wire& wire) {
  if (!wire.usage) return "null";
  return fmt::format(
      R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":0}},"output_tokens":{},)"
      R"("output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{}}})",
      wire.reported.input, wire.reported.output, wire.reported.input + wire.reported.output);
}

std::string response(const Wire& wire, std::string_view status, std::string_view output,
                     std::string_view usage) {
  const bool cut = status == "incomplete";
  return fmt::format(
      R"({{"id":"{}","object":"response","created_at":1764000000,"status":"{}","error":null,)"
      R"("incomplete_details":{},"model":{},"output":[{}],"parallel_tool_calls":true,)"
      R"("tool_choice":"auto","tools":[],"store":false,{}"usage":{}}})",
      wire.id, status, cut ? R"({"reason":"max_output_tokens"})" : "null", json_string(wire.model),
      output,
      (wire.conversation.empty()
           ? std::string()
           : fmt::format(R"("conversation":{{"id":{}}},)", json_string(wire.conversation))) +
          (wire.reported.tier.empty()
               ? std::string()
               : fmt::format("\"service_tier\":{},", json_string(wire.reported.tier))),
      usage);
}

std::string_view status_of(std::string_view finish) {
  return finish == "length" ? "incomplete" : "completed";
}

}  // namespace

std::string whole_response(const Wire& wire, std::string_view text, const ToolCall* call,
                           std::string_view finish) {
  const std::string_view status = status_of(finish);
  const std::string item =
      call != nullptr ? call_item(*call, call->arguments, "completed") : message(text, status);
  return response(wire, status, item, usage_of(wire));
}

std::string ResponseStream::event(std::string_view type, std::string_view rest) {
  return fmt::format("event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{},{}}}\n\n", type,
                     type, sequence_++, rest);
}

std::string ResponseStream::opening(const Wire& wire, const ToolCall* call) {
  const std::string begun =
      fmt::format("\"response\":{}", response(wire, "in_progress", {}, "null"));
  std::string out = event("response.created", begun) + event("response.in_progress", begun);
  if (call != nullptr) {
    serial_ = call->serial;
    is_custom_ = call->is_custom;
    return out +
           event("response.output_item.added",
                 fmt::format(R"("output_index":0,"item":{})", call_item(*call, {}, "in_progress")));
  }
  return out +
         event("response.output_item.added",
               R"("output_index":0,"item":{"id":"msg_mock_1","type":"message",)"
               R"("status":"in_progress","role":"assistant","content":[]})") +
         event("response.content_part.added",
               R"("item_id":"msg_mock_1","output_index":0,"content_index":0,)"
               R"("part":{"type":"output_text","text":"","annotations":[]})");
}

std::string ResponseStream::piece(std::string_view piece) {
  said_ += piece;
  return event("response.output_text.delta",
               fmt::format(R"("item_id":"msg_mock_1","output_index":0,"content_index":0,)"
                           R"("delta":{},"logprobs":[])",
                           json_string(piece)));
}

std::string ResponseStream::arguments(std::string_view piece) {
  return event(is_custom_ ? "response.custom_tool_call_input.delta"
                          : "response.function_call_arguments.delta",
               fmt::format(R"("item_id":"{}_mock_{}","output_index":0,"delta":{})",
                           item_prefix(is_custom_), serial_, json_string(piece)));
}

std::string ResponseStream::closing(const Wire& wire, const ToolCall* call,
                                    std::string_view finish) {
  const std::string_view status = status_of(finish);
  std::string out;
  std::string item;
  if (call != nullptr) {
    item = call_item(*call, call->arguments, "completed");
    if (is_custom_) {
      out += event("response.custom_tool_call_input.done",
                   fmt::format(R"("item_id":"ctc_mock_{}","output_index":0,"input":{})", serial_,
                               json_string(call->arguments)));
    } else {
      out +=
          event("response.function_call_arguments.done",
                fmt::format(R"("item_id":"fc_mock_{}","output_index":0,"name":{},"arguments":{})",
                            serial_, json_string(call->name), json_string(call->arguments)));
    }
  } else {
    item = message(said_, status);
    out += event("response.output_text.done",
                 fmt::format(R"("item_id":"msg_mock_1","output_index":0,"content_index":0,)"
                             R"("text":{},"logprobs":[])",
                             json_string(said_)));
    out += event("response.content_part.done",
                 fmt::format(R"("item_id":"msg_mock_1","output_index":0,"content_index":0,)"
                             R"("part":{{"type":"output_text","text":{},"annotations":[]}})",
                             json_string(said_)));
  }
  out += event("response.output_item.done", fmt::format(R"("output_index":0,"item":{})", item));
  return out + event(fmt::format("response.{}", status),
                     fmt::format("\"response\":{}", response(wire, status, item, usage_of(wire))));
}

}  // namespace tollgate::mock
