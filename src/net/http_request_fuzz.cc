// The head of a request and its chunked body, as any bytes cut at any place.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "net/http_parser.h"

using namespace tollgate::net;

namespace {

// Finds the head of `bytes` when they come `step` at a time.
HeadScan::State scan(std::string_view bytes, std::size_t step, std::size_t& length) {
  HeadScan found{HeadLimits{}};
  HeadScan::State state = HeadScan::State::kMore;
  for (std::size_t end = step;; end += step) {
    const std::size_t there = end < bytes.size() ? end : bytes.size();
    state = found.scan(bytes.substr(0, there));
    if (state != HeadScan::State::kMore || there == bytes.size()) break;
  }
  length = found.length();
  return state;
}

// What the chunks decode to when they come `step` at a time; the end of the body in `used`.
std::string decode(std::string_view bytes, std::size_t step, std::size_t& used, bool& malformed) {
  ChunkDecoder decoder(Trailers::kRefused);
  std::string buffer;
  std::string body;
  used = 0;
  std::size_t given = 0;
  while (!decoder.done() && !decoder.malformed() && given < bytes.size()) {
    const std::size_t part = step < bytes.size() - given ? step : bytes.size() - given;
    buffer.append(bytes.substr(given, part));
    given += part;
    const ChunkDecoder::Step done = decoder.decode(buffer.data(), buffer.size());
    CHECK(done.decoded <= done.consumed && done.consumed <= buffer.size());
    body.append(buffer, 0, done.decoded);
    buffer.erase(0, done.consumed);
    used += done.consumed;
  }
  malformed = decoder.malformed();
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::size_t whole_length = 0;
  std::size_t length = 0;
  const HeadScan::State whole = scan(text, text.size() + 1, whole_length);
  const HeadScan::State pieces = scan(text, 3, length);
  CHECK(whole == pieces);
  if (whole != HeadScan::State::kComplete) return 0;
  CHECK(length == whole_length && length <= text.size());

  std::vector<tollgate::pipeline::Header> fields;
  ParsedHead parsed;
  const std::string_view head = std::string_view(text).substr(0, length);
  if (!parse_request(head, HeadLimits{}, fields, parsed).empty()) return 0;
  // What passes has one reading: the framing is one of three and every view lies in the head.
  CHECK(parsed.framing != Framing::kUntilClose);
  CHECK(!parsed.method.empty() && parsed.method != "CONNECT");
  for (const tollgate::pipeline::Header& field : fields) {
    CHECK(field.name.find_first_of("\r\n \t:") == std::string_view::npos);
    CHECK(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
  if (parsed.framing != Framing::kChunked) return 0;

  const std::string_view body = std::string_view(text).substr(length);
  std::size_t used_whole = 0;
  std::size_t used = 0;
  bool malformed_whole = false;
  bool malformed = false;
  const std::string at_once = decode(body, body.size() + 1, used_whole, malformed_whole);
  const std::string in_pieces = decode(body, 1, used, malformed);
  CHECK(malformed == malformed_whole);
  if (!malformed) CHECK(at_once == in_pieces && used == used_whole);
  return 0;
}
