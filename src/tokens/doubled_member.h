// Whether any object of a JSON text has two members of one name.
//
// Pure. Any thread.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>

namespace tollgate::tokens {

// The first that is found, as a message tells it: "model.vocab: `ab`", "`version`". Linear in the
// size of the text; as deep as the text is, which its parser bounds.
std::optional<std::string> doubled_member(simdjson::dom::element root);

}  // namespace tollgate::tokens
