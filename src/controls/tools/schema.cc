#include "controls/tools/schema.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace tollgate::tools {

namespace dom = simdjson::dom;

namespace {

enum Type : std::uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
};
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

bool is_integral(double number) { return std::isfinite(number) && std::trunc(number) == number; }

std::uint8_t types_of(dom::element value) {
  switch (value.type()) {
    case dom::element_type::NULL_VALUE:
      return kNull;
    case dom::element_type::BOOL:
      return kBoolean;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return kInteger | kNumber;
    case dom::element_type::DOUBLE:
      return is_integral(double(value)) ? kInteger | kNumber : kNumber;
    case dom::element_type::STRING:
      return kString;
    case dom::element_type::ARRAY:
      return kArray;
    case dom::element_type::OBJECT:
      return kObject;
    default:
      return 0;
  }
}

double number_of(dom::element value) {
  double number = 0;
  (void)value.get(number);
  return number;
}

// Equal values have equal texts: fields by name, numbers by what they are.
void append_canonical(dom::element value, std::string& out) {
  if (dom::object object; value.get(object) == simdjson::SUCCESS) {
    std::vector<std::pair<std::string_view, dom::element>> fields;
    for (const dom::key_value_pair field : object) fields.emplace_back(field.key, field.value);
    std::ranges::sort(fields, {}, [](const auto& field) { return field.first; });
    out += '{';
    for (const auto& [key, inner] : fields) {
      out += fmt::format("{}:{}", key.size(), key);
      append_canonical(inner, out);
      out += ',';
    }
    out += '}';
  } else if (dom::array array; value.get(array) == simdjson::SUCCESS) {
    out += '[';
    for (const dom::element item : array) {
      append_canonical(item, out);
      out += ',';
    }
    out += ']';
  } else if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    out += fmt::format("\"{}:{}", text.size(), text);
  } else if (value.type() == dom::element_type::DOUBLE && is_integral(number_of(value)) &&
             std::abs(number_of(value)) < 9e15) {
    out += std::to_string(static_cast<std::int64_t>(number_of(value)));
  } else {
    out += simdjson::minify(value);
  }
}

std::string canonical(dom::element value) {
  std::string made;
  append_canonical(value, made);
  return made;
}

std::int64_t characters_in(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

}  // namespace

// From the JSON of a schema to its nodes. Throws nothing; the first mistake ends it.
class SchemaCompiler {
 public:
  explicit SchemaCompiler(Schema& made, dom::element root) : made_(made), root_(root) {}

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
        return std::ranges::find(*made.values, value) == made.values->end();
      });
    }
    std::ranges::sort(values);
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
    dom::element target = root_;
    if (!pointer.empty() && root_.at_pointer(pointer).get(target) != simdjson::SUCCESS) {
      return fail_at("$ref");
    }
    dom::object object;
    if (target.get(object) != simdjson::SUCCESS) return node(target, depth + 1);
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
  std::map<std::string, int, std::less<>> references_;
  std::string mistake_;
};

class SchemaCheck {
 public:
  explicit SchemaCheck(const Schema& schema) : schema_(schema) {}

  // What is wrong, or an empty text.
  std::string check(int which, dom::element value, const std::string& at, int depth) {
    if (which == Schema::kAny) return twice_in(value, at, depth);
    if (which == Schema::kNever) return told(at, "is not among what may be given");
    if (++steps_ > Schema::kStepsMax || depth > Schema::kDepthMax) {
      return told(at, "takes too much work to be checked");
    }
    const Schema::Node& node = schema_.nodes_[static_cast<std::size_t>(which)];
    const std::uint8_t types = types_of(value);
    if (node.types != 0 && (node.types & types) == 0) return told(at, "is of another type");
    if (node.values && !std::ranges::binary_search(*node.values, canonical(value))) {
      return told(at, "is none of the values that it may have");
    }
    if (std::string mistake = by_type(node, value, types, at, depth); !mistake.empty()) {
      return mistake;
    }
    if (node.ref != Schema::kAny) {
      if (std::string mistake = check(node.ref, value, at, depth + 1); !mistake.empty()) {
        return mistake;
      }
    }
    return by_others(node, value, at, depth);
  }

 private:
  static std::string told(const std::string& at, std::string_view what) {
    return at.empty() ? fmt::format("the whole {}", what) : fmt::format("`{}` {}", at, what);
  }

