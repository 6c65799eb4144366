// Under which name a gateway keeps its part of a store that several may share: its trail, what
// waits for it, its leases and its marks.
#pragma once

#include <string>
#include <string_view>

namespace tollgate::storage {

// Whose all of it is in a store that has one gateway at a time.
inline constexpr std::string_view kOnlyGateway = "gateway";

// The name of a gateway's own mark.
inline std::string mark_of(std::string_view gateway, std::string_view name) {
  if (gateway == kOnlyGateway) return std::string(name);
  return std::string(gateway).append("/").append(name);
}

}  // namespace tollgate::storage
