// What inspecting a streamed answer costs: each row reads the events of an answer of 400 chunks,
// without the filter and with it. The counter tells a chunk; the difference is the filter's.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/stream_filter.h"

namespace tollgate::pipeline {
namespace {

constexpr int kChunks = 400;

class NoOutput final : public dialects::OutputSink {
 public:
  void text(std::int64_t, std::string_view) override {}
};

std::vector<std::string> chunks_of(const std::vector<std::string_view>& tokens) {
  std::vector<std::string> made;
  for (int i = 0; i < kChunks; ++i) {
    made.push_back(
        R"(data: {"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1764200000,)"
        R"("model":"llama-8b","choices":[{"index":0,"delta":{"content":")" +
        std::string(tokens[static_cast<std::size_t>(i) % tokens.size()]) +
        R"("},"logprobs":null,"finish_reason":null}]})"
        "\n\n");
  }
  return made;
}

const std::vector<std::string>& english() {
  static const std::vector<std::string> made = chunks_of(
      {"The", " risk", "-based", " plan", " for", " the",  " desk", " was", " rotated", " in",
       " ",   "2024",  ",",      " and",  " the", " keys", " were", " not", ".",        "\\n"});
  return made;
}
const std::vector<std::string>& chinese() {
  static const std::vector<std::string> made =
      chunks_of({"\u8bf7", "\u603b\u7ed3", "\u8fd9\u4e2a", "\u8ba1\u5212", "\u3002"});
  return made;
}
const std::vector<std::string>& code() {
  static const std::vector<std::string> made = chunks_of(
      {"const", " sk", "_key", " =", " \\\"", "ghp", "_", "x1", "\\\";", "\\n", "  ", "A", "B64"});
  return made;
}
// All of it one run that could be a token to its end.
const std::vector<std::string>& one_run() {
  static const std::vector<std::string> made = [] {
    std::vector<std::string> chunks = chunks_of({"Ab1", "_x9", "Zk2"});
    chunks[0] = chunks_of({"eyJhbGciOiJIUzI1NiJ9."})[0];
    return chunks;
  }();
  return made;
}

void read_only(benchmark::State& state, const std::vector<std::string>& chunks) {
  dialects::StreamReader reader;
  NoOutput output;
  std::string out;
  for (auto _ : state) {
    reader.start(dialects::Surface::kChatCompletions, false);
    for (const std::string& chunk : chunks) {
      out.clear();
      benchmark::DoNotOptimize(reader.feed(chunk, out, output));
    }
  }
  state.SetItemsProcessed(state.iterations() * kChunks);
}

const std::vector<content::Pack> kSecrets = {content::Pack::kSecrets};
const std::vector<content::Pack> kAll = {content::Pack::kSecrets, content::Pack::kPii,
                                         content::Pack::kSpecialTokens};

void filtered(benchmark::State& state, const std::vector<std::string>& chunks,
              const std::vector<content::Pack>& packs) {
  config::Route route;
  route.name = "chat";
  route.content.response = packs;
  content::resolve(route.content, content::all_rules());
  const SharedRules rules = *content::Rules::compile(route.content.response);
  content::Scanner scanner;
  dialects::StreamReader reader;
  NoOutput output;
  std::string event;
  std::string out;
  for (auto _ : state) {
    reader.start(dialects::Surface::kChatCompletions, false, {}, dialects::Holding::kYes);
    StreamFilter filter(route, scanner, rules);
    for (const std::string& chunk : chunks) {
      event.clear();
      out.clear();
      benchmark::DoNotOptimize(reader.feed(chunk, event, output, &filter));
      benchmark::DoNotOptimize(filter.take(event, reader.events(), out));
      reader.handed_on(filter.handed_on());
    }
  }
  state.SetItemsProcessed(state.iterations() * kChunks);
}

BENCHMARK_CAPTURE(read_only, english, english());
BENCHMARK_CAPTURE(filtered, english, english(), kSecrets);
BENCHMARK_CAPTURE(filtered, english_all_packs, english(), kAll);
BENCHMARK_CAPTURE(read_only, chinese, chinese());
BENCHMARK_CAPTURE(filtered, chinese, chinese(), kSecrets);
BENCHMARK_CAPTURE(filtered, chinese_all_packs, chinese(), kAll);
BENCHMARK_CAPTURE(read_only, code, code());
BENCHMARK_CAPTURE(filtered, code, code(), kSecrets);
BENCHMARK_CAPTURE(filtered, code_all_packs, code(), kAll);
BENCHMARK_CAPTURE(read_only, one_run, one_run());
BENCHMARK_CAPTURE(filtered, one_run, one_run(), kSecrets);
BENCHMARK_CAPTURE(filtered, one_run_all_packs, one_run(), kAll);

}  // namespace
}  // namespace tollgate::pipeline
