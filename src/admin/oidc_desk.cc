#include "admin/oidc_desk.h"

#include <utility>

#include "controls/authentication/claims.h"

namespace tollgate::admin {

namespace {

// A configuration of the verifiers of administrators and of nothing else.
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

OidcDesk::OidcDesk(const config::Current& config) : config_(config), desk_(identities_) {}

// Whoever has no provider pays for no thread.
void OidcDesk::start() {
  const std::shared_ptr<const config::Config> now = config_.get();
  if (started_ || now->admin.policy.verifiers.empty()) return;
  identities_.start(*verifiers_of(*now));
  started_ = true;
}

void OidcDesk::replace() {
  if (!started_) return start();
  identities_.replace(*verifiers_of(*config_.get()));
}

void OidcDesk::stop() {
  begin_closing();
  identities_.stop();
  started_ = false;
}

Task<Expected<OidcDesk::Verified>> OidcDesk::verify(std::string_view token, Arena& arena,
                                                    Executor& loop, const pipeline::Clock& clock) {
  pipeline::Presented shown;
  shown.token = token;
  for (int i = 0; i < kJudgedMax; ++i) {
    if (closing_.load(std::memory_order_relaxed)) break;
    Verified made;
    made.config = config_.get();
    const authentication::Digest stamp = made.config->admin.policy.oidc_stamp;
    if (verifiers_ == nullptr || verifiers_->authentication.stamp != stamp) {
      verifiers_ = verifiers_of(*made.config);
    }
    const std::shared_ptr<const config::Config> verifiers = verifiers_;
    const Expected<authentication::Identity> identity =
        co_await desk_.identify(shown, *verifiers, arena, loop, clock.wall());
    // What was in force when it came is not what it is judged by.
    if (config_.get()->admin.policy.oidc_stamp != stamp) continue;
    if (!identity) co_return std::unexpected(identity.error());
    made.identity = *identity;
    co_return made;
  }
  co_return std::unexpected(authentication::refuse_unasked("admin.oidc"));
}

}  // namespace tollgate::admin
