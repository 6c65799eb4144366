// The texts of an answer, each with its place: all that a model may have written, for whoever
// inspects it before the caller has it.
//
// Every string of a whole reply, or of an event of a stream, is told: also those that no dialect
// knows. Left out is only what a provider writes itself: the ids, types and names of the reply and
// its model, roles, finish reasons, signatures, and `logprobs`, which tell the text of the same
// event again, token by token. Whatever is no string but was written by the model, as the input
// of a tool may be, is told as its JSON; and so are numbers of eight digits and more, and the names
// of fields that no dialect has.
//
// A place is the same whole and streamed: "choices[0].message.content",
// "choices[1].message.tool_calls[0].function.arguments", "content[2].input".
#pragma once

#include <string_view>

namespace tollgate::dialects {

// What it is given lives until the call returns.
class AnswerSink {
 public:
  // A text that is complete.
  virtual void text(std::string_view place, std::string_view text) = 0;
  // The next piece of the text of that place.
  virtual void piece(std::string_view place, std::string_view piece) = 0;
  // Texts of places that begin like that have no further pieces; empty: none has.
  virtual void ended(std::string_view places) = 0;

 protected:
  ~AnswerSink() = default;
};

// Whether at that place the dialect has the id or the type of a part, which a provider writes and
// which says nothing that could be judged. A field of a tool's arguments is none, whatever its
// name.
bool is_name_of_part(std::string_view place);

}  // namespace tollgate::dialects
