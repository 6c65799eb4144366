// May they ask this? Deny by default: a request passes only where a route names its path, its
// model and its caller.
//
// One canonical path serves both the choice of the route and the verdict. A route is chosen by
// the listener's exposure, the method, the path, then the model asked and the callers it
// allows; a route of an internal exposure does not exist on a public listener. What is hidden
// and what is absent get one answer, so nobody learns the names of models by trying.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/refusal.h"
#include "controls/authentication/authentication.h"
#include "controls/authorization/name_patterns.h"

namespace tollgate::authorization {

enum class Exposure : std::uint8_t { kPublic, kInternal };

// One line of a route's `allow`: all that it names must hold; what it leaves out is any.
struct Allow {
  std::vector<std::string> tenants;
  std::vector<std::string> roles;  // At least one of them.
  std::vector<authentication::CredentialKind> credentials;
  std::vector<std::string> scopes;  // All of them; what has none, as a key, has no scope.
};

// Names of one kind that a caller may use: those of `allow`, and those of each of its roles and of
// its tenant beside them. Nothing is allowed unless named; a trailing "*" is a prefix.
struct NamedAccess {
  struct Group {
    std::string name;
    NamePatterns allow;
  };
  NamePatterns allow;
  std::vector<Group> by_role;    // Sorted by name.
  std::vector<Group> by_tenant;  // The same.

  bool empty() const { return allow.empty() && by_role.empty() && by_tenant.empty(); }
};
bool allows_name(const NamedAccess& access, std::string_view name,
                 const authentication::Identity& caller);

// What the operator writes on a route about who may use it.
struct Policy {
  std::string name;            // Of the route.
  Mode mode = Mode::kEnforce;  // Of `allow` only; a path or model unknown is always refused.
  std::string method = "POST";
  bool streams = false;  // GET and DELETE as well: the endpoint of a protocol with sessions.
  std::string path;      // Canonical.
  Exposure exposure = Exposure::kPublic;
  std::vector<std::string> models;  // Names of the configuration.
  std::vector<Allow> allow;         // Empty: nobody.
  bool anonymous = false;           // Callers without a credential too.
};

// The one form of a request target's path that routes are written in: slashes and the ASCII
// characters that RFC 3986 lets stand in a segment, nothing escaped. Decodes once; refuses with
// kInvalidRequest: anything but origin form, a fragment, dot segments, `//`, invalid escapes,
// more than 4 KiB, and every other character, escaped or not (%2f %5c %00 %25 %3f, a backslash,
// controls, blanks, bytes beyond ASCII). So the form of the form is itself. The query is cut
// off. The result lives in `arena` or in `target`.
Expected<std::string_view> canonical_path(std::string_view target, Arena& arena);

// Does any line of the route's `allow` hold for this caller? One without a credential is allowed
// by `anonymous` alone, whatever the lines say.
bool allows(const Policy& route, const authentication::Identity& caller);

// Whether the route is among those that the caller's credential is for, and the model. Nobody
// passes beyond that, whatever is only observed.
bool reaches(const Policy& route, const authentication::Identity& caller);
bool reaches_model(std::string_view model, const authentication::Identity& caller);

// Is the model one of the route's?
bool serves(const Policy& route, std::string_view model);

// Whether the caller may use the model by that route, from a listener of that exposure.
bool lists(const Policy& route, Exposure exposure, std::string_view model,
           const authentication::Identity& caller);

// Whether a tool of that name is among those that the credential is for.
bool reaches_tool(const authentication::Reach& reach, std::string_view name);

// What is asked of the table of routes.
struct Target {
  Exposure exposure = Exposure::kPublic;  // Of the listener.
  std::string_view method;
  std::string_view path;  // Canonical.
};
// Index of the first route that exists at the target, or -1: decided before the body is read.
int first_at(std::span<const Policy* const> routes, const Target& target);

// Whether the route stands at `target` and lets the caller in, whatever the model: their
// credential is for it, and it allows them or its `allow` is only observed. A caller without a
// credential is let in where the route says so and nowhere else, observed or not.
bool lets_in(const Policy& route, const Target& target, const authentication::Identity& caller);

// The answer where routes stand at the target and none lets the caller in.
Refusal refuse_caller();

// The answer for a model that there is not, and for one that this caller may not use.
Refusal refuse_model(std::string_view model);

// The first route for this model and caller among those at `target`: kNotFound where no route
// is there; kRouteNotAllowed where the path has routes but none allows the caller or none is what
// their credential is for; kModelNotFound where those that do serve another model only or the
// credential is for others, whoever else may use this one.
// In observe mode of a route, a caller who is not allowed passes and `observed` says so, unless
// another route truly allows the request.
struct Choice {
  int route = -1;
  bool observed = false;  // The caller would have been refused.
};
Expected<Choice> choose(std::span<const Policy* const> routes, const Target& target,
                        std::string_view model, const authentication::Identity& caller);

}  // namespace tollgate::authorization
