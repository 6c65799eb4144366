#include "admin/register.h"

#include <utility>

#include "storage/admin_tokens.h"
#include "storage/try.h"

namespace tollgate::admin {

FaultOr<storage::Database*> Register::database() {
  if (database_ == nullptr) {
    TRY(opened, store_.reader());
    opened->set_busy_timeout(kPatience);
    database_ = std::move(opened);
  }
  return database_.get();
}

FaultOr<std::optional<administration::TokenRecord>> Register::find(std::string_view id) {
  TRY(reading, database());
  return storage::find_admin_token(*reading, id);
}

void Register::use(const administration::TokenRecord& token) {
  const FaultOr<storage::Database*> writing = database();
  if (writing) (void)storage::use_admin_token(**writing, token, clock_.wall());
}

FaultOr<void> Register::record(std::span<const Entry> entries) {
  return store_.trail().write_with([&](storage::Database& database) -> FaultOr<void> {
    for (const Entry& each : entries) {
      const storage::Change change{each.action, each.object, {}, each.before, each.after};
      TRY_DO(storage::record_change(database, each.author, change));
    }
    return {};
  });
}

}  // namespace tollgate::admin
