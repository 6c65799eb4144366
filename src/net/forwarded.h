// Who asks behind a proxy? The address in the header that the operator's proxies write.
//
// Only what a listed proxy says is believed: the list of the header is read from its right end,
// where the nearest proxy has written, to the left, and the first address that is no proxy's is
// the caller's. What stands left of it was written by the caller, and is not looked at.
//
// Where there should be an address and is none, nobody is taken for the caller, the proxy least of
// all: its address is what limits, failures and scopes of keys would then go by.
//
// Pure. Safe from any thread.
#pragma once

#include <optional>
#include <span>

#include "config/config.h"
#include "pipeline/ports.h"

namespace tollgate::net {

// The address that the request of `peer` is from: its own where no proxy says another. Nothing
// where a proxy says what is no address: what is broken, "unknown", a name of its own.
std::optional<IpAddress> client_behind(const IpAddress& peer,
                                       std::span<const pipeline::Header> headers,
                                       const config::Edge& edge);

}  // namespace tollgate::net
