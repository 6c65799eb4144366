// The login of a person in a browser, at an issuer of `admin.oidc`.
//
//   GET /admin/login[?with=NAME]   sends the browser to the issuer, with a cookie for this login
//   GET /admin/callback            where it comes back; the code is exchanged, the ID token
//   verified
//
// Of the loop of the admin address; waits for the issuer, never for the store.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "admin/answer.h"
#include "admin/door.h"
#include "controls/administration/logins.h"
#include "controls/authentication/code_flow.h"
#include "identity/inquiry.h"

namespace tollgate::admin {

class Login {
 public:
  // How long what an issuer publishes about itself is believed.
  static constexpr Duration kPlacesKept = std::chrono::minutes(10);
  // And how long it is not asked again where it does not answer.
  static constexpr Duration kFailureKept = std::chrono::seconds(5);
  static constexpr Duration kTimeout = std::chrono::seconds(4);

  // All outlive it.
  struct Parts {
    const config::Current& config;
    const pipeline::Clock& clock;
    Executor& loop;
    Door& door;
    OidcDesk& oidc;
    identity::Web& web;
  };
  // What a browser brings back.
  struct Come {
    std::string code;
    std::string state;
    std::string issuer;
    bool refused = false;
  };

  explicit Login(const Parts& parts) : parts_(parts), inquiry_(parts.web, parts.loop) {}

  Task<Answer> begin(pipeline::Exchange& exchange, std::string_view query);
  Task<Answer> finish(pipeline::Exchange& exchange, std::string_view query);

 private:
  using Places = FaultOr<authentication::LoginPlaces>;
  struct KeptPlaces {
    Places places;
    Instant until{};
  };
  Task<Places> places_of(const administration::OidcPolicy& entry);
  Task<FaultOr<std::string>> exchange_code(const administration::OidcPolicy& entry,
                                           const administration::PendingLogin& login,
                                           std::string code);
  Task<Expected<administration::Admin>> verify(const administration::Policy& policy,
                                               const administration::OidcPolicy& entry,
                                               const administration::PendingLogin& login,
                                               std::string_view token, Arena& arena);
  Task<Answer> conclude(pipeline::Exchange& exchange, administration::PendingLogin login,
                        Come come);
  std::string ended_cookie() const;

  Task<FaultOr<std::string>> put(std::string_view what, identity::WebRequest request);

  const Parts parts_;
  identity::Inquiry inquiry_;  // Whoever asks the same at the same time shares the answer.
  administration::Logins logins_;
  authentication::TokenReader tokens_;
  std::map<std::string, KeptPlaces> places_;  // By issuer: of the configuration, so few.
};

}  // namespace tollgate::admin
