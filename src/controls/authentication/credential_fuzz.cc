// Arbitrary credential headers: nothing crashes, and whatever reads as a key is one in shape.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "controls/authentication/authentication.h"

// The input is up to three headers, each on its own line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate;
  using namespace tollgate::authentication;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&rest] {
    const std::string_view first = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(first.size() == rest.size() ? first.size() : first.size() + 1);
    return first;
  };
  CredentialHeaders headers;
  headers.authorization = line();
  headers.x_api_key = line();
  headers.api_key = line();
  const Expected<std::string_view> credential = find_credential(headers);
  if (!credential) {
    CHECK(!credential.error().message.empty());
    return 0;
  }
  CHECK(!credential->empty());
  if (const Expected<std::string_view> id = read_key(*credential)) {
    CHECK(id->size() == kKeyIdLength && credential->size() == kKeyLength);
    CHECK(credential->find_first_of(std::string_view("\0 \t\r", 4)) == std::string_view::npos);
  } else {
    CHECK(id.error().reason == Reason::kInvalidCredential);
  }
  return 0;
}
