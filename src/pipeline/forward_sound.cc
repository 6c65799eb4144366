// An answer that is sound: bytes that nobody here reads, handed on as they come, up to a cap.
#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/forward.h"
#include "pipeline/refusals.h"

namespace tollgate::pipeline {

namespace {

struct Format {
  std::string_view name;
  std::string_view type;  // What the caller is told, whatever the upstream calls it.
};
constexpr std::array<Format, 6> kFormats{{
    {"mp3", "audio/mpeg"},
    {"opus", "audio/opus"},
    {"aac", "audio/aac"},
    {"flac", "audio/flac"},
    {"wav", "audio/wav"},
    {"pcm", "audio/pcm"},
}};

std::string_view type_of(std::string_view format) {
  const auto* found = std::ranges::find(kFormats, format, &Format::name);
  return found == kFormats.end() ? kFormats.front().type : found->type;
}

// A page or a JSON text in the place of sound is an error that was told with the wrong status.
bool is_sound(std::string_view content_type) {
  constexpr std::string_view kTypes[] = {"audio/", "application/octet-stream", "application/ogg"};
  std::string lowered(content_type);
  for (char& c : lowered)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return std::ranges::any_of(kTypes,
                             [&](std::string_view type) { return lowered.starts_with(type); });
}

void cut(std::string_view code, Forwarded& result) {
  result.outcome = audit::Outcome::kCut;
  result.cut_code = code;
}

}  // namespace

// The characters are paid once the upstream has begun, however much of it arrives: it was asked to
// speak them all. What breaks off ends without its last chunk, so that no caller takes it for
// whole.
Task<std::optional<Fault>> Forwarder::relay_sound(const Work& work, UpstreamCall& call,
                                                  Forwarded& result) {
  result.usage.input = work.plan.input.tokens;
  result.usage.units = work.plan.made.units;
  result.source = audit::UsageSource::kCounted;
  if (!is_sound(call.header("content-type"))) {
    co_return Fault{FaultKind::kBroken, "the answer is no sound"};
  }
  BufferPool::Lease headers = buffers_.lease();
  work.attempted.write_headers(result, *headers);
  ReplyHead head;
  head.content_type = type_of(work.plan.made.format);
  head.headers = *headers;
  bool begun = false;
  for (Bytes passed = 0;;) {
    FaultOr<std::string_view> piece = co_await call.read();
    if (work.exchange.caller_gone()) {
      cut("caller_gone", result);
      co_return std::nullopt;
    }
    if (piece && piece->empty()) break;
    if (piece) passed += std::ssize(*piece);
    if (piece && passed > work.reply_bytes_max) {
      piece = fault(FaultKind::kBroken, "more sound than `edge.reply_bytes_max`");
    }
    if (!piece && !begun) co_return piece.error();
    if (!piece) {
      const bool is_late = piece.error().kind == FaultKind::kTimeout;
      cut(row_of(is_late ? Reason::kUpstreamTimeout : Reason::kUpstreamError).code, result);
      settle(work, result);
      co_return std::nullopt;
    }
    if (!std::exchange(begun, true)) work.exchange.begin(head);
    if (!co_await work.exchange.write(*piece)) {
      cut("caller_gone", result);
      co_return std::nullopt;
    }
  }
  if (!begun) co_return Fault{FaultKind::kBroken, "there is no sound in the answer"};
  settle(work, result);
  if (!co_await work.exchange.finish()) cut("caller_gone", result);
  co_return std::nullopt;
}

}  // namespace tollgate::pipeline
