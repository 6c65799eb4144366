// Arbitrary key sets: nothing crashes, and what is taken is within the rules.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "controls/authentication/jwk.h"
#include "controls/authentication/jwt_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::authentication;
  constexpr Algorithm kSecretAlgorithms[] = {Algorithm::kHs256, Algorithm::kHs384,
                                             Algorithm::kHs512};
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  const KeyRules rules[] = {{.kind = KeyKind::kPublic, .algorithms = public_algorithms()},
                            {.kind = KeyKind::kSecret, .algorithms = kSecretAlgorithms}};
  for (const KeyRules& each : rules) {
    const auto set = read_key_set(document, each);
    if (!set) {
      CHECK(!set.error().empty());
      continue;
    }
    CHECK(set->keys.size() <= KeySet::kKeysMax);
    for (const RefusedKey& refused : set->refused) CHECK(!refused.why.empty());
    for (const VerificationKey& key : set->keys) {
      CHECK(is_symmetric(key.algorithm()) == (each.kind == KeyKind::kSecret));
      CHECK(key.id().size() <= KeySet::kKeyIdBytesMax);
      CHECK(key.id().empty() || set->find(key.id(), key.algorithm()) == &key);
      CHECK(!key.proves("text", {}));
    }
  }
  return 0;
}
