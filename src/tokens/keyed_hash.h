// The hash by which texts are known that are too long to keep: 128 bits, keyed by a secret of the
// process, so that nobody can write two texts that are taken for one.
//
// No I/O but for the first call, which asks the system for the secret. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace tollgate::tokens {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

Hash128 keyed_hash(std::string_view bytes);

}  // namespace tollgate::tokens
