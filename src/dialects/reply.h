// What an upstream answers, read as it passes: usage, output text, and the way it ends.
//
// A whole reply is read once it is complete. A streamed one is read event by event: each
// complete event is handed on as it came (or held back, where the caller did not ask for it),
// and its text is told to a sink that counts it. When the stream has to end early, end()
// writes the ending that the caller's SDK takes for a clean one.
//
// Pure: no I/O, no clock. One thread; reused from request to request.
//
// Sources: WHATWG HTML server-sent events; OpenAI streaming reference; Anthropic streaming
// reference (message_start carries input, message_delta carries cumulative output).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/service_tier.h"
#include "base/units.h"
#include "dialects/answer.h"
#include "dialects/calls.h"
#include "dialects/paid_tools.h"
#include "dialects/request.h"
#include "dialects/surface.h"

namespace tollgate::dialects {

// Tokens as the provider reports them, normalised: `input` holds all input, cached included,
// in every dialect (Anthropic reports it without).
struct Usage {
  Tokens input = 0;
  Tokens cached_input = 0;            // Part of `input` read from the provider's cache.
  Tokens output = 0;                  // Reasoning included.
  Tokens reasoning = 0;               // Part of `output`.
  std::optional<Tokens> audio_input;  // Part of `input`, of recordings. Nothing: it does not say.
  std::int64_t units = 0;             // What else is paid, in the unit of the surface or requests.
  ToolCalls tool_calls;               // Of the provider's own tools, as they are paid.
  Tokens cache_write = 0;             // Part of `input` that the provider's cache was given,
  std::optional<Tokens> cache_write_1h = std::nullopt;  // and of that for an hour.
  std::optional<Tokens> image_input = std::nullopt;     // Part of `input`, of images.
  Tokens audio_output = 0;                              // Part of `output`, beside `reasoning`.
  // By which it was served. Nothing: it does not say; other: by one that has no name here.
  std::optional<ServiceTier> tier = std::nullopt;
  bool other_tier = false;
};

// What a stream tells of its usage before that is complete.
struct EarlyUsage {
  Usage usage;             // Its tier, as told last, and no output.
  bool has_input = false;  // The input as well, and what of it was read and written (Anthropic).
};

// Takes the output of a reply as it passes, choice by choice: text, reasoning text, refusals,
// tool names and tool arguments, in the order of generation.
class OutputSink {
 public:
  virtual void text(std::int64_t choice, std::string_view piece) = 0;

 protected:
  ~OutputSink() = default;
};

// Why the gateway ends a stream before the upstream does.
enum class Ending : std::uint8_t {
  kLength,   // The output cap or the hold is spent: "length", Anthropic "max_tokens".
  kRefused,  // A policy stops it: "content_filter", Anthropic "refusal".
};

// Reads a whole reply. Broken JSON, or a reply without the fields of its surface, is a Fault.
class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  ReplyReader(ReplyReader&&) noexcept;

  // `body` must have RequestReader::kPadding readable bytes behind its end. Tells the output
  // to `sink`, and all texts to `answer` and the calls of tools to `calls`, where there is one.
  // Returns the provider's usage where the reply has a complete one.
  FaultOr<std::optional<Usage>> read(Surface surface, std::string_view body, OutputSink& sink,
                                     AnswerSink* answer = nullptr, CallSink* calls = nullptr);

  // A whole reply that is a text and nothing else: a transcript. One that is not UTF-8 is a Fault.
  static FaultOr<std::optional<Usage>> read_text(std::string_view body, AnswerSink* answer);

  // How many images there were in the last reply that was read, and calls of the provider's own
  // tools.
  std::int64_t images() const;
  ToolCalls tool_calls() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The state of one stream.
enum class StreamState : std::uint8_t {
  kOpen,      // More is to come.
  kFinished,  // The dialect's last event has passed ([DONE], message_stop).
};

// Whether whoever reads a stream holds events back for a while.
enum class Holding : std::uint8_t {
  kNo,   // What feed() gives out is handed on, but for what is taken back.
  kYes,  // What has been is told by handed_on().
};

class StreamReader {
 public:
  StreamReader();
  ~StreamReader();
  StreamReader(StreamReader&&) noexcept;

  // An event longer than this is a Fault.
  static constexpr Bytes kEventBytesMax = 1 << 20;

  // Makes ready for a new stream. `usage_asked` as in Request: where false, the chunk that
  // carries only usage is not handed on. `model` names the model in an ending where the
  // upstream has named none yet; borrowed until the next start().
  void start(Surface surface, bool usage_asked, std::string_view model = {},
             Holding holding = Holding::kNo);

  // Takes any piece of the stream, cut anywhere. Appends to `out` the bytes that the caller
  // gets; tells output to `sink`, and all texts to `answer` and the calls of tools to `calls`,
  // where there is one. What comes after the last event is dropped, and so is the event at which
  // `calls` stops, and all behind it. After a Fault (broken event, too long) only end() or fail()
  // may follow.
  FaultOr<StreamState> feed(std::string_view piece, std::string& out, OutputSink& sink,
                            AnswerSink* answer = nullptr, CallSink* calls = nullptr);

  // Forgets that the last event of feed() began or finished anything: it is not handed on after
  // all, so end() finishes what the caller has seen.
  void take_back_last_event();

  // How many events have been read; and where they are held, how many the caller has: end()
  // finishes what those had begun.
  std::size_t events() const;
  void handed_on(std::size_t events);

  // The provider's usage, once a complete one has passed.
  const std::optional<Usage>& usage() const;

  // What it has told by now, for a stream that is cut before that.
  EarlyUsage early_usage() const;

  // The calls of the provider's own tools that have passed, or that it has reported.
  ToolCalls tool_calls() const;

  // Whether any part of an answer has been handed on.
  bool begun() const;

  // Whether every choice seen so far has told its finish reason (OpenAI), so that at most the
  // usage is still to come.
  bool output_ended() const;

  // Whether the upstream told an error in the stream. It has been handed on as it came.
  bool failed() const;

  // Writes the clean ending: closes what is open, the finish reason, usage (where the caller
  // asked, or the dialect always has it) as `counted`, and the last event.
  void end(Ending ending, const Usage& counted, std::string& out);

  // Writes the dialect's error event and, for OpenAI, nothing after it: for an upstream that
  // broke off. `error_json` is the dialect's error object (see refusal_body).
  void fail(std::string_view error_json, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Writes a refusal as the body that the dialect's SDKs turn into the right exception.
struct RefusalWords {
  std::string_view type;  // "invalid_request_error"…
  std::string_view code;  // error.code; Anthropic: error.details.error_code. May be empty.
  std::string_view message;
  std::string_view param;  // OpenAI: error.param; empty is null.
  std::string_view request_id;
};
void write_refusal(Dialect dialect, const RefusalWords& words, std::string& out);

// The body of GET /v1/models for the models that a caller may use. Anthropic callers (by
// dialect) get theirs.
struct ModelListing {
  std::string_view id;
};
void write_models(Dialect dialect, std::span<const ModelListing> models, std::string& out);
// The body of GET /v1/models/{id}.
void write_model(Dialect dialect, const ModelListing& model, std::string& out);

}  // namespace tollgate::dialects
