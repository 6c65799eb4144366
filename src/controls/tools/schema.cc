#include "controls/tools/schema.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "controls/tools/json_pointer.h"
#include "controls/tools/schema_value.h"

namespace tollgate::tools {

namespace dom = simdjson::dom;

namespace {

constexpr std::array<std::pair<std::string_view, Type>, 7> kTypes{{{"null", kNull},
                                                                   {"boolean", kBoolean},
                                                                   {"integer", kInteger},
                                                                   {"number", kNumber},
                                                                   {"string", kString},
                                                                   {"array", kArray},
                                                                   {"object", kObject}}};

// Words that say nothing of what fits.
constexpr std::array<std::string_view, 15> kAnnotations{
    "title",      "description", "default",     "examples", "example",
    "$schema",    "$id",         "$comment",    "readOnly", "writeOnly",
    "deprecated", "format",      "definitions", "$defs",    "strict"};

std::string canonical(dom::element value) {
  Canonical made;
  made.make(value, std::numeric_limits<std::size_t>::max());
  return made.text();
}

}  // namespace

// From the JSON of a schema to its nodes. Throws nothing; the first mistake ends it.
class SchemaCompiler {
 public:
  explicit SchemaCompiler(Schema& made, dom::element root)
      : made_(made), root_(root), pointers_(root) {}

  bool compile() {
    made_.root_ = node(root_, 0);
    return mistake_.empty();
  }
  std::string take() { return std::move(mistake_); }

 private:
  using Node = Schema::Node;

  int fail(std::string mistake) {
    if (mistake_.empty()) mistake_ = std::move(mistake);
    return Schema::kNever;
  }
  int fail_at(std::string_view word) {
    return fail(fmt::format("`{}` has a value that is not understood", word));
  }

  int node(dom::element value, int depth) {
    if (bool passes = false; value.get(passes) == simdjson::SUCCESS) {
      return passes ? Schema::kAny : Schema::kNever;
    }
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return fail("a schema is no object");
    if (depth > Schema::kDepthMax) return fail("it is nested too deeply");
    if (made_.nodes_.size() >= Schema::kNodesMax) return fail("it is too large");
    const int at = static_cast<int>(made_.nodes_.size());
    made_.nodes_.emplace_back();
    fill(at, object, depth);
    return at;
  }

  void fill(int at, dom::object object, int depth) {
    Node made;
    for (const dom::key_value_pair field : object) {
      if (!mistake_.empty()) return;
      word(made, field, depth);
    }
    std::ranges::sort(made.properties);
    std::ranges::sort(made.required);
    const auto again = std::ranges::unique(made.required);
    made.required.erase(again.begin(), again.end());
    made_.nodes_[static_cast<std::size_t>(at)] = std::move(made);
  }

  void word(Node& made, dom::key_value_pair field, int depth) {
    const std::string_view key = field.key;
    if (key == "type") return types(made, field.value);
    if (key == "properties") return properties(made, field.value, depth);
    if (key == "required") return required(made, field.value);
    if (key == "enum" || key == "const") return values(made, field);
    if (key == "additionalProperties") return take(made.additional, node(field.value, depth + 1));
    if (key == "items") return take(made.items, node(field.value, depth + 1));
    if (key == "$ref") return take(made.ref, reference(field.value, depth));
    if (key == "anyOf") return several(made.any_of, field, depth);
    if (key == "oneOf") return several(made.one_of, field, depth);
    if (key == "allOf") return several(made.all_of, field, depth);
    if (bound(made, field)) return;
    if (std::ranges::find(kAnnotations, key) != kAnnotations.end()) return;
    fail(fmt::format("`{}` is not understood", key.substr(0, 64)));
  }

  static void take(int& into, int made) { into = made; }

  void types(Node& made, dom::element value) {
    const auto add = [&](dom::element one) {
      std::string_view name;
      (void)one.get(name);
      for (const auto& [known, type] : kTypes) {
        if (known == name) {
          made.types |= type;
          return true;
        }
      }
      return false;
    };
    dom::array array;
    if (value.get(array) != simdjson::SUCCESS) {
      if (!add(value)) fail_at("type");
      return;
    }
    for (const dom::element one : array) {
      if (!add(one)) fail_at("type");
    }
  }

  void properties(Node& made, dom::element value, int depth) {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return take(made.ref, fail_at("properties"));
    for (const dom::key_value_pair field : object) {
      made.properties.emplace_back(field.key, node(field.value, depth + 1));
    }
  }

