#include "pipeline/request_id.h"

#include <bit>
#include <random>

namespace tollgate::pipeline {

namespace {

constexpr std::string_view kPrefix = "req_";
constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kTimeCharacters = 10;
constexpr int kChanceCharacters = 16;

}  // namespace

RequestIds::RequestIds() {
  std::random_device device;
  for (std::uint64_t& word : state_) {
    word = (static_cast<std::uint64_t>(device()) << 32) | device();
  }
}

// xoshiro256++ (Blackman and Vigna, 2019).
std::uint64_t RequestIds::random() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::string_view RequestIds::next(WallTime now, Arena& arena) {
  const std::span<char> text =
      arena.make<char>(kPrefix.size() + kTimeCharacters + kChanceCharacters);
  char* at = text.data();
  for (const char c : kPrefix) *at++ = c;
  const auto ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
  for (int i = kTimeCharacters - 1; i >= 0; --i) *at++ = kAlphabet[(ms >> (5 * i)) & 31];
  for (int half = 0; half < 2; ++half) {
    std::uint64_t chance = random();
    for (int i = 0; i < kChanceCharacters / 2; ++i, chance >>= 5) *at++ = kAlphabet[chance & 31];
  }
  return {text.data(), text.size()};
}

}  // namespace tollgate::pipeline
