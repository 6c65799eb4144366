// What a caller asks, read strictly from the wire and written anew for the upstream.
//
// The body is parsed once (simdjson DOM): invalid JSON or UTF-8, lone surrogates, a duplicate
// key, depth over 64, more than 200,000 nodes or a number of more than 32 characters is
// refused. The upstream gets a fresh serialisation, never the caller's bytes, so the two
// cannot read one body in two ways. Fields that multiply cost are known and typed; fields
// known to be harmless pass through; any other at the top is refused by its name. `cache_salt`
// and other fields that only the operator may set are dropped, and so is `cache_control`, whose
// writes have a price of their own, but where the gateway says that it has one (Edits). The whole
// policy is one table, request_fields.cc.
//
// Pure: no I/O, no clock. A RequestReader belongs to one thread and is reused from request to
// request; what read() returns borrows the reader and the body until the next read().
//
// Sources: OpenAI API reference (chat completions, completions, embeddings), Anthropic API
// reference (messages; versions 2023-06-01 and 2026-10-21).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "base/units.h"
#include "dialects/media.h"
#include "dialects/surface.h"

namespace tollgate::dialects {

enum class Delivery : std::uint8_t { kWhole, kStreamed };

// One text that the model will read. Role names and tool definitions are texts too, so that
// whatever counts or inspects sees everything.
enum class TextKind : std::uint8_t {
  kContent,
  kRole,
  kName,
  kToolDefinition,
  kToolCall,
  kQuery,    // What each of `prompts` documents is read with.
  kCarried,  // Read by no model.
};
struct Text {
  TextKind kind = TextKind::kContent;
  std::string_view text;    // Unescaped UTF-8.
  std::string_view field;   // Of the body, "messages", that it stands in; empty for one without a
                            // name that is known here…
  std::int64_t index = -1;  // …and in which element of it; -1: in none.
};

// Where the text at `which` stands: "messages[3].content", "tools[0]", "system[1]" for the second
// of several; the place of a field whose name is not known here is not told by name.
std::string place_of(std::span<const Text> texts, std::size_t which);

// A tool that the caller offers to the model.
struct Tool {
  std::string_view type;        // "function", "custom", "web_search_20250305"…
  std::string_view name;        // Empty for a provider's own tool without one.
  std::string_view definition;  // All of it, as JSON.
  // Of Anthropic's own tools that can be held to a number of calls: as asked.
  std::optional<std::int64_t> max_uses = std::nullopt;
};

// A call of a tool that the request says was made before.
struct Call {
  std::string_view type;  // "function", "custom"; empty where the dialect tells none.
  std::string_view name;
  std::string_view arguments;  // JSON; of a custom tool any text.
  std::int64_t message = 0;    // Which one holds it, from 0.
};

// A tool that the caller wants to be called.
struct ChosenTool {
  std::string_view type;
  std::string_view name;  // Empty for a provider's own tool that goes by its type.
};

// An image that the model server is to fetch (media_url.h).
struct MediaAddress {
  std::string_view host;
  std::string where;  // "messages[0].content[1].image_url.url"
};

// How a JSON text is built: what decides how many tokens it has where it is printed anew.
struct JsonForm {
  std::int64_t commas = 0;
  std::int64_t colons = 0;
  std::int64_t containers = 0;  // Objects and arrays.
  std::int64_t levels = 0;      // The sum of the depths of its lines, were it indented.
  std::int64_t exponents = 0;   // Numbers with one.
  Tokens escapes = 0;           // Bound of the tokens that it gains as a string.
};

// The conversation without its texts, for the framing formulas.
struct Turns {
  bool begins_with_system = false;
  // Messages by role: system and developer, user, assistant, tool and function. In Anthropic's
  // dialect a tool's result is a message.
  std::int64_t system = 0;
  std::int64_t user = 0;
  std::int64_t assistant = 0;
  std::int64_t tool = 0;
  std::int64_t joins = 0;     // Parts of a content behind its first.
  std::int64_t calls = 0;     // Of tools, in the history.
  std::int64_t repeats = 1;   // User messages that may equal the last, itself among them.
  std::int64_t formats = 0;   // Fields that say what the output is held to.
  JsonForm definitions;       // Of tools and formats.
  Tokens calls_growth = 0;    // Bounds of the tokens that printing anew adds to the arguments of
  Tokens results_growth = 0;  // calls, and escaping to the results of tools.
};

// What a request of messages asks the provider's cache to keep.
struct CacheMarks {
  std::int64_t count = 0;
  bool has_5m = false;
  bool has_1h = false;
  // Why none of them may be handed on: what is not known of one may be dearer than what is held.
  const Refusal* refusal = nullptr;
};
inline constexpr std::int64_t kCacheMarksMax = 4;  // As Anthropic takes them.

struct Request {
  Surface surface = Surface::kChatCompletions;
  std::string_view model;
  Delivery delivery = Delivery::kWhole;
  bool usage_asked = false;                   // The caller set stream_options.include_usage.
  std::optional<Tokens> output_tokens_asked;  // max_completion_tokens, max_tokens.
  std::int64_t choices = 1;   // n or best_of, the larger, times `prompts`; images to be made.
  std::int64_t messages = 0;  // Number of messages, for the framing formula.
  std::int64_t names = 0;     // Messages with a name, for the same.
  Turns turns;
  bool adds_special_tokens = false;  // The caller set add_special_tokens.
  std::int64_t prompts = 1;          // Prompts of a batch, or documents; 1 where there is none.
  Tokens tokens_given = 0;           // Input that came as token ids, not as text.
  std::span<const Text> texts;
  // What goes upstream beside them and no model reads: texts in fields that pass ("metadata",
  // "stop") and addresses of images, for whoever inspects what leaves.
  std::span<const Text> carried;
  std::span<const Tool> tools;
  std::span<const Call> calls;                   // In the order of the messages.
  std::span<const ChosenTool> chosen;            // By tool_choice.
  bool must_call = false;                        // It asks for a call, of whichever tool.
  std::optional<std::int64_t> tool_calls_asked;  // max_tool_calls: of the provider's own tools.
  std::span<const Image> images;                 // In the order of the messages…
  std::span<const Duration> recordings;          // …and how long each is.
  std::string_view first_image;  // Where it stands, "messages[0].content[1]"; may be empty.
  std::string_view first_recording;
  std::span<const MediaAddress> addresses;  // Of those images that do not lie in the body.
  std::string_view service_tier;            // As asked; may be empty.
  CacheMarks cache;
  // Of images that are to be made: how large and how good; empty where the model may choose.
  std::string_view image_size;
  std::string_view image_quality;
  std::int64_t characters = 0;         // Code points that are to be spoken, instructions included.
  std::string_view made_format;        // Of sound, or of a transcript; empty: not said.
  Duration sound{};                    // How long the recording is whose text is asked for.
  bool store = false;                  // Of a response: the provider is to keep it…
  bool is_turn = false;                // …and this is a turn of a conversation.
  bool is_tool_in_input = false;       // An item of the input offers a tool from there on.
  std::string_view previous_response;  // The id of what it goes on from; may be empty.
};

// What the gateway changes on the way to the upstream.
struct Edits {
  std::string_view model;                // The name that the upstream knows.
  std::optional<Tokens> output_tokens;   // Injected or clamped; nothing for embeddings.
  CapField cap_field = CapField::kBoth;  // Of a chat: what `output_tokens` is written under.
  std::string_view previous_response;    // Instead of the caller's, where there is one.
  // Of the provider's own tools, at most: of all together in responses, of each in messages, as far
  // as its type can be held to it (bounds_its_calls()).
  std::optional<std::int64_t> tool_calls;
  bool cache_control = false;  // Marks for the provider's cache are handed on.
  // What is written as `service_tier`, whatever was asked; empty: the usual one, where any was.
  std::string_view service_tier = {};
};

// Whether a tool of Anthropic's of that type can be told how often it is called at most.
bool bounds_its_calls(std::string_view type);

// A part of a text that is not sent, and what stands there instead.
struct Mask {
  std::size_t text = 0;  // Of Request::texts, or behind them of Request::carried…
  std::size_t begin = 0;
  std::size_t end = 0;  // …its bytes.
  std::string_view by;  // Letters, digits and signs that JSON does not escape.
};

// Bounds of one body; the defaults are those of hardening.
struct ReadLimits {
  int depth = 64;
  int nodes = 200'000;
  int number_characters = 32;
};

class RequestReader {
 public:
  RequestReader();
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;

