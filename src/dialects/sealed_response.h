// A response that its provider keeps, with another id in place of the one that the provider gave
// it: whole or streamed, in each event that holds the response.
//
// Only what is written as that id is replaced, every other byte stays as it came. A response whose
// id is written with escapes is broken.
//
// Pure, linear however the stream is cut. One answer's.
//
// Source: OpenAI API reference, the response object and its streaming events.
#pragma once

#include <string>
#include <string_view>

#include "base/fault.h"
#include "dialects/sse.h"

namespace tollgate::dialects {

// "resp_" and up to 256 letters, digits, '-' and '_': no other value of a response looks so.
bool is_response_id(std::string_view id);

// Names responses anew.
class ResponseNames {
 public:
  virtual std::string name_of(std::string_view id) const = 0;

 protected:
  ~ResponseNames() = default;
};

class SealedResponse {
 public:
  struct Terms {
    const ResponseNames* names = nullptr;  // Null: the response keeps its id.
    // The id of the one it goes on from, and what stands for it; may be empty.
    std::string_view previous;
    std::string_view previous_name;
  };
  // Borrows all.
  explicit SealedResponse(const Terms& terms) : terms_(terms) {}

  // Take an answer, and pieces of a stream. A Fault: its id is none that can be named anew, or is
  // not the same throughout. Append to `out`.
  FaultOr<void> whole(std::string_view body, std::string& out);
  FaultOr<void> feed(std::string_view piece, std::string& out);

 private:
  FaultOr<void> learn(std::string_view id, std::string_view raw);
  void write(std::string_view raw, std::string& out) const;

  Terms terms_;
  SseSplitter events_;
  std::string id_;  // Empty: not known yet.
  std::string name_;
};

}  // namespace tollgate::dialects
