// Arguments against a compiled schema.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "controls/tools/schema.h"
#include "controls/tools/schema_value.h"

namespace tollgate::tools {

namespace dom = simdjson::dom;

namespace {

// Where a value stands, put into words only once something is wrong there.
struct Place {
  const Place* around = nullptr;
  std::string_view name = {};  // Of a property.
  std::size_t index = 0;       // Of an item.
  bool is_item = false;
};

std::string words_of(const Place& place) {
  std::vector<const Place*> all;
  for (const Place* one = &place; one->around != nullptr; one = one->around) all.push_back(one);
  std::string made;
  for (auto one = all.rbegin(); one != all.rend(); ++one) {
    if ((*one)->is_item) {
      made += fmt::format("[{}]", (*one)->index);
    } else {
      if (!made.empty()) made += '.';
      made += (*one)->name;
    }
  }
  return made;
}

std::int64_t characters_in(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

bool has_twice(dom::object object) {
  std::vector<std::string_view> names;
  names.reserve(object.size());
  for (const dom::key_value_pair field : object) names.push_back(field.key);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

}  // namespace

class SchemaCheck {
 public:
  explicit SchemaCheck(const Schema& schema) : schema_(schema) {}

  std::optional<std::string> mistake_in(dom::element root) {
    const Place whole;
    if (is_sound(root, whole, 0) && fits(schema_.root_, root, whole, 0)) return std::nullopt;
    return std::move(mistake_);
  }
  std::int64_t steps() const { return steps_; }

 private:
  using Node = Schema::Node;

  // What does not fit one of several alternatives is no mistake: only what is told ends the check.
  bool fail(const Place& at, std::string_view what) {
    if (alternatives_ > 0) return false;
    const std::string place = words_of(at);
    mistake_ =
        place.empty() ? fmt::format("the whole {}", what) : fmt::format("`{}` {}", place, what);
    return false;
  }

  bool is_over() const { return steps_ > Schema::kStepsMax; }
  // Once that is over nothing fits, whatever it is tried against.
  bool spend(std::size_t bytes, const Place& at) {
    steps_ += 1 + static_cast<std::int64_t>(bytes / Schema::kBytesOfAStep);
    return is_over() ? fail_over(at) : true;
  }
  bool fail_over(const Place& at) { return fail(at, "takes too much work to be checked"); }

  // Whatever may be given is read by somebody: each value once, whatever the schema says of it.
  bool is_sound(dom::element value, const Place& at, int depth) {
    if (depth > Schema::kDepthMax) return fail_over(at);
    if (dom::array array; value.get(array) == simdjson::SUCCESS) {
      Place inner{&at, {}, 0, true};
      for (const dom::element item : array) {
        if (!is_sound(item, inner, depth + 1)) return false;
        ++inner.index;
      }
    } else if (dom::object object; value.get(object) == simdjson::SUCCESS) {
      if (has_twice(object)) return fail(at, "has a property twice");
      // Its name may be the model's own text.
      const Place inner{&at, "*"};
      for (const dom::key_value_pair field : object) {
        if (!is_sound(field.value, inner, depth + 1)) return false;
      }
    }
    return true;
  }

  bool fits(int which, dom::element value, const Place& at, int depth) {
    if (!spend(0, at)) return false;
    if (which == Schema::kAny) return true;
    if (which == Schema::kNever) return fail(at, "is not among what may be given");
    if (depth > Schema::kDepthMax) return fail_over(at);
    const Node& node = schema_.nodes_[static_cast<std::size_t>(which)];
    const std::uint8_t types = types_of(value);
    if (node.types != 0 && (node.types & types) == 0) return fail(at, "is of another type");
    return fits_values(node, value, at) && fits_type(node, value, types, at, depth) &&
           (node.ref == Schema::kAny || fits(node.ref, value, at, depth + 1)) &&
           fits_others(node, value, at, depth);
  }

  bool fits_values(const Node& node, dom::element value, const Place& at) {
    if (!node.values) return true;
    const bool is_whole = canonical_.make(value, node.value_bytes_max);
    steps_ += canonical_.values();
    if (!spend(canonical_.text().size(), at)) return false;
    return (is_whole && std::ranges::binary_search(*node.values, canonical_.text())) ||
           fail(at, "is none of the values that it may have");
  }

  static bool is_within(const Schema::Bounds& bounds, double number) {
    if (bounds.least &&
        (bounds.least_excluded ? number <= *bounds.least : number < *bounds.least)) {
      return false;
    }
    return !bounds.most || (bounds.most_excluded ? number < *bounds.most : number <= *bounds.most);
  }

  bool fits_type(const Node& node, dom::element value, std::uint8_t types, const Place& at,
                 int depth) {
    if ((types & kNumber) != 0) {
      return is_within(node.number, number_of(value)) || fail(at, "is out of its range");
    }
    if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
      return fits_text(node, text, at);
    }
    if (dom::array array; value.get(array) == simdjson::SUCCESS) {
      return fits_list(node, array, at, depth);
    }
    if (dom::object object; value.get(object) == simdjson::SUCCESS) {
      return fits_object(node, object, at, depth);
    }
    return true;
  }

  bool fits_text(const Node& node, std::string_view text, const Place& at) {
    if (!node.text.least && !node.text.most) return true;
    // One text is held to many nodes, one behind the other.
    if (text.data() != counted_) {
      if (!spend(text.size(), at)) return false;
      counted_ = text.data();
      characters_ = characters_in(text);
    }
    return is_within(node.text, static_cast<double>(characters_)) ||
           fail(at, "is too long or too short");
  }

  bool fits_list(const Node& node, dom::array array, const Place& at, int depth) {
    if (node.items != Schema::kAny) {
      Place inner{&at, {}, 0, true};
      for (const dom::element item : array) {
        if (!fits(node.items, item, inner, depth + 1)) return false;
        ++inner.index;
      }
    }
    return is_within(node.list, static_cast<double>(array.size())) ||
           fail(at, "has too many or too few items");
  }

  bool fits_object(const Node& node, dom::object object, const Place& at, int depth) {
    const bool looks_in =
        !node.properties.empty() || !node.required.empty() || node.additional != Schema::kAny;
    std::size_t found = 0;
    if (looks_in) {
      for (const dom::key_value_pair field : object) {
        if (!spend(field.key.size(), at)) return false;
        if (std::ranges::binary_search(node.required, field.key, std::less<>())) ++found;
        if (!fits_field(node, field, at, depth)) return false;
      }
    }
    if (found < node.required.size()) return fail_missing(node, object, at);
    return is_within(node.object, static_cast<double>(object.size())) ||
           fail(at, "has too many or too few properties");
  }

  bool fits_field(const Node& node, dom::key_value_pair field, const Place& at, int depth) {
    const auto known = std::ranges::lower_bound(
        node.properties, field.key, {},
        [](const auto& property) -> std::string_view { return property.first; });
    const bool is_known = known != node.properties.end() && known->first == field.key;
    const int which = is_known ? known->second : node.additional;
    if (which == Schema::kAny) return true;
    if (!is_known && which == Schema::kNever) {
      return fail(at, "has a property that the schema does not know");
    }
    // A name that the schema does not know is the model's own text.
    const Place inner{&at, is_known ? std::string_view(known->first) : "*"};
    return fits(which, field.value, inner, depth + 1);
  }

  bool fail_missing(const Node& node, dom::object object, const Place& at) {
    if (alternatives_ > 0) return false;
    std::vector<std::string_view> names;
    for (const dom::key_value_pair field : object) names.push_back(field.key);
    std::ranges::sort(names);
    for (const std::string& name : node.required) {
      if (std::ranges::binary_search(names, std::string_view(name))) continue;
      return fail(Place{&at, name}, "is missing");
    }
    return false;
  }

  bool fits_others(const Node& node, dom::element value, const Place& at, int depth) {
    for (const int one : node.all_of) {
      if (!fits(one, value, at, depth + 1)) return false;
    }
    const auto count = [&](const std::vector<int>& alternatives, int enough) {
      ++alternatives_;
      int made = 0;
      for (const int one : alternatives) {
        if (fits(one, value, at, depth + 1) && ++made == enough) break;
        if (is_over()) break;
      }
      --alternatives_;
      return made;
    };
    if (!node.any_of.empty() && count(node.any_of, 1) == 0) {
      return is_over() ? fail_over(at) : fail(at, "fits none of its alternatives");
    }
    if (!node.one_of.empty() && (count(node.one_of, 2) != 1 || is_over())) {
      return is_over() ? fail_over(at) : fail(at, "does not fit exactly one of its alternatives");
    }
    return true;
  }

  const Schema& schema_;
  std::int64_t steps_ = 0;
  int alternatives_ = 0;  // So many are tried, one within the other.
  std::string mistake_;
  Canonical canonical_;
  const char* counted_ = nullptr;  // The text that was counted last.
  std::int64_t characters_ = 0;
};

std::optional<std::string> Schema::mistake_in(std::string_view arguments,
                                              std::int64_t* steps) const {
  if (arguments.empty()) arguments = "{}";
  dom::parser parser;
  dom::element root;
  const simdjson::error_code error = parser.parse(arguments.data(), arguments.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return fmt::format("they are not valid JSON ({})", simdjson::error_message(error));
  }
  if (!root.is_object()) return "they are no JSON object";
  SchemaCheck check(*this);
  std::optional<std::string> mistake = check.mistake_in(root);
  if (steps != nullptr) *steps = check.steps();
  return mistake;
}

}  // namespace tollgate::tools
