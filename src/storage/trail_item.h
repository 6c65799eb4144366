// What waits for the trail's writer: records and bookings, flat in one buffer.
//
// The outcome of a request that was held says once more what it is booked at: its booking comes
// first, but where the power was lost the disk may have the one without the other.
//
// A request's thread copies bytes behind bytes and is done; nothing is allocated for one item.
// These are the bytes that the journal keeps across a crash: whoever changes them raises
// kJournalFormat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/units.h"
#include "controls/audit/audit.h"

namespace tollgate::storage {

enum class ItemKind : std::uint8_t { kRecord, kBooking };

struct Item {
  ItemKind kind = ItemKind::kRecord;
  audit::Phase phase = audit::Phase::kDecision;
  audit::Outcome outcome = audit::Outcome::kAllowed;
  std::int64_t time_us = 0;
  Money amount;      // Held by a decision; the cost of a booking or an outcome.
  Tokens input = 0;  // Of a booking or an outcome, as all below but `written`.
  Tokens cached_input = 0;
  Tokens output = 0;
  std::string_view id;
  std::string_view tenant;
  std::string_view user;
  std::string_view key_id;
  std::string_view route;
  std::string_view model;
  std::string_view accounts;  // See accounts.h.
  std::string_view written;   // Of a record.
};

// How many bytes pack() appends.
std::size_t packed_bytes(const Item& item);
void pack(const Item& item, std::string& out);
// Writes packed_bytes() to `out`.
void pack(const Item& item, char* out);

// Takes the first item off `packed`; the item points into it. Nothing where the bytes are not
// those of an item.
std::optional<Item> unpack(std::string_view& packed);

}  // namespace tollgate::storage
