// Arbitrary first bytes of a connection: a header is read from its own bytes alone, however many
// follow, and what was malformed once stays so.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::net;
  using State = ProxyHeader::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ProxyHeader whole = read_proxy_header(bytes);
  if (whole.state == State::kComplete) {
    CHECK(whole.length > 0 && whole.length <= size && whole.length <= kProxyHeaderBytesMax);
    const ProxyHeader alone = read_proxy_header(bytes.substr(0, whole.length));
    CHECK(alone.state == State::kComplete && alone.length == whole.length);
    CHECK(alone.client == whole.client);
    CHECK(read_proxy_header(bytes.substr(0, whole.length - 1)).state == State::kMore);
  }
  if (whole.state == State::kMore) CHECK(size < kProxyHeaderBytesMax);
  for (std::size_t part = 0; part < size && part < 300; ++part) {
    const State state = read_proxy_header(bytes.substr(0, part)).state;
    if (state == State::kMalformed) CHECK(whole.state == State::kMalformed);
    if (state == State::kComplete) CHECK(whole.state == State::kComplete);
  }
  return 0;
}
