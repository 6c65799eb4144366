#include "admin/register.h"

#include <fmt/format.h>

#include <utility>

#include "admin/random_text.h"
#include "storage/admin_tokens.h"
#include "storage/try.h"

namespace tollgate::admin {

namespace {

// Which batch of those who came is on record last.
constexpr std::string_view kMark = "admin.attendance.";

}  // namespace

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

// Marks the batch as done, in the transaction that does it.
FaultOr<bool> Register::is_new(storage::Database& database, std::uint64_t number) {
  if (run_.empty()) {
    TRY(run, random_text());
    run_ = std::move(run);
  }
  const std::string name = fmt::format("{}{}", kMark, store_.gateway());
  const std::string batch = fmt::format("{} {}", run_, number);
  TRY(last, storage::read_mark(database, name));
  if (last == batch) return false;
  TRY_DO(storage::write_mark(database, name, batch));
  return true;
}

FaultOr<void> Register::record(std::span<const Entry> entries,
                               std::optional<std::uint64_t> number) {
  const auto work = [&](storage::Database& database) -> FaultOr<void> {
    if (number) {
      TRY(fresh, is_new(database, *number));
      if (!fresh) return {};
    }
    for (const Entry& each : entries) {
      const storage::Change change{each.action, each.object, {}, each.before, each.after};
      TRY_DO(storage::record_change(database, each.author, change));
    }
    return {};
  };
  return store_.trail().write_within(kPatience, work);
}

}  // namespace tollgate::admin
