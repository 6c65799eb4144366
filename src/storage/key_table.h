// The keys that requests are looked up among, close together: with a million of them a look-up is
// what the memory takes to answer four times.
//
// A key is never removed and never moves, so that its slot may be kept. Changes and look-ups are
// for the owner to keep apart; the moment of the last use may be told by any thread meanwhile.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "controls/authentication/authentication.h"

namespace tollgate::storage {

class KeyTable {
 public:
  struct Slot {
    std::string_view id() const { return {id_text.data(), id_length}; }

    std::array<char, 23> id_text{};
    std::uint8_t id_length = 0;
    authentication::Digest digest{};
    std::int64_t expires_us = kNever;
    std::int64_t revoked_us = kNever;
    std::unique_ptr<const char[]> grant;      // What it is for, packed.
    std::atomic<std::int64_t> used_us = 0;    // 0: never that this gateway knows.
    std::atomic<bool> use_is_to_tell{false};  // It is among those to be written.
  };
  static constexpr std::int64_t kNever = INT64_MAX;
  static constexpr std::size_t kIdLengthMax = 23;

  // False: the id is longer than any that we make, so the key is not taken over.
  bool put(const authentication::KeyRecord& key);

  // All but `revoked` and `expires` is copied into `arena`.
  std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const;
  std::optional<WallTime> revoked(std::string_view id) const;
  std::optional<WallTime> expires(std::string_view id) const;

  std::size_t size() const { return slots_.size(); }
  // About what all of it takes.
  std::size_t memory_bytes() const;

 private:
  Slot* slot_of(std::string_view id) const;
  void grow();

  static std::size_t hash_of(std::string_view id) { return std::hash<std::string_view>()(id); }

  std::deque<Slot> slots_;
  std::vector<Slot*> index_;  // Open addressing, at most half full; a power of two.
  std::size_t grant_bytes_ = 0;
};

}  // namespace tollgate::storage
