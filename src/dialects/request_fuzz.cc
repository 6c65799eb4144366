// Any body on any surface: what is read can be written, and what is written reads as the same.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialects/framing.h"
#include "dialects/request.h"

using namespace tollgate;
using namespace tollgate::dialects;

namespace {

std::string_view padded(std::string& storage, std::string_view text) {
  storage.assign(text);
  storage.resize(text.size() + RequestReader::kPadding);
  return std::string_view(storage).substr(0, text.size());
}

}  // namespace

// The first byte chooses the surface.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static RequestReader reader;
  static RequestReader second;
  if (size == 0) return 0;
  constexpr Surface kSurfaces[] = {
      Surface::kChatCompletions, Surface::kCompletions, Surface::kEmbeddings,  Surface::kMessages,
      Surface::kResponses,       Surface::kCountTokens, Surface::kModerations, Surface::kRerank,
      Surface::kImages,          Surface::kSpeech};
  const Surface surface = kSurfaces[data[0] % std::size(kSurfaces)];
  std::string body;
  const auto read =
      reader.read(surface, padded(body, {reinterpret_cast<const char*>(data + 1), size - 1}));
  if (!read) {
    CHECK(!read.error().message.empty());
    return 0;
  }
  CHECK(!read->model.empty());
  CHECK(read->choices >= 1);
  for (std::size_t i = 0; i < chat_template_names().size(); ++i) {
    const auto chat_template = static_cast<ChatTemplate>(i);
    const Framing framing = framing_of(*read, chat_template);
    CHECK(framing.unsure >= 0 && framing.tokens >= framing.unsure);
    for (const Text& text : read->texts) {
      const Printed parts = printed(text, read->surface, row_of(chat_template));
      const std::size_t size = parts.before.size() + parts.text.size() + parts.after.size();
      CHECK(size == text.text.size() || (size == 0 && text.kind == TextKind::kRole));
    }
  }

  Edits edits{.model = "served"};
  if (makes_output(surface)) edits.output_tokens = 2048;
  std::string written;
  reader.write(edits, written);
  std::string again;
  const auto reread = second.read(surface, padded(again, written));
  CHECK(reread.has_value());
  CHECK(reread->model == "served");
  CHECK(reread->output_tokens_asked == edits.output_tokens);
  CHECK(reread->choices == read->choices);
  CHECK(reread->messages == read->messages);
  CHECK(reread->delivery == read->delivery);
  CHECK(reread->tools.size() == read->tools.size());
  CHECK(reread->tokens_given == read->tokens_given);
  CHECK(std::ranges::equal(reread->images, read->images, {}, &Image::width, &Image::width));
  CHECK(std::ranges::equal(reread->recordings, read->recordings));
  CHECK(reread->first_image.empty() == read->images.empty());
  CHECK(reread->first_recording.empty() == read->recordings.empty());
  for (const TextKind kind : {TextKind::kContent, TextKind::kRole, TextKind::kToolCall})
    CHECK(std::ranges::count(reread->texts, kind, &Text::kind) ==
          std::ranges::count(read->texts, kind, &Text::kind));
  return 0;
}
