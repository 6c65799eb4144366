// Answers of Anthropic's messages.
#include <fmt/format.h>

#include "dialects/json_strict.h"
#include "dialects/reply_reading.h"
#include "translation/answer.h"
#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

class MessagesSource final : public AnswerSource {
 public:
  void start() override { open_ = -1, is_call_ = has_input_ = has_ended_ = false, usage_ = {}; }
  FaultOr<void> whole(dom::object answer, AnswerParts& parts) override;
  FaultOr<void> event(std::string_view type, dom::object event, AnswerParts& parts) override;

 private:
  FaultOr<void> block(dom::object block, AnswerParts& parts);
  FaultOr<void> input(dom::object block, AnswerParts& parts);
  FaultOr<void> block_event(std::string_view type, dom::object event, AnswerParts& parts);
  FaultOr<void> delta(dom::object delta, AnswerParts& parts);
  void block_ends(AnswerParts& parts);
  FaultOr<void> message_delta(dom::object event, AnswerParts& parts);
  // Whether it says why it ended.
  static FaultOr<bool> finish(dom::object told, AnswerParts& parts);

  std::int64_t open_ = -1;  // The block.
  bool is_call_ = false;
  bool has_input_ = false;
  bool has_ended_ = false;
  dialects::AnthropicUsage usage_;
  std::string scratch_;
};

// A stream opens a block with an empty input and sends the true one in pieces.
FaultOr<void> MessagesSource::input(dom::object block, AnswerParts& parts) {
  dom::element told;
  if (block.at_key("input").get(told) != simdjson::SUCCESS || is_empty(told)) return {};
  if (!told.is_object()) return broken("has a call whose input is no object");
  scratch_.clear();
  dialects::append_json(told, scratch_);
  parts.arguments(scratch_);
  has_input_ = true;
  return {};
}

FaultOr<void> MessagesSource::block(dom::object block, AnswerParts& parts) {
  const std::string_view type = string_at(block, "type");
  is_call_ = type == "tool_use";
  has_input_ = false;
  if (type == "text") {
    if (dom::element citations;
        block.at_key("citations").get(citations) == simdjson::SUCCESS && !is_empty(citations))
      return broken("cites sources, which has no place");
    if (const std::string_view text = string_at(block, "text"); !text.empty()) parts.text(text);
    return {};
  }
  if (type == "thinking") {
    const std::string_view text = string_at(block, "thinking");
    if (!text.empty()) parts.thought(text);
    return {};
  }
  if (!is_call_) return broken(fmt::format("has a block of type '{}', which has no place", type));
  const std::string_view name = string_at(block, "name");
  if (name.empty()) return broken("has a call without a name");
  parts.call(string_at(block, "id"), name, false);
  return input(block, parts);
}

void MessagesSource::block_ends(AnswerParts& parts) {
  if (is_call_ && !has_input_) parts.arguments("{}");
  parts.part_ends();
  is_call_ = false;
  open_ = -1;
}

FaultOr<bool> MessagesSource::finish(dom::object told, AnswerParts& parts) {
  const FaultOr<std::string_view> reason = told_string(told, "stop_reason");
  if (!reason) return std::unexpected(reason.error());
  if (reason->empty()) return false;
  if (*reason == "end_turn") {
    parts.finish(Finish::kStop, {});
  } else if (*reason == "stop_sequence") {
    parts.finish(Finish::kStopSequence, string_at(told, "stop_sequence"));
  } else if (*reason == "max_tokens" || *reason == "model_context_window_exceeded") {
    parts.finish(Finish::kLength, {});
  } else if (*reason == "tool_use") {
    parts.finish(Finish::kCalls, {});
  } else if (*reason == "refusal") {
    parts.finish(Finish::kFiltered, {});
  } else {
    return broken("ends for a reason that is not known here");
  }
  return true;
}

