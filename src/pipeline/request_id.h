// Names requests: "req_" and 26 characters that sort by time (base/record_id.h).
//
// One thread; seeded by the operating system. An id is a name, never a secret.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/units.h"

namespace tollgate::pipeline {

class RequestIds {
 public:
  RequestIds();
  std::string_view next(WallTime now, Arena& arena);

 private:
  std::uint64_t random();
  std::array<std::uint64_t, 4> state_;
};

}  // namespace tollgate::pipeline
