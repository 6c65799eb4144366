// Which account of a budget: the name that the ledger, the journal and the store share.
//
// A list of them travels with each hold, flat, so that whoever books a request later (the writer,
// or the next gateway after a crash) charges the very accounts that it was held on, whatever the
// configuration says by then.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace tollgate::storage {

// What one subject of one rule may spend in one window. Borrows.
struct AccountId {
  std::string_view rule;
  std::string_view subject;
  WallTime window_start{};
  friend bool operator==(const AccountId&, const AccountId&) = default;
};

std::size_t packed_bytes(const AccountId& account);
// Writes so many bytes; returns the end.
char* pack(const AccountId& account, char* out);
// Takes the first account off; it points into `packed`. Nothing: there is none, or the bytes are
// none that pack() wrote.
std::optional<AccountId> take_account(std::string_view& packed);

}  // namespace tollgate::storage
