// Names of fields that the dialects have. One that is not among them may be anything that somebody
// wants to carry through, so it is a text to whoever inspects.
//
// Pure; safe from any thread. Source: the API references of OpenAI and Anthropic, and vLLM's.
#pragma once

#include <string_view>

namespace tollgate::dialects {

// Of a request or an answer of any surface. A name that is missing here costs its being read.
bool is_field_name(std::string_view name);

}  // namespace tollgate::dialects
