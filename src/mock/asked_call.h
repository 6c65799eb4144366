// Which call of a tool a prompt asks the mock for, so that whoever tries an agent says what it is
// to do: `Call write_file with {"path": "a.txt", "content": "hello"}`, and of a custom tool, which
// takes a text, `Call exec with "print(1)"`. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "dialects/request.h"
#include "mock/wire.h"

namespace tollgate::mock {

// Whether calls of it are texts and no JSON. (In Anthropic's words every function is custom.)
bool takes_text(const dialects::Request& request, const dialects::Tool& tool);

// All of them, in the order of the words, of the last text that has any. One whose tool is not
// offered by its name, or that ends in no JSON of its kind, is none. Linear in the texts.
std::vector<ToolCall> calls_asked(const dialects::Request& request);

}  // namespace tollgate::mock
