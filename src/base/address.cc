#include "base/address.h"

#include <arpa/inet.h>
#include <fmt/compile.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tollgate {

namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;
constexpr int kAllBits = 128;

bool is_v4(const IpAddress& address) {
  return std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
}

// The IPv4 address whose holder an IPv6 address is of by its form; nothing where the form says
// none. 64:ff9b:1::/48 is none: nobody may assume where in it an IPv4 address stands (RFC 8215, 5).
std::optional<IpAddress> v4_within(const IpAddress& address) {
  constexpr std::array<std::uint8_t, 12> kTranslated{0, 0x64, 0xff, 0x9b};  // RFC 6052, 2.1.
  constexpr std::array<std::uint8_t, 2> kSixToFour{0x20, 0x02};             // RFC 3056, 2.
  const auto begins_with = [&](const auto& prefix) {
    return std::equal(prefix.begin(), prefix.end(), address.bytes.begin());
  };
  std::size_t at = 0;
  if (begins_with(kTranslated)) {
    at = kTranslated.size();
  } else if (begins_with(kSixToFour)) {
    at = kSixToFour.size();
  } else {
    return std::nullopt;
  }
  IpAddress v4;
  std::ranges::copy(kMapped, v4.bytes.begin());
  std::copy_n(address.bytes.begin() + static_cast<std::ptrdiff_t>(at), 4,
              v4.bytes.begin() + kMapped.size());
  return v4;
}

// The bits of byte `at` that a prefix of `bits` covers.
std::uint8_t mask_of(int bits, int at) {
  const int covered = std::clamp(bits - at * 8, 0, 8);
  return static_cast<std::uint8_t>(0xff00 >> covered);
}

}  // namespace

std::string format_address(const IpAddress& address) {
  if (is_v4(address)) {
    // Of every request: inet_ntop() would print it by sprintf().
    const std::uint8_t* const bytes = address.bytes.data() + kMapped.size();
    return fmt::format(FMT_COMPILE("{}.{}.{}.{}"), bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
  return text;
}

std::optional<IpAddress> read_address(std::string_view text) {
  char ended[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof ended || text.contains('\0')) return std::nullopt;
  std::memcpy(ended, text.data(), text.size());
  ended[text.size()] = '\0';
  IpAddress read;
  if (inet_pton(AF_INET, ended, read.bytes.data() + kMapped.size()) == 1) {
    std::ranges::copy(kMapped, read.bytes.begin());
    return read;
  }
  if (inet_pton(AF_INET6, ended, read.bytes.data()) != 1) return std::nullopt;
  return read;
}

IpAddress subscriber_of(IpAddress address) {
  if (const std::optional<IpAddress> v4 = v4_within(address)) return *v4;
  // Addresses in ::/64 are no subscriber's: there are the mapped ones, ::1 and nothing.
  const auto half = address.bytes.begin() + 8;
  const bool is_whole =
      std::all_of(address.bytes.begin(), half, [](auto byte) { return byte == 0; });
  if (!is_whole) std::fill(half, address.bytes.end(), std::uint8_t{0});
  return address;
}

bool AddressRange::contains(const IpAddress& address) const {
  for (int at = 0; at < 16 && at * 8 < bits; ++at) {
    const auto i = static_cast<std::size_t>(at);
    if (((first.bytes[i] ^ address.bytes[i]) & mask_of(bits, at)) != 0) return false;
  }
  return true;
}

bool contains(std::span<const AddressRange> ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges,
                             [&](const AddressRange& each) { return each.contains(address); });
}

std::optional<AddressRange> read_address_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> first = read_address(text.substr(0, slash));
  if (!first) return std::nullopt;
  AddressRange read{*first, kAllBits};
  if (slash == std::string_view::npos) return read;
  const std::string_view digits = text.substr(slash + 1);
  const bool v4 = !text.contains(':');
  int bits = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const bool canonical = digits.size() == 1 || !digits.starts_with('0');
  if (error != std::errc() || end != digits.data() + digits.size() || !canonical || bits < 0 ||
      bits > (v4 ? kAllBits - kMappedBits : kAllBits)) {
    return std::nullopt;
  }
  read.bits = bits + (v4 ? kMappedBits : 0);
  for (int at = 0; at < 16; ++at) {
    const std::uint8_t byte = read.first.bytes[static_cast<std::size_t>(at)];
    if ((byte & ~mask_of(read.bits, at)) != 0) return std::nullopt;
  }
  return read;
}

std::string format_address_range(const AddressRange& range) {
  std::string text = format_address(range.first);
  if (range.bits == kAllBits) return text;
  const bool v4 = is_v4(range.first) && range.bits >= kMappedBits;
  return text += '/' + std::to_string(range.bits - (v4 ? kMappedBits : 0));
}

}  // namespace tollgate
