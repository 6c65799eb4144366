// Memory for the small things that one request needs, given back all at once at its end.
//
// A request's identity, evidence and record are views into its arena, so the steady state
// allocates nothing from the heap: the first block stays with the arena from request to
// request. Not safe to share between threads.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tollgate {

class Arena {
 public:
  static constexpr std::size_t kBlockBytes = 4096;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Never null. A piece larger than a block gets a block of its own.
  void* allocate(std::size_t bytes, std::size_t align = alignof(std::max_align_t));

  std::string_view copy(std::string_view text);

  // `count` value-initialised elements that need no destructor.
  template <class T>
  std::span<T> make(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    if (count == 0) return {};
    T* first = static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
    for (std::size_t i = 0; i < count; ++i) new (first + i) T();
    return {first, count};
  }

  template <class T>
  std::span<T> copy(std::span<const T> from) {
    std::span<T> made = make<T>(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) made[i] = from[i];
    return made;
  }

  // Everything handed out before is gone. Keeps one block.
  void reset();

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
  std::vector<Block> blocks_;
  std::size_t used_ = 0;  // In the last block.
};

}  // namespace tollgate
