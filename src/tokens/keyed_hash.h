// The hash by which texts are known that are too long to keep: 128 bits, keyed by a secret of the
// process, so that nobody can write two texts that are taken for one, or many that share a place.
//
// No I/O but for the first call, which asks the system for the secret. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tollgate::tokens {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

Hash128 keyed_hash(std::string_view bytes);

// The same for tables of what a file says: whoever writes the file cannot fill one place of them.
struct KeyedHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view bytes) const { return keyed_hash(bytes).low; }
  std::size_t operator()(std::uint64_t number) const {
    return keyed_hash({reinterpret_cast<const char*>(&number), sizeof number}).low;
  }
};

}  // namespace tollgate::tokens
