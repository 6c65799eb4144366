// The chain of the trail: each sealed record carries the hash of the one before it.
//
// The hash covers the exact bytes of the record without its hash member, so that proving needs
// no parser and no canonical form of JSON.
#include <charconv>

#include "base/check.h"
#include "base/sha256.h"
#include "controls/audit/audit.h"
#include "controls/audit/hash.h"

namespace tollgate::audit {

namespace {

constexpr std::string_view kTime = ",\"time\":";
constexpr std::string_view kPrevious = ",\"previous_hash\":\"";
constexpr std::string_view kHash = ",\"hash\":\"";
constexpr std::string_view kEnd = "\"}";
constexpr std::size_t kHexLength = 2 * sizeof(Hash);

}  // namespace

void append_hex(const Hash& hash, std::string& out) {
  char digits[kHexLength];
  char* at = digits;
  // Without a branch or a look-up, so that the compiler does many at once.
  for (const std::uint8_t byte : hash) {
    const auto digit = [](unsigned four) {
      return static_cast<char>('0' + four + (four > 9 ? 'a' - '0' - 10 : 0));
    };
    *at++ = digit(byte >> 4u);
    *at++ = digit(byte & 15u);
  }
  out.append(digits, kHexLength);
}

Hash sha256(std::string_view bytes) { return tollgate::sha256(bytes); }

Hash seal(std::string_view written, std::uint64_t sequence, const Hash& previous,
          std::string& out) {
  // A quote inside a string is escaped, so the first match is the member itself.
  const std::size_t time = written.find(kTime);
  CHECK(time != std::string_view::npos && written.ends_with('}'));
  const std::size_t start = out.size();
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof digits, sequence).ptr;
  out.reserve(start + written.size() + 2 * kHexLength + 96);
  out.append(written.substr(0, time));
  out.append(",\"sequence\":").append(digits, static_cast<std::size_t>(end - digits));
  out.append(written.substr(time, written.size() - time - 1)).append(kPrevious);
  append_hex(previous, out);
  out.append(kEnd);
  const Hash own = sha256(std::string_view(out).substr(start));
  out.pop_back();
  out.append(kHash);
  append_hex(own, out);
  out.append(kEnd);
  return own;
}

bool verify(std::string_view sealed, const Hash& previous, Hash& own) {
  constexpr std::size_t kTail = kHash.size() + kHexLength + kEnd.size();
  if (sealed.size() < kTail) return false;
  std::string hashed(sealed.substr(0, sealed.size() - kTail));
  std::string expected(kPrevious);
  append_hex(previous, expected);
  if (!hashed.ends_with(expected + '"')) return false;
  hashed.push_back('}');
  const Hash found = sha256(hashed);
  expected.assign(kHash);
  append_hex(found, expected);
  expected.append(kEnd);
  if (sealed.substr(sealed.size() - kTail) != expected) return false;
  own = found;
  return true;
}

}  // namespace tollgate::audit
