// What whole answers and streamed ones of a dialect have in common. Internal to translation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "translation/answer.h"

namespace tollgate::translation {

// "finish_reason" of a chat.
std::string_view chat_reason(Finish finish);
// "stop_reason" and "stop_sequence" of messages.
void write_stop(Finish finish, std::string_view stop_sequence, JsonWriter& json);

// A response, as it stands.
enum class ResponseStatus : std::uint8_t { kBegun, kEnded };
void write_response_object(const Answer& answer, ResponseStatus status, JsonWriter& json);
// One item of its output. `text`: false, it has only begun.
struct ItemOf {
  const Answer& answer;
  std::size_t piece;
};
void write_item(const ItemOf& item, ResponseStatus status, JsonWriter& json);
void write_item_part(const Answer::Piece& piece, ResponseStatus status, JsonWriter& json);
std::string item_id(const ItemOf& item);

}  // namespace tollgate::translation
