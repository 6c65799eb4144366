// What reading and writing costs: a chat body of 2 KB, one of 64 KB, one with tools, the framing
// of one, and one streamed event.
#include <benchmark/benchmark.h>

#include <string>

#include "dialects/framing.h"
#include "dialects/reply.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

std::string chat_body(std::size_t bytes) {
  std::string body =
      R"({"model":"small","temperature":0.7,"stream":true,"max_tokens":256,"messages":[)"
      R"({"role":"system","content":"You are a helpful assistant.\nBe brief."})";
  while (body.size() + 200 < bytes)
    body += R"(,{"role":"user","content":"The quick brown fox jumps over the lazy dog, and the )"
            R"(dog does not mind; it has seen \"foxes\" before.\nWhat would you tell them both, )"
            R"(if they asked you for the way to the river and back before it is dark?"})";
  return body + "]}";
}

void read_request(benchmark::State& state) {
  std::string body = chat_body(static_cast<std::size_t>(state.range(0)));
  const std::size_t size = body.size();
  body.resize(size + RequestReader::kPadding);
  RequestReader reader;
  for (auto _ : state) {
    auto read = reader.read(Surface::kChatCompletions, std::string_view(body).substr(0, size));
    benchmark::DoNotOptimize(read);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(read_request)->Arg(2048)->Arg(65536);

void read_tools(benchmark::State& state) {
  std::string body = chat_body(1024);
  body.pop_back();
  body += R"(,"tools":[)";
  while (body.size() < static_cast<std::size_t>(state.range(0)))
    body += R"({"type":"function","function":{"name":"get_weather","description":"The weather in )"
            R"(a city, as it is now.","parameters":{"type":"object","properties":{"city":{"type":)"
            R"("string","description":"The city and its country."},"unit":{"type":"string","enum":)"
            R"(["celsius","fahrenheit"]}},"required":["city"]}}},)";
  body.back() = ']';
  body += '}';
  const std::size_t size = body.size();
  body.resize(size + RequestReader::kPadding);
  RequestReader reader;
  for (auto _ : state) {
    auto read = reader.read(Surface::kChatCompletions, std::string_view(body).substr(0, size));
    benchmark::DoNotOptimize(read);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(read_tools)->Arg(8192);

void frame_request(benchmark::State& state) {
  std::string body = chat_body(65536);
  const std::size_t size = body.size();
  body.resize(size + RequestReader::kPadding);
  RequestReader reader;
  const auto read = reader.read(Surface::kChatCompletions, std::string_view(body).substr(0, size));
  if (!read) state.SkipWithError("refused");
  auto chat_template = ChatTemplate::kLlama3_1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(chat_template);
    auto framing = framing_of(*read, chat_template);
    benchmark::DoNotOptimize(framing);
  }
}
BENCHMARK(frame_request);

void write_request(benchmark::State& state) {
  std::string body = chat_body(static_cast<std::size_t>(state.range(0)));
  const std::size_t size = body.size();
  body.resize(size + RequestReader::kPadding);
  RequestReader reader;
  const auto read = reader.read(Surface::kChatCompletions, std::string_view(body).substr(0, size));
  if (!read) state.SkipWithError("refused");
  std::string out;
  for (auto _ : state) {
    out.clear();
    reader.write({.model = "llama", .output_tokens = 128}, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(write_request)->Arg(2048)->Arg(65536);

class NullSink final : public OutputSink {
 public:
  void text(std::int64_t, std::string_view piece) override { bytes += piece.size(); }
  std::size_t bytes = 0;
};

void feed_event(benchmark::State& state) {
  constexpr std::string_view kEvent =
      "data: {\"id\":\"chatcmpl-AbCdEfGhIjKlMnOp\",\"object\":\"chat.completion.chunk\","
      "\"created\":1764000000,\"model\":\"llama-3.1-8b\",\"system_fingerprint\":\"fp_1\","
      "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,"
      "\"finish_reason\":null}]}\n\n";
  StreamReader reader;
  reader.start(Surface::kChatCompletions, false);
  NullSink sink;
  std::string out;
  for (auto _ : state) {
    out.clear();
    auto fed = reader.feed(kEvent, out, sink);
    benchmark::DoNotOptimize(fed);
  }
}
BENCHMARK(feed_event);

}  // namespace
}  // namespace tollgate::dialects