  // Bytes that must be readable (with any content) behind the end of a body given to read().
  static constexpr std::size_t kPadding = 64;

  // `body` must have kPadding readable bytes behind its end. Refuses with kInvalidJson,
  // kDuplicateKey, kInvalidRequest (a required field is missing or of a wrong type) or
  // kUnsupportedParameter (a field that costs what we cannot count: files and videos, images by an
  // address that is not plain, a service tier without a name here… or that no table knows), naming
  // the field. Whether the model that serves it may be sent images and recordings, whether the
  // provider may keep it, which tier is served, and whether marks for the cache are handed on, is
  // for others to say.
  Expected<Request> read(Surface surface, std::string_view body, const ReadLimits& limits = {});

  // The same of a form, whose boundary `content_type` tells; of a surface that is asked by one.
  Expected<Request> read_form(Surface surface, std::string_view content_type,
                              std::string_view body);
  // The type of what write() writes with the same `edits`.
  std::string content_type(const Edits& edits) const;

  // Writes the request of the last read(), which must not have refused, with `edits` applied.
  // The cap is written under the names that the upstream reads, whichever the caller used: a
  // server ignores a name that it does not know, and would generate without end. Chat and
  // completions that are streamed get `stream_options: {"include_usage": true}` instead of the
  // caller's. Appends to `out`.
  void write(const Edits& edits, std::string& out) const;

  // Writes the body of the last read(), which must not have refused, as it came but for those of
  // its tools, told by their places in Request::tools in order: to be read anew. Without any left,
  // what may not stand without tools is left out too. Appends to `out`.
  void write_without_tools(std::span<const std::size_t> removed, std::string& out) const;

  // Writes the body of the last read(), which must not have refused, as it came but for the
  // `masks`, which are in the order of the texts and do not overlap: to be read anew. Returns the
  // first that cannot be put in its place, and then what was written is of no use: it is in no
  // value that is a string, goes over the end of one, is in what names something (a role, a tool,
  // an id) or is signed, or would leave arguments of a call that are no JSON any more. Linear in
  // the body. Appends to `out`.
  std::optional<std::size_t> mask(std::span<const Mask> masks, std::string& out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tollgate::dialects
