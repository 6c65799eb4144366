// Tokens of the people who administer, verified: the verifiers of `admin.oidc` on the same
// machinery as those of callers (identity/), apart from it. So no caller's token is one of an
// administrator unless its issuer and audience are named there.
//
// Of the loop of the admin address, except where said.
#pragma once

#include <memory>
#include <string_view>

#include "config/current.h"
#include "identity/desk.h"

namespace tollgate::admin {

class OidcDesk {
 public:
  explicit OidcDesk(const config::Config& first);

  // Where there is anybody to ask, keys are fetched from here on. From the thread that starts the
  // gateway, as the next two.
  void start();
  void replace(const config::Config& next);
  void stop();

  // Who a token speaks for, in the words of its issuer. Views are in `arena`.
  Task<Expected<authentication::Identity>> verify(std::string_view token, Arena& arena,
                                                  Executor& loop, WallTime wall);

  const identity::Identities& identities() const { return identities_; }  // For metrics.

 private:
  config::Current verifiers_;  // A configuration of them and nothing else.
  identity::Identities identities_;
  identity::Desk desk_;
  bool started_ = false;
};

}  // namespace tollgate::admin
