// The base64 of JOSE (RFC 4648 5, RFC 7515 2), so strict that a text has one reading and bytes
// have one spelling: no padding, no white space, and the bits behind the last byte are zero.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tollgate::authentication {

enum class Decoded : std::uint8_t { kWell, kMalformed };

// Replaces `out` by the bytes that `text` spells; leaves it empty where it spells none.
[[nodiscard]] Decoded decode_base64url(std::string_view text, std::string& out);

std::string encode_base64url(std::span<const std::uint8_t> bytes);

inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace tollgate::authentication
