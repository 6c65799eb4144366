#include "admin/new_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

namespace tollgate::admin {

FaultOr<MadeKey> make_key(const KeyWish& wish, const authentication::Pepper& pepper, WallTime now) {
  std::array<std::uint8_t, 64> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return fault(FaultKind::kRefusedByPeer, "the system gave no random bytes for a key");
  }
  authentication::NewKey fresh = authentication::make_key(random);
  OPENSSL_cleanse(random.data(), random.size());
  MadeKey made;
  made.record.id = fresh.id;
  made.record.digest = pepper.digest(fresh.secret);
  made.record.tenant = wish.tenant;
  made.record.user = wish.user;
  made.record.roles = wish.roles;
  made.record.name = wish.name;
  made.record.created = now;
  if (wish.expires_in) made.record.expires = now + *wish.expires_in;
  made.secret = std::move(fresh.secret);
  return made;
}

}  // namespace tollgate::admin
