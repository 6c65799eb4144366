#include "pipeline/mcp_inspect.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "config/load.h"

namespace tollgate::pipeline {
namespace {

using Of = McpInspection::Of;
using dialects::McpText;

// In two parts, so that no scanner of repositories takes it for one.
const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

std::shared_ptr<const config::Config> config_with(std::string_view content) {
  const std::string text = fmt::format(R"(
store: {{ ledger: memory }}
authentication: {{ api_keys: {{}} }}
upstreams: {{}}
models: {{}}
tenants: {{ acme: {{}} }}
limits: {{ tenant_id: {{ requests_per_minute: 60 }} }}
routes:
  - name: docs
    path: /mcp/docs
    allow: [{{ tenants: [acme] }}]
    content: {{ {} }}
    mcp: {{ url: "http://127.0.0.1:7000/mcp", tools: {{ allow: [search] }} }}
)",
                                       content);
  auto loaded = config::load_text(text, "t.yaml", [](const std::string&) { return std::nullopt; });
  for (const config::Problem& problem : loaded.problems) ADD_FAILURE() << format(problem);
  return loaded.config;
}

class McpInspectionTest : public testing::Test {
 protected:
  explicit McpInspectionTest(std::string_view content = "request: [secrets], response: [secrets]")
      : config_(config_with(content)) {}
  const config::Route& route() const { return config_->routes.at(0); }
  McpInspection inspection(Of of) { return {route(), scanner_, config_->content_rules, of}; }
  static bool passes(McpInspection& inspection, std::string_view text,
                     std::string_view place = "params.arguments", McpText kind = McpText::kWhole) {
    inspection.begin();
    inspection.text(place, text, kind);
    return inspection.passes();
  }

  std::shared_ptr<const config::Config> config_;
  content::Scanner scanner_;
};

TEST_F(McpInspectionTest, RefusesWhatIsFoundWithItsPlaceAndNeverItself) {
  for (const Of of : {Of::kRequest, Of::kAnswer}) {
    McpInspection reads = inspection(of);
    EXPECT_TRUE(passes(reads, "nothing"));
    EXPECT_FALSE(reads.refusal());
    EXPECT_FALSE(passes(reads, "key " + kKey));
    ASSERT_TRUE(reads.refusal());
    EXPECT_EQ(reads.refusal()->reason, Reason::kContentRefused);
    EXPECT_EQ(reads.refusal()->rule, "routes.docs.content");
    EXPECT_NE(reads.refusal()->message.find("secrets.aws_access_key"), std::string::npos);
    EXPECT_EQ(reads.refusal()->message.find(kKey), std::string::npos);
    ASSERT_EQ(reads.verdict().found.size(), 1U);
    EXPECT_EQ(reads.verdict().found.front().where, "params.arguments:4+20");
    EXPECT_EQ(reads.verdict().found.front().action, "refuse");
  }
}

// One that did not pass says nothing about the next.
TEST_F(McpInspectionTest, JudgesEachMessageByItself) {
  McpInspection reads = inspection(Of::kAnswer);
  EXPECT_FALSE(passes(reads, kKey, "result.tools[0].description"));
  EXPECT_TRUE(passes(reads, "fine", "result.tools[1].description"));
  EXPECT_FALSE(reads.refusal());
  EXPECT_FALSE(passes(reads, kKey, "result.tools[2].description"));
  ASSERT_EQ(reads.verdict().found.size(), 2U);
  EXPECT_EQ(reads.verdict().found.back().where, "result.tools[2].description:0+20");
}

TEST_F(McpInspectionTest, ReadsAJsonOnceAndNotItsParts) {
  McpInspection reads = inspection(Of::kRequest);
  reads.begin();
  reads.text("params.arguments", R"({"key":")" + kKey + R"("})", McpText::kJson);
  reads.text("params.arguments", kKey, McpText::kPartOfJson);
  EXPECT_FALSE(reads.passes());
  EXPECT_EQ(reads.verdict().found.size(), 1U);
}

TEST_F(McpInspectionTest, PassesNothingWhereThereAreNoRules) {
  const SharedRules none;
  McpInspection reads(route(), scanner_, none, Of::kRequest);
  EXPECT_FALSE(passes(reads, "nothing"));
  EXPECT_EQ(reads.refusal()->reason, Reason::kContentRefused);
  EXPECT_TRUE(reads.verdict().unread);
}

TEST_F(McpInspectionTest, KeepsABoundedNumberOfFindings) {
  McpInspection reads = inspection(Of::kAnswer);
  for (std::size_t i = 0; i < 2 * content::Scanner::kFindingsMax; ++i) {
    EXPECT_FALSE(passes(reads, kKey));
  }
  EXPECT_EQ(reads.verdict().found.size(), content::Scanner::kFindingsMax);
}

class McpObservation : public McpInspectionTest {
 protected:
  McpObservation() : McpInspectionTest("request: [secrets], mode: observe") {}
};

TEST_F(McpObservation, TellsAndLetsPass) {
  EXPECT_TRUE(McpInspection::inspects(route(), Of::kRequest));
  EXPECT_FALSE(McpInspection::inspects(route(), Of::kAnswer));
  McpInspection reads = inspection(Of::kRequest);
  EXPECT_TRUE(passes(reads, kKey));
  EXPECT_EQ(reads.verdict().inspected, Inspected::kObserved);
  EXPECT_EQ(reads.verdict().found.front().action, "observe");
  const SharedRules none;
  McpInspection unread(route(), scanner_, none, Of::kRequest);
  EXPECT_TRUE(passes(unread, "nothing"));
  EXPECT_EQ(unread.verdict().inspected, Inspected::kObserved);
}

}  // namespace
}  // namespace tollgate::pipeline
