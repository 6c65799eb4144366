#include "tokens/keyed_hash.h"

#include <openssl/rand.h>

#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

namespace tollgate::tokens {

namespace {

using Secret = std::array<unsigned char, XXH3_SECRET_DEFAULT_SIZE>;

const Secret& secret() {
  static const Secret made = [] {
    Secret bytes;
    CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
    return bytes;
  }();
  return made;
}

}  // namespace

Hash128 keyed_hash(std::string_view bytes) {
  const XXH128_hash_t hash =
      XXH3_128bits_withSecret(bytes.data(), bytes.size(), secret().data(), secret().size());
  return {hash.low64, hash.high64};
}

}  // namespace tollgate::tokens
