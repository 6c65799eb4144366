// Query strings of the admin API: what is understood names a place, a bound and moments that exist.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "admin/query.h"
#include "base/check.h"

using tollgate::WallTime;
using tollgate::admin::audit_question;
using tollgate::admin::parse_query;
using tollgate::admin::spend_query;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parameters = parse_query(text);
  if (!parameters) return 0;
  const WallTime now{std::chrono::hours(490'000)};
  (void)spend_query(*parameters, now);
  const auto question = audit_question(*parameters, now);
  if (!question) return 0;
  CHECK(question->limit >= 1 && question->limit <= tollgate::storage::kAuditRowsMax);
  if (!question->before) return 0;
  CHECK(question->before->sequence >= 1);
  if (question->before->gateway.empty()) return 0;
  const tollgate::storage::AuditCursor& cursor = *question->before;
  const tollgate::storage::AuditRow row{cursor.gateway, cursor.sequence, "", cursor.reached_us};
  CHECK(tollgate::storage::read_cursor(cursor_behind(row)) == cursor);
  return 0;
}
