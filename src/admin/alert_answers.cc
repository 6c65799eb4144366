// What is done about callers after alerts: shown and released.
#include "storage/alert_answers.h"

#include "admin/answers.h"
#include "admin/members.h"

namespace tollgate::admin {

Answer Answers::list_alert_answers(const Question& question) {
  const FaultOr<storage::Database*> reading = database();
  if (!reading) return store_problem(reading.error());
  const FaultOr<std::vector<alerts::Answer>> all = storage::list_answers(**reading);
  if (!all) return store_problem(all.error());
  std::string body = "[";
  const WallTime now = parts_.clock.wall();
  for (const alerts::Answer& one : *all) {
    if (one.over(now) || !question.admin.grant.reaches(one.tenant)) continue;
    if (body.size() > 1) body += ',';
    body += alerts::written(one);
  }
  return {200, body + "]"};
}

Answer Answers::release_alert_answer(const Question& question) {
  if (const OrWords<void> none = read_nothing(question.body); !none) {
    return bad_request(none.error());
  }
  const FaultOr<storage::Database*> writing = database();
  if (!writing) return store_problem(writing.error());
  const FaultOr<bool> done =
      storage::release_answer(**writing, author_of(question), question.id,
                              question.admin.grant.tenants, parts_.clock.wall());
  if (!done) return store_problem(done.error());
  if (!*done) return problem(404, "Not found", "Nothing of this id is in force.");
  return {200, "{}"};
}

}  // namespace tollgate::admin
