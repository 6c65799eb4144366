#include "admin/new_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

namespace tollgate::admin {

authentication::KeyRecord record_of(const KeyWish& wish, std::string id,
                                    const authentication::Digest& digest, WallTime now) {
  authentication::KeyRecord record;
  record.id = std::move(id);
  record.digest = digest;
  record.tenant = wish.tenant;
  record.user = wish.user;
  record.roles = wish.roles;
  record.name = wish.name;
  record.created = now;
  record.expires = wish.expires;
  record.scopes = wish.scopes;
  return record;
}

FaultOr<MadeKey> make_key(const KeyWish& wish, const authentication::Pepper& pepper, WallTime now) {
  std::array<std::uint8_t, 64> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return fault(FaultKind::kRefusedByPeer, "the system gave no random bytes for a key");
  }
  authentication::NewKey fresh = authentication::make_key(random);
  OPENSSL_cleanse(random.data(), random.size());
  MadeKey made;
  made.record = record_of(wish, fresh.id, pepper.digest(fresh.secret), now);
  made.secret = std::move(fresh.secret);
  return made;
}

}  // namespace tollgate::admin
