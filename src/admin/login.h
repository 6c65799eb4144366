// The login of a person in a browser, at an issuer of `admin.oidc`.
//
//   GET /admin/login[?with=NAME]   sends the browser to the issuer, with a cookie for this login
//   GET /admin/callback            where it comes back; the code is exchanged, the ID token
//                                  verified
//
// A login that waited is judged by the configuration that is in force at its end. A code is good
// with the verifier of its own login alone, so nobody guesses one; who brings a wrong one counts as
// whoever shows a wrong token does, and what goes wrong between the issuer and us counts for
// nobody.
//
// Of the loop of the admin address.
#pragma once

#include <array>
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
  // Codes of one address that are exchanged at once: nobody takes all that an issuer answers.
  static constexpr int kExchangesOfAddressMax = 4;

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
  Task<Places> places_of(const administration::OidcPolicy& entry, IpAddress from);
  // What came of a code: who it is, or a refusal; a Fault for what is between the issuer and us.
  using Exchanged = FaultOr<Expected<authentication::Exchanged>>;
  Task<Exchanged> exchange_code(const administration::OidcPolicy& entry,
                                const administration::PendingLogin& login, std::string_view code);
  Task<Expected<administration::Proven>> verify(const administration::PendingLogin& login,
                                                const authentication::Exchanged& exchanged,
                                                Arena& arena);
  Task<Answer> conclude(pipeline::Exchange& exchange, administration::PendingLogin login,
                        Come come);
  Task<Answer> let_in(pipeline::Exchange& exchange, administration::Proven proven);
  Answer turn_away(pipeline::Exchange& exchange, const Refusal& refusal,
                   const administration::Admin* admin = nullptr);
  std::string ended_cookie() const;

  const Parts parts_;
  identity::Inquiry inquiry_;  // Whoever asks the same at the same time shares the answer.
  administration::Logins logins_;
  authentication::TokenReader tokens_;
  // By what the configuration says of who is asked: those in force, and before them for a while.
  std::map<authentication::Digest, KeptPlaces> places_;
  std::map<std::array<std::uint8_t, 16>, int> exchanges_;  // At work, of each address.
};

}  // namespace tollgate::admin
