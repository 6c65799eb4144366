// The table of shape.h for what may stand in a request.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_allowances.h"

namespace tollgate::config {

inline constexpr Field kLinkFields[] = {
    {.key = "allow",
     .kind = Kind::kList,
     .doc = "Hosts to which links and images may carry data: `docs.example.com`, or "
            "`*.example.com` for all below it.",
     .min = 1,
     .max = 256,
     .of = Kind::kText},
};
inline constexpr Section kLinks{"links", "What links in answers may lead to.", kLinkFields};

inline constexpr Field kContentFields[] = {
    {.key = "request",
     .kind = Kind::kList,
     .doc = "Packs of rules that every text of a request is held to. `secrets`: keys, tokens and "
            "passwords of known kinds. `unicode`: characters that hide a text or turn its order "
            "around ([classes](content-unicode.md)).",
     .min = 1,
     .max = 16,
     .names = choices::content_packs,
     .later = choices::later_content_packs,
     .of = Kind::kChoice},
    {.key = "response",
     .kind = Kind::kList,
     .doc = "Packs of rules that every text of an answer is held to, before the caller has it. "
            "`secrets`; `links`: links and images that carry data out.",
     .min = 1,
     .max = 16,
     .names = choices::answer_packs,
     .later = choices::later_answer_packs,
     .of = Kind::kChoice},
    {.key = "on_match",
     .kind = Kind::kChoice,
     .doc = "`refuse` the request or the answer, or `flag` it: the record alone tells.",
     .fallback = "refuse",
     .names = choices::on_matches,
     .later = choices::later_on_matches},
    {.key = "links", .kind = Kind::kSection, .doc = "Of the pack `links`.", .section = &kLinks},
    kMode,
};
inline constexpr Section kContent{
    "content",
    "What may not stand in a request or in its answer; one of `request` and `response`, or both. "
    "Where it stands, and by which rule, "
    "is on record; the text is not. See [content](content.md).",
    kContentFields};

}  // namespace tollgate::config
