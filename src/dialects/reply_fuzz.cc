// Any whole reply of any surface: read or broken, with usage that is in its bounds.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialects/reply.h"

using namespace tollgate;
using namespace tollgate::dialects;

namespace {

class CountingSink final : public OutputSink {
 public:
  void text(std::int64_t choice, std::string_view piece) override {
    CHECK(choice >= 0);
    CHECK(!piece.empty());
  }
};

class AnyCalls final : public CallSink {
 public:
  void call(const CallPiece& piece) override { CHECK(piece.index >= -1); }
  void unreadable() override {}
  void ended(std::int64_t choice, CallEnd) override { CHECK(choice >= 0); }
  bool stops() const override { return false; }
};

}  // namespace

// The first byte chooses the surface.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ReplyReader reader;
  if (size == 0) return 0;
  const auto surface = static_cast<Surface>(data[0] % kSurfaceCount);
  std::string body(reinterpret_cast<const char*>(data + 1), size - 1);
  body.resize(body.size() + RequestReader::kPadding);
  CountingSink sink;
  AnyCalls calls;
  const auto read =
      reader.read(surface, std::string_view(body).substr(0, size - 1), sink, nullptr, &calls);
  if (!read || !*read) return 0;
  const Usage& usage = **read;
  CHECK(usage.input >= 0 && usage.input <= kTokensMax);
  CHECK(usage.output >= 0 && usage.output <= kTokensMax);
  CHECK(usage.cached_input >= 0 && usage.cached_input <= usage.input);
  CHECK(usage.reasoning >= 0 && usage.reasoning <= usage.output);
  return 0;
}
