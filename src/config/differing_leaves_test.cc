#include "config/differing_leaves.h"

#include <gtest/gtest.h>

#include <random>

namespace tollgate::config {
namespace {

struct Case {
  const char* name;
  const char* before;
  const char* after;
  const char* differs;
};

class Differing : public testing::TestWithParam<Case> {};

TEST_P(Differing, LeavesAreTold) {
  EXPECT_EQ(differing_leaves_json(GetParam().before, GetParam().after), GetParam().differs);
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, Differing,
    testing::Values(
        Case{"Nothing", R"({"version":"a","x":1})", R"({"version":"b","x":1})", "[]"},
        Case{"AScalar", R"({"audit":{"keep":"1d"}})", R"({"audit":{"keep":"2d"}})",
             R"([{"path":"audit.keep","before":"1d","after":"2d"}])"},
        Case{"ANewOne", R"({"a":1})", R"({"a":1,"b":{"c":null}})",
             R"([{"path":"b.c","after":null}])"},
        Case{"AnOldOne", R"({"a":1,"b":{"c":2}})", R"({"a":1})", R"([{"path":"b.c","before":2}])"},
        Case{"AList", R"({"a":[1,2]})", R"({"a":[2]})",
             R"([{"path":"a","before":[1,2],"after":[2]}])"},
        Case{"ARouteBeforeOthers", R"({"routes":[{"name":"b","x":1}]})",
             R"({"routes":[{"name":"a","x":0},{"name":"b","x":2}]})",
             R"([{"path":"routes[a].name","after":"a"},{"path":"routes[a].x","after":0},)"
             R"({"path":"routes[b].x","before":1,"after":2}])"},
        Case{"NamesTwice", R"({"routes":[{"name":"a"},{"name":"a"}]})", R"({"routes":[]})",
             R"([{"path":"routes","before":[{"name":"a"},{"name":"a"}],"after":[]}])"},
        Case{"AnOddName", R"({"tenants":{"a.b":1}})", R"({"tenants":{"a.b":2}})",
             R"([{"path":"tenants[\"a.b\"]","before":1,"after":2}])"},
        Case{"AnEmptyObject", R"({"limits":{}})", R"({"limits":{"route":{"x":1}}})",
             R"([{"path":"limits","before":{}},{"path":"limits.route.x","after":1}])"},
        Case{"NoJson", "{", R"({"a":1})", R"([{"path":"a","after":1}])"},
        Case{"NothingAtAll", "", "", "[]"}),
    [](const auto& one) { return one.param.name; });

// A configuration differs from itself in nothing, and from any other in the same paths both ways.
TEST(DifferingLeaves, TellTheSameBothWaysForAnyTwo) {
  std::mt19937_64 random{11};
  const auto any = [&random] {
    std::string text = "{\"version\":\"" + std::to_string(random()) + "\"";
    for (const char* name : {"a", "b", "c"}) {
      if (random() % 4 == 0) continue;
      text += std::string(",\"") + name + "\":{\"x\":" + std::to_string(random() % 2) +
              ",\"routes\":[{\"name\":\"r" + std::to_string(random() % 2) + "\"}]}";
    }
    return text + "}";
  };
  for (int step = 0; step < 500; ++step) {
    SCOPED_TRACE(step);
    const std::string one = any();
    const std::string other = any();
    EXPECT_TRUE(differing_leaves(one, one).empty());
    const std::vector<DifferingLeaf> there = differing_leaves(one, other);
    const std::vector<DifferingLeaf> back = differing_leaves(other, one);
    ASSERT_EQ(there.size(), back.size());
    for (std::size_t i = 0; i < there.size(); ++i) {
      EXPECT_EQ(there[i].path, back[i].path);
      EXPECT_EQ(there[i].before, back[i].after);
      EXPECT_EQ(there[i].after, back[i].before);
      EXPECT_NE(there[i].before, there[i].after);
    }
  }
}

}  // namespace
}  // namespace tollgate::config
