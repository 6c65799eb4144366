// The members of a JSON body, each of the type and within the bounds that are asked for.
//
// Pure. What is wrong is told in a sentence.
#pragma once

#include <simdjson.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/query.h"

namespace tollgate::admin {

inline constexpr std::size_t kTextBytesMax = 256;
inline constexpr std::size_t kTextsMax = 64;  // Of one list.

// Takes the members of an object one after the other, as far as each is good. One that is there
// twice is told: no two readers would agree on which holds. So an object of many unknown ones costs
// no more than its first, as `take` refuses that.
using TakeMember =
    std::function<OrWords<void>(std::string_view name, const simdjson::dom::element& value)>;
OrWords<void> each_member(const simdjson::dom::object& object, const TakeMember& take);

// The same of a text that is one object.
OrWords<void> each_member(simdjson::dom::parser& parser, std::string_view text,
                          const TakeMember& take);

// A body of which nothing is asked: empty, or an object without members.
OrWords<void> read_nothing(std::string_view body);

// Names are shown to people, in terminals: refuses what is too long, and characters that break
// lines, hide, or reorder others (audit::visible()).
OrWords<void> check_text(std::string_view name, std::string_view text);

// A string that check_text() lets pass.
OrWords<std::string> text_of(std::string_view name, const simdjson::dom::element& value);
// A list of those.
OrWords<std::vector<std::string>> texts_of(std::string_view name,
                                           const simdjson::dom::element& value);

}  // namespace tollgate::admin
