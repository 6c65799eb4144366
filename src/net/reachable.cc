#include "net/reachable.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace tollgate::net {

namespace {

std::vector<AddressRange> ranges(std::initializer_list<std::string_view> texts) {
  std::vector<AddressRange> made;
  for (const std::string_view text : texts) {
    if (const std::optional<AddressRange> range = read_address_range(text)) made.push_back(*range);
  }
  return made;
}

// Metadata of clouds: link-local of AWS, GCP and Azure, AWS over IPv6, Alibaba, Oracle's.
bool is_metadata(const IpAddress& address) {
  static const std::vector<AddressRange> kAll =
      ranges({"169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200", "192.0.0.192"});
  return contains(kAll, address);
}

// What the registries of special addresses (RFC 6890, IANA) do not give to the internet.
bool is_internal(const IpAddress& address) {
  static const std::vector<AddressRange> kAll =
      ranges({"0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10",   "127.0.0.0/8",
              "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",
              "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
              "224.0.0.0/4",    "240.0.0.0/4",   "::/128",          "::1",
              "64:ff9b:1::/48", "100::/64",      "2001:db8::/32",   "fc00::/7",
              "fe80::/10",      "ff00::/8"});
  return contains(kAll, address);
}

// The IPv4 address that a translator or a tunnel would make of it; else itself.
IpAddress inner(const IpAddress& address) {
  static const std::vector<AddressRange> kNat64 = ranges({"64:ff9b::/96"});
  static const std::vector<AddressRange> k6to4 = ranges({"2002::/16"});
  IpAddress made;
  made.bytes[10] = made.bytes[11] = 0xff;
  if (contains(kNat64, address)) {
    std::copy(address.bytes.begin() + 12, address.bytes.end(), made.bytes.begin() + 12);
    return made;
  }
  if (contains(k6to4, address)) {
    std::copy(address.bytes.begin() + 2, address.bytes.begin() + 6, made.bytes.begin() + 12);
    return made;
  }
  return address;
}

}  // namespace

bool may_connect(config::Addresses allowed, const IpAddress& address) {
  if (allowed == config::Addresses::kAny) return true;
  const IpAddress real = inner(address);
  if (is_metadata(address) || is_metadata(real)) return false;
  return allowed == config::Addresses::kInternalToo ||
         (!is_internal(address) && !is_internal(real));
}

bool may_connect(config::Addresses allowed, const Address& address) {
  if (allowed == config::Addresses::kAny) return true;
  IpAddress made;
  if (address.storage.ss_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    std::memcpy(made.bytes.data(), &in->sin6_addr, made.bytes.size());
  } else if (address.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    made.bytes[10] = made.bytes[11] = 0xff;
    std::memcpy(made.bytes.data() + 12, &in->sin_addr, 4);
  } else {
    return false;
  }
  return may_connect(allowed, made);
}

}  // namespace tollgate::net
