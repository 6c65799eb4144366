// Keys that are taken over from another gateway, by their digests.
//
// A batch is one transaction, all of it or nothing, and small: whoever serves requests from the
// same store waits for it. A key that its tenant has already stays as it is, so what was broken off
// is begun again from its start.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "storage/changes.h"
#include "storage/database.h"
#include "storage/key_room.h"

namespace tollgate::storage {

inline constexpr std::size_t kKeysOfBatchMax = 1000;

// What becomes of a batch with a key that its tenant has already.
enum class KnownKeys : std::uint8_t { kLeaveThem, kRefuseBatch };

struct ImportTerms {
  WallTime now{};
  KnownKeys known = KnownKeys::kLeaveThem;
  // How many keys the tenant may have in force; empty: kKeysMax.
  std::function<std::int64_t(std::string_view tenant)> of_tenant = {};
  std::int64_t in_all = kKeysMax;
};

// Refused: then nothing of the batch is imported, and `at` is the first key that stands against it.
struct Imported {
  enum class Refused : std::uint8_t {
    kNo,
    kKnown,      // As the terms say.
    kOfAnother,  // Another tenant has it: it cannot say of whom a caller is.
    kTenantIsFull,
    kStoreIsFull,
    kTooManyEnded,  // Just now; see key_room.h.
    kHasEnded,      // And is new here.
  };
  Refused refused = Refused::kNo;
  std::size_t at = 0;
  std::size_t made = 0;
};

// At most kKeysOfBatchMax. On record they are together, tenant by tenant; so is a batch that was
// refused with kKnown, which costs the same work whichever of its keys are known.
FaultOr<Imported> import_keys(Database& database, const Author& author,
                              std::span<const authentication::KeyRecord> keys,
                              const ImportTerms& terms);

}  // namespace tollgate::storage
