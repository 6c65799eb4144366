#include "controls/answers/answers.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tollgate::answers {

namespace {

// So many of those that were not asked for longest are looked at whenever one is kept, so that
// what is too old goes even where there is room.
constexpr int kLookedAt = 4;

Bytes bytes_of(const Answer& answer) {
  std::size_t bytes = answer.body.size() + answer.content_type.size();
  for (const std::string& tool : answer.tools_called) bytes += tool.size();
  return static_cast<Bytes>(bytes);
}

}  // namespace

void Answers::drop(Shard& shard, std::list<Entry>::iterator entry,
                   std::vector<Shared>& dropped) const {
  shard.bytes -= entry->bytes;
  if (buffered_ != nullptr) buffered_->give(entry->bytes);
  dropped.push_back(std::move(entry->answer));
  shard.by_key.erase(entry->key);
  shard.entries.erase(entry);
}

Shared Answers::find_in(Shard& shard, const Key& key, Instant now,
                        std::vector<Shared>& dropped) const {
  const auto found = shard.by_key.find(key);
  if (found == shard.by_key.end()) return nullptr;
  const auto entry = found->second;
  if (entry->until <= now) {
    drop(shard, entry, dropped);
    return nullptr;
  }
  shard.entries.splice(shard.entries.begin(), shard.entries, entry);
  return entry->answer;
}

void Answers::keep_in(Shard& shard, Entry entry, Instant now, std::vector<Shared>& dropped) const {
  const Bytes texts = bytes_of(*entry.answer);
  entry.bytes = texts + kEntryBytes;
  // An eighth of all memory at most, so that what is kept keeps no request out.
  const auto parts = static_cast<Bytes>(8 * kShards);
  const Bytes most = buffered_ == nullptr ? shard_bytes_max_
                                          : std::min(shard_bytes_max_, buffered_->most() / parts);
  if (texts > kAnswerBytesMax || entry.bytes > most || entry.until <= now) return;
  if (const auto there = shard.by_key.find(entry.key); there != shard.by_key.end()) {
    drop(shard, there->second, dropped);
  }
  for (int i = 0; i < kLookedAt && !shard.entries.empty(); ++i) {
    if (shard.entries.back().until > now) break;
    drop(shard, std::prev(shard.entries.end()), dropped);
  }
  while (!shard.entries.empty() && shard.bytes + entry.bytes > most) {
    drop(shard, std::prev(shard.entries.end()), dropped);
  }
  // Where there is no room for it, none is made. What somebody has paid for and may come back for
  // is kept where answers are.
  using For = overload::BufferedBytes::For;
  const For what = entry.request == Key{} ? For::kRequest : For::kAnswer;
  if (buffered_ != nullptr && !buffered_->take(entry.bytes, what)) return;
  shard.bytes += entry.bytes;
  shard.entries.push_front(std::move(entry));
  shard.by_key.emplace(shard.entries.front().key, shard.entries.begin());
}

// What is dropped is freed once the lock is.
Shared Answers::find(const Key& key, Instant now) {
  std::vector<Shared> dropped;
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  return find_in(shard, key, now, dropped);
}

void Answers::keep(const Key& key, Shared answer, Instant until, Instant now) {
  std::vector<Shared> dropped;
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  keep_in(shard, {key, Key{}, std::move(answer), until}, now, dropped);
}

Found Answers::join(const Key& key, const Key& request, Follower& follower, Instant now,
                    Shared& answer) {
  std::vector<Shared> dropped;
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  if (Shared found = find_in(shard, key, now, dropped)) {
    if (shard.entries.front().request != request) return Found::kAnother;
    answer = std::move(found);
    return Found::kAnswer;
  }
  const auto [flight, leads] = shard.flights.try_emplace(key, Flight{request, {}});
  if (leads) return Found::kLeads;
  if (flight->second.request != request) return Found::kAnother;
  std::vector<Follower*>& followers = flight->second.followers;
  if (followers.size() >= kFollowersMax) return Found::kNothing;
  followers.push_back(&follower);
  return Found::kFollows;
}

void Answers::land(const Key& key, const Shared& answer, Instant until, Instant now) {
  std::vector<Shared> dropped;
  std::vector<Follower*> followers;
  Shard& shard = shard_of(key);
  {
    const std::lock_guard lock(shard.mutex);
    const auto flight = shard.flights.find(key);
    CHECK(flight != shard.flights.end());
    followers = std::move(flight->second.followers);
    if (answer != nullptr)
      keep_in(shard, {key, flight->second.request, answer, until}, now, dropped);
    shard.flights.erase(flight);
  }
  for (Follower* follower : followers) follower->landed(answer);
}

bool Answers::unfollow(const Key& key, const Follower& follower) {
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto flight = shard.flights.find(key);
  if (flight == shard.flights.end()) return false;
  std::vector<Follower*>& followers = flight->second.followers;
  const auto found = std::ranges::find(followers, &follower);
  if (found == followers.end()) return false;
  followers.erase(found);
  return true;
}

Bytes Answers::bytes() const {
  Bytes sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace tollgate::answers