FaultOr<void> MessagesSource::whole(dom::object answer, AnswerParts& parts) {
  dom::array blocks;
  if (answer.at_key("content").get(blocks) != simdjson::SUCCESS)
    return broken("has no list of content blocks");
  parts.begin(string_at(answer, "id"), string_at(answer, "model"), 0);
  for (const dom::element element : blocks) {
    dom::object told;
    if (element.get(told) != simdjson::SUCCESS) return broken("has a block that is no object");
    if (FaultOr<void> read = block(told, parts); !read) return read;
    block_ends(parts);
  }
  const FaultOr<bool> ended = finish(answer, parts);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return broken("does not say why it ended");
  if (dom::element usage; answer.at_key("usage").get(usage) == simdjson::SUCCESS)
    usage_.merge(usage);
  if (const std::optional<Usage> usage = usage_.total()) parts.usage(*usage);
  return {};
}

FaultOr<void> MessagesSource::delta(dom::object delta, AnswerParts& parts) {
  const std::string_view type = string_at(delta, "type");
  if (type == "text_delta") {
    parts.text(string_at(delta, "text"));
  } else if (type == "thinking_delta") {
    parts.thought(string_at(delta, "thinking"));
  } else if (type == "input_json_delta" && is_call_) {
    const std::string_view piece = string_at(delta, "partial_json");
    has_input_ = has_input_ || !piece.empty();
    if (!piece.empty()) parts.arguments(piece);
  } else if (type != "signature_delta") {  // That is of use to its own server alone.
    return broken(fmt::format("has a piece of type '{}', which has no place", type));
  }
  return {};
}

FaultOr<void> MessagesSource::block_event(std::string_view type, dom::object event,
                                          AnswerParts& parts) {
  std::int64_t index = -1;
  if (event.at_key("index").get(index) != simdjson::SUCCESS || index < 0)
    return broken("has a block without an index");
  dom::object told;
  if (type == "content_block_start") {
    if (open_ >= 0) return broken("opens a block within another");
    if (event.at_key("content_block").get(told) != simdjson::SUCCESS)
      return broken("opens a block that is none");
    open_ = index;
    return block(told, parts);
  }
  if (index != open_) return broken("goes on with a block that is not open");
  if (type == "content_block_stop") {
    block_ends(parts);
    return {};
  }
  if (event.at_key("delta").get(told) != simdjson::SUCCESS)
    return broken("has a piece that is none");
  return delta(told, parts);
}

FaultOr<void> MessagesSource::message_delta(dom::object event, AnswerParts& parts) {
  if (dom::element usage; event.at_key("usage").get(usage) == simdjson::SUCCESS)
    usage_.merge(usage);
  dom::object told;
  if (event.at_key("delta").get(told) != simdjson::SUCCESS) return {};
  const FaultOr<bool> ended = finish(told, parts);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return {};
  has_ended_ = true;
  if (const std::optional<Usage> usage = usage_.total()) parts.usage(*usage);
  return {};
}

FaultOr<void> MessagesSource::event(std::string_view, dom::object event, AnswerParts& parts) {
  const std::string_view type = string_at(event, "type");
  if (type.starts_with("content_block_")) return block_event(type, event, parts);
  if (type == "message_delta") return message_delta(event, parts);
  dom::object told = no_object();
  if (type == "message_start") {
    if (event.at_key("message").get(told) != simdjson::SUCCESS)
      return broken("begins with nothing");
    if (dom::element usage; told.at_key("usage").get(usage) == simdjson::SUCCESS)
      usage_.merge(usage);
    parts.begin(string_at(told, "id"), string_at(told, "model"), 0);
  } else if (type == "message_stop") {
    // One that does not say why it ended may be a part of one.
    if (!has_ended_) return broken("does not say why it ended");
    parts.done();
  } else if (type == "error") {
    told = object_at(event, "error");
    parts.error(string_at(told, "type"), string_at(told, "message"));
  } else if (type != "ping") {
    return broken(fmt::format("has an event '{}', which has no place", type));
  }
  return {};
}

}  // namespace

std::unique_ptr<AnswerSource> make_messages_source() { return std::make_unique<MessagesSource>(); }

}  // namespace tollgate::translation
