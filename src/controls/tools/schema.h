// The JSON Schema of a tool's parameters, and whether the arguments of a call fit it.
//
// Understood is what definitions of tools are made of: type, properties, required,
// additionalProperties, items, enum, const, the bounds of numbers, texts, lists and objects, anyOf,
// oneOf, allOf, and $ref within the schema; title, description, format and the like say nothing of
// what fits. Any other word could, so a schema with one is not understood, and its name is told.
//
// Pure. Bounded: nodes of a schema, which is read in work linear in it, and steps of a check. A
// step is one value held to one node, one property looked up, or so many bytes of text as
// kBytesOfAStep: whatever the schema and the arguments are, a check takes kStepsMax of them at
// most, beside reading the arguments once, and without alternatives and `allOf` as many as they
// have values.
//
// Source: JSON Schema draft 2020-12, of draft 7 what is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::tools {

class Schema {
 public:
  static constexpr std::size_t kNodesMax = 10'000;
  static constexpr int kDepthMax = 64;
  static constexpr std::int64_t kStepsMax = 200'000;
  static constexpr std::size_t kBytesOfAStep = 64;

  // Of the definition of a tool as it was offered: {"function": {"parameters": …}},
  // {"parameters": …} or {"input_schema": …}; one without takes any object. Else what of it is not
  // understood, for the caller.
  static std::expected<Schema, std::string> of_definition(std::string_view definition);

  // What keeps arguments from fitting, in words that quote none of them; nothing: they fit. None at
  // all stand for an empty object. A name that stands twice in an object does not fit: of two
  // values it is not known which one is read. `steps`: where not null, how many it took.
  std::optional<std::string> mistake_in(std::string_view arguments,
                                        std::int64_t* steps = nullptr) const;

 private:
  friend class SchemaCompiler;
  friend class SchemaCheck;
  static constexpr int kAny = -1;
  static constexpr int kNever = -2;

  struct Bounds {
    std::optional<double> least, most;
    bool least_excluded = false;
    bool most_excluded = false;
  };
  struct Node {
    std::uint8_t types = 0;                               // Bits; 0: any.
    std::vector<std::pair<std::string, int>> properties;  // Sorted.
    std::vector<std::string> required;                    // Sorted, each once.
    int additional = kAny;
    int items = kAny;
    int ref = kAny;
    std::optional<std::vector<std::string>> values;  // Canonical, sorted.
    std::size_t value_bytes_max = 0;                 // Of the longest of them.
    Bounds number, text, list, object;
    std::vector<int> any_of, one_of, all_of;
  };

  std::vector<Node> nodes_;
  int root_ = kAny;
};

}  // namespace tollgate::tools
