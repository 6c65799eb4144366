// How many tokens a request costs beyond its texts: what the chat template of the served model
// prints around them (chat_template.h), and bounds, said to be bounds, for what has no published
// form.
//
// Texts are counted one by one. Between special tokens, and after the line feeds that begin a
// content, a text comes to what it comes to alone; where a template joins two texts, prints JSON
// anew or escapes a tool's result, the most that this was seen to add is added, so the sum is not
// below what the model reads. framing_golden_test holds that to the real templates.
//
// Anthropic publishes no form of its prompts: eight tokens a message, and the up to 530 that it
// tells of tools, bound it. The framing of an upstream that speaks Anthropic's dialect for a model
// with a known template is the larger of both.
//
// Pure; any thread. A few additions, whatever the request holds.
#pragma once

#include "base/units.h"
#include "dialects/chat_template.h"
#include "dialects/request.h"

namespace tollgate::dialects {

struct Framing {
  Tokens tokens = 0;  // To add to the sum of the counts of the texts. Never too few.
  Tokens unsure = 0;  // So many of them at most may not be there.
};
Framing framing_of(const Request& request, ChatTemplate chat_template);

// How often a text of that kind is read, at most: Mistral's template prints the definitions of
// tools before every message that equals the user's last, and a query is read with each document.
std::int64_t readings_of(TextKind kind, const Request& request, ChatTemplate chat_template);

// A text as a template of that row prints it. `white` is what it may or may not take away around
// it: counted as well, since a word without its space may be more tokens.
struct Printed {
  std::string_view before;  // White space,
  std::string_view text;
  std::string_view after;  // …as this.
};
// A text of `kind` in a request of `surface`; nothing where the row has it among its own figures.
Printed printed(const Text& text, Surface surface, const TemplateRow& row);

}  // namespace tollgate::dialects
