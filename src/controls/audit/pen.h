// Writes a record's JSON at the speed of copying: literals are moved by their known size, and
// numbers and plain text go straight to their place. For audit.cc only; base/json_writer.h
// serves wherever a few hundred nanoseconds do not count.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/units.h"

namespace tollgate::audit {

class Pen {
 public:
  // Appends to `out`, which must outlive the pen and is whole after finish().
  explicit Pen(std::string& out) : out_(out), size_(out.size()) { grow(1 << 11); }
  void finish() { out_.resize(size_); }

  template <std::size_t N>
  void literal(const char (&text)[N]) {
    std::memcpy(place(N - 1), text, N - 1);
    size_ += N - 1;
  }

  // Text that needs no escape: names of enumerators.
  void name(std::string_view text) {
    if (text.empty()) return;
    std::memcpy(place(text.size()), text.data(), text.size());
    size_ += text.size();
  }

  void number(std::int64_t value) {
    char* at = place(24);
    size_ += static_cast<std::size_t>(std::to_chars(at, at + 24, value).ptr - at);
  }
  void number(std::uint64_t value) {
    char* at = place(24);
    size_ += static_cast<std::size_t>(std::to_chars(at, at + 24, value).ptr - at);
  }

  // A decimal of at most six places, exact: dollars or seconds.
  void millionths(std::int64_t value);
  void money(Money amount) { millionths(amount.micro_usd); }
  void seconds(Duration duration) { millionths(duration.count()); }

  // RFC 3339 in UTC with microseconds; years 0 to 9999.
  void time(WallTime moment);
  // As a clock reads that is `ahead` of UTC, with that offset, to the second.
  void time_ahead(WallTime moment, Duration ahead);
  void hex(std::uint64_t value);

  // A quoted string of any bytes, at most `most` of them.
  void text(std::string_view bytes, std::size_t most);
  // JSON on one line, its strings made as harmless as those of text(). Reads back as the same.
  void json(std::string_view bytes);

 private:
  char* place(std::size_t bytes) {
    if (out_.size() - size_ < bytes) [[unlikely]]
      grow(bytes);
    return out_.data() + size_;
  }
  // Room that is not cleared first: what is not written is cut off by finish().
  void grow(std::size_t bytes) {
    out_.resize_and_overwrite(out_.size() + bytes + (1 << 9),
                              [](char*, std::size_t size) { return size; });
  }
  void digits(std::uint64_t value, int count);
  void reading(WallTime moment);  // "2026-11-25T12:59:07"
  void escaped(std::string_view bytes);
  std::size_t character(std::string_view bytes);  // The first one; how many bytes it has.
  void code_unit(std::uint32_t unit);             // \uXXXX

  std::string& out_;
  std::size_t size_;
};

}  // namespace tollgate::audit
