// The PROXY protocol, versions 1 and 2: what a load balancer says, before all else, of the
// connection that it passes on.
//
// Pure. Safe from any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/address.h"

namespace tollgate::net {

// The longest header that is read: version 1 has at most 107 bytes, version 2 what its addresses
// and its additions need.
inline constexpr std::size_t kProxyHeaderBytesMax = 2048;

struct ProxyHeader {
  enum class State : std::uint8_t { kMore, kMalformed, kComplete };
  State state = State::kMalformed;
  std::size_t length = 0;           // kComplete: of the header.
  std::optional<IpAddress> client;  // Nothing: the balancer itself asks, or cannot say who does.
};

// What the first bytes of a connection are. kMalformed as soon as no bytes could mend it.
ProxyHeader read_proxy_header(std::string_view bytes);

}  // namespace tollgate::net
