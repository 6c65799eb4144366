#include "dialects/stream_ending.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "dialects/usage_json.h"

namespace tollgate::dialects {

void StreamEnding::start(Surface surface, bool usage_asked, std::string_view model) {
  surface_ = surface;
  usage_asked_ = usage_asked;
  asked_model_ = model;
  identity.id.clear();
  identity.model.clear();
  identity.created = 0;
  unseen_.clear();
  choices_.clear();
  blocks_.clear();
  response_.start(model);
  begun_ = usage_handed_on_ = message_started_ = message_ending_ = finished_ = false;
}

void StreamEnding::handed_on(std::size_t events) {
  const auto behind = std::ranges::upper_bound(unseen_, events, {}, &StreamChange::event);
  for (auto change = unseen_.begin(); change != behind; ++change) apply(*change);
  unseen_.erase(unseen_.begin(), behind);
  if (surface_ == Surface::kResponses) response_.handed_on(events);
}

void StreamEnding::take_back(std::size_t event) {
  while (!unseen_.empty() && unseen_.back().event >= event) unseen_.pop_back();
  response_.take_back(event);
}

void StreamEnding::apply(const StreamChange& change) {
  switch (change.kind) {
    case StreamChange::Kind::kBegun:
      begun_ = true;
      break;
    case StreamChange::Kind::kUsage:
      usage_handed_on_ = true;
      break;
    case StreamChange::Kind::kChoiceSeen:
    case StreamChange::Kind::kChoiceFinished: {
      const auto at = static_cast<std::size_t>(change.index);
      if (at >= choices_.size()) choices_.resize(at + 1, Progress::kUnseen);
      const bool seen = change.kind == StreamChange::Kind::kChoiceSeen;
      choices_[at] = seen ? Progress::kOpen : Progress::kFinished;
      break;
    }
    case StreamChange::Kind::kBlockOpened:
      blocks_.push_back(change.index);
      break;
    case StreamChange::Kind::kBlockClosed:
      std::erase(blocks_, change.index);
      break;
    case StreamChange::Kind::kMessageStarted:
      message_started_ = true;
      break;
    case StreamChange::Kind::kMessageEnding:
      message_ending_ = true;
      break;
    case StreamChange::Kind::kFinished:
      finished_ = true;
      break;
  }
}

void StreamEnding::end(Ending ending, const Usage& counted, std::string& out) {
  if (std::exchange(finished_, true)) return;
  if (dialect_of(surface_) == Dialect::kAnthropic) {
    end_anthropic(ending, counted, out);
  } else if (surface_ == Surface::kResponses) {
    response_.end(ending, counted, out);
  } else {
    end_openai(ending, counted, out);
  }
}

void StreamEnding::fail(std::string_view error_json, std::string& out) {
  if (std::exchange(finished_, true)) return;
  if (surface_ == Surface::kResponses) return response_.fail(error_json, out);
  if (dialect_of(surface_) == Dialect::kAnthropic) out += "event: error\n";
  out += "data: ";
  out += error_json;
  out += "\n\n";
}

void StreamEnding::begin_chunk(JsonWriter& json) const {
  const bool chat = surface_ == Surface::kChatCompletions;
  json.begin_object();
  json.member("id", identity.id.empty() ? std::string_view("tollgate") : identity.id);
  json.member("object", chat ? "chat.completion.chunk" : "text_completion");
  json.member("created", identity.created);
  json.member("model", model());
  json.key("choices");
  json.begin_array();
}

void StreamEnding::write_choice(std::int64_t index, std::string_view reason,
                                std::string& out) const {
  out += "data: ";
  JsonWriter json(out);
  begin_chunk(json);
  json.begin_object();
  json.member("index", index);
  if (surface_ == Surface::kChatCompletions) {
    json.key("delta");
    json.begin_object();
    if (!begun_) {
      json.member("role", "assistant");
      json.member("content", "");
    }
    json.end_object();
  } else {
    json.member("text", "");
  }
  json.key("logprobs");
  json.null();
  json.member("finish_reason", reason);
  json.end_object();
  json.end_array();
  json.end_object();
  out += "\n\n";
}

void StreamEnding::write_usage_chunk(const Usage& counted, std::string& out) const {
  out += "data: ";
  JsonWriter json(out);
  begin_chunk(json);
  json.end_array();
  json.key("usage");
  write_usage(surface_, counted, json);
  json.end_object();
  out += "\n\n";
}

void StreamEnding::end_openai(Ending ending, const Usage& counted, std::string& out) const {
  const std::string_view reason = ending == Ending::kLength ? "length" : "content_filter";
  if (choices_.empty()) write_choice(0, reason, out);
  for (std::size_t index = 0; index < choices_.size(); ++index) {
    if (choices_[index] == Progress::kOpen)
      write_choice(static_cast<std::int64_t>(index), reason, out);
  }
  if (usage_asked_ && !usage_handed_on_) write_usage_chunk(counted, out);
  out += "data: [DONE]\n\n";
}

void StreamEnding::write_message_start(const Usage& counted, std::string& out) const {
  out += "event: message_start\ndata: ";
  JsonWriter json(out);
  json.begin_object();
  json.member("type", "message_start");
  json.key("message");
  json.begin_object();
  json.member("id", "msg_tollgate");
  json.member("type", "message");
  json.member("role", "assistant");
  json.member("model", model());
  json.key("content");
  json.begin_array();
  json.end_array();
  json.key("stop_reason");
  json.null();
  json.key("stop_sequence");
  json.null();
  json.key("usage");
  Usage begun = counted;
  begun.output = 0;
  write_usage(surface_, begun, json);
  json.end_object();
  json.end_object();
  out += "\n\n";
}

void StreamEnding::end_anthropic(Ending ending, const Usage& counted, std::string& out) const {
  if (!message_started_) write_message_start(counted, out);
  for (const std::int64_t block : blocks_)
    out += fmt::format(
        "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{}}}\n\n",
        block);
  if (!message_ending_) {
    const std::string_view reason = ending == Ending::kLength ? "max_tokens" : "refusal";
    out += "event: message_delta\ndata: ";
    JsonWriter json(out);
    json.begin_object();
    json.member("type", "message_delta");
    json.key("delta");
    json.begin_object();
    json.member("stop_reason", reason);
    json.key("stop_sequence");
    json.null();
    json.end_object();
    json.key("usage");
    json.begin_object();
    json.member("output_tokens", counted.output);
    json.end_object();
    json.end_object();
    out += "\n\n";
  }
  out += "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

}  // namespace tollgate::dialects
