#include "pipeline/request_id.h"

#include <bit>
#include <random>

#include "base/record_id.h"

namespace tollgate::pipeline {

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
  const std::span<char> text = arena.make<char>(kRecordIdBytes);
  write_record_id("req_", now, {random(), random()}, text.first<kRecordIdBytes>());
  return {text.data(), text.size()};
}

}  // namespace tollgate::pipeline