  void required(Node& made, dom::element value) {
    dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return take(made.ref, fail_at("required"));
    for (const dom::element one : array) {
      std::string_view name;
      if (one.get(name) != simdjson::SUCCESS) return take(made.ref, fail_at("required"));
      made.required.emplace_back(name);
    }
  }

  void values(Node& made, dom::key_value_pair field) {
    std::vector<std::string> values;
    dom::array array;
    if (field.key == "const") {
      values.push_back(canonical(field.value));
    } else if (field.value.get(array) == simdjson::SUCCESS) {
      for (const dom::element one : array) values.push_back(canonical(one));
    } else {
      fail_at("enum");
    }
    // Beside another, only what both have.
    if (made.values) {
      std::erase_if(values, [&](const std::string& value) {
        return !std::ranges::binary_search(*made.values, value);
      });
    }
    std::ranges::sort(values);
    made.value_bytes_max = 0;
    for (const std::string& value : values) {
      made.value_bytes_max = std::max(made.value_bytes_max, value.size());
    }
    made.values = std::move(values);
  }

  void several(std::vector<int>& into, dom::key_value_pair field, int depth) {
    dom::array array;
    if (field.value.get(array) != simdjson::SUCCESS) {
      fail_at(field.key);
      return;
    }
    for (const dom::element one : array) into.push_back(node(one, depth + 1));
  }

  bool bound(Node& made, dom::key_value_pair field) {
    struct Bound {
      std::string_view word;
      Schema::Bounds Node::* of;
      bool is_least;
      bool is_excluded;
    };
    constexpr Bound kBounds[] = {{"minimum", &Node::number, true, false},
                                 {"maximum", &Node::number, false, false},
                                 {"exclusiveMinimum", &Node::number, true, true},
                                 {"exclusiveMaximum", &Node::number, false, true},
                                 {"minLength", &Node::text, true, false},
                                 {"maxLength", &Node::text, false, false},
                                 {"minItems", &Node::list, true, false},
                                 {"maxItems", &Node::list, false, false},
                                 {"minProperties", &Node::object, true, false},
                                 {"maxProperties", &Node::object, false, false}};
    for (const Bound& one : kBounds) {
      if (one.word != field.key) continue;
      double number = 0;
      if (!field.value.is_number() || field.value.get(number) != simdjson::SUCCESS) {
        fail_at(field.key);
        return true;
      }
      Schema::Bounds& bounds = made.*one.of;
      std::optional<double>& into = one.is_least ? bounds.least : bounds.most;
      bool& excluded = one.is_least ? bounds.least_excluded : bounds.most_excluded;
      const bool is_narrower = !into || (one.is_least ? number > *into : number < *into) ||
                               (number == *into && one.is_excluded);
      if (!is_narrower) return true;
      into = number;
      excluded = one.is_excluded;
      return true;
    }
    return false;
  }

  int reference(dom::element value, int depth) {
    std::string_view told;
    if (value.get(told) != simdjson::SUCCESS || !told.starts_with('#')) return fail_at("$ref");
    const std::string pointer(told.substr(1));
    if (const auto known = references_.find(pointer); known != references_.end()) {
      return known->second;
    }
    const std::optional<dom::element> target = pointers_.at(pointer);
    if (!target) return fail_at("$ref");
    dom::object object;
    if (target->get(object) != simdjson::SUCCESS) return node(*target, depth + 1);
    if (depth > Schema::kDepthMax || made_.nodes_.size() >= Schema::kNodesMax) {
      return fail("it is too large");
    }
    const int at = static_cast<int>(made_.nodes_.size());
    made_.nodes_.emplace_back();
    references_.emplace(pointer, at);  // It may be of itself.
    fill(at, object, depth + 1);
    return at;
  }

  Schema& made_;
  const dom::element root_;
  JsonPointers pointers_;
  std::map<std::string, int, std::less<>> references_;
  std::string mistake_;
};

std::expected<Schema, std::string> Schema::of_definition(std::string_view definition) {
  dom::parser parser;
  dom::element root;
  if (parser.parse(definition.data(), definition.size()).get(root) != simdjson::SUCCESS) {
    return std::unexpected("it is not valid JSON");
  }
  dom::element inner;
  if (root.at_key("function").get(inner) == simdjson::SUCCESS) root = inner;
  Schema made;
  dom::element parameters;
  if (root.at_key("parameters").get(parameters) != simdjson::SUCCESS &&
      root.at_key("input_schema").get(parameters) != simdjson::SUCCESS) {
    return made;
  }
  if (parameters.is_null()) return made;
  SchemaCompiler compiler(made, parameters);
  if (!compiler.compile()) return std::unexpected(compiler.take());
  return made;
}

}  // namespace tollgate::tools
