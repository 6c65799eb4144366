// Numbers that nobody else has, from the system.
#pragma once

#include <fmt/format.h>
#include <openssl/rand.h>

#include <cstdint>
#include <string>

#include "base/fault.h"
#include "storage/try.h"

namespace tollgate::storage {

inline FaultOr<std::uint64_t> random_number() {
  std::uint64_t number = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) == 1) return number;
  return fault(FaultKind::kBroken, "The system gave no random bytes.");
}

// Names a process in a seat.
inline FaultOr<std::string> random_holder() {
  TRY(number, random_number());
  return fmt::format("{:016x}", number);
}

}  // namespace tollgate::storage
