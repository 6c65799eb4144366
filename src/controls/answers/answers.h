// Answers that were given, so that they can be given again: to a request that is the same, or to
// the same request once more.
//
// A key is a keyed digest of all that an answer may depend on, so nobody can make two requests that
// share one. What is kept is whole, never changes, and is in memory alone; of more than the bytes
// that there are for all together, what was not asked for longest goes first. A request may also
// lead: those with its key that come while it is at work follow it, and are told when it has an
// answer, or that it has none.
//
// No clock: the caller passes `now`. Any thread; a lock for each of kShards, held for a look-up.
// What is kept is shared with whoever is writing it to a caller while it is dropped here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/money.h"
#include "base/units.h"
#include "controls/overload/buffered_bytes.h"

namespace tollgate::answers {

using Key = std::array<std::uint8_t, 32>;  // Of a keyed hash.

struct Answer {
  std::string content_type;
  std::string body;                       // As its caller got it.
  std::vector<std::string> tools_called;  // In it.
  Money cost;                             // Of making it.
};
using Shared = std::shared_ptr<const Answer>;

// Who waits for the answer of a request that leads.
class Follower {
 public:
  // Once, on the leader's thread, unless unfollow() was in time. Null: it has none. The follower
  // may be gone when this returns.
  virtual void landed(Shared answer) = 0;

 protected:
  ~Follower() = default;
};

// What is there for a key.
enum class Found : std::uint8_t {
  kNothing,  // And who asked does not lead: too many follow already.
  kAnswer,
  kLeads,    // Nothing; who asked leads now, and has to land().
  kFollows,  // A leader is at work; the follower will be told.
  kAnother,  // Another request had this key.
};

// Most bytes of all answers together that are kept, and of one.
inline constexpr Bytes kAnswersBytesMax = 64 << 20;
inline constexpr Bytes kAnswerBytesMax = 4 << 20;
// Most requests that wait for one.
inline constexpr std::size_t kFollowersMax = 1024;

class Answers {
 public:
  // `buffered`, in which what is kept counts, outlives it; null: it counts nowhere.
  explicit Answers(Bytes bytes_max = kAnswersBytesMax, overload::BufferedBytes* buffered = nullptr)
      : shard_bytes_max_(bytes_max / kShards), buffered_(buffered) {}

  // Null: none, or it is too old.
  Shared find(const Key& key, Instant now);
  // Until then; in place of one that is there. What is larger than may be kept is not.
  void keep(const Key& key, Shared answer, Instant until, Instant now);

  // What is there, for a request whose digest is `request` (all zeros: the key is of the whole);
  // `answer` is set with kAnswer.
  Found join(const Key& key, const Key& request, Follower& follower, Instant now, Shared& answer);
  // Of who leads, exactly once. Null: it has no answer. `until` is as of keep().
  void land(const Key& key, const Shared& answer, Instant until, Instant now);
  // False: the follower is told, or is being told.
  bool unfollow(const Key& key, const Follower& follower);

  // Bytes of all that is kept.
  Bytes bytes() const;

 private:
  static constexpr std::size_t kShards = 8;
  // What an answer takes beside its texts.
  static constexpr Bytes kEntryBytes = 512;

  struct Entry {
    Key key;
    Key request;  // As of join().
    Shared answer;
    Instant until;
    Bytes bytes = 0;
  };
  struct Flight {
    Key request;
    std::vector<Follower*> followers;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      std::size_t hash = 0;  // Nobody can choose the first bytes of a keyed digest.
      std::memcpy(&hash, key.data(), sizeof hash);
      return hash;
    }
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Entry> entries;  // What was asked for last is first.
    std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> by_key;
    std::unordered_map<Key, Flight, KeyHash> flights;
    Bytes bytes = 0;
  };

  Shard& shard_of(const Key& key) { return shards_[key.back() % kShards]; }
  Shared find_in(Shard& shard, const Key& key, Instant now, std::vector<Shared>& dropped) const;
  void drop(Shard& shard, std::list<Entry>::iterator entry, std::vector<Shared>& dropped) const;
  void keep_in(Shard& shard, Entry entry, Instant now, std::vector<Shared>& dropped) const;

  const Bytes shard_bytes_max_;
  overload::BufferedBytes* const buffered_;
  std::array<Shard, kShards> shards_;
};

}  // namespace tollgate::answers
