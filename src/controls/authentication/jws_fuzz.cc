// Arbitrary tokens and arbitrary claims: nothing crashes, and whoever is named is in a tenant
// that exists.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/jws.h"

namespace tollgate::authentication {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

class OneTenant final : public Tenants {
 public:
  bool contains(std::string_view name) const override { return name == "acme"; }
};

JwtPolicy policy() {
  JwtPolicy made;
  made.name = "corporate";
  made.issuer = "https://login.example.com/";
  made.audiences = {"tollgate"};
  made.claims.tenant = "org.name";
  made.claims.roles = "realm_access.roles";
  return made;
}

void read(std::string_view text) {
  static const std::vector<JwtPolicy> policies = {policy()};
  TokenReader reader;
  Arena arena;
  const Expected<Token> token = reader.read(text);
  if (!token) {
    CHECK(token.error().reason == Reason::kInvalidCredential && !token.error().message.empty());
    return;
  }
  CHECK(text.size() <= kTokenBytesMax && token->claims != nullptr);
  const Expected<std::size_t> chosen = choose_verifier(policies, *token);
  // As if the signature had been good.
  const Expected<Identity> identity = identify(policies[0], *token, OneTenant(), kNow, arena);
  if (!identity) {
    CHECK(!identity.error().message.empty());
    return;
  }
  CHECK(chosen && identity->tenant == "acme" && !identity->subject.empty());
  CHECK(identity->expires && kNow < *identity->expires + policies[0].leeway);
}

}  // namespace
}  // namespace tollgate::authentication

// The input is a token; or a header and claims, each on its own line, of which one is made.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::authentication;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read(text);
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  read(encode_base64url(bytes_of(text.substr(0, line))) + "." +
       encode_base64url(bytes_of(text.substr(line + 1))) + ".AAAA");
  return 0;
}
