// The calls of tools in an answer, as it is read: for whoever decides whether they may reach the
// caller.
//
// Whole replies tell a call in one piece. Streams tell it as it comes: the name mostly with the
// first piece, then the arguments bit by bit. What a piece belongs to is told by the places that
// clients put it together by.
#pragma once

#include <cstdint>
#include <string_view>

namespace tollgate::dialects {

struct CallPiece {
  static constexpr std::int64_t kAnyPlace = -2;

  std::int64_t choice = 0;  // Of OpenAI's chat; else 0.
  // Of the call in its choice, of the block or the item; -1: a function_call. kAnyPlace: it may be
  // a call that was told before, at whatever place.
  std::int64_t index = 0;
  std::string_view type = {};  // "function", "custom", "tool_use"…; empty: not in this piece.
  std::string_view name = {};  // The same.
  // What comes next of them: JSON, of a custom tool any text.
  std::string_view arguments = {};
  bool is_again = false;  // It tells all of a call, of which there may have been pieces before.
};

enum class CallEnd : std::uint8_t {
  kComplete,
  kCut,  // By its output cap, say: the last call may be a part of one.
};

// What it is given lives until the call returns.
class CallSink {
 public:
  virtual void call(const CallPiece& piece) = 0;
  // There is something where calls stand that is none.
  virtual void unreadable() = 0;
  // All of that choice has been told.
  virtual void ended(std::int64_t choice, CallEnd end) = 0;
  // Whether a stream goes no further than before the event that was told last.
  virtual bool stops() const = 0;

 protected:
  ~CallSink() = default;
};

}  // namespace tollgate::dialects
