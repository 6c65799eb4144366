// What a translation adds to a request of 2 kB, and to a piece of a stream.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>

#include "dialects/request.h"
#include "translation/translation.h"

namespace tollgate::translation {
namespace {

using dialects::Surface;

constexpr Surface kSurfaces[] = {Surface::kChatCompletions, Surface::kMessages,
                                 Surface::kResponses};

std::string padded(std::string text) {
  text.reserve(text.size() + dialects::RequestReader::kPadding);
  return text;
}

// Four turns of prose, 2 kB in all.
std::string body_in(Surface surface) {
  std::string turns;
  for (int i = 0; i < 4; ++i) {
    std::string text;
    while (text.size() < 440) text += "The toll is counted before the gate opens. ";
    turns += fmt::format(R"({}{{"role":"{}","content":"{}"}})", i == 0 ? "" : ",",
                         i % 2 == 0 ? "user" : "assistant", text);
  }
  const bool is_response = surface == Surface::kResponses;
  return padded(fmt::format(R"({{"model":"m","{}":[{}],"{}":99,"stream":true}})",
                            is_response ? "input" : "messages", turns,
                            is_response ? "max_output_tokens" : "max_tokens"));
}

std::string piece_in(Surface surface) {
  if (surface == Surface::kMessages)
    return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
           "\"delta\":{\"type\":\"text_delta\",\"text\":\" counted\"}}\n\n";
  if (surface == Surface::kResponses)
    return "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
           "\"sequence_number\":4,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"
           "\"delta\":\" counted\",\"logprobs\":[]}\n\n";
  return "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
         "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" counted\"},"
         "\"logprobs\":null,\"finish_reason\":null}]}\n\n";
}

// Up to the first piece.
std::string opening_in(Surface surface) {
  if (surface == Surface::kMessages)
    return "data: {\"type\":\"message_start\",\"message\":{\"id\":\"a\"}}\n\ndata: "
           "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"}}"
           "\n\n";
  if (surface == Surface::kResponses)
    return "data: {\"type\":\"response.created\",\"response\":{\"id\":\"a\"}}\n\ndata: "
           "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":"
           "{\"type\":\"message\"}}\n\n";
  return {};
}

Passage passage_of(const benchmark::State& state) {
  return {.asked = kSurfaces[state.range(0)], .spoken = kSurfaces[state.range(1)]};
}

void label(benchmark::State& state) {
  const Passage passage = passage_of(state);
  state.SetLabel(fmt::format("{} by {}", name_of(passage.asked), name_of(passage.spoken)));
}

void request(benchmark::State& state) {
  const Passage passage = passage_of(state);
  const std::string body = body_in(passage.asked);
  RequestTranslator translator;
  std::string out;
  for (auto _ : state) {
    out.clear();
    if (!translator.translate(passage, body, out)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(out.data());
  }
  label(state);
}

void piece(benchmark::State& state) {
  const Passage passage = passage_of(state);
  AnswerTranslator translator;
  const std::string told = piece_in(passage.spoken);
  std::string out;
  const auto begin = [&] {
    translator.start(passage, {.id = "a", .model = "m"});
    if (!translator.feed(opening_in(passage.spoken), out)) state.SkipWithError("broken");
  };
  begin();
  std::int64_t pieces = 0;
  for (auto _ : state) {
    out.clear();
    if (!translator.feed(told, out)) state.SkipWithError("broken");
    benchmark::DoNotOptimize(out.data());
    if (++pieces % 4096 == 0) {  // An answer has an end.
      state.PauseTiming();
      begin();
      state.ResumeTiming();
    }
  }
  label(state);
}

void directions(benchmark::internal::Benchmark* bench) {
  for (int asked = 0; asked < 3; ++asked)
    for (int spoken = 0; spoken < 3; ++spoken)
      if (asked != spoken) bench->Args({asked, spoken});
}
BENCHMARK(request)->Apply(directions);
BENCHMARK(piece)->Apply(directions);

}  // namespace
}  // namespace tollgate::translation
