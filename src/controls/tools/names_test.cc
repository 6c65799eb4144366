#include "controls/tools/names.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::tools {
namespace {

using Entries = std::vector<std::string>;

TEST(ToolNames, LetInWhatIsNamedAndNothingElse) {
  const struct {
    Entries allow;
    Tool tool;
    bool allowed;
  } cases[] = {
      {{}, {"function", "search"}, false},
      {{"search"}, {"function", "search"}, true},
      {{"search"}, {"custom", "search"}, true},
      {{"search"}, {"function", "Search"}, false},
      {{"search"}, {"function", "se\u0430rch"}, false},
      {{"search"}, {"function", "search\u200b"}, false},
      {{"search"}, {"function", "search_all"}, false},
      {{"search"}, {"function", "web_search"}, false},
      {{"search"}, {"function", ""}, false},
      {{"search*"}, {"function", "search_all"}, true},
      {{"search*"}, {"function", "search"}, true},
      {{"search*"}, {"function", "research"}, false},
      {{"*_ro"}, {"function", "files_ro"}, true},
      {{"*_ro"}, {"function", "files_ro2"}, false},
      {{"*"}, {"function", "anything"}, true},
      {{"*"}, {"function", ""}, false},
      // A provider's own tool: by its whole type or its family, and by no pattern.
      {{"*"}, {"web_search_20250305", "web_search"}, false},
      {{"web*"}, {"web_search_20250305", "web_search"}, false},
      {{"web_search"}, {"web_search_20250305", "web_search"}, false},
      // A bare word is a name, also where it is the whole type of a provider's own tool.
      {{"web_search"}, {"web_search", ""}, false},
      {{"shell", "local_shell", "mcp", "computer"}, {"shell", ""}, false},
      {{"mcp"}, {"mcp", ""}, false},
      {{"shell"}, {"function", "shell"}, true},
      {{"web_search_20250305"}, {"web_search_20250305", "web_search"}, false},
      {{"type:web_search_20250305"}, {"web_search_20250305", "web_search"}, true},
      {{"type:web_search_20250305"}, {"web_search_20260209", "web_search"}, false},
      {{"type:web_search_20250305"}, {"web_search", ""}, false},
      {{"type:teleport_20270101"}, {"teleport_20270101", ""}, true},
      {{"type:teleport_20270101"}, {"function", "teleport_20270101"}, false},
      {{"type:web_search"}, {"web_search_20250305", "web_search"}, true},
      {{"type:web_search"}, {"web_search_preview_2025_03_11", ""}, true},
      {{"type:web_search"}, {"web_search_and_shell_20250305", ""}, false},
      {{"type:web_search"}, {"function", "web_search"}, false},
      {{"type:bash"}, {"code_execution_20250825", "bash"}, false},
      {{"*"}, {"mcp", ""}, false},
      {{"type:mcp"}, {"mcp", ""}, true},
      {{"type:mcp"}, {"mcp_toolset", ""}, false},
      {{"*"}, {"", "search"}, false},
  };
  for (const auto& [allow, tool, allowed] : cases) {
    SCOPED_TRACE(std::string(tool.type) + " " + std::string(tool.name));
    EXPECT_EQ(NameSet(allow).lets_in(tool), allowed);
    bool by_one = false;
    for (const std::string& entry : allow) by_one = by_one || lets_in(entry, tool);
    EXPECT_EQ(by_one, allowed);
  }
}

TEST(ToolNames, KeepOutByWhateverAToolIsCalled) {
  const NameSet deny({"bash", "delete_*", "type:computer"});
  EXPECT_TRUE(deny.keeps_out({"function", "bash"}));
  EXPECT_TRUE(deny.keeps_out({"bash_20250124", "bash"}));
  // Who denies a word means all that is called so.
  EXPECT_TRUE(deny.keeps_out({"bash", ""}));
  EXPECT_TRUE(deny.keeps_out({"function", "delete_users"}));
  EXPECT_TRUE(deny.keeps_out({"computer_20250124", "computer"}));
  EXPECT_FALSE(deny.keeps_out({"function", "computer"}));
  EXPECT_FALSE(deny.keeps_out({"function", "undelete"}));
}

// A provider's own tool may have no name: then it is called by its type alone.
TEST(ToolNames, KeepOutToolsWithoutANameInEveryVersion) {
  const struct {
    std::string_view deny;
    Tool tool;
    bool kept_out;
  } cases[] = {
      {"*", {"web_search_20250305", ""}, true},
      {"*", {"mcp", ""}, true},
      {"*", {"teleport_20270101", ""}, true},
      {"*", {"function", "get_order"}, true},
      {"web_search", {"web_search", ""}, true},
      {"web_search", {"web_search_20250305", ""}, true},
      {"web_search", {"web_search_preview", ""}, true},
      {"web_search", {"web_search_preview_2025_03_11", ""}, true},
      {"web_search", {"web_search_20250305", "search"}, true},
      {"web_search", {"web_fetch_20250910", ""}, false},
      {"web_search", {"function", "web_search_20250305"}, false},
      {"web_search_20250305", {"web_search_20250305", ""}, true},
      {"web_search_20250305", {"web_search_20260209", ""}, false},
      {"web_*", {"web_search_preview", ""}, true},
      {"web_*", {"web_fetch_20250910", ""}, true},
      {"web_*", {"code_interpreter", ""}, false},
      {"*_search", {"web_search_20250305", ""}, true},
      {"*_search", {"file_search", ""}, true},
      {"*_search", {"mcp", ""}, false},
      {"computer", {"computer_use_preview", ""}, false},
      {"type:mcp", {"function", "mcp"}, false},
  };
  for (const auto& [deny, tool, kept_out] : cases) {
    SCOPED_TRACE(std::string(deny) + ": " + std::string(tool.type));
    EXPECT_EQ(NameSet({std::string(deny)}).keeps_out(tool), kept_out);
  }
}

TEST(ToolNames, AreKnownByTheirFamily) {
  const struct {
    std::string_view type, family;
  } cases[] = {{"web_search_20250305", "web_search"},
               {"web_search_2025_08_26", "web_search"},
               {"web_search_preview", "web_search"},
               {"web_search", "web_search"},
               {"computer_use_preview", "computer_use"},
               {"computer_20251124", "computer"},
               {"tool_search_tool_regex_20251119", "tool_search_tool_regex"},
               {"code_execution_20260521", "code_execution"},
               {"text_editor_20250728", "text_editor"},
               {"web_search_", ""},
               {"web_search__", ""},
               {"web_search_20250305x", ""},
               {"function", ""},
               {"", ""},
               {"teleport_20270101", ""}};
  for (const auto& [type, family] : cases) EXPECT_EQ(family_of(type), family) << type;
}

TEST(ToolNames, TellAMistake) {
  for (const std::string_view entry : {"search", "search_*", "*_ro", "*", "type:mcp", "a.b-c_D9",
                                       "type:web_search_20250305", "type:teleport_20270101"}) {
    EXPECT_EQ(NameSet::mistake_in(entry), "") << entry;
  }
  for (const std::string_view entry :
       {"", "**", "a*b", "*a*", "se\u0430rch", "a b", "type:", "type:x", "type:web_search*",
        "type:web_serch", "type:_20270101", "type:t\u0435leport_20270101"}) {
    EXPECT_NE(NameSet::mistake_in(entry), "") << entry;
  }
  EXPECT_NE(NameSet::mistake_in("type:web").find("web_search"), std::string::npos);
}

TEST(ToolNames, OfMetricsAreAsTheSetNamesThem) {
  const NameSet set({"search", "type:web_search", "type:bash_20250124"});
  EXPECT_EQ(set.named("search"), "search");
  EXPECT_EQ(set.named("web_search_20250305"), "web_search");
  EXPECT_EQ(set.named("bash_20250124"), "bash_20250124");
  EXPECT_EQ(set.named("bash_20241022"), "");
}

TEST(ToolNames, AreThoseThatLookLikeWhatTheyAre) {
  EXPECT_TRUE(is_name("get_weather"));
  EXPECT_TRUE(is_name(std::string(128, 'a')));
  EXPECT_FALSE(is_name(std::string(129, 'a')));
  for (const std::string_view name : {"", "a b", "a\u00a0b", "\u0430", "a\n", "a:b", "a/b", "a*"}) {
    EXPECT_FALSE(is_name(name)) << name;
  }
}

// However the entries are: the set says what they say one by one.
TEST(ToolNames, SayTheSameTogetherAsOneByOne) {
  std::mt19937_64 random{11};
  const auto word = [&] {
    std::string made;
    for (std::size_t i = 0; i < 1 + random() % 4; ++i)
      made += static_cast<char>('a' + random() % 2);
    return made;
  };
  for (int round = 0; round < 2'000; ++round) {
    Entries entries;
    for (std::size_t i = 0; i < random() % 6; ++i) {
      const std::string_view around[] = {"", "*"};
      const std::size_t which = random() % 3;
      entries.push_back(std::string(around[which == 1]) + word() + std::string(around[which == 2]));
    }
    const NameSet set(entries);
    for (int i = 0; i < 20; ++i) {
      const std::string name = word();
      const Tool tool{"function", name};
      bool by_one = false;
      for (const std::string& entry : entries) by_one = by_one || lets_in(entry, tool);
      ASSERT_EQ(set.lets_in(tool), by_one) << name;
    }
  }
}

}  // namespace
}  // namespace tollgate::tools
