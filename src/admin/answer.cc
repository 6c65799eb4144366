#include "admin/answer.h"

#include <fmt/format.h>

#include "base/json_writer.h"
#include "pipeline/refusals.h"

namespace tollgate::admin {

namespace {

constexpr std::string_view kProblem = "application/problem+json";

std::string problem_text(int status, std::string_view title, std::string_view detail,
                         std::string_view member, std::string_view value) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("type", "about:blank");
  json.member("title", title);
  json.member("status", status);
  json.member("detail", detail);
  if (!member.empty()) json.member(member, value);
  json.end_object();
  return out;
}

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 429:
      return "Too many requests";
    default:
      return "Unavailable";
  }
}

}  // namespace

Answer problem(int status, std::string_view title, std::string_view detail) {
  return {status, problem_text(status, title, detail, {}, {}), kProblem};
}

Answer bad_request(std::string_view detail) { return problem(400, title_of(400), detail); }

Answer not_found() {
  return problem(404, "Not found", "There is nothing at this method and path.");
}

Answer store_problem(const Fault& fault) {
  if (fault.kind == FaultKind::kRevoked) {
    Refusal refusal;
    refusal.reason = Reason::kRevokedCredential;
    refusal.rule = "admin";
    refusal.message = fault.message;
    return refused(refusal);
  }
  return problem(503, "The store is not available", fault.message);
}

Answer going() { return problem(503, "Going", "The gateway stops; ask another one."); }

Answer busy() {
  return problem(503, "Busy", "Too many questions wait for the store; ask again soon.");
}

Answer forbidden(const administration::Lack& lack) {
  const std::string_view right = lack.right ? name_of(*lack.right) : std::string_view();
  Answer made{403, problem_text(403, title_of(403), lack.why, right.empty() ? "" : "right", right),
              kProblem};
  made.denial = {Reason::kRouteNotAllowed, right};
  return made;
}

Answer forbidden(administration::Right right) {
  return forbidden(administration::Lack{
      right, fmt::format("Your role does not have the right {}.", name_of(right))});
}

Answer forbidden_to_bound() {
  return forbidden(
      administration::Lack{{}, "You are bound to tenants, and this belongs to all of them."});
}

Answer refused(const Refusal& refusal) {
  const pipeline::RefusalRow& row = pipeline::row_of(refusal.reason);
  const int status = row.openai_status;
  Answer made{status, problem_text(status, title_of(status), refusal.message, "reason", row.code),
              kProblem};
  made.denial = {refusal.reason};
  if (status == 401) made.headers = "www-authenticate: Bearer\r\n";
  if (refusal.retry_after) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*refusal.retry_after);
    made.headers += fmt::format("retry-after: {}\r\n", seconds.count());
  }
  return made;
}

}  // namespace tollgate::admin
