#include "admin/oidc_desk.h"

#include <utility>

namespace tollgate::admin {

namespace {

std::shared_ptr<const config::Config> verifiers_of(const config::Config& config) {
  const administration::Policy& policy = config.admin.policy;
  auto made = std::make_shared<config::Config>();
  made->authentication.jwt = policy.verifiers;
  made->authentication.stamp = policy.oidc_stamp;
  config::Tenant nobody;
  nobody.name = administration::kNoTenant;
  made->tenants.push_back(std::move(nobody));
  return made;
}

}  // namespace

OidcDesk::OidcDesk(const config::Config& first)
    : verifiers_(verifiers_of(first)), desk_(identities_) {}

// Whoever has no provider pays for no thread.
void OidcDesk::start() {
  const std::shared_ptr<const config::Config> now = verifiers_.get();
  if (started_ || now->authentication.jwt.empty()) return;
  identities_.start(*now);
  started_ = true;
}

void OidcDesk::replace(const config::Config& next) {
  const std::shared_ptr<const config::Config> verifiers = verifiers_of(next);
  if (started_) identities_.replace(*verifiers);
  verifiers_.swap(verifiers);
  start();
}

void OidcDesk::stop() {
  identities_.stop();
  started_ = false;
}

Task<Expected<authentication::Identity>> OidcDesk::verify(std::string_view token, Arena& arena,
                                                          Executor& loop, WallTime wall) {
  const std::shared_ptr<const config::Config> verifiers = verifiers_.get();
  pipeline::Presented shown;
  shown.token = token;
  co_return co_await desk_.identify(shown, *verifiers, arena, loop, wall);
}

}  // namespace tollgate::admin
