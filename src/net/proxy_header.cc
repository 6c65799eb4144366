#include "net/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace tollgate::net {

namespace {

using State = ProxyHeader::State;

constexpr std::string_view kTextStart = "PROXY ";
constexpr std::size_t kTextBytesMax = 107;
constexpr std::string_view kBinaryStart("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kBinaryHead = 16;

// The bytes of source, destination and both ports.
constexpr std::size_t kV4Bytes = 12;
constexpr std::size_t kV6Bytes = 36;
constexpr std::size_t kUnixBytes = 216;

bool begins(std::string_view bytes, std::string_view start) {
  const std::size_t both = std::min(bytes.size(), start.size());
  return bytes.substr(0, both) == start.substr(0, both);
}

std::string_view next_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() &&
         (text.size() == 1 || text.front() != '0');
}

// "TCP4 192.0.2.1 192.0.2.2 4711 443", or "UNKNOWN" and whatever.
ProxyHeader read_line(std::string_view line, std::size_t length) {
  const std::string_view family = next_word(line);
  if (family == "UNKNOWN") return {State::kComplete, length, std::nullopt};
  if (family != "TCP4" && family != "TCP6") return {};
  const bool v6 = family == "TCP6";
  const std::string_view source = next_word(line);
  const std::string_view destination = next_word(line);
  const std::optional<IpAddress> client = read_address(source);
  if (!client || !read_address(destination)) return {};
  if (source.contains(':') != v6 || destination.contains(':') != v6) return {};
  const std::string_view source_port = next_word(line);
  if (!is_port(source_port) || !is_port(line)) return {};
  return {State::kComplete, length, client};
}

ProxyHeader read_text(std::string_view bytes) {
  const std::string_view most = bytes.substr(0, kTextBytesMax);
  const std::size_t end = most.find("\r\n");
  if (end == std::string_view::npos) {
    return {bytes.size() < kTextBytesMax ? State::kMore : State::kMalformed};
  }
  return read_line(most.substr(kTextStart.size(), end - kTextStart.size()), end + 2);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

IpAddress source_v4(std::string_view addresses) {
  IpAddress made;
  made.bytes[10] = made.bytes[11] = 0xff;
  std::memcpy(made.bytes.data() + 12, addresses.data(), 4);
  return made;
}

IpAddress source_v6(std::string_view addresses) {
  IpAddress made;
  std::memcpy(made.bytes.data(), addresses.data(), 16);
  return made;
}

ProxyHeader read_binary(std::string_view bytes) {
  if (bytes.size() < kBinaryHead) return {State::kMore};
  const std::uint8_t command = byte_at(bytes, 12);
  const std::uint8_t family = byte_at(bytes, 13);
  const std::size_t rest = std::size_t{byte_at(bytes, 14)} << 8 | byte_at(bytes, 15);
  const std::size_t length = kBinaryHead + rest;
  constexpr std::uint8_t kLocal = 0x20;
  constexpr std::uint8_t kProxied = 0x21;
  if ((command != kLocal && command != kProxied) || length > kProxyHeaderBytesMax) return {};
  constexpr std::uint8_t kUnspecified = 0x00;
  constexpr std::uint8_t kTcp4 = 0x11;
  constexpr std::uint8_t kTcp6 = 0x21;
  constexpr std::uint8_t kUnix = 0x31;
  std::size_t needed = 0;
  if (command == kProxied) {
    switch (family) {
      case kUnspecified:
        break;
      case kTcp4:
        needed = kV4Bytes;
        break;
      case kTcp6:
        needed = kV6Bytes;
        break;
      case kUnix:
        needed = kUnixBytes;
        break;
      default:
        return {};  // What a listener of TCP is not reached by.
    }
  }
  if (rest < needed) return {};
  if (bytes.size() < length) return {State::kMore};
  ProxyHeader read{State::kComplete, length, std::nullopt};
  const std::string_view addresses = bytes.substr(kBinaryHead, rest);
  if (needed == kV4Bytes) read.client = source_v4(addresses);
  if (needed == kV6Bytes) read.client = source_v6(addresses);
  return read;
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return {State::kMore};
  if (begins(bytes, kTextStart)) return read_text(bytes);
  if (begins(bytes, kBinaryStart)) return read_binary(bytes);
  return {};
}

}  // namespace tollgate::net
