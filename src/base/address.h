// An address of a peer, IPv4 or IPv6 in one form: v4 is kept as v4-mapped v6.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tollgate {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // Network order.
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// "192.0.2.1" or "2001:db8::1".
std::string format_address(const IpAddress& address);

// The address that `text` is, to the letter: no port, brackets, zone or white space.
std::optional<IpAddress> read_address(std::string_view text);

// What one caller has all of, for whatever counts callers by where they come from: an IPv4 address,
// and of IPv6 the /64 that it lies in, as a subscriber has one at the least. An IPv4 host that a
// translator shows as 64:ff9b::/96 counts as itself, lest all of them be one; so does whoever comes
// from 2002::/16 (6to4), as 65,536 networks there are of one IPv4 address.
IpAddress subscriber_of(IpAddress address);

// All addresses that begin with the same bits.
struct AddressRange {
  IpAddress first;
  int bits = 128;  // Of the 16 bytes: 96 more than CIDR writes for IPv4.

  bool contains(const IpAddress& address) const;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

bool contains(std::span<const AddressRange> ranges, const IpAddress& address);

// "10.0.0.0/8", "2001:db8::/32", or one address. Nothing for what is neither, and for an address
// that has bits beyond its prefix.
std::optional<AddressRange> read_address_range(std::string_view text);

// "10.0.0.0/8"; one address is written without a prefix.
std::string format_address_range(const AddressRange& range);

}  // namespace tollgate
