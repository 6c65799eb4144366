// Arbitrary cookies and arbitrary claims of good ones: nothing crashes, and nobody is let in by a
// cookie that was made without the secret.
#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/session_cookie.h"

namespace tollgate::authentication {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

class OneTenant final : public Tenants {
 public:
  bool contains(std::string_view name) const override { return name == "acme"; }
};

struct Verifier {
  explicit Verifier(CookieForm form)
      : keys(*SessionKeys::create(form, SecretUse::kAsGiven, std::span(&kSecret, 1))) {
    policy.name = "web";
    policy.cookie = "sid";
    policy.form = form;
    policy.claims.tenant = "org";
    policy.claims.roles = "roles";
  }
  SessionCookiePolicy policy;
  SessionKeys keys;
};

Expected<Identity> read(CookieForm form, std::string_view cookie, Arena& arena) {
  static const Verifier is_signed(CookieForm::kSigned);
  static const Verifier is_encrypted(CookieForm::kEncrypted);
  const Verifier& verifier = form == CookieForm::kSigned ? is_signed : is_encrypted;
  SessionCookieReader reader;
  return reader.read(verifier.policy, verifier.keys, cookie, OneTenant(), kNow, arena);
}

std::string sign(std::string_view claims) {
  const std::string text =
      encode_base64url(bytes_of(R"({"alg":"HS256"})")) + "." + encode_base64url(bytes_of(claims));
  unsigned char mac[32];
  std::size_t size = 0;
  CHECK(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, kSecret.data(), kSecret.size(),
                  bytes_of(text).data(), text.size(), mac, sizeof mac, &size) != nullptr);
  return text + "." + encode_base64url(mac);
}

}  // namespace
}  // namespace tollgate::authentication

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::authentication;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tollgate::Arena arena;
  for (const CookieForm form : {CookieForm::kSigned, CookieForm::kEncrypted}) {
    const auto identity = read(form, text, arena);
    CHECK(identity || !identity.error().message.empty());
  }
  (void)find_cookie(text, "sid");
  if (const auto identity = read(CookieForm::kSigned, sign(text), arena)) {
    CHECK(identity->tenant == "acme" && !identity->subject.empty() && *identity->expires > kNow);
  }
  return 0;
}
