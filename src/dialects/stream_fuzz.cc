// Any stream, fed whole and in pieces: the same bytes, text, calls and end; and an ending after it
// that reads as finished.
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/check.h"
#include "dialects/reply.h"

using namespace tollgate;
using namespace tollgate::dialects;

namespace {

class RememberingSink final : public OutputSink {
 public:
  void text(std::int64_t choice, std::string_view piece) override { told[choice] += piece; }
  std::map<std::int64_t, std::string> told;
};

class RememberingCalls final : public CallSink {
 public:
  void call(const CallPiece& piece) override {
    told[{piece.choice, piece.index}].append(piece.type).append(piece.name).append(piece.arguments);
  }
  void unreadable() override { ++unread; }
  void ended(std::int64_t choice, CallEnd) override { ++ends[choice]; }
  bool stops() const override { return false; }
  bool operator==(const RememberingCalls& other) const {
    return told == other.told && ends == other.ends && unread == other.unread;
  }

  std::map<std::pair<std::int64_t, std::int64_t>, std::string> told;
  std::map<std::int64_t, int> ends;
  int unread = 0;
};

struct Passed {
  std::string out;
  RememberingSink sink;
  RememberingCalls calls;
  bool broken = false;
  bool finished = false;
};

// Pieces of `step` bytes, growing by one each, so that cuts fall everywhere.
Passed pass(StreamReader& reader, std::string_view stream, std::size_t step) {
  Passed passed;
  while (!passed.broken) {
    const auto fed =
        reader.feed(stream.substr(0, step), passed.out, passed.sink, nullptr, &passed.calls);
    passed.broken = !fed;
    passed.finished = fed && *fed == StreamState::kFinished;
    if (stream.size() <= step) break;
    stream.remove_prefix(step++);
  }
  return passed;
}

}  // namespace

// The first byte chooses the surface, whether usage was asked, and the first cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static StreamReader reader;
  if (size == 0) return 0;
  constexpr Surface kSurfaces[] = {Surface::kChatCompletions, Surface::kCompletions,
                                   Surface::kMessages, Surface::kResponses};
  const bool is_transcript = (data[0] & 0x80) != 0;
  const Surface surface =
      is_transcript ? Surface::kTranscriptions : kSurfaces[data[0] % std::size(kSurfaces)];
  const bool usage_asked = (data[0] & 0x40) != 0;
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);

  reader.start(surface, usage_asked);
  const Passed cut = pass(reader, stream, 1 + data[0] % 7);
  const auto usage_cut = reader.usage();
  const ToolCalls calls_cut = reader.tool_calls();
  reader.start(surface, usage_asked);
  Passed whole = pass(reader, stream, size);
  CHECK(cut.out == whole.out);
  CHECK(cut.sink.told == whole.sink.told);
  CHECK(cut.calls == whole.calls);
  CHECK(cut.broken == whole.broken);
  CHECK(cut.finished == whole.finished);
  CHECK(usage_cut.has_value() == reader.usage().has_value());
  if (usage_cut) CHECK(usage_cut->output == reader.usage()->output);
  CHECK(calls_cut.of == reader.tool_calls().of);
  if (is_transcript) return 0;  // It has no ending of ours.

  reader.end(Ending::kLength, {.input = 1, .output = 1}, whole.out);
  reader.start(surface, usage_asked);
  const Passed ended = pass(reader, whole.out, whole.out.size() + 1);
  CHECK(!ended.broken);
  CHECK(ended.finished);
  CHECK(ended.sink.told == whole.sink.told);
  return 0;
}
