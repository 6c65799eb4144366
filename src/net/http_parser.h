// HTTP/1.1 heads and chunked bodies, as bytes in and views out. No I/O.
//
// Boost.Beast's parser reads; what is around it is the strictness of an edge. Two parties that
// disagree about where a message ends are an attack (request smuggling), so whatever another
// implementation might read in another way is refused: RFC 9112 sections 2.2, 5, 6, 7 and 11.2.
//
// Linear in the length of the input, however it is cut. Nothing here throws.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "pipeline/ports.h"

namespace tollgate::net {

struct HeadLimits {
  std::size_t bytes = 32 << 10;        // All of the head.
  std::size_t line_bytes = 8 << 10;    // The first line.
  std::size_t value_bytes = 16 << 10;  // One field.
  std::size_t fields = 100;
};

// Finds the end of a head in bytes that come in pieces; each byte is looked at once.
class HeadScan {
 public:
  explicit HeadScan(const HeadLimits& limits) : limits_(limits) {}

  enum class State : std::uint8_t { kMore, kComplete, kMalformed };
  // `bytes` begins with the same bytes as the call before and may be longer.
  State scan(std::string_view bytes);

  std::size_t length() const { return line_; }               // kComplete: with the empty line.
  std::string_view complaint() const { return complaint_; }  // kMalformed
  bool untouched() const { return seen_ == 0; }

 private:
  State malformed(std::string_view complaint);

  HeadLimits limits_;
  std::size_t line_ = 0;  // Where the line begins that is not complete.
  std::size_t seen_ = 0;
  std::size_t lines_ = 0;
  std::string_view complaint_;
};

enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

struct ParsedHead {
  std::string_view method;  // Of a request.
  std::string_view target;
  int status = 0;         // Of a reply.
  int minor_version = 1;  // HTTP/1.0 or 1.1.
  Framing framing = Framing::kNone;
  std::uint64_t length = 0;  // kLength
  bool keep_alive = false;
  // For how long the peer keeps an idle connection, where it says so (RFC 2068, 19.7.1.1).
  std::optional<Duration> keep_alive_timeout;
  bool expects_continue = false;
};

// Parses a complete head, as HeadScan found it. `fields` is filled with views into it. The
// complaint, or empty: then `parsed` is whole. `parsed` holds what could be read in any case.
std::string_view parse_request(std::string_view head, const HeadLimits& limits,
                               std::vector<pipeline::Header>& fields, ParsedHead& parsed);

// The reply to a request of method HEAD or another one.
enum class ReplyTo : std::uint8_t { kHead, kOther };
std::string_view parse_reply(std::string_view head, const HeadLimits& limits, ReplyTo request,
                             std::vector<pipeline::Header>& fields, ParsedHead& parsed);

// Takes the chunks of a body apart, in place. Fields behind the last chunk are never used: a
// request that has some is refused, a reply's are skipped.
enum class Trailers : std::uint8_t { kRefused, kSkipped };
class ChunkDecoder {
 public:
  explicit ChunkDecoder(Trailers trailers);
  ~ChunkDecoder();
  ChunkDecoder(ChunkDecoder&&) noexcept;
  ChunkDecoder& operator=(ChunkDecoder&&) noexcept;

  struct Step {
    std::size_t consumed = 0;  // Of the bytes given.
    std::size_t decoded = 0;   // Moved to their front: at most `consumed`.
  };
  // Decodes as much of `bytes` as is there. What is not consumed must come again, with more
  // behind it. Call until done().
  Step decode(char* bytes, std::size_t count);

  bool done() const;
  bool malformed() const;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

bool equal_without_case(std::string_view a, std::string_view b);

}  // namespace tollgate::net
