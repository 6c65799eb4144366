// Any text in any pieces: the verdict of the whole, and no byte of a match is decided before the
// match is known. The first byte says how it is cut; what is no UTF-8 is not what a reader of JSON
// would tell, and is left out.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "controls/content/encoded_reader.h"
#include "controls/content/testing_stream.h"

namespace {

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::size_t size = c < 0x80                 ? 1
                             : c >= 0xF1 && c <= 0xF3 ? 4
                             : c >= 0xE1 && c <= 0xEC ? 3
                             : c >= 0xC2 && c <= 0xDF ? 2
                             : c == 0xEF              ? 3
                                                      : 0;
    if (size == 0 || at + size > text.size()) return false;
    for (std::size_t i = 1; i < size; ++i) {
      if (!tollgate::content::testing::is_inside_character(text, at + i)) return false;
    }
    at += size;
  }
  return true;
}

// How much is found in what is encoded.
std::size_t encoded_in(const std::vector<std::string_view>& pieces) {
  using namespace tollgate::content;
  static const std::vector<Action> actions = testing::all_refuse(testing::kStreamPacks);
  EncodedReader reader(reads_of(actions));
  std::vector<StreamMatch> found;
  for (const std::string_view piece : pieces) {
    const std::size_t decided = reader.decided();
    const std::size_t known = found.size();
    reader.read(piece, found);
    for (std::size_t i = known; i < found.size(); ++i) CHECK(found[i].extent.begin >= decided);
  }
  reader.end(found);
  return found.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::content;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (!is_utf8(text)) return 0;
  for (const std::span<const Pack> packs : {std::span<const Pack>(testing::kSecretsPack),
                                            std::span<const Pack>(testing::kStreamPacks)}) {
    const testing::Streamed streamed =
        testing::scan_pieces(testing::cut(text, 1 + data[0] % 32), packs);
    CHECK(streamed.is_sound);
    CHECK(testing::is_as_whole(text, streamed, packs));
  }
  CHECK(encoded_in({text}) == encoded_in(testing::cut(text, 1 + data[0] % 32)));
  return 0;
}
