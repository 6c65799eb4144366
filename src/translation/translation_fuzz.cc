// Any request, and any answer, in any direction: what is carried over is read by the other side's
// reader and holds no text that the caller's side did not, and no answer is taken for another.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "base/check.h"
#include "dialects/reply.h"
#include "dialects/request.h"
#include "translation/translation.h"

using namespace tollgate;
using dialects::Surface;

namespace {

constexpr Surface kSurfaces[] = {Surface::kChatCompletions, Surface::kMessages,
                                 Surface::kResponses};
constexpr std::string_view kFailed = "Error: ";

std::string padded(std::string_view text) {
  std::string made(text);
  made.reserve(made.size() + dialects::RequestReader::kPadding);
  return made;
}

void carry_request(const translation::Passage& passage, std::string_view given) {
  static dialects::RequestReader reader;
  static dialects::RequestReader other;
  static translation::RequestTranslator translator;
  const std::string body = padded(given);
  const auto read = reader.read(passage.asked, body);
  if (!read) return;
  std::string written;
  reader.write({.model = "served", .output_tokens = 2048}, written);
  std::string out;
  const auto carried = translator.translate(passage, written = padded(written), out);
  if (!carried) {
    CHECK(!carried.error().message.empty());
    CHECK(!carried.error().param.empty());
    return;
  }
  const std::string translated = padded(out);
  const auto again = other.read(passage.spoken, translated);
  // What its reader refuses its server would: of what it counts nothing is missed.
  if (!again) return;
  CHECK(again->model == "served");
  CHECK(again->output_tokens_asked == 2048);
  CHECK(again->delivery == read->delivery);
  CHECK(again->tools.size() == read->tools.size());
  CHECK(again->calls.size() == read->calls.size());
  CHECK(again->images.size() == read->images.size());
  std::set<std::string_view> texts;
  for (const auto& all : {read->texts, read->carried})
    for (const dialects::Text& text : all) texts.insert(text.text);
  for (const dialects::Text& text : again->texts) {
    if (text.kind != dialects::TextKind::kContent || text.text.empty()) continue;
    std::string_view told = text.text;
    if (told.starts_with(kFailed) && !texts.contains(told)) told.remove_prefix(kFailed.size());
    CHECK(told.empty() || texts.contains(told));
  }
}

struct Sink final : dialects::OutputSink {
  void text(std::int64_t, std::string_view piece) override { bytes += piece.size(); }
  std::size_t bytes = 0;
};

// Cut in two ways it is the same, and what is written is read.
void carry_stream(const translation::Passage& passage, std::string_view stream) {
  static translation::AnswerTranslator translator;
  static dialects::StreamReader reader;
  const translation::AnswerTerms terms{.id = "a", .model = "m", .input = 9};
  std::string whole;
  translator.start(passage, terms);
  const bool is_sound = translator.feed(stream, whole).has_value();
  std::string pieces;
  translator.start(passage, terms);
  bool are_sound = true;
  for (std::size_t at = 0; at < stream.size() && are_sound; at += 5)
    are_sound = translator.feed(stream.substr(at, 5), pieces).has_value();
  CHECK(are_sound == is_sound);
  if (!is_sound) return;
  CHECK(whole == pieces);
  std::string out;
  Sink sink;
  reader.start(passage.asked, true);
  CHECK(reader.feed(whole, out, sink).has_value());
}

void carry_answer(const translation::Passage& passage, std::string_view given) {
  static translation::AnswerTranslator translator;
  static dialects::ReplyReader reader;
  std::string out;
  const translation::AnswerTerms terms{.id = "a", .model = "m", .input = 9};
  if (!translator.whole(passage, terms, padded(given), out)) return;
  Sink sink;
  CHECK(reader.read(passage.asked, out, sink).has_value());
}

}  // namespace

// The first byte chooses the direction and what it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const translation::Passage passage{.asked = kSurfaces[data[0] % 3],
                                     .spoken = kSurfaces[data[0] / 3 % 3]};
  const std::string_view given(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] / 9 % 3) {
    case 0:
      carry_request(passage, given);
      break;
    case 1:
      carry_stream(passage, given);
      break;
    default:
      carry_answer(passage, given);
      break;
  }
  return 0;
}
