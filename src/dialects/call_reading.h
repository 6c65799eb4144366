// Finds the calls of tools in replies and events (calls.h). Internal to dialects.
//
// Fields are gone through one by one and never looked up: of two of one name a client takes the
// last, and a call in it is a call. Where two of one name, or an index that is no whole number,
// could make a piece of one call that of another it is unreadable as well.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "dialects/calls.h"

namespace tollgate::dialects {

class CallReading {
 public:
  // Null: nobody asks.
  void start(CallSink* sink) { sink_ = sink; }
  explicit operator bool() const { return sink_ != nullptr; }

  // OpenAI's: a message or a delta, and the end of a choice. Calls of a delta say which they are,
  // of a message it is their place.
  enum class Form : std::uint8_t { kMessage, kDelta };
  // A choice of an event, before what is in it.
  void chat_choice(simdjson::dom::object choice);
  void chat_message(std::int64_t choice, simdjson::dom::object message, Form form);
  void chat_ended(std::int64_t choice, simdjson::dom::element finish_reason);

  // Anthropic's: the blocks of a message, one of them, an event of a stream, and the end.
  void blocks(simdjson::dom::element blocks);
  void block(std::int64_t index, simdjson::dom::object block);
  void anthropic_event(simdjson::dom::object event);
  void anthropic_ended(std::string_view stop_reason);

  // OpenAI's Responses: an item of the output, an event of a stream, and the end.
  void item(std::int64_t index, simdjson::dom::object item);
  void response_event(std::string_view type, simdjson::dom::object event);
  void response_ended(simdjson::dom::object response);

 private:
  void output_of(simdjson::dom::object response);
  void chat_calls(std::int64_t choice, simdjson::dom::element calls, Form form);
  void chat_call(CallPiece piece, simdjson::dom::object call);
  void named(CallPiece piece, simdjson::dom::element function);
  void arguments(CallPiece piece, simdjson::dom::element value);

  CallSink* sink_ = nullptr;
  std::string json_;
};

}  // namespace tollgate::dialects
