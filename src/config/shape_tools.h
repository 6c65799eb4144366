// The tables of shape.h for tools that models are offered and call.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_allowances.h"

namespace tollgate::config {

inline constexpr Field kToolAllow{.key = "allow",
                                  .kind = Kind::kList,
                                  .doc =
                                      "Tools that may be offered to the model and called: a "
                                      "name, a prefix or an ending with a `*`, or `*` for every "
                                      "name. A provider's own tool goes by `type:web_search` "
                                      "for every version of it, or by its whole type, "
                                      "`type:web_search_20250305`, for that one.",
                                  .max = 1024,
                                  .of = Kind::kText};
inline constexpr Field kToolDeny{.key = "deny",
                                 .kind = Kind::kList,
                                 .doc =
                                     "Tools that may not, whatever allows them; written as in "
                                     "`allow`, and read of the name and of the type.",
                                 .max = 1024,
                                 .of = Kind::kText};

inline constexpr Field kToolFields[] = {
    kToolAllow,
    kToolDeny,
    {.key = "by_role",
     .kind = Kind::kTextMap,
     .doc = "Allowed to callers who have the role, beside `allow`.",
     .max = 64,
     .of = Kind::kTexts},
    {.key = "unlisted",
     .kind = Kind::kChoice,
     .doc = "A request that offers another: refuse it, or remove the tool from what is sent, so "
            "that the model is not told of it.",
     .fallback = "refuse",
     .names = choices::unlisted_tools},
    {.key = "arguments",
     .kind = Kind::kChoice,
     .doc = "What the arguments of a call in an answer are held to: nothing (`pass`), to be JSON "
            "once they are whole (`parse`), or to the JSON Schema of the definition before the "
            "caller has any of the call (`validate`); then a schema that is not understood is "
            "refused.",
     .fallback = "parse",
     .names = choices::tool_arguments},
    {.key = "definitions",
     .kind = Kind::kCount,
     .doc = "Tools in a request.",
     .fallback = "128",
     .min = 1,
     .max = 1024},
    {.key = "calls",
     .kind = Kind::kCount,
     .doc = "Calls in one answer.",
     .fallback = "64",
     .min = 1,
     .max = 1024},
    {.key = "steps",
     .kind = Kind::kCount,
     .doc = "Turns of a conversation in which the model called tools. Not written: any number.",
     .min = 1,
     .max = 100'000},
    {.key = "repeats",
     .kind = Kind::kCount,
     .doc = "How often one call with the same arguments may stand in a conversation. Not written: "
            "any number.",
     .min = 1,
     .max = 100'000},
    kMode,
};
inline constexpr Section kTools{
    "tools",
    "Which tools a model may be offered and may call. None unless named. See [tools](tools.md).",
    kToolFields};

inline constexpr Field kTenantToolFields[] = {
    {.key = "allow",
     .kind = Kind::kList,
     .doc = "As in a route's.",
     .min = 1,
     .max = 1024,
     .of = Kind::kText},
    kToolDeny,
};
inline constexpr Section kTenantTools{
    "tenant_tools",
    "Tools that callers of a tenant may use at most, of what a route allows. `allow` not written: "
    "all of it.",
    kTenantToolFields};

}  // namespace tollgate::config
