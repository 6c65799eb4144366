#include "base/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "base/check.h"

namespace tollgate {

namespace {

// The algorithm and a context, kept by a thread: finding and making them anew each time would take
// half as long as the hash of a short text, and allocate.
class Hasher {
 public:
  Hasher() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
    CHECK(algorithm_ != nullptr && context_ != nullptr);
  }
  std::array<std::uint8_t, 32> hash(std::string_view bytes) {
    std::array<std::uint8_t, 32> made;
    CHECK(EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1 &&
          EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 &&
          EVP_DigestFinal_ex(context_.get(), made.data(), nullptr) == 1);
    return made;
  }

 private:
  struct Free {
    void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD, Free> algorithm_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace

std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
  static thread_local Hasher kept;
  return kept.hash(bytes);
}

}  // namespace tollgate
