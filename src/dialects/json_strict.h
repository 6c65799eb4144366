// JSON from outside, read so strictly that no two parsers can take it for two things.
//
// simdjson parses (it refuses invalid UTF-8, lone surrogates and integers beyond 64 bits); one
// walk over what it made then bounds depth and nodes and refuses a key that an object has
// twice. Numbers longer than the bound are found in the text, because the parsed form no
// longer knows how they were written.
//
// Internal to dialects. Linear in the body but for the keys of one object, which are sorted.
// One thread; a reader is reused, its memory with it.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "dialects/request.h"

namespace tollgate::dialects {

// A field of a body as callers name it, "messages[2].content": a chain on the stack, spelled
// out only when something is wrong.
struct FieldPath {
  const FieldPath* parent = nullptr;
  std::string_view key;     // Empty where this is an element.
  std::int64_t index = -1;  // Of an element.

  std::string spell() const;
};

class StrictJson {
 public:
  // A body larger than this is not parsed at all, whatever a route allows.
  static constexpr std::size_t kCapacityMax = std::size_t{256} << 20;
  // Memory of a body larger than this is given back before the next one: a parser holds about
  // fourteen bytes a byte.
  static constexpr std::size_t kKeptMax = std::size_t{256} << 10;

  StrictJson() : parser_(kCapacityMax) {}

  // `text` must have simdjson::SIMDJSON_PADDING readable bytes behind its end. Any JSON value;
  // it is valid until the next parse.
  Expected<simdjson::dom::element> parse(std::string_view text, const ReadLimits& limits);

  // Comparisons of keys in the last parse: what the test of linear time counts.
  std::int64_t comparisons() const { return comparisons_; }

 private:
  enum class Problem : std::uint8_t { kNone, kDepth, kNodes, kDuplicate };

  Problem walk(simdjson::dom::element value, int depth, const FieldPath& path);
  Problem walk_object(simdjson::dom::object object, int depth, const FieldPath& path);
  bool has_duplicate(std::size_t first);
  Problem found(Problem problem, const FieldPath& path);

  struct HashedKey {
    std::size_t hash;
    std::string_view key;
  };

  simdjson::dom::parser parser_;
  std::vector<std::string_view> keys_;  // Of the objects that are being walked, innermost last.
  std::vector<HashedKey> hashed_;       // Of one large object.
  std::int64_t comparisons_ = 0;
  int nodes_left_ = 0;
  int depth_max_ = 0;
  std::string where_;  // Of the problem.
  std::string_view duplicate_;
};

// Whether some object in `value` has a field twice: who reads the first of them and who reads the
// last would not read the same.
bool has_field_twice(simdjson::dom::element value);

// Whether a number of more than `characters` characters stands in `text`, which is valid JSON.
bool has_long_number(std::string_view text, int characters);

// Appends `value` in compact form; doubles in the shortest form that reads back the same.
void append_json(simdjson::dom::element value, std::string& out);
void append_json_string(std::string_view text, std::string& out);

}  // namespace tollgate::dialects
