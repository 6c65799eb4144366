// Bytes that lie in base64, read where they lie: the header of an image of many megabytes is a
// few bytes of it, so nothing is decoded but what is asked for.
//
// Source: RFC 4648, section 4, held to strictly: whole groups of four, padding at the end alone,
// no white space, no bit set beyond the last byte. So no two decoders read it in two ways.
// Pure. Borrows the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tollgate::dialects {

class Base64Bytes {
 public:
  // Nothing: `text` is no base64, or is empty. Looks at each character once.
  static std::optional<Base64Bytes> read(std::string_view text);

  // Bytes that lie there as they are, as in a form.
  static Base64Bytes plain(std::string_view bytes) {
    Base64Bytes made(bytes, bytes.size());
    made.is_plain_ = true;
    return made;
  }

  std::size_t size() const { return size_; }
  // Whether there are `count` bytes at `at`.
  bool has(std::size_t at, std::size_t count) const { return at <= size_ && count <= size_ - at; }

  // Beyond the end every byte is 0.
  std::uint8_t operator[](std::size_t at) const;
  std::uint32_t big_endian(std::size_t at, std::size_t bytes) const;  // 1 to 4 bytes.
  std::uint32_t little_endian(std::size_t at, std::size_t bytes) const;
  // Whether the bytes at `at` are these.
  bool is(std::size_t at, std::string_view expected) const;

 private:
  Base64Bytes(std::string_view text, std::size_t size) : text_(text), size_(size) {}

  std::string_view text_;
  std::size_t size_;
  bool is_plain_ = false;
};

}  // namespace tollgate::dialects