  static bool is_within(const Schema::Bounds& bounds, double number) {
    if (bounds.least &&
        (bounds.least_excluded ? number <= *bounds.least : number < *bounds.least)) {
      return false;
    }
    return !bounds.most || (bounds.most_excluded ? number < *bounds.most : number <= *bounds.most);
  }

  std::string by_type(const Schema::Node& node, dom::element value, std::uint8_t types,
                      const std::string& at, int depth) {
    if ((types & kNumber) != 0) {
      return is_within(node.number, number_of(value)) ? "" : told(at, "is out of its range");
    }
    if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
      const auto size = static_cast<double>(characters_in(text));
      return is_within(node.text, size) ? "" : told(at, "is too long or too short");
    }
    if (dom::array array; value.get(array) == simdjson::SUCCESS) {
      return of_list(node, array, at, depth);
    }
    if (dom::object object; value.get(object) == simdjson::SUCCESS) {
      return of_object(node, object, at, depth);
    }
    return {};
  }

  std::string of_list(const Schema::Node& node, dom::array array, const std::string& at,
                      int depth) {
    std::size_t size = 0;
    for (const dom::element item : array) {
      std::string mistake = check(node.items, item, fmt::format("{}[{}]", at, size), depth + 1);
      if (!mistake.empty()) return mistake;
      ++size;
    }
    return is_within(node.list, static_cast<double>(size))
               ? ""
               : told(at, "has too many or too few items");
  }

  std::string of_object(const Schema::Node& node, dom::object object, const std::string& at,
                        int depth) {
    std::vector<std::string_view> names;
    for (const dom::key_value_pair field : object) {
      names.push_back(field.key);
      const auto known = std::ranges::lower_bound(
          node.properties, field.key, {},
          [](const auto& property) -> std::string_view { return property.first; });
      const bool is_known = known != node.properties.end() && known->first == field.key;
      const int which = is_known ? known->second : node.additional;
      if (!is_known && which == Schema::kNever) {
        return told(at, "has a property that the schema does not know");
      }
      // A name that the schema does not know is the model's own text.
      const std::string_view name = is_known ? std::string_view(known->first) : "*";
      std::string mistake =
          check(which, field.value, at.empty() ? std::string(name) : fmt::format("{}.{}", at, name),
                depth + 1);
      if (!mistake.empty()) return mistake;
    }
    std::ranges::sort(names);
    if (std::ranges::adjacent_find(names) != names.end()) {
      return told(at, "has a property twice");
    }
    for (const std::string& name : node.required) {
      if (std::ranges::binary_search(names, std::string_view(name))) continue;
      return fmt::format("`{}` is missing", at.empty() ? name : fmt::format("{}.{}", at, name));
    }
    return is_within(node.object, static_cast<double>(names.size()))
               ? ""
               : told(at, "has too many or too few properties");
  }

  std::string by_others(const Schema::Node& node, dom::element value, const std::string& at,
                        int depth) {
    for (const int one : node.all_of) {
      if (std::string mistake = check(one, value, at, depth + 1); !mistake.empty()) return mistake;
    }
    const auto fits = [&](int one) { return check(one, value, at, depth + 1).empty(); };
    if (!node.any_of.empty() && std::ranges::none_of(node.any_of, fits)) {
      return told(at, "fits none of its alternatives");
    }
    if (!node.one_of.empty() && std::ranges::count_if(node.one_of, fits) != 1) {
      return told(at, "does not fit exactly one of its alternatives");
    }
    return {};
  }

  // Whatever may be given is read by somebody.
  std::string twice_in(dom::element value, const std::string& at, int depth) {
    static const Schema::Node kFree;
    if (!value.is_object() && !value.is_array()) return {};
    if (++steps_ > Schema::kStepsMax || depth > Schema::kDepthMax) {
      return told(at, "takes too much work to be checked");
    }
    return by_type(kFree, value, types_of(value), at, depth);
  }

  const Schema& schema_;
  std::int64_t steps_ = 0;
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

std::optional<std::string> Schema::mistake_in(std::string_view arguments) const {
  if (arguments.empty()) arguments = "{}";
  dom::parser parser;
  dom::element root;
  const simdjson::error_code error = parser.parse(arguments.data(), arguments.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return fmt::format("they are not valid JSON ({})", simdjson::error_message(error));
  }
  if (!root.is_object()) return "they are no JSON object";
  std::string mistake = SchemaCheck(*this).check(root_, root, {}, 0);
  if (mistake.empty()) return std::nullopt;
  return mistake;
}

}  // namespace tollgate::tools
