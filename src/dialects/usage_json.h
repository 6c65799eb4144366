// Usage as each dialect tells it. Internal to dialects and translation.
#pragma once

#include "base/json_writer.h"
#include "dialects/reply.h"
#include "dialects/surface.h"

namespace tollgate::dialects {

// The object itself: of chat_completions and completions, responses, or messages.
void write_usage(Surface surface, const Usage& usage, JsonWriter& json);

}  // namespace tollgate::dialects
