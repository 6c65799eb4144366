// Any bytes as a form: what is read of it is read alike when it is written anew.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "dialects/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::dialects;
  static RequestReader reader;
  static RequestReader again;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view boundary = text.substr(0, text.find('\n'));
  const std::string_view body = text.substr(std::min(text.size(), boundary.size() + 1));
  const std::string type = "multipart/form-data; boundary=" + std::string(boundary);
  for (const Surface surface :
       {Surface::kTranscriptions, Surface::kTranslations, Surface::kImageEdits}) {
    const auto request = reader.read_form(surface, type, body);
    if (!request) continue;
    Edits edits;
    edits.model = "there--a";
    std::string written;
    reader.write(edits, written);
    const auto back = again.read_form(surface, reader.content_type(edits), written);
    CHECK(back.has_value());
    CHECK(back->model == edits.model && back->sound == request->sound);
    CHECK(back->texts.size() == request->texts.size());
    CHECK(back->made_format == request->made_format);
  }
  return 0;
}
