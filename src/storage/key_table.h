// The keys that requests are looked up among, close together: with a million of them a look-up is
// what the memory takes to answer four times.
//
// A key never moves, so that its slot may be kept. One that has ended is dropped after kEndedKnown,
// so that it is told apart from one that never was until then; where more than kEndedKnownMax have
// ended, after kEndedKnownLeast. Its slot goes to another key: whoever kept it looks whether the id
// is still the same. Changes and look-ups are for the owner to keep apart; the moment of the last
// use may be told by any thread meanwhile.
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
    std::int64_t created_us = 0;
    std::int64_t expires_us = kNever;
    std::int64_t revoked_us = kNever;
    std::unique_ptr<const char[]> grant;      // What it is for, packed.
    std::atomic<std::int64_t> used_us = 0;    // 0: never that this gateway knows.
    std::atomic<bool> use_is_to_tell{false};  // It is among those to be written.
  };
  static constexpr std::int64_t kNever = INT64_MAX;
  static constexpr std::size_t kIdLengthMax = 23;
  static constexpr Duration kEndedKnown = std::chrono::hours(24 * 30);
  static constexpr Duration kEndedKnownLeast = std::chrono::hours(1);
  static constexpr std::size_t kEndedKnownMax = 8192;

  // False: the id is longer than any that we make, so the key is not taken over.
  bool put(const authentication::KeyRecord& key);

  // All but `revoked` and `expires` is copied into `arena`.
  std::optional<authentication::KeyFacts> find(std::string_view id, Arena& arena) const;
  // Of the key that was made at that moment: another of the same id is not the same.
  std::optional<WallTime> revoked(const authentication::KeyRecord& key) const;
  std::optional<WallTime> expires(const authentication::KeyRecord& key) const;

  // Drops what may be forgotten among the next `most` slots. What was dropped is no key any more
  // when this returns, and its slot none's until the next put().
  std::vector<const Slot*> drop_ended(WallTime now, std::size_t most);

  std::size_t size() const { return slots_.size() - free_.size(); }
  // About what all of it takes.
  std::size_t memory_bytes() const;

 private:
  Slot* slot_of(std::string_view id) const;
  const Slot* same_as(const authentication::KeyRecord& key) const;
  void grow();
  void place(Slot& slot);
  void drop(Slot& slot);

  static std::size_t hash_of(std::string_view id) { return std::hash<std::string_view>()(id); }

  std::deque<Slot> slots_;
  std::vector<Slot*> index_;  // Open addressing, at most half full; a power of two.
  std::vector<Slot*> free_;
  std::size_t grant_bytes_ = 0;

  std::size_t next_ = 0;         // Where drop_ended() goes on.
  std::size_t ended_ = 0;        // That it has seen in this round, and
  std::size_t ended_known_ = 0;  // …in the last.
};

}  // namespace tollgate::storage
