// What a Redis server says: RESP3 (github.com/redis/redis-specifications) and its older form
// RESP2, read piece by piece.
//
// The bytes are foreign. A reply has a bound in bytes, values and depth, and reading it takes
// time and memory linear in what has really come, whatever lengths it announces.
//
// No I/O. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"

namespace tollgate::redis {

struct Reply {
  enum class Kind : std::uint8_t {
    kNull,
    kText,     // Simple, bulk and verbatim strings; doubles and big numbers as they are written.
    kInteger,  // Booleans are 0 and 1.
    kError,    // `text` begins with its code: "NOSCRIPT No matching script".
    kList,     // Arrays, sets, and maps as key, value, key, value…
    kPush,     // Nobody asked for it.
  };
  Kind kind = Kind::kNull;
  std::int64_t integer = 0;
  std::string text;
  std::vector<Reply> items;

  bool is_error(std::string_view code) const;
  // The number that an integer or a text says; nothing if it says none.
  std::optional<std::int64_t> number() const;
};

class ReplyReader {
 public:
  static constexpr std::size_t kReplyBytesMax = 16 << 20;
  static constexpr std::size_t kLineBytesMax = 64 << 10;
  static constexpr std::size_t kValuesMax = 1 << 16;  // In one reply.
  static constexpr std::size_t kDepthMax = 8;

  void feed(std::string_view bytes) { buffer_ += bytes; }
  // The next whole reply; nothing while more bytes are needed. A Fault (kBroken) is for good: what
  // follows cannot be told apart any more.
  FaultOr<std::optional<Reply>> next();
  // Whether a reply has begun that is not whole yet.
  bool within() const { return at_ < buffer_.size() || !open_.empty(); }

 private:
  // A list that is being read.
  struct Open {
    Reply list;
    std::int64_t left = 0;
    bool attribute = false;  // Says something about the value that follows; not kept.
  };
  enum class Step : std::uint8_t { kValue, kMore, kMalformed };

  Step read();
  Step read_line(std::string_view& line);
  Step read_bulk();
  Step read_typed(char type, std::string_view rest);
  Step open_list(char type, std::int64_t count);
  void close(Reply value);

  std::string buffer_;
  std::size_t at_ = 0;       // What is before was read.
  std::size_t scanned_ = 0;  // No line ends before.
  std::size_t bytes_ = 0;    // Of the reply that is being read.
  std::size_t values_ = 0;
  std::vector<Open> open_;
  std::optional<Reply> done_;
  std::int64_t bulk_left_ = -1;  // Bytes of a bulk string that must come; -1: none.
  char bulk_type_ = '$';
  bool broken_ = false;
};

}  // namespace tollgate::redis
