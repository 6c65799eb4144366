// What a Redis server says, as any bytes: whole and in pieces it must read the same.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "redis/reply.h"

using namespace tollgate::redis;

namespace {

bool same(const Reply& a, const Reply& b) {
  if (a.kind != b.kind || a.integer != b.integer || a.text != b.text) return false;
  if (a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!same(a.items[i], b.items[i])) return false;
  return true;
}

std::size_t depth(const Reply& reply) {
  std::size_t most = 0;
  for (const Reply& item : reply.items) most = std::max(most, depth(item));
  return most + 1;
}

struct Read {
  std::vector<Reply> replies;
  bool broken = false;
};
Read read_in_pieces(std::string_view bytes, std::size_t piece) {
  Read all;
  ReplyReader reader;
  while (!all.broken) {
    auto next = reader.next();
    if (!next) {
      all.broken = true;
    } else if (*next) {
      CHECK(depth(**next) <= ReplyReader::kDepthMax + 1);
      all.replies.push_back(std::move(**next));
    } else if (bytes.empty()) {
      break;
    } else {
      reader.feed(bytes.substr(0, piece));
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Read whole = read_in_pieces(bytes, size + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    const Read again = read_in_pieces(bytes, piece);
    CHECK(again.broken == whole.broken && again.replies.size() == whole.replies.size());
    for (std::size_t i = 0; i < whole.replies.size(); ++i)
      CHECK(same(whole.replies[i], again.replies[i]));
  }
  return 0;
}
