// What is answered at the desk: keys, tokens, spend, budgets, the trail, gateways, configuration.
//
// Whoever asks has the right to it. Is he bound to tenants, then he sees and changes what is of
// those alone: what is of others is not there for him. Who is let in no longer when it is his turn
// gets no answer: a credential of the configuration or of an issuer is looked at then, a token of
// the store in the transaction of the change (storage/changes.h). Every change is on record with
// him as its author.
//
// Blocking I/O, of the desk's thread.
#pragma once

#include <memory>
#include <string>

#include "admin/answer.h"
#include "admin/endpoints.h"
#include "admin/query.h"
#include "config/current.h"
#include "controls/administration/sessions.h"
#include "controls/administration/token.h"
#include "pipeline/ports.h"
#include "storage/changes.h"
#include "storage/store.h"

namespace tollgate::admin {

// Of its own: it is answered while its connection goes on.
struct Question {
  Endpoint endpoint{};
  std::string id;     // Of the key, token or gateway.
  std::string query;  // As it came.
  Parameters parameters;
  std::string body;
  administration::Admin admin;
  administration::Source source{};  // By what he is known, as of administration::Proven.
  authentication::Digest stamp{};
  IpAddress from;
};

storage::Author author_of(const Question& question);

class Answers {
 public:
  // All outlive it.
  struct Parts {
    const config::Current& config;
    storage::Store& store;
    const authentication::Pepper& pepper;
    const pipeline::Clock& clock;
  };
  explicit Answers(const Parts& parts) : parts_(parts) {}

  Answer answer(const Question& question);

 private:
  Answer list_keys(const Question& question);
  Answer show_key(const Question& question);
  Answer create_key(const Question& question);
  Answer import_keys(const Question& question);
  Answer rotate_key(const Question& question);
  Answer expire_key(const Question& question);
  Answer revoke_key(const Question& question);
  Answer after_change(const Question& question);
  FaultOr<std::optional<authentication::KeyRecord>> key_of(const Question& question);

  Answer spend(const Question& question);
  Answer budgets(const Question& question);
  Answer trail(const Question& question);
  Answer gateways();
  Answer retire(const Question& question);

  Answer list_alert_answers(const Question& question);
  Answer release_alert_answer(const Question& question);

  Answer tokens(const Question& question);
  Answer create_token(const Question& question);
  Answer revoke_token(const Question& question);

  FaultOr<storage::Database*> database();

  const Parts parts_;
  std::unique_ptr<storage::Database> database_;
};

}  // namespace tollgate::admin
