// What each field at the top of a request means to the gateway: the one table of the policy.
//
// A field that is not in it passes where it is a single value, and is refused by its name where
// it is an object or an array: those can name sources, tools and addresses that an upstream, or
// its next version, would charge for or reach. The table holds unwanted fields too, where
// dropping one keeps a client working, or where a client that says "off" may.
//
// Internal to dialects. No I/O.
#pragma once

#include <cstdint>
#include <string_view>

#include "dialects/surface.h"

namespace tollgate::dialects {

enum class FieldUse : std::uint8_t {
  kPass,           // Harmless: handed on as it is.
  kUnknown,        // In no table: handed on if a single value, refused if it has a structure.
  kDrop,           // Only the operator may set it: left out, silently.
  kRefuse,         // Costs what is not counted: refused unless null or false.
  kSpecialTokens,  // Handed on: a token or two more at the begin and the end.
  kCountedText,    // Handed on, and its text (or its JSON) is a text of the request.
  kModel,
  kMessages,
  kSystem,
  kPrompt,
  kInput,
  kModerated,     // Texts and images that a moderation looks at.
  kQuery,         // What documents are ranked by,
  kDocuments,     // …and those.
  kItems,         // What a response is asked of: a string, or items.
  kInstructions,  // A system message in front of them.
  kTools,
  kFunctions,
  kToolChoice,   // Which of them is to be called.
  kBesideTools,  // Handed on; means nothing where there are no tools.
  kMaxToolCalls,
  kModalities,  // Text only.
  kChoices,     // n
  kBestOf,
  kMaxTokens,
  kMaxCompletionTokens,
  kStream,
  kStreamOptions,
  kServiceTier,
  kSpeed,         // "standard" only.
  kLogprobCount,  // A whole number of at most kLogprobsMax, or a boolean.
  kThinking,
  kTextOptions,       // The format that a response is held to, and how it is written.
  kDescription,       // What an image is to show: a text.
  kSpoken,            // What is to be spoken, and how: texts, paid by their characters.
  kImageSize,         // A text that prices are found by…
  kImageQuality,      // …like this one.
  kImageFormat,       // "b64_json" only: an address of the provider's is not handed out.
  kSoundFormat,       // One of those whose type is known.
  kSoundStream,       // "audio" only.
  kStore,             // Whether the provider is to keep the answer.
  kPreviousResponse,  // What it goes on from: a response…
  kConversation,      // …or a conversation; not both.
  kCacheControl,      // A mark for the provider's cache: handed on where writes to it have a price.
};

// More alternatives a token than any upstream gives are refused.
inline constexpr int kLogprobsMax = 20;

FieldUse use_of(Surface surface, std::string_view field);

}  // namespace tollgate::dialects
