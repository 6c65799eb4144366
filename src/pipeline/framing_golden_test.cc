// Requests counted as the gateway counts them, against what the models' own templates print
// (tools/framing_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "dialects/request.h"
#include "pipeline/counting.h"

namespace tollgate::pipeline {
namespace {

struct Row {
  std::map<std::string, Tokens> read;  // By template: what its model reads.
  std::string body;
};

std::vector<Row> golden() {
  std::ifstream file(TOLLGATE_SOURCE_DIR "/tests/golden/framing.txt");
  std::string line;
  std::getline(file, line);
  std::istringstream head(line.substr(1));
  const std::vector<std::string> names{std::istream_iterator<std::string>(head), {}};
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    const std::size_t body = line.find('{');
    std::istringstream figures(line.substr(0, body));
    Row row{.read = {}, .body = line.substr(body)};
    std::string figure;
    for (const std::string& name : names)
      if (figures >> figure && figure != "-") row.read[name] = std::stoll(figure);
    rows.push_back(std::move(row));
  }
  return rows;
}

constexpr std::pair<std::string_view, std::string_view> kVocabularies[] = {
    {"llama3", "llama3"},           {"llama3_1", "llama3"},      {"qwen2_5", "qwen2_5"},
    {"deepseek_v3", "deepseek_v3"}, {"mistral", "mistral_nemo"}, {"llama2", "llama2"},
    {"gemma3", "gemma3"},           {"harmony", "o200k_harmony"}};

class FramingGolden : public ::testing::TestWithParam<std::size_t> {
 protected:
  FramingGolden() {
    const auto loaded = vocabularies.ensure(tokenizer);
    EXPECT_TRUE(loaded);
  }

  // What `row` is counted at, by the template of that name.
  Count count(const Row& row, dialects::ChatTemplate chat_template) {
    std::string body = row.body;
    body.append(dialects::RequestReader::kPadding, ' ');
    const auto request = reader.read(dialects::Surface::kChatCompletions,
                                     std::string_view(body).substr(0, row.body.size()));
    EXPECT_TRUE(request) << row.body;
    if (!request) return {};
    tools = !request->tools.empty() || request->turns.calls > 0 || request->turns.tool > 0;
    return counting.input(*request, {tokenizer, chat_template}, kTokensMax, {});
  }

  const std::string name{kVocabularies[GetParam()].first};
  const std::string tokenizer{kVocabularies[GetParam()].second};
  Vocabularies vocabularies{TOLLGATE_VOCABULARIES};
  Counting counting{vocabularies};
  dialects::RequestReader reader;
  bool tools = false;
};

TEST_P(FramingGolden, IsNeverBelowTheTemplateAndNearItWithoutTools) {
  const auto chat_template = dialects::chat_template_named(name);
  ASSERT_TRUE(chat_template);
  std::vector<Tokens> beyond;  // Of conversations without tools.
  int compared = 0;
  for (const Row& row : golden()) {
    const auto read = row.read.find(name);
    if (read == row.read.end()) continue;
    ++compared;
    const Count counted = count(row, *chat_template);
    EXPECT_GE(counted.tokens, read->second) << row.body;
    // What the provider has to report at the least. gpt-oss is not shown all of a definition.
    if (!tools || name != "harmony") {
      EXPECT_LE(counted.tokens - counted.unsure, 2 * read->second) << row.body;
    }
    if (!tools) beyond.push_back(counted.tokens - read->second);
  }
  ASSERT_GE(compared, 150);
  ASSERT_GE(beyond.size(), 80U);
  std::ranges::sort(beyond);
  const Tokens median = name == "llama2" ? 6 : name == "mistral" || name == "harmony" ? 1 : 0;
  EXPECT_LE(beyond[beyond.size() / 2], median);
  EXPECT_LE(beyond[beyond.size() * 9 / 10], name == "llama2" ? 24 : 12);
}

TEST_P(FramingGolden, TheLargestIsNeverBelowAnyTemplate) {
  for (const Row& row : golden()) {
    const auto read = row.read.find(name);
    if (read == row.read.end()) continue;
    const Count counted = count(row, dialects::ChatTemplate::kLargest);
    EXPECT_GE(counted.tokens, read->second) << row.body;
  }
}

std::string name_of_case(const ::testing::TestParamInfo<std::size_t>& info) {
  return std::string(kVocabularies[info.param].first);
}
INSTANTIATE_TEST_SUITE_P(All, FramingGolden,
                         ::testing::Range(std::size_t{0}, std::size(kVocabularies)), name_of_case);

}  // namespace
}  // namespace tollgate::pipeline
