// What is asked for when a key is made, ended or taken over from another gateway: the bodies of
// the admin API and the files and options of the command, in one place.
//
// Pure. What cannot be understood is told in a sentence; nothing that is asked is ignored.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/new_key.h"
#include "admin/query.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"

namespace tollgate::admin {

// How long a key that was rotated still works, where nobody says otherwise.
inline constexpr std::string_view kOverlapUsual = "24h";

// "90d" from now on, a date, a moment, or "never".
OrWords<std::optional<WallTime>> read_expiry(std::string_view text, WallTime now);

// Adds a text to the scopes under the name of its list: routes, models, tools or addresses.
OrWords<void> add_scope(authentication::KeyScopes& scopes, std::string_view list,
                        std::string_view text);

// {"tenant": …, "user", "roles", "name", "expires", "scopes": {"routes", "models", "tools",
// "addresses"}}
OrWords<KeyWish> read_wish(std::string_view body, WallTime now);

// The one member `name` of a body, or `usual` where there is no body.
OrWords<std::string> read_only_member(std::string_view body, std::string_view name,
                                      std::string_view usual);

// JSON objects, one a line, of the form of a wish with a "digest" as imported_key.h has it. Tells
// the line at fault. `is_tenant` says which tenants there are.
OrWords<std::vector<authentication::KeyRecord>> read_imports(
    std::string_view lines, const authentication::Pepper& pepper, WallTime now,
    const std::function<bool(std::string_view)>& is_tenant);

}  // namespace tollgate::admin
