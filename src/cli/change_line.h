// A change of the audit trail, as one line for a person.
//
// Pure.
#pragma once

#include <simdjson.h>

#include <string>

namespace tollgate::cli {

// Who did what to what, and every member of it that differs: `key1 by root (command): revoked null
// -> "2026-…"`. What is long is cut, and no character does anything to a terminal.
std::string change_line(const simdjson::dom::element& record);

}  // namespace tollgate::cli
