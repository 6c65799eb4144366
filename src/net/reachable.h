// Which addresses a connection may be made to, where a name is not the operator's own word on where
// it leads: the name may resolve inward (CWE-918).
//
// It is asked of the very address that is connected to, so no second look-up can differ. Pure.
#pragma once

#include <string_view>

#include "base/address.h"
#include "config/config.h"
#include "net/resolver.h"

namespace tollgate::net {

inline constexpr std::string_view kInternalAddress =
    "its address is internal, where nothing is sent without `internal: true`; services of the "
    "cloud's machine never get anything";

bool may_connect(config::Addresses allowed, const IpAddress& address);
bool may_connect(config::Addresses allowed, const Address& address);

}  // namespace tollgate::net
