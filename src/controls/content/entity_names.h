// What the named entities of HTML stand for.
//
// Immutable; safe from any thread.
// Source: HTML Living Standard (entities.h).
#pragma once

#include <string>
#include <string_view>

namespace tollgate::content {

// UTF-8 of what the entity of that name, without & and ;, stands for; null: there is none.
const std::string* entity_named(std::string_view name);

// Makes the table; else the first text does that has one.
void prepare_entities();

}  // namespace tollgate::content
