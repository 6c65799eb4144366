// Multiply and fold (as wyhash does): two words a step on two independent lanes, so that a
// body of some kilobytes costs about as much as reading it.
#include <cstring>

#include "controls/audit/audit.h"

namespace tollgate::audit {

namespace {

constexpr std::uint64_t kOdd[] = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, 0x8cb92ba72f3d8dd7,
                                  0xaef17502108ef2d9};

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const char* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

std::uint64_t fingerprint(std::string_view bytes, std::uint64_t key) {
  std::uint64_t left = key ^ kOdd[0];
  std::uint64_t right = fold(key ^ kOdd[1], kOdd[2]);
  const char* at = bytes.data();
  std::size_t rest = bytes.size();
  for (; rest >= 32; rest -= 32, at += 32) {
    left = fold(word(at) ^ kOdd[1], word(at + 8) ^ left);
    right = fold(word(at + 16) ^ kOdd[2], word(at + 24) ^ right);
  }
  char tail[32] = {};
  if (rest > 0) std::memcpy(tail, at, rest);
  left = fold(word(tail) ^ kOdd[1], word(tail + 8) ^ left);
  right = fold(word(tail + 16) ^ kOdd[2], word(tail + 24) ^ right);
  const std::uint64_t hash =
      fold(left ^ kOdd[3] ^ bytes.size(), fold(right ^ kOdd[0], key ^ kOdd[3]));
  return hash == 0 ? 1 : hash;
}

}  // namespace tollgate::audit
