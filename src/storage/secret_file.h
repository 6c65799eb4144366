// Secrets that the gateway makes for itself at its first start, each in a file of its own.
//
// A file is made whole or not at all, with mode 0600 and 32 random bytes. One that others than
// its owner may read is refused: it would be a secret no more. Blocking disk I/O, at start.
#pragma once

#include <string>

#include "base/fault.h"
#include "config/config.h"
#include "controls/authentication/authentication.h"

namespace tollgate::storage {

// The pepper of the digests of keys. Losing it makes every key worthless.
FaultOr<authentication::Pepper> load_or_make_pepper(const std::string& path);

// The name under which a gateway keeps its part of what it shares with others: 16 digits, made at
// the first start. No secret, but as much its own.
FaultOr<std::string> load_or_make_gateway_name(const std::string& path);

// The token that guards the admin address: text, one line.
FaultOr<config::Secret> load_or_make_admin_token(const std::string& path);

}  // namespace tollgate::storage
