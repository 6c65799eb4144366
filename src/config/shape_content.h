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

inline constexpr Field kOwnRuleFields[] = {
    {.key = "pattern",
     .kind = Kind::kText,
     .doc = "In the [syntax of RE2](https://github.com/google/re2/wiki/Syntax). Either this or "
            "`words`."},
    {.key = "words",
     .kind = Kind::kTexts,
     .doc = "Words or phrases, found in any case and spelling, however their words are parted.",
     .max = 256},
    {.key = "reads",
     .kind = Kind::kChoice,
     .doc = "What the pattern is held to: `text`, each text as it came, in its normal form and "
            "decoded; or `words`, its folded form: small or capital, without accents and "
            "look-alikes, one space for several.",
     .fallback = "text",
     .names = choices::rule_readings},
    {.key = "description", .kind = Kind::kText, .doc = "For those who read this file."},
};
inline constexpr Section kOwnRule{
    "rule", "A rule of your own, `own.NAME`. See [content](content.md#rules-of-your-own).",
    kOwnRuleFields};

inline constexpr Field kContentRulesFields[] = {
    {.key = "rules",
     .kind = Kind::kMap,
     .doc = "By name; together they are the pack `own`.",
     .max = 256,
     .section = &kOwnRule},
};
inline constexpr Section kContentRules{
    "content_rules", "What all routes share of their content policies.", kContentRulesFields};

inline constexpr Field kContentOverrideFields[] = {
    {.key = "on_match",
     .kind = Kind::kChoice,
     .doc = "What is done about a match instead.",
     .names = choices::on_matches},
    {.key = "mode",
     .kind = Kind::kChoice,
     .doc = "`enforce` or `observe`, instead.",
     .names = choices::modes},
};
inline constexpr Section kContentOverride{
    "override",
    "What differs for one pack, or for one rule of it. What is said of a rule stands above what is "
    "said of its pack.",
    kContentOverrideFields};

inline constexpr Field kContentFields[] = {
    {.key = "request",
     .kind = Kind::kList,
     .doc = "Packs of rules that every text of a request is held to. `secrets`: keys, tokens and "
            "passwords of known kinds; `pii`: personal data; `injection`: markers of injections "
            "and jailbreaks; `unicode`: characters that hide a text or turn its order around; "
            "`special_tokens`: those of chat templates; `own`: the rules of yours. See "
            "[packs](content.md).",
     .min = 1,
     .max = 16,
     .names = choices::content_packs,
     .of = Kind::kChoice},
    {.key = "response",
     .kind = Kind::kList,
     .doc = "Packs of rules that every text of an answer is held to, before the caller has it. "
            "`secrets`, `pii`, `unicode` and `special_tokens` as above; `injection`, which is only "
            "told, as it "
            "is found when a stream is out; `links`: links and images that carry data out; `own`: "
            "the rules of yours. Of MCP servers `injection` refuses, too.",
     .min = 1,
     .max = 16,
     .names = choices::answer_packs,
     .of = Kind::kChoice},
    {.key = "on_match",
     .kind = Kind::kChoice,
     .doc = "`refuse` the request or the answer; `flag` it: the record alone tells; or `redact`: a "
            "request goes on with a mask in place of the match, and an answer, where nothing can "
            "be masked, is refused.",
     .fallback = "refuse",
     .names = choices::on_matches},
    {.key = "restore",
     .kind = Kind::kFlag,
     .doc = "Whether masks that come back in an answer become what they stand for again, for the "
            "caller who sent it.",
     .fallback = "false"},
    {.key = "links", .kind = Kind::kSection, .doc = "Of the pack `links`.", .section = &kLinks},
    kMode,
    {.key = "except",
     .kind = Kind::kTexts,
     .doc = "Names of rules that are left out, `pii.email`.",
     .max = 256},
    {.key = "overrides",
     .kind = Kind::kMap,
     .doc = "By the name of a pack or of a rule, `pii` or `pii.email`: what differs for it.",
     .max = 256,
     .section = &kContentOverride,
     .key_kind = Kind::kModelName},
};
inline constexpr Section kContent{
    "content",
    "What may not stand in a request or in its answer; one of `request` and `response`, or both. "
    "Where it stands, and by which rule, "
    "is on record; the text is not. See [content](content.md).",
    kContentFields};

}  // namespace tollgate::config
