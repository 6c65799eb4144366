// What differs between two configurations, for the record of a change.
//
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tollgate::config {

// A value at the end of a path, as JSON: a scalar or a list. Empty: it was not there, or is not.
struct DifferingLeaf {
  std::string path;  // "routes[chat].prompt.body"
  std::string before;
  std::string after;
};

// Of two texts of effective_json(), in the order of their paths. Objects of a list are told apart
// by their names where all of them have one. `version` is left out, which differs with every byte
// of the file. A text that is no JSON object has no leaves.
std::vector<DifferingLeaf> differing_leaves(std::string_view before, std::string_view after);

// The same as a JSON list of {"path", "before"?, "after"?}.
std::string differing_leaves_json(std::string_view before, std::string_view after);

}  // namespace tollgate::config
