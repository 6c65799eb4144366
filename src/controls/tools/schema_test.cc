#include "controls/tools/schema.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tollgate::tools {
namespace {

Schema made(std::string_view parameters) {
  auto schema = Schema::of_definition(R"({"type":"function","function":{"name":"f","parameters":)" +
                                      std::string(parameters) + "}}");
  EXPECT_TRUE(schema) << (schema ? "" : schema.error());
  return schema ? *std::move(schema) : Schema();
}

TEST(ToolSchema, HoldsArgumentsToIt) {
  const struct {
    std::string_view schema, arguments, mistake;
  } cases[] = {
      {R"({"type":"object"})", "{}", ""},
      {R"({"type":"object"})", "", ""},
      {R"({"type":"object"})", "[]", "no JSON object"},
      {R"({"type":"object"})", "{", "not valid JSON"},
      {R"({"properties":{"a":{"type":"string"}}})", R"({"a":"x"})", ""},
      {R"({"properties":{"a":{"type":"string"}}})", R"({"a":1})", "`a` is of another type"},
      {R"({"properties":{"a":{"type":["string","null"]}}})", R"({"a":null})", ""},
      {R"({"properties":{"a":{"type":"integer"}}})", R"({"a":2.0})", ""},
      {R"({"properties":{"a":{"type":"integer"}}})", R"({"a":2.5})", "another type"},
      {R"({"properties":{"a":{"type":"number"}}})", R"({"a":2})", ""},
      {R"({"required":["a"]})", R"({"b":1})", "`a` is missing"},
      {R"({"properties":{"o":{"required":["a"]}}})", R"({"o":{}})", "`o.a` is missing"},
      {R"({"additionalProperties":false,"properties":{"a":true}})", R"({"a":[]})", ""},
      {R"({"additionalProperties":false})", R"({"secret":1})", "does not know"},
      {R"({"additionalProperties":{"type":"string"}})", R"({"x":1})", "another type"},
      {R"({"properties":{"a":{"items":{"type":"string"}}}})", R"({"a":["x",1]})", "`a[1]` is"},
      {R"({"properties":{"a":{"minItems":1,"maxItems":2}}})", R"({"a":[]})", "items"},
      {R"({"properties":{"a":{"minItems":1,"maxItems":2}}})", R"({"a":[1,2]})", ""},
      {R"({"properties":{"a":{"minItems":1,"maxItems":2}}})", R"({"a":[1,2,3]})", "items"},
      {R"({"properties":{"a":{"enum":["x",1,null]}}})", R"({"a":1.0})", ""},
      {R"({"properties":{"a":{"enum":["x",1]}}})", R"({"a":"1"})", "none of the values"},
      {R"({"properties":{"a":{"const":{"k":[1],"l":2}}}})", R"({"a":{"l":2,"k":[1]}})", ""},
      {R"({"properties":{"a":{"const":{"k":[1]}}}})", R"({"a":{"k":[2]}})", "none of the values"},
      {R"({"properties":{"a":{"minLength":2,"maxLength":3}}})", "{\"a\":\"\u00e4\u00e4\u00e4\"}",
       ""},
      {R"({"properties":{"a":{"maxLength":3}}})", R"({"a":"abcd"})", "too long"},
      {R"({"properties":{"a":{"minimum":1,"maximum":9}}})", R"({"a":9})", ""},
      {R"({"properties":{"a":{"exclusiveMaximum":9,"maximum":9}}})", R"({"a":9})", "range"},
      {R"({"properties":{"a":{"minimum":1}}})", R"({"a":0.5})", "range"},
      {R"({"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}})", R"({"a":null})",
       ""},
      {R"({"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}})", R"({"a":1})",
       "alternatives"},
      {R"({"properties":{"a":{"oneOf":[{"minimum":1},{"maximum":9}]}}})", R"({"a":5})",
       "exactly one"},
      {R"({"allOf":[{"required":["a"]},{"required":["b"]}]})", R"({"a":1})", "`b` is missing"},
      {R"({"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"string"}}})", R"({"a":1})",
       "another type"},
      {R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})",
       R"({"v":1,"next":{"v":2,"next":{}}})", "`next.next.v` is missing"},
      // Of two values of one name it is not known which is read, wherever they stand.
      {R"({"type":"object"})", R"({"a":1,"a":2})", "twice"},
      {R"({"type":"object"})", R"({"x":[{"a":1,"a":2}]})", "twice"},
      {R"({"title":"t","description":"d","format":"x","default":1,"$schema":"s"})", "{}", ""},
  };
  for (const auto& [schema, arguments, mistake] : cases) {
    SCOPED_TRACE(std::string(schema) + " " + std::string(arguments));
    const auto found = made(schema).mistake_in(arguments);
    if (mistake.empty()) {
      EXPECT_FALSE(found) << *found;
    } else {
      ASSERT_TRUE(found);
      EXPECT_NE(found->find(mistake), std::string::npos) << *found;
      EXPECT_EQ(found->find("secret"), std::string::npos);
    }
  }
}

