// Puts values back where their masks stand in an answer.
//
// A mask is made of what JSON does not escape, so it stands in the bytes of an answer as it is, and
// its value is put there with the escapes of the string that it is in; of arguments of a tool,
// which are JSON in a string, with those of both. Nothing else of the answer is changed. Left as
// they are: what is signed (`thinking`) or tells the same text again (`logprobs`).
//
// In a stream a mask may be split over events. Each text is followed by itself; an event waits
// while its text ends with what may be the beginning of a mask, which is a few characters. The
// value is written into the first of the events, and what else there is of the mask taken out of
// the others.
//
// Pure: no I/O, no clock. One answer's; borrows what it is given.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "dialects/surface.h"

namespace tollgate::dialects {

// A mask, "[REDACTED:pii.email#1]": one bracket at each end and none between, nothing that JSON
// escapes.
struct Masked {
  std::string_view mask;
  std::string_view value;  // UTF-8.
};

class Restoring {
 public:
  // Bytes of events that wait. With more, masks that are not complete stay masks.
  static constexpr std::size_t kHeldBytesMax = std::size_t{256} << 10;

  // Without any, an answer stays as it is, and costs nothing.
  explicit Restoring(std::span<const Masked> masked);
  ~Restoring();

  // A whole answer, JSON.
  void restore(std::string& body) const;

  // The next bytes of a stream, whole events, become those that may go on by now…
  void pass(std::string& bytes);
  // …and here all that are left, behind which nothing comes.
  void finish(std::string& bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;  // Null: there are none.
};

}  // namespace tollgate::dialects
