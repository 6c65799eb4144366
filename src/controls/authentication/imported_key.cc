#include "controls/authentication/imported_key.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/check.h"

namespace tollgate::authentication {

namespace {

// Tells these digests from those of our own keys, whatever a secret may be.
constexpr std::string_view kPurpose = "imported";

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
};

// Finding the algorithm anew would take longer than the digest.
Digest sha256_of(std::string_view text) {
  static thread_local const std::unique_ptr<EVP_MD, FreeContext> algorithm(
      EVP_MD_fetch(nullptr, "SHA256", nullptr));
  static thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  CHECK(algorithm != nullptr && context != nullptr);
  Digest made;
  CHECK(EVP_DigestInit_ex2(context.get(), algorithm.get(), nullptr) == 1);
  CHECK(EVP_DigestUpdate(context.get(), text.data(), text.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context.get(), made.data(), nullptr) == 1);
  return made;
}

}  // namespace

bool may_be_imported(std::string_view secret) {
  return !secret.empty() && secret.size() <= kImportedSecretMax && !secret.starts_with(kKeyPrefix);
}

ImportedKey imported_key(const Pepper& pepper, const Digest& sha256) {
  std::array<char, kPurpose.size() + sizeof(Digest)> text{};
  std::copy(kPurpose.begin(), kPurpose.end(), text.begin());
  std::copy(sha256.begin(), sha256.end(), text.begin() + kPurpose.size());
  ImportedKey made;
  made.digest = pepper.digest({text.data(), text.size()});

  constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  unsigned __int128 number = 0;
  for (int byte = 0; byte < 16; ++byte) number = number << 8 | made.digest[byte];
  std::copy(kImportedPrefix.begin(), kImportedPrefix.end(), made.id_text.begin());
  for (std::size_t i = kImportedPrefix.size(); i < made.id_text.size(); ++i, number /= 62) {
    made.id_text[i] = kDigits[static_cast<std::size_t>(number % 62)];
  }
  return made;
}

ImportedKey imported_key(const Pepper& pepper, std::string_view secret) {
  return imported_key(pepper, sha256_of(secret));
}

std::optional<Digest> read_imported_digest(std::string_view text) {
  constexpr std::string_view kForm = "sha256:";
  Digest made{};
  if (!text.starts_with(kForm)) return std::nullopt;
  text.remove_prefix(kForm.size());
  if (text.size() != 2 * made.size()) return std::nullopt;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const char* const first = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(first, first + 2, made[i], 16);
    if (error != std::errc() || end != first + 2) return std::nullopt;
  }
  return made;
}

}  // namespace tollgate::authentication
