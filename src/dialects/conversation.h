// What a caller puts into a conversation that a provider keeps, and what is told of it. Items and
// metadata are written as a request of responses that has them, so that they are read, counted and
// inspected as one, and back.
//
// Pure, linear.
//
// Source: OpenAI API reference, conversations: create, retrieve, update, and their items.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/refusal.h"
#include "dialects/answer.h"
#include "dialects/calls.h"

namespace tollgate::dialects {

// "conv_" and up to 256 letters, digits, '-' and '_'.
bool is_conversation_id(std::string_view id);

// What a body may hold.
enum class ConversationBody : std::uint8_t {
  kNew,       // Items and metadata, both or neither; it may be empty.
  kMetadata,  // Metadata.
  kItems,     // Items.
};

// `body`, which has RequestReader::kPadding readable bytes behind its end, as a request of
// responses that asks `model` of its items: of none an empty text. Refuses as RequestReader does
// what is no JSON object, what is missing, and any other field by its name. Appends to `out`.
Expected<void> write_as_response(ConversationBody holds, std::string_view body,
                                 std::string_view model, std::string& out);

// Back: `request` is such a request as RequestReader wrote it. A Fault: it is none. Appends to
// `out`.
FaultOr<void> write_as_conversation(ConversationBody holds, std::string_view request,
                                    std::string& out);

// Tells every text of what a caller puts into a conversation, as its provider would tell it again.
// A Fault: it is no JSON object, or has a field twice.
FaultOr<void> read_conversation_texts(std::string_view body, AnswerSink& texts);

// The id of a conversation as its provider tells it. A Fault: it tells none.
FaultOr<std::string> read_conversation_id(std::string_view body);

// Writes a conversation anew under `name`, with what is known of one and nothing else, and tells
// the texts of its metadata where there is somebody. A Fault: it is none of that `id`, or has a
// field twice. Appends to `out`.
FaultOr<void> write_conversation(std::string_view body, std::string_view id, std::string_view name,
                                 AnswerSink* answer, std::string& out);

// Tells the texts and the calls of one item. A Fault: it is none.
FaultOr<void> read_kept_item(std::string_view body, AnswerSink* answer, CallSink& calls);

}  // namespace tollgate::dialects
