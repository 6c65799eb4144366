// A conversation asked in one dialect of a model server that speaks another: the request is written
// anew in the server's, the answer in the caller's, whole or streamed.
//
// All controls read the caller's side: the request before it is translated, the answer after. What
// has no counterpart is refused by its name, never left out, but for what the operator lists.
//
// Pure: no I/O, no clock. Linear in what is translated. One thread; reused from request to request.
//
// Sources: OpenAI API reference (chat completions, responses and their streaming events), Anthropic
// API reference (messages, streaming).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/refusal.h"
#include "base/units.h"
#include "dialects/surface.h"

namespace tollgate::translation {

// From which surface to which: both are conversations.
struct Passage {
  dialects::Surface asked = dialects::Surface::kChatCompletions;   // Of the caller…
  dialects::Surface spoken = dialects::Surface::kChatCompletions;  // …and of the model server.
  dialects::CapField cap_field = dialects::CapField::kBoth;        // Where that is a chat.
  // Fields at the top of the caller's body that are left out where they have no counterpart.
  std::span<const std::string> dropped;
  std::string_view service_tier = {};  // What the server is told of it; empty: nothing.
};

class RequestTranslator {
 public:
  RequestTranslator();
  ~RequestTranslator();
  RequestTranslator(RequestTranslator&&) noexcept;

  // `body`: as dialects::RequestReader::write() has written it, with
  // dialects::RequestReader::kPadding readable bytes behind its end. Refuses with
  // kUnsupportedParameter what cannot be carried over. Appends to `out`.
  Expected<void> translate(const Passage& passage, std::string_view body, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What an answer says where its server does not.
struct AnswerTerms {
  std::string_view id;       // Letters and digits; not empty.
  std::string_view model;    // As it was asked for.
  std::int64_t created = 0;  // Seconds since 1970.
  Tokens input = 0;          // Tokens, as counted here, where a stream begins before they are told.
};

class AnswerTranslator {
 public:
  AnswerTranslator();
  ~AnswerTranslator();
  AnswerTranslator(AnswerTranslator&&) noexcept;

  // A whole answer; `body` is padded as above. A Fault: it is no answer of its surface, or holds
  // what cannot be carried over. Appends to `out`, which has kPadding readable bytes behind its end
  // then.
  FaultOr<void> whole(const Passage& passage, const AnswerTerms& terms, std::string_view body,
                      std::string& out);

  // A stream, in pieces cut anywhere. What comes after its last event is dropped. `out` takes whole
  // events, and is appended to, also what came before a Fault.
  void start(const Passage& passage, const AnswerTerms& terms);
  FaultOr<void> feed(std::string_view piece, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tollgate::translation
