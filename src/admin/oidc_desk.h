// Tokens of the people who administer, verified: the verifiers of `admin.oidc` on the same
// machinery as those of callers (identity/), apart from it. So no caller's token is one of an
// administrator unless its issuer and audience are named there.
//
// Which verifiers there are is what the configuration in force says, and nothing else is kept: who
// verifies a token and what it grants are of one snapshot.
//
// Of the loop of the admin address, except where said.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include "config/current.h"
#include "identity/desk.h"

namespace tollgate::admin {

class OidcDesk {
 public:
  // How often one token is judged, where what is in force changes while it waits for its issuer.
  static constexpr int kJudgedMax = 4;

  explicit OidcDesk(const config::Current& config);  // Outlives it.

  // Where there is anybody to ask, keys are fetched from here on. From the thread that starts the
  // gateway, as the next two.
  void start();
  void replace();  // After the configuration in force was swapped.
  // Whoever waits is answered, and no issuer is waited for. begin_closing() comes before, and the
  // loop has run what was posted to it since.
  void stop();
  // Nobody who comes from now on waits for an issuer. Any thread.
  void begin_closing() { closing_.store(true, std::memory_order_relaxed); }

  // Who a token speaks for, in the words of its issuer, and the configuration that says so: when
  // this is known it is the one in force, or says the same of `admin.oidc`. Views are in `arena`.
  struct Verified {
    authentication::Identity identity;
    std::shared_ptr<const config::Config> config;
  };
  Task<Expected<Verified>> verify(std::string_view token, Arena& arena, Executor& loop,
                                  const pipeline::Clock& clock);

  const identity::Identities& identities() const { return identities_; }  // For metrics.

 private:
  const config::Current& config_;
  identity::Identities identities_;
  identity::Desk desk_;
  std::shared_ptr<const config::Config> verifiers_;  // Those asked last. Of the loop.
  std::atomic<bool> closing_ = false;
  bool started_ = false;
};

}  // namespace tollgate::admin
