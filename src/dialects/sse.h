// Server-sent events, cut out of a stream of bytes.
//
// An event keeps its bytes as they came, so that it can be handed on untouched, and its data
// ready for simdjson. Lines end with LF, CR or CRLF. A CR that ends an event is taken at once,
// because waiting for the LF that may follow would hold the event back; that LF then belongs
// to the event that is past (trailing_lf).
//
// Internal to dialects. Linear however the stream is cut. One thread; reused.
//
// Source: WHATWG HTML, section 9.2, server-sent events.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::dialects {

struct SseEvent {
  std::string_view raw;   // With the blank line at its end.
  std::string_view type;  // The last "event" field; empty where there is none.
  std::string_view data;  // Joined with LF; readable beyond its end as simdjson wants it.
  std::string_view id;    // The last "id" and "retry" fields; empty where there are none.
  std::string_view retry;
};

class SseSplitter {
 public:
  void clear();

  // Ends the life of every event handed out before.
  void append(std::string_view piece);

  // Whether an LF follows that belongs to the event handed out last; takes it.
  bool trailing_lf();

  // The next event that is complete; it lives until the next call.
  std::optional<SseEvent> next();

  // Bytes of the event that is not complete yet.
  std::size_t pending() const { return size_ - event_; }

 private:
  void read_line(std::size_t end);

  std::vector<char> buffer_;  // Longer than size_ by the padding.
  std::size_t size_ = 0;
  std::size_t event_ = 0;  // Where the current event begins,
  std::size_t line_ = 0;   // its current line,
  std::size_t scan_ = 0;   // and what has been searched for the end of the line.
  bool after_cr_ = false;
  bool stream_begin_ = true;

  int data_lines_ = 0;
  std::size_t data_begin_ = 0;  // Of the only data line, from event_ on.
  std::size_t data_size_ = 0;
  std::string joined_;  // Of several data lines.
  std::string type_;
  std::string id_;
  std::string retry_;
};

}  // namespace tollgate::dialects
