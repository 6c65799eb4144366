// External guards: what a service that judges texts is asked, and what its answer means.
//
// A guard sees every text of a request, system prompts and the whole history included, or every
// text of an answer. What it answers is read strictly: an answer that is not one of its kind is a
// fault and no verdict, and what that means is for the caller to decide.
//
// Pure: no I/O, no clock.
//
// Sources: OpenAI API reference (moderations); Llama Guard 3 model card (prompt and output format);
// Presidio Analyzer API (/analyze). The form `http` is ours: docs/guards.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "dialects/request.h"

namespace tollgate::dialects {

enum class GuardKind : std::uint8_t { kHttp, kOpenAiModeration, kLlamaGuard, kPresidio };
inline constexpr int kGuardKindCount = 4;
std::string_view name_of(GuardKind kind);      // "openai_moderation"
std::string_view path_behind(GuardKind kind);  // Behind the upstream's base URL: "/moderations".

// Which findings count.
struct GuardThreshold {
  std::vector<std::string> categories;  // As the guard names them; empty: all.
  double score = 0;                     // From 0 to 1, the least that counts; 0: as the guard says.
};

// A text of an answer, and its place: "choices[0].message.content".
struct AnswerText {
  std::string place;
  std::string text;
};

struct GuardQuestion {
  GuardKind kind{};
  std::string_view model;     // As its service names it; empty where it has none.
  std::string_view language;  // Of Presidio.
  std::string_view tenant;    // This and what follows for kHttp alone.
  std::string_view route;
  // Of a request…
  std::span<const Text> texts;
  std::span<const Text> carried;
  // …or of its answer, as far as there is one; then the other two are empty.
  std::span<const AnswerText> answer;
  bool is_whole = true;    // Nothing of it is still to come.
  std::string_view asked;  // What was asked, as one text, for kLlamaGuard.
};
// All texts of a request as one, as guards that judge one text have them.
std::string texts_as_one(std::span<const Text> texts, std::span<const Text> carried);
// Whether guards of the kind judge an answer by what was asked.
bool reads_what_was_asked(GuardKind kind);

// Appends the JSON body, and tells how many texts are in it.
std::size_t write_question(const GuardQuestion& question, const GuardThreshold& threshold,
                           std::string& out);

// A guard of kLlamaGuard makes so many tokens at most.
inline constexpr Tokens kGuardOutputMax = 64;

struct GuardVerdict {
  bool passes = true;
  std::vector<std::string> categories;  // Those that count, at most kGuardCategoriesMax; names.
  std::optional<Tokens> input;          // What it says that it read…
  std::optional<Tokens> output;         // …and made.
};
inline constexpr std::size_t kGuardCategoriesMax = 16;

// Faults with kBroken: the answer is none that a guard of this kind gives.
FaultOr<GuardVerdict> read_verdict(GuardKind kind, std::string_view body,
                                   const GuardThreshold& threshold, std::size_t texts);

}  // namespace tollgate::dialects
