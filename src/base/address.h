// An address of a peer, IPv4 or IPv6 in one form: v4 is kept as v4-mapped v6.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace tollgate {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // Network order.
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// "192.0.2.1" or "2001:db8::1".
std::string format_address(const IpAddress& address);

}  // namespace tollgate
