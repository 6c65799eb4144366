// Which tools a model may be offered, and may call.
//
// A tool passes where the route's `allow` has it, or what the route allows to one of the caller's
// roles, and the tenant's `allow` and the credential's, where there are such; and no `deny` of the
// route or the tenant does. What nobody named is not allowed, so a route that says nothing of tools
// has none. The same question is asked of what a request offers, of what it says was called before,
// and of what an answer calls.
//
// Whoever serves a surface says what was offered and called; nothing here knows its wire form.
//
// Pure: no I/O, no clock. const is safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/units.h"
#include "controls/tools/names.h"

namespace tollgate::tools {

// What is done about a tool that is offered and may not be.
enum class Unlisted : std::uint8_t {
  kRefuse,
  kRemove,  // The model is not told of it.
};

// What the arguments of a call in an answer are held to.
enum class Arguments : std::uint8_t {
  kPass,
  kParse,     // They are JSON, once they are whole.
  kValidate,  // They fit the schema of the definition, before the caller sees any of them.
};

struct OfRole {
  std::string role;
  NameSet allow;
};

// What the operator writes under a route's `tools`.
struct Policy {
  Mode mode = Mode::kEnforce;
  NameSet allow;
  NameSet deny;
  std::vector<OfRole> by_role;  // Allowed to those who have the role, beside `allow`.
  Unlisted unlisted = Unlisted::kRefuse;
  Arguments arguments = Arguments::kParse;
  std::int64_t definitions = 128;       // Tools in a request.
  std::int64_t calls = 64;              // In one answer.
  std::optional<std::int64_t> steps;    // Turns of the history in which tools were called.
  std::optional<std::int64_t> repeats;  // Of one call with the same arguments in it.
};

// What he writes under a tenant's.
struct TenantPolicy {
  NameSet allow;  // Empty: whatever the route allows.
  NameSet deny;
};

// Whose request it is, on which route. Borrows all.
struct Scope {
  const Policy& policy;
  std::string_view route;
  std::string_view tenant;
  const TenantPolicy* of_tenant = nullptr;  // Null: it says nothing.
  std::span<const std::string_view> roles;
  std::span<const std::string_view> reach;  // Entries that the credential is for; empty: any.
};

// Why a tool may not be used; kNothing: it may.
enum class Denial : std::uint8_t {
  kNothing,
  kUnlisted,
  kDenied,
  kUnlistedForTenant,
  kDeniedForTenant,
  kBeyondCredential,
  kNoName,  // It is called what no tool is called.
};
Denial denial_of(const Scope& scope, const Tool& tool);
// The place in the configuration that says so: "routes.chat.tools", "tenants.acme.tools.deny".
std::string rule_of(const Scope& scope, Denial denial);

// How a tool is told of: by its name, or a provider's own by its type.
std::string_view label_of(const Tool& tool);

// How metrics tell of a tool: as the configuration names it, or "other", so that no caller can make
// labels. Lives as long as the policy.
std::string_view metric_label(const Scope& scope, std::string_view label);

// A tool call that a request says was made before.
struct PastCall {
  Tool tool;  // Without a type where the surface tells none.
  std::string_view arguments;
  std::int64_t turn = 0;   // Which turn of the model's it is of, never falling.
  std::int64_t place = 0;  // Which message or item holds it, from 0.
};

// A tool that the caller wants to be called.
struct Chosen {
  Tool tool;
};

// What a request says of tools.
struct Asked {
  std::span<const Tool> offered = {};
  std::span<const PastCall> calls = {};
  std::span<const Chosen> chosen = {};
  bool must_call = false;                 // The model has to call some tool.
  std::string_view history = "messages";  // Where the calls stand.
};

struct Verdict {
  std::vector<std::size_t> removed;  // Of what was offered, in order.
  // Rules that would have refused, where the route only observes.
  std::vector<std::string> observed;
};

// Refuses with kToolNotAllowed, naming the tool and the rule, and with kInvalidRequest two tools of
// one name and a choice of a tool that is not offered. `refused` is told the label of the tool at
// fault, where there is one. Linear in what is asked but for sorting the names, of which there are
// at most `definitions`.
Expected<Verdict> check(const Scope& scope, const Asked& asked, std::string& refused);

}  // namespace tollgate::tools
