#include "base/arena.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/poison.h"

namespace tollgate {

void* Arena::allocate(std::size_t bytes, std::size_t align) {
  CHECK(align <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);  // That of a block.
  if (!blocks_.empty()) {
    const std::size_t start = (used_ + align - 1) / align * align;
    const std::size_t size = blocks_.back().size;
    if (start <= size && bytes <= size - start) {
      used_ = start + bytes;
      std::byte* piece = blocks_.back().bytes.get() + start;
      unpoison(piece, bytes);
      return piece;
    }
  }
  const std::size_t size = std::max(bytes, kBlockBytes);
  blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
  poison(blocks_.back().bytes.get() + bytes, size - bytes);
  used_ = bytes;
  return blocks_.back().bytes.get();
}

std::string_view Arena::copy(std::string_view text) {
  if (text.empty()) return {};
  char* made = static_cast<char*>(allocate(text.size(), 1));
  std::memcpy(made, text.data(), text.size());
  return {made, text.size()};
}

void Arena::reset() {
  used_ = 0;
  if (blocks_.empty()) return;
  // Keep an ordinary block; a large one was for one request only.
  const auto ordinary = std::find_if(blocks_.begin(), blocks_.end(),
                                     [](const Block& b) { return b.size == kBlockBytes; });
  if (ordinary == blocks_.end()) {
    blocks_.clear();
    return;
  }
  Block kept = std::move(*ordinary);
  poison(kept.bytes.get(), kept.size);
  blocks_.clear();
  blocks_.push_back(std::move(kept));
}

}  // namespace tollgate
