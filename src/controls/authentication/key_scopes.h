// What a key is for at most: routes, models, tools, and the addresses that it is used from.
//
// Scopes narrow what the configuration lets the key's tenant and roles do; they never widen it. A
// list that is empty narrows nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace tollgate::authentication {

struct KeyScopes {
  std::vector<std::string> routes;  // Names of the configuration, as are the models.
  std::vector<std::string> models;
  std::vector<std::string> tools;  // As in a route's `tools.allow`.
  std::vector<AddressRange> addresses;

  friend bool operator==(const KeyScopes&, const KeyScopes&) = default;
};

// The part of it that authorization holds a caller to: views into the request's arena.
struct Reach {
  std::span<const std::string_view> routes;
  std::span<const std::string_view> models;
  std::span<const std::string_view> tools;
};

}  // namespace tollgate::authentication