TEST(ToolSchema, IsFoundInEveryFormOfADefinition) {
  for (const std::string_view definition :
       {R"({"type":"function","function":{"name":"f","parameters":{"required":["a"]}}})",
        R"({"name":"f","parameters":{"required":["a"]}})",
        R"({"name":"f","input_schema":{"required":["a"]}})"}) {
    const auto schema = Schema::of_definition(definition);
    ASSERT_TRUE(schema);
    EXPECT_TRUE(schema->mistake_in("{}")) << definition;
  }
  const auto none = Schema::of_definition(R"({"type":"function","function":{"name":"f"}})");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->mistake_in(R"({"x":1})"));
}

TEST(ToolSchema, ThatIsNotUnderstoodIsToldByTheWord) {
  const struct {
    std::string_view schema, word;
  } cases[] = {{R"({"properties":{"a":{"pattern":"x"}}})", "`pattern`"},
               {R"({"not":{}})", "`not`"},
               {R"({"if":{}})", "`if`"},
               {R"({"type":"text"})", "`type`"},
               {R"({"type":1})", "`type`"},
               {R"({"required":"a"})", "`required`"},
               {R"({"required":[1]})", "`required`"},
               {R"({"properties":[]})", "`properties`"},
               {R"({"minimum":"1"})", "`minimum`"},
               {R"({"enum":1})", "`enum`"},
               {R"({"anyOf":{}})", "`anyOf`"},
               {R"({"$ref":"http://x/y"})", "`$ref`"},
               {R"({"$ref":"#/$defs/none"})", "`$ref`"},
               {R"([])", "no object"}};
  for (const auto& [schema, word] : cases) {
    const auto made = Schema::of_definition(R"({"parameters":)" + std::string(schema) + "}");
    ASSERT_FALSE(made) << schema;
    EXPECT_NE(made.error().find(word), std::string::npos) << made.error();
  }
}

// A schema that goes round in itself, alternatives in alternatives: bounded work, and an answer.
TEST(ToolSchema, TakesBoundedWork) {
  EXPECT_TRUE(made(R"({"$ref":"#"})").mistake_in("{}"));
  EXPECT_TRUE(made(R"({"allOf":[{"$ref":"#"}]})").mistake_in("{}"));
  const Schema branching =
      made(R"({"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"anyOf":[)"
           R"({"properties":{"a":{"$ref":"#/$defs/n"}},"required":["z"]},)"
           R"({"properties":{"a":{"$ref":"#/$defs/n"}},"required":["y"]}]}}})");
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep.insert(0, R"({"a":)").append("}");
  EXPECT_TRUE(branching.mistake_in(deep));
  std::string nested = "{}";
  for (int i = 0; i < 80; ++i) nested.insert(0, R"({"items":)").append("}");
  EXPECT_FALSE(Schema::of_definition(R"({"parameters":)" + nested + "}"));
}

std::string repeated(int times, std::string_view what) {
  std::string made;
  for (int i = 0; i < times; ++i) made.append(i == 0 ? "" : ",").append(what);
  return made;
}

// What is cheap to write and dear to check: each takes no more than the steps there are, however
// long the arguments are, and what is told is that it takes too many.
TEST(ToolSchema, ChargesForAllWorkThatItTakes) {
  const auto through = [](const std::string& alternatives, std::string_view fits) {
    return R"({"type":"object","properties":{"a":{"allOf":[)" +
           repeated(45, R"({"$ref":"#/$defs/e"})") + R"(]}},"$defs":{"e":{"anyOf":[)" +
           alternatives + ",{\"type\":\"" + std::string(fits) + "\"}]}}}";
  };
  const auto tenfold = [](char name, char inner) {
    return std::string("\"") + name + R"(":{"allOf":[)" +
           repeated(40, std::string(R"({"$ref":"#/$defs/)") + inner + "\"}") + "]}";
  };
  const std::string lists = R"({"type":"object","properties":{"a":{"$ref":"#/$defs/d"}},"$defs":{)"
                            R"("a":{"type":"array","items":{}},)" +
                            tenfold('b', 'a') + "," + tenfold('c', 'b') + "," + tenfold('d', 'c') +
                            "}}";
  const std::string text = "\"" + std::string(64 * 1024, 'x') + "\"";
  const std::string list = "[" + repeated(8'000, "1") + "]";
  const struct {
    std::string schema, value;
  } cases[] = {
      {through(repeated(4'500, R"({"enum":[1]})"), "string"), text},
      {through(repeated(4'500, R"({"maxLength":1})"), "string"), text},
      {through(repeated(4'500, R"({"minItems":9000})"), "array"), list},
      {through(repeated(4'500, R"({"enum":[[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]]})"), "array"), list},
      {lists, list},
  };
  for (const auto& [schema, value] : cases) {
    SCOPED_TRACE(schema.substr(0, 200));
    std::int64_t steps = 0;
    const auto found = made(schema).mistake_in("{\"a\":" + value + "}", &steps);
    ASSERT_TRUE(found);
    EXPECT_NE(found->find("too much work"), std::string::npos) << *found;
    EXPECT_GT(steps, Schema::kStepsMax);
    // The step that was one too many is of one value at most.
    EXPECT_LT(steps, Schema::kStepsMax + 2'048);
  }
}

TEST(ToolSchema, TakesStepsAsTheArgumentsHaveValuesAndText) {
  const Schema schema = made(
      R"({"properties":{"a":{"items":{"type":"integer","enum":[1,2]}},"b":{"maxLength":99999},)"
      R"("c":true},"required":["a"]})");
  const auto steps_of = [&](int items, std::size_t bytes) {
    std::int64_t steps = 0;
    // What the schema says nothing of is looked through for names that are there twice, once.
    const auto found =
        schema.mistake_in("{\"a\":[" + repeated(items, "1") + "],\"b\":\"" +
                              std::string(bytes, 'x') + "\",\"c\":[" + repeated(items, "{}") + "]}",
                          &steps);
    EXPECT_FALSE(found) << *found;
    return steps;
  };
  const std::int64_t none = steps_of(0, 0);
  EXPECT_EQ(steps_of(2'000, 0) - none, 2 * (steps_of(1'000, 0) - none));
  EXPECT_EQ(steps_of(0, 64'000) - none, 1'000);
  // No list that a caller sends in earnest is too long.
  EXPECT_LE(steps_of(50'000, 64'000), Schema::kStepsMax);
}

// A long name over many items is put into words only where something is wrong.
TEST(ToolSchema, TellsThePlaceOfWhatIsWrong) {
  const std::string name(50'000, 'n');
  const Schema schema =
      made("{\"properties\":{\"" + name + "\":{\"items\":{\"type\":\"integer\"}}}}");
  EXPECT_FALSE(schema.mistake_in("{\"" + name + "\":[" + repeated(8'000, "1") + "]}"));
  const auto found = schema.mistake_in("{\"" + name + "\":[1,2,\"3\"]}");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, "`" + name + "[2]` is of another type");
}

}  // namespace
}  // namespace tollgate::tools
