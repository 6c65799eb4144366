// The members of a JSON body, each of the type and within the bounds that are asked for.
//
// Pure. What is wrong is told in a sentence.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "admin/query.h"

namespace tollgate::admin {

inline constexpr std::size_t kTextBytesMax = 256;
inline constexpr std::size_t kTextsMax = 64;  // Of one list.

OrWords<std::string> text_of(std::string_view name, const simdjson::dom::element& value);
OrWords<std::vector<std::string>> texts_of(std::string_view name,
                                           const simdjson::dom::element& value);

}  // namespace tollgate::admin
