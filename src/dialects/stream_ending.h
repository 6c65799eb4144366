// What the caller of a stream has seen of it, and the ending that fits that. Internal to dialects.
//
// Each event that is read says what it changes. A change counts once its event has reached the
// caller: one that is held back, or never handed on, has begun and finished nothing.
//
// One thread; reused from stream to stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/reply.h"
#include "dialects/response_snapshot.h"

namespace tollgate {
class JsonWriter;
}

namespace tollgate::dialects {

enum class Progress : std::uint8_t { kUnseen, kOpen, kFinished };

// What an event changes of what an ending has to say.
struct StreamChange {
  enum class Kind : std::uint8_t {
    kBegun,           // There is a part of an answer.
    kUsage,           // OpenAI: the chunk that holds only usage.
    kChoiceSeen,      // OpenAI.
    kChoiceFinished,  // It has told its finish reason.
    kBlockOpened,     // Anthropic.
    kBlockClosed,
    kMessageStarted,
    kMessageEnding,  // It has told its stop reason.
    kFinished,       // The last event.
  };
  std::size_t event = 0;  // Which one, from 1.
  Kind kind{};
  std::int64_t index = 0;  // Of the choice or block.
};

class StreamEnding {
 public:
  // The identity that every chunk of a stream repeats.
  struct Identity {
    std::string id;
    std::string model;
    std::int64_t created = 0;
  };

  // `model` as in StreamReader::start().
  void start(Surface surface, bool usage_asked, std::string_view model);
  // In the order of the events.
  void note(const StreamChange& change) { unseen_.push_back(change); }
  // Of a response: what becomes of its items.
  ResponseSnapshot& response() { return response_; }
  // So many events have reached the caller.
  void handed_on(std::size_t events);
  // That event, and what follows, never does.
  void take_back(std::size_t event);

  // As StreamReader's, of what has been handed on.
  void end(Ending ending, const Usage& counted, std::string& out);
  void fail(std::string_view error_json, std::string& out);

  Identity identity;

 private:
  void apply(const StreamChange& change);
  std::string_view model() const {
    return identity.model.empty() ? asked_model_ : std::string_view(identity.model);
  }
  void write_choice(std::int64_t index, std::string_view reason, std::string& out) const;
  void write_usage_chunk(const Usage& counted, std::string& out) const;
  void begin_chunk(JsonWriter& json) const;
  void write_message_start(const Usage& counted, std::string& out) const;
  void end_openai(Ending ending, const Usage& counted, std::string& out) const;
  void end_anthropic(Ending ending, const Usage& counted, std::string& out) const;

  Surface surface_ = Surface::kChatCompletions;
  bool usage_asked_ = false;
  std::string_view asked_model_;  // For an ending before the upstream has named its own.
  std::vector<StreamChange> unseen_;
  ResponseSnapshot response_;

  std::vector<Progress> choices_;     // OpenAI: by index.
  std::vector<std::int64_t> blocks_;  // Anthropic: the open ones.
  bool begun_ = false;
  bool usage_handed_on_ = false;
  bool message_started_ = false;
  bool message_ending_ = false;
  bool finished_ = false;
};

}  // namespace tollgate::dialects
