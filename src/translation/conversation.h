// A conversation as a caller asks for it, in no dialect: what one dialect's body is read into and
// another's is written from. Internal to translation.
//
// Borrows the body that it was read from. One thread; reused from request to request.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/units.h"
#include "dialects/surface.h"

namespace tollgate::translation {

using Checked = std::expected<void, Refusal>;
using dialects::Surface;

enum class Role : std::uint8_t { kSystem, kUser, kAssistant };

// An image within the request, or by its address.
struct Image {
  std::string_view media_type;
  std::string_view base64;
  std::string_view url;  // Empty: it is within.
  std::string_view detail;
};

struct Part {
  enum class Kind : std::uint8_t { kText, kRefusal, kThought, kImage, kAudio, kCall, kResult };
  Kind kind = Kind::kText;
  std::string_view text;  // Of a call its arguments, where they are a text; of a recording base64.
  std::string_view id;    // Of a call, and of the result the call's.
  std::string_view name;  // Of what is called; the format of a recording.
  Image image;
  std::optional<simdjson::dom::element> input;  // The arguments of a call, where they are JSON.
  bool is_custom = false;                       // Of a tool that takes any text.
  bool is_error = false;                        // A result that is one.
  std::size_t first = 0;                        // Of a result: its parts in `results`.
  std::size_t count = 0;
};

struct Turn {
  Role role = Role::kUser;
  std::int64_t index = -1;  // In the caller's list; -1: in none.
  std::size_t first = 0;    // Its parts.
  std::size_t count = 0;
};

struct Tool {
  std::string_view name;
  std::string_view description;
  std::optional<simdjson::dom::element> parameters;
  std::optional<bool> strict;
  bool is_custom = false;
  std::string_view syntax;  // Of a custom tool that is held to a grammar.
  std::string_view grammar;
};

struct Choice {
  enum class Kind : std::uint8_t { kUnsaid, kAuto, kNone, kRequired, kTool };
  Kind kind = Kind::kUnsaid;
  std::string_view name;
  bool is_custom = false;
  // Where there are any: the only tools that may be called, of those that are offered.
  std::vector<std::string_view> allowed = {};
};

// What the output is held to.
struct Format {
  enum class Kind : std::uint8_t { kUnsaid, kObject, kSchema };
  Kind kind = Kind::kUnsaid;
  std::string_view field;  // Of the body, that says so.
  std::string_view name;
  std::string_view description;
  std::optional<simdjson::dom::element> schema;
  std::optional<bool> strict;
};

// A field of the caller's body whose value is handed on as it is, where there is a place for it.
enum class Setting : std::uint8_t {
  kTemperature,
  kTopP,
  kTopK,
  kStop,  // A string or a list of them.
  kUser,
  kSafetyIdentifier,
  kMetadata,
  kEffort,  // Of reasoning.
  kVerbosity,
};
struct Set {
  Setting setting{};
  std::string_view field;
  simdjson::dom::element value;
};

struct Conversation {
  Surface from = Surface::kChatCompletions;
  std::string_view list;  // The caller's name for it: "messages", "input".
  // Fields at the top of the caller's body that are left out where they have no counterpart.
  std::span<const std::string> dropped;
  std::string_view model;
  std::string_view service_tier;  // As the upstream says it; empty: nothing is said.
  std::vector<Turn> turns;
  std::vector<Part> parts;
  std::vector<Part> results;  // The parts of results.
  std::vector<Tool> tools;
  Choice choice;
  std::optional<bool> parallel_calls;
  std::optional<Tokens> cap;
  bool streamed = false;
  std::vector<Set> settings;
  Format format;

  void clear(Surface surface, std::span<const std::string> may_drop);
  // Whether what stands at `field`, or within it, is left out rather than refused.
  bool drops(std::string_view field) const;
  void begin_turn(Role role, std::int64_t index);
  void add(const Part& part);
  std::span<const Part> parts_of(const Turn& turn) const;
  std::span<const Part> parts_of(const Part& result) const;
};

// The name of the place of a turn, "messages[3]".
std::string place_of(const Conversation& conversation, const Turn& turn);

// Refuses with kUnsupportedParameter. `why` goes on from the name of the field: "holds …".
std::unexpected<Refusal> cannot_carry(std::string where, std::string_view why);
// The field has no counterpart at the upstream.
std::unexpected<Refusal> has_no_place(std::string where);

// Reads a body that dialects::RequestReader has written.
Checked read_chat(simdjson::dom::object body, Conversation& into);
Checked read_messages(simdjson::dom::object body, Conversation& into);
Checked read_response(simdjson::dom::object body, Conversation& into);

// Appends the body to `out`.
Checked write_chat(const Conversation& conversation, dialects::CapField cap_field,
                   std::string& out);
Checked write_messages(const Conversation& conversation, std::string& out);
Checked write_response(const Conversation& conversation, std::string& out);

}  // namespace tollgate::translation
