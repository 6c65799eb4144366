// Whatever an issuer answers to a login: its metadata, and what a code is exchanged for.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "controls/authentication/code_flow.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::authentication;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto places = read_login_places(text, "https://login.example.com")) {
    const std::string url = authorization_url(
        *places, {"tollgate", "http://127.0.0.1:9900/admin/callback", "openid", "s", "n", "v"});
    // It becomes a head line.
    for (const char c : url) CHECK(c > 0x20 && c < 0x7F);
  }
  if (const auto exchanged = read_exchange(text)) {
    CHECK(!exchanged->id_token.empty());
    TokenReader reader;
    const auto read = reader.read(exchanged->id_token);
    if (read) {
      (void)check_id_token(*read, {"n", "tollgate", exchanged->access_token}, "admin.oidc");
    }
  }
  (void)says_wrong_code(text);
  return 0;
}
