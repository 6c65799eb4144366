// The memory that connections read into: blocks of one size, recycled by the loop.
//
// A connection has a block only while bytes are in it, so an idle one costs none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace tollgate::net {

// Readable bytes behind all that is handed out, for readers that load whole vectors
// (dialects::RequestReader::kPadding).
inline constexpr std::size_t kPadding = 64;

class Blocks {
 public:
  static constexpr std::size_t kBytes = 16 << 10;

  ~Blocks() {
    for (char* block : free_) std::free(block);
  }
  char* take() {
    if (free_.empty()) return allocate(kBytes);
    char* block = free_.back();
    free_.pop_back();
    return block;
  }
  void give(char* block) {
    if (free_.size() < kKept) return free_.push_back(block);
    std::free(block);
  }
  static char* allocate(std::size_t bytes) {
    char* made = static_cast<char*>(std::malloc(bytes));
    CHECK(made != nullptr);
    return made;
  }

 private:
  static constexpr std::size_t kKept = 256;
  std::vector<char*> free_;
};

// Bytes that came and are not consumed yet, contiguous.
class Inbox {
 public:
  explicit Inbox(Blocks& blocks) : blocks_(blocks) {}
  Inbox(const Inbox&) = delete;
  ~Inbox() { drop(); }

  std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
  char* data() { return data_ + begin_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // Where the next bytes go, without moving what is there. May be empty: then reserve().
  std::span<char> room() {
    if (data_ == nullptr) {
      data_ = blocks_.take();
      capacity_ = Blocks::kBytes;
    }
    return {data_ + end_, capacity_ - kPadding - end_};
  }
  void add(std::size_t bytes) { end_ += bytes; }
  void consume(std::size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Takes `bytes` out of the middle, `offset` behind the first; what is before stays in place.
  void erase(std::size_t offset, std::size_t bytes) {
    char* at = data_ + begin_ + offset;
    std::memmove(at, at + bytes, size() - offset - bytes);
    end_ -= bytes;
  }

  // Makes place for `bytes` in all from the first unconsumed byte on; views into it end.
  void reserve(std::size_t bytes) {
    static_cast<void>(room());
    if (begin_ + bytes + kPadding <= capacity_) return;
    if (bytes + kPadding <= capacity_) {
      std::memmove(data_, data_ + begin_, size());
    } else {
      const std::size_t grown = bytes + kPadding;
      char* moved = Blocks::allocate(grown);
      std::memcpy(moved, data_ + begin_, size());
      give_back();
      data_ = moved;
      capacity_ = grown;
    }
    end_ = size();
    begin_ = 0;
  }
  bool could_hold(std::size_t bytes) const {
    return begin_ + bytes + kPadding <= (data_ == nullptr ? Blocks::kBytes : capacity_);
  }

  // Gives the block back where nothing is in it.
  void rest() {
    if (empty()) drop();
  }
  void drop() {
    give_back();
    data_ = nullptr;
    begin_ = end_ = capacity_ = 0;
  }

 private:
  void give_back() {
    if (data_ == nullptr) return;
    if (capacity_ == Blocks::kBytes) return blocks_.give(data_);
    std::free(data_);
  }

  Blocks& blocks_;
  char* data_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

// A body too large for an inbox: grows by what has come, never by what was promised.
class Body {
 public:
  Body() = default;
  Body(const Body&) = delete;
  ~Body() { std::free(data_); }

  std::string_view view() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

  // Place for at least one more byte, where `most` is all that will be there in the end.
  std::span<char> room(std::size_t most) {
    if (size_ == capacity_) grow(most);
    return {data_ + size_, std::min(capacity_, most) - size_};
  }
  // What it takes once room() is asked for.
  std::size_t bytes_with_room(std::size_t most) const {
    return size_ == capacity_ ? grown(most) : capacity_;
  }
  void add(std::size_t bytes) { size_ += bytes; }
  void append(std::string_view bytes, std::size_t most) {
    while (!bytes.empty()) {
      const std::span<char> into = room(most);
      CHECK(!into.empty());
      const std::size_t part = std::min(into.size(), bytes.size());
      std::memcpy(into.data(), bytes.data(), part);
      size_ += part;
      bytes.remove_prefix(part);
    }
  }
  void drop() {
    std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  std::size_t grown(std::size_t most) const {
    static constexpr std::size_t kFirst = 64 << 10;
    return std::min(std::max(kFirst, 2 * capacity_), std::max(most, std::size_t{1}));
  }
  void grow(std::size_t most) {
    capacity_ = grown(most);
    data_ = static_cast<char*>(std::realloc(data_, capacity_ + kPadding));
    CHECK(data_ != nullptr);
  }

  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tollgate::net
