#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tollgate::config {
namespace {

std::string told(std::string_view text) {
  std::vector<Problem> problems;
  parse_tree(text, "t", problems);
  std::string all;
  for (const Problem& problem : problems) all += format(problem) + "\n";
  return all;
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(YamlTree, KnowsWhereEverythingStands) {
  std::vector<Problem> problems;
  const Node root = parse_tree("a:\n  b: [x, {c: 'd'}]\n  e: ~\n", "t", problems);
  ASSERT_TRUE(problems.empty());
  const Node* c = find_path(root, "a.b[1].c");
  EXPECT_EQ(c->text, "d");
  EXPECT_EQ(c->line, 2);
  EXPECT_EQ(c->column, 14);
  EXPECT_EQ(c->key_column, 11);
  EXPECT_EQ(find_path(root, "a.e")->kind, NodeKind::kNothing);
  EXPECT_EQ(find_path(root, "a.b[7].c")->kind, NodeKind::kSequence);
  EXPECT_EQ(find_path(root, "")->children.size(), 1u);
}

TEST(YamlTree, FindsKeysThatHoldDots) {
  std::vector<Problem> problems;
  const Node root = parse_tree("gpt: {x: 1}\ngpt-4.1: {y: 2}\ngpt-4: {y: 3}\n", "t", problems);
  EXPECT_EQ(find_path(root, "gpt-4.1.y")->text, "2");
  EXPECT_EQ(find_path(root, "gpt-4.y")->text, "3");
}

TEST(YamlTree, RefusesWhatAConfigurationDoesNotNeed) {
  EXPECT_EQ(told("a: 1\nb: 2\na: 3\n"),
            "t:3:1: key `a` is on line 1 already: keep one of the two\n");
  EXPECT_EQ(told("a: &x 1\nb: *x\n"),
            "t:1:4: anchors are not accepted: write the value where it is meant, remove `&`\n"
            "t:2:4: aliases are not accepted: write the value where it is meant, remove `*`\n");
  EXPECT_EQ(told("a: !!str 1\n"),
            "t:1:4: tags are not accepted: the field decides the type, remove `!`\n");
  EXPECT_EQ(told("a: 1\n---\nb: 1\n"),
            "t:2:1: a second document begins here: the file holds only one\n");
  EXPECT_EQ(told("[a]: 1\n"), "t:1:1: a key must be a word\n");
  EXPECT_EQ(told("a: [1\n"),
            "t:2:1: not valid YAML: did not find expected ',' or ']', while parsing a flow "
            "sequence\n");
  EXPECT_NE(told("a: \xff\n"), "");
  EXPECT_NE(told(std::string_view("a: \0\n", 5)), "");
}

TEST(YamlTree, HasBounds) {
  EXPECT_EQ(told(nested(kDepthMax + 1)), "");
  EXPECT_EQ(told(nested(kDepthMax + 2)),
            "t:1:34: nested deeper than 32: the rest of the file is not read\n");
  EXPECT_NE(told(std::string(500'000, '[')), "");
  std::string many = "[";
  for (int i = 0; i < kNodesMax; ++i) many += "1,";
  EXPECT_NE(told(many + "]").find("more than 100000 values"), std::string::npos);
  EXPECT_EQ(told(std::string(kTextBytesMax + 1, ' ')), "t:1:1: the file is larger than 1 MiB\n");
}

TEST(YamlTree, TellsNoMoreThanSomebodyCanRead) {
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += "a: 1\n";
  const Loaded loaded = load_text(text, "t", process_environment());
  ASSERT_EQ(loaded.problems.size(), 200u);
  EXPECT_TRUE(loaded.problems.back().message.ends_with("(and 4803 more problems, not shown)"));
}

TEST(YamlTree, CutsWhatItShowsBetweenCharacters) {
  Node node;
  node.kind = NodeKind::kScalar;
  for (int i = 0; i < 40; ++i) node.written += "é";
  node.written.insert(0, "x");
  EXPECT_EQ(describe(node).size(), 1 + 59 + std::string("…").size() + 1);
}

}  // namespace
}  // namespace tollgate::config
