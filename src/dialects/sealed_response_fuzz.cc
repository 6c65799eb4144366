// Any bytes as the answer of a provider that keeps a response: nothing crashes, what names no
// response goes on as it came, and a stream comes out the same however it is cut.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "dialects/sealed_response.h"

using namespace tollgate::dialects;

namespace {

struct Names final : ResponseNames {
  std::string name_of(std::string_view id) const override {
    CHECK(is_response_id(id));
    return "resp_" + std::string(id);
  }
};
const Names kNames;
constexpr SealedResponse::Terms kTerms{
    .names = &kNames, .previous = "resp_0", .previous_name = "resp_before"};

// All of it that can be handed on.
std::string streamed(std::string_view stream, std::size_t step) {
  SealedResponse response(kTerms);
  std::string out;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    if (!response.feed(stream.substr(at, step), out)) break;
  }
  return out;
}

}  // namespace

// The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string input(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string whole;
  const bool is_named = SealedResponse(kTerms).whole(input, whole).has_value();
  if (is_named && input.find("resp_") == std::string::npos) CHECK(whole == input);
  CHECK(streamed(input, 1 + data[0] % 64) == streamed(input, input.size() + 1));
  return 0;
}
