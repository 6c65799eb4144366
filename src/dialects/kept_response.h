// What a provider tells later of a response that it keeps: the response itself, and a list of the
// items that it was asked with.
//
// Pure, linear.
//
// Source: OpenAI API reference, responses: retrieve, cancel, list input items.
#pragma once

#include <string>
#include <string_view>

#include "base/fault.h"
#include "dialects/answer.h"
#include "dialects/calls.h"

namespace tollgate::dialects {

// Writes a response anew under the name that its caller knows it by, and without what it names of
// others (the one it went on from, a conversation): their names here are not known. A Fault: it is
// no response of that `id`, or has a field twice. Appends to `out`.
FaultOr<void> write_kept_response(std::string_view body, std::string_view id, std::string_view name,
                                  std::string& out);

// Tells the texts and the calls of a list of items, each where there is somebody. A Fault: it is
// none.
FaultOr<void> read_input_items(std::string_view body, AnswerSink* answer, CallSink& calls);

}  // namespace tollgate::dialects
