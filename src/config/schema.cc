// JSON Schema of the file, from the tables of shape.h.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "config/load.h"
#include "config/shape.h"

namespace tollgate::config {

namespace {

namespace json = boost::json;

// A variable may stand for any value, so a schema of a number takes such a text as well.
constexpr std::string_view kVariable = R"(\$\{)";

json::object scalar(std::string_view type) { return {{"type", json::string(type)}}; }

json::object pattern(std::string_view regex) {
  json::object made{{"type", "string"}};
  made["pattern"] = fmt::format("({})|{}", regex, kVariable);
  return made;
}

// A number, or a text of a variable.
json::object number(std::string_view type, std::int64_t min, std::int64_t max) {
  json::object plain{{"type", json::string(type)}, {"minimum", min}};
  if (max > 0) plain["maximum"] = max;
  json::object variable{{"type", "string"}, {"pattern", json::string(kVariable)}};
  return {{"anyOf", json::array{std::move(plain), std::move(variable)}}};
}

json::object reference_to(const Section& section) {
  return {{"$ref", fmt::format("#/$defs/{}", section.name)}};
}

json::object choice(const Field& field) {
  json::array names;
  for (const std::string_view name : field.names()) names.push_back(json::string(name));
  json::object variable{{"type", "string"}, {"pattern", json::string(kVariable)}};
  json::array any{json::object{{"enum", std::move(names)}}, std::move(variable)};
  if (field.section != nullptr) {
    json::object one = reference_to(*field.section);
    one["minProperties"] = one["maxProperties"] = 1;
    any.push_back(std::move(one));
  }
  return {{"anyOf", std::move(any)}};
}

json::object tokenizer(const Field& field) {
  json::object made = choice(field);
  made["anyOf"].as_array().push_back(pattern("\\.json$"));
  return made;
}

json::object map(const Field& field) {
  json::object made{{"type", "object"}};
  if (field.max > 0) made["maxProperties"] = field.max;
  if (field.keys == nullptr) {
    made["additionalProperties"] = reference_to(*field.section);
    return made;
  }
  json::object properties;
  for (const std::string_view key : field.keys()) properties[key] = reference_to(*field.section);
  made["properties"] = std::move(properties);
  made["additionalProperties"] = false;
  return made;
}

json::object type_of(const Field& field);

json::object list(const Field& field) {
  Field item = field;
  item.kind = field.of;
  item.min = item.max = 0;
  json::object made{{"type", "array"}};
  made["items"] = type_of(item);
  if (field.min > 0) made["minItems"] = field.min;
  made["maxItems"] = field.max;
  return made;
}

json::object texts(const Field& field) {
  json::object several{{"type", "array"}, {"items", scalar("string")}, {"minItems", 1}};
  several["maxItems"] = field.max;
  return {{"anyOf", json::array{scalar("string"), std::move(several)}}};
}

json::object text_map(const Field& field) {
  Field value;
  value.kind = field.of;
  value.max = kTextsOfMapMax;
  json::object made{{"type", "object"}, {"minProperties", 1}, {"maxProperties", field.max}};
  made["additionalProperties"] = type_of(value);
  return made;
}

json::object type_of(const Field& field) {
  switch (field.kind) {
    case Kind::kCount:
      return number("integer", field.min, field.max);
    case Kind::kMoney:
      return number("number", 0, 0);
    case Kind::kPrice:
      return number("number", 0, 1'000'000);
    case Kind::kShare:
      return number("number", 0, 1);
    case Kind::kFlag:
      return {{"type", "boolean"}};
    case Kind::kDuration:
      return pattern("^[0-9]+(ms|s|m|h|d)$");
    case Kind::kBytes: {
      json::object text = pattern("^[0-9]+(B|KiB|MiB|GiB)?$");
      return {{"anyOf", json::array{std::move(text), json::object{{"type", "integer"}}}}};
    }
    case Kind::kUrl:
      return pattern("^https?://[^@?#]+$");
    case Kind::kTimeZone:
      return pattern("^(UTC|[A-Za-z_]+/[A-Za-z0-9_+/-]+)$");
    case Kind::kAddress:
      return pattern("^(localhost|[0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$");
    case Kind::kName:
      return pattern("^[A-Za-z0-9_.-]{1,64}$");
    case Kind::kRoutePath:
      return pattern("^/");
    case Kind::kLedger:
      return pattern("^(memory|(sqlite|postgres|postgresql)://.+)$");
    case Kind::kRateStore:
      return pattern("^(memory|rediss?://.+)$");
    case Kind::kChoice:
      return choice(field);
    case Kind::kTokenizer:
      return tokenizer(field);
    case Kind::kSection:
      return reference_to(*field.section);
    case Kind::kMap:
      return map(field);
    case Kind::kList:
      return list(field);
    case Kind::kTexts:
      return texts(field);
    case Kind::kTextMap:
      return text_map(field);
    case Kind::kText:
    case Kind::kModelName:
    case Kind::kFile:
    case Kind::kSecret:
    case Kind::kNotServed:
      break;
  }
  return scalar("string");
}

json::object object_of(const Section& section) {
  json::object properties;
  json::array required;
  for (const Field& field : section.fields) {
    if (field.kind == Kind::kNotServed) continue;
    json::object made = type_of(field);
    made["description"] = json::string(field.doc);
    if (!field.fallback.empty()) {
      made["description"] = fmt::format("{} Default: {}.", field.doc, field.fallback);
    }
    if (field.need == Need::kRequired) required.push_back(json::string(field.key));
    properties[field.key] = std::move(made);
  }
  json::object made{{"type", "object"}, {"description", json::string(section.doc)}};
  made["properties"] = std::move(properties);
  if (!required.empty()) made["required"] = std::move(required);
  made["additionalProperties"] = false;
  return made;
}

}  // namespace

std::string schema() {
  json::object root = object_of(root_section());
  root["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  root["title"] = "tollgate.yaml";
  json::object sections;
  for (const Section* section : all_sections()) {
    if (section != &root_section()) sections[section->name] = object_of(*section);
  }
  root["$defs"] = std::move(sections);
  return json::serialize(root);
}

}  // namespace tollgate::config
