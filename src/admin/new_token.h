// Makes admin tokens: the one place where a request for a token becomes a record, for the admin API
// and the command alike.
//
// What cannot be understood is told in a sentence; nothing that is asked is ignored.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/query.h"
#include "base/fault.h"
#include "base/units.h"
#include "controls/administration/token.h"
#include "storage/admin_tokens.h"

namespace tollgate::admin {

struct TokenWish {
  std::string name;
  administration::Grant grant;
};

// {"name": …, "role": "viewer", "tenants": […], "expires": "90d"}
OrWords<TokenWish> read_token_wish(std::string_view body, WallTime now);

// What every wish must keep, wherever it comes from.
OrWords<void> check(const TokenWish& wish, WallTime now);

struct MadeToken {
  administration::TokenRecord record;
  std::string secret;  // Shown once.
};

// Draws from the cryptographic generator of OpenSSL; a Fault where that fails. `by` is the
// credential of whoever makes it; empty: a command.
FaultOr<MadeToken> make_token(const TokenWish& wish, std::string_view by,
                              const authentication::Pepper& pepper, WallTime now);

// Why it is not kept; a sentence.
std::string_view why_not_made(storage::TokenMade verdict);

std::string tokens_json(const std::vector<administration::TokenRecord>& tokens);
// {"data", "has_more", "next"}
std::string token_page_json(const storage::TokenPage& page);

}  // namespace tollgate::admin
