// What issuers, introspection endpoints, API servers and stores of sessions answer, whatever it is.
#include <cstddef>
#include <cstdint>

#include "controls/authentication/discovery.h"
#include "controls/authentication/introspection.h"
#include "controls/authentication/session.h"
#include "controls/authentication/token_review.h"

namespace {

class Everybody final : public tollgate::authentication::Tenants {
 public:
  bool contains(std::string_view) const override { return true; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const WallTime now{std::chrono::seconds(1'800'000'000)};
  const Everybody tenants;
  Arena arena;

  (void)authentication::read_discovery(text, "https://login.example.com");
  (void)authentication::kept_for(text);

  authentication::IntrospectionPolicy asked;
  asked.name = "opaque";
  asked.claims.tenant = "tenant";
  asked.claims.roles = "realm.roles";
  static authentication::IntrospectionReader answers;
  (void)answers.read(asked, text, tenants, now, arena);

  authentication::JwtPolicy cluster;
  cluster.name = "cluster";
  cluster.audiences = {"tollgate"};
  static authentication::TokenReviewReader reviews;
  const authentication::ReviewedAccount account{"system:serviceaccount:search:indexer", "u"};
  (void)reviews.read(cluster, text, account);

  authentication::SessionPolicy kept;
  kept.cookie.name = "web";
  kept.cookie.claims.tenant = "user.org";
  kept.created = "created";
  kept.cookie.last_used = "used";
  static authentication::StoredSessionReader sessions;
  (void)sessions.read(kept, text, tenants, now, arena);

  if (authentication::is_session_id(text)) (void)authentication::store_key(kept, text);
  (void)authentication::is_opaque_token(text);
  return 0;
}
