// The head of an upstream's reply and its chunked body, as any bytes.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "net/http_parser.h"

using namespace tollgate::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  HeadScan scan{HeadLimits{}};
  if (scan.scan(text) != HeadScan::State::kComplete) return 0;
  std::vector<tollgate::pipeline::Header> fields;
  for (const ReplyTo request : {ReplyTo::kHead, ReplyTo::kOther}) {
    ParsedHead parsed;
    const std::string_view head = std::string_view(text).substr(0, scan.length());
    if (!parse_reply(head, HeadLimits{}, request, fields, parsed).empty()) continue;
    CHECK(parsed.status >= 0 && parsed.status <= 999);
    if (request == ReplyTo::kHead) CHECK(parsed.framing == Framing::kNone);
    if (parsed.framing != Framing::kChunked) continue;
    ChunkDecoder decoder(Trailers::kSkipped);
    std::size_t at = scan.length();
    while (at < text.size() && !decoder.done() && !decoder.malformed()) {
      const ChunkDecoder::Step step = decoder.decode(text.data() + at, text.size() - at);
      CHECK(step.decoded <= step.consumed && step.consumed <= text.size() - at);
      if (step.consumed == 0) break;
      at += step.consumed;
    }
  }
  return 0;
}
