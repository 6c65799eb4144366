// Any text in any pieces: the links that are found in it whole are found in pieces, and no byte of
// one is decided before it is known. The first byte says how it is cut.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "controls/content/links.h"

namespace {

using namespace tollgate::content;

std::vector<StreamMatch> found_in(std::string_view text, std::size_t step) {
  static const std::vector<std::string> kAllowed = {"a.test", "*.b.test"};
  LinkReader reader(kAllowed);
  std::vector<StreamMatch> found;
  std::size_t gone = 0;
  const auto take = [&](std::size_t known) {
    for (std::size_t i = known; i < found.size(); ++i) {
      CHECK(found[i].extent.begin >= gone && found[i].extent.end <= reader.size());
      CHECK(found[i].extent.begin <= found[i].extent.end);
    }
    CHECK(reader.decided() >= gone && reader.decided() <= reader.size());
    CHECK(reader.size() - reader.decided() <= LinkReader::kWrittenMax + step + 1);
    gone = reader.decided();
  };
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
    const std::size_t known = found.size();
    reader.read(text.substr(0, step), found);
    take(known);
  }
  const std::size_t known = found.size();
  reader.end(found);
  take(known);
  CHECK(reader.decided() == reader.size());
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::vector<StreamMatch> whole = found_in(text, size);
  const std::vector<StreamMatch> cut = found_in(text, 1 + data[0] % 32);
  CHECK(whole.size() == cut.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CHECK(whole[i].rule == cut[i].rule && whole[i].extent.begin == cut[i].extent.begin);
  }
  return 0;
}
