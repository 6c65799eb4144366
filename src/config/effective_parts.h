// What the parts of effective_json() are put together from.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/choices.h"
#include "config/scalars.h"
#include "controls/authentication/jwt_policy.h"
#include "controls/limits/limits.h"

namespace tollgate::config {

// In the place of every secret.
inline constexpr std::string_view kMask = "***";

inline boost::json::value text(std::string_view words) { return boost::json::string(words); }

inline boost::json::array texts(const std::vector<std::string>& words) {
  boost::json::array made;
  for (const std::string& word : words) made.push_back(text(word));
  return made;
}

// Nothing where there are none.
inline void put(boost::json::object& made, std::string_view key, const std::string& words) {
  if (!words.empty()) made[key] = text(words);
}
inline void put(boost::json::object& made, std::string_view key,
                const std::vector<std::string>& words) {
  if (!words.empty()) made[key] = texts(words);
}

// One section `limits`: the mode is of the whole.
inline boost::json::object figures(const std::vector<limits::Policy>& policies,
                                   limits::Scope scope) {
  boost::json::object made;
  for (const limits::Policy& policy : policies) {
    if (policy.scope != scope) continue;
    made[limits::name_of(policy.figure)] = policy.limit;
    made["mode"] = text(policy.mode == Mode::kObserve ? "observe" : "enforce");
  }
  return made;
}

inline boost::json::object figures_by_scope(const std::vector<limits::Policy>& policies) {
  boost::json::object made;
  for (int i = 0; i < limits::kScopeCount; ++i) {
    const auto scope = static_cast<limits::Scope>(i);
    boost::json::object one = figures(policies, scope);
    if (!one.empty()) made[limits::name_of(scope)] = std::move(one);
  }
  return made;
}

// Whose tokens, signed how, by keys from where: of build_verifier().
inline void put_verifier(boost::json::object& made, const authentication::JwtPolicy& policy) {
  put(made, "issuer", policy.issuer);
  made["audience"] = texts(policy.audiences);
  boost::json::array algorithms;
  for (const auto each : policy.algorithms) algorithms.push_back(text(name_of(each)));
  made["algorithms"] = std::move(algorithms);
  made["token_type"] = text(choices::token_types()[static_cast<std::size_t>(policy.type)]);
  const bool file = policy.keys == authentication::KeyOrigin::kFile;
  put(made, file ? "jwks_file" : "jwks_url", policy.keys_at);
  put(made, "certificate_authority", policy.certificate_authority.path);
  made["leeway"] = format_duration(policy.leeway);
}

}  // namespace tollgate::config
