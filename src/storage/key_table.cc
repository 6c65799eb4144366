#include "storage/key_table.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"
#include "storage/database.h"

namespace tollgate::storage {

using authentication::KeyFacts;
using authentication::KeyRecord;
using authentication::KeyScopes;

namespace {

// A grant is the number of its bytes, then lists in a fixed order: each the number of its texts,
// then each text behind its length. Numbers are 4 bytes.
using Number = std::uint32_t;

void pack(std::string& out, std::size_t number) {
  const auto packed = static_cast<Number>(number);
  out.append(reinterpret_cast<const char*>(&packed), sizeof packed);
}

void pack(std::string& out, std::string_view text) {
  pack(out, text.size());
  out += text;
}

void pack(std::string& out, const std::vector<std::string>& texts) {
  pack(out, texts.size());
  for (const std::string& text : texts) pack(out, text);
}

std::string packed_grant(const KeyRecord& key) {
  std::string out;
  pack(out, std::size_t{0});
  pack(out, key.tenant);
  pack(out, key.user);
  pack(out, key.roles);
  const bool narrowed = !(key.scopes == KeyScopes());
  pack(out, std::size_t{narrowed});
  if (narrowed) {
    pack(out, key.scopes.routes);
    pack(out, key.scopes.models);
    pack(out, key.scopes.tools);
    pack(out, key.scopes.addresses.size());
    for (const AddressRange& range : key.scopes.addresses) {
      out.append(reinterpret_cast<const char*>(range.first.bytes.data()), range.first.bytes.size());
      pack(out, static_cast<std::size_t>(range.bits));
    }
  }
  const auto bytes = static_cast<Number>(out.size());
  std::memcpy(out.data(), &bytes, sizeof bytes);
  return out;
}

// Of a grant, and what the heap adds; null: there is none.
std::size_t bytes_of(const char* grant) {
  if (grant == nullptr) return 0;
  Number size;
  std::memcpy(&size, grant, sizeof size);
  return size + 16;
}

// Reads what pack() wrote; views of it.
class Unpacker {
 public:
  Unpacker(const char* at, Arena& arena) : at_(at), arena_(arena) {}

  Number number() {
    Number read;
    std::memcpy(&read, at_, sizeof read);
    at_ += sizeof read;
    return read;
  }
  std::string_view text() {
    const Number size = number();
    return {std::exchange(at_, at_ + size), size};
  }
  std::span<const std::string_view> texts() {
    const auto made = arena_.make<std::string_view>(number());
    for (std::string_view& each : made) each = text();
    return made;
  }
  std::span<const AddressRange> ranges() {
    const auto made = arena_.make<AddressRange>(number());
    for (AddressRange& range : made) {
      std::memcpy(range.first.bytes.data(), at_, range.first.bytes.size());
      at_ += range.first.bytes.size();
      range.bits = static_cast<int>(number());
    }
    return made;
  }

 private:
  const char* at_;
  Arena& arena_;
};

std::int64_t time_or_never(const std::optional<WallTime>& time) {
  return time ? to_microseconds(*time) : KeyTable::kNever;
}

std::optional<WallTime> time_or_none(std::int64_t us) {
  if (us == KeyTable::kNever) return std::nullopt;
  return from_microseconds(us);
}

}  // namespace

KeyTable::Slot* KeyTable::slot_of(std::string_view id) const {
  if (index_.empty()) return nullptr;
  for (std::size_t at = hash_of(id);; ++at) {
    Slot* const slot = index_[at & (index_.size() - 1)];
    if (slot == nullptr || slot->id() == id) return slot;
  }
}

void KeyTable::place(Slot& slot) {
  std::size_t at = hash_of(slot.id());
  while (index_[at & (index_.size() - 1)] != nullptr) ++at;
  index_[at & (index_.size() - 1)] = &slot;
}

void KeyTable::grow() {
  index_.assign(std::max<std::size_t>(64, 2 * index_.size()), nullptr);
  for (Slot& slot : slots_) {
    if (slot.id_length != 0) place(slot);
  }
}

bool KeyTable::put(const KeyRecord& key) {
  if (key.id.empty() || key.id.size() > kIdLengthMax) return false;
  Slot* slot = slot_of(key.id);
  if (slot == nullptr) {
    if (free_.empty()) free_.push_back(&slots_.emplace_back());
    slot = free_.back();
    free_.pop_back();
    std::copy(key.id.begin(), key.id.end(), slot->id_text.begin());
    slot->id_length = static_cast<std::uint8_t>(key.id.size());
    if (2 * size() > index_.size()) {
      grow();
    } else {
      place(*slot);
    }
  }
  slot->digest = key.digest;
  slot->created_us = to_microseconds(key.created);
  slot->expires_us = time_or_never(key.expires);
  slot->revoked_us = time_or_never(key.revoked);
  const std::string grant = packed_grant(key);
  auto bytes = std::make_unique_for_overwrite<char[]>(grant.size());
  std::memcpy(bytes.get(), grant.data(), grant.size());
  grant_bytes_ -= bytes_of(slot->grant.get());
  slot->grant = std::move(bytes);
  grant_bytes_ += bytes_of(slot->grant.get());
  return true;
}

// Those behind it in its run move up, so that none is lost behind a gap.
void KeyTable::drop(Slot& slot) {
  const std::size_t mask = index_.size() - 1;
  std::size_t gap = hash_of(slot.id()) & mask;
  while (index_[gap] != &slot) gap = (gap + 1) & mask;
  for (std::size_t at = (gap + 1) & mask; index_[at] != nullptr; at = (at + 1) & mask) {
    const std::size_t home = hash_of(index_[at]->id()) & mask;
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    index_[gap] = index_[at];
    gap = at;
  }
  index_[gap] = nullptr;
  grant_bytes_ -= bytes_of(slot.grant.get());
  slot.grant.reset();
  slot.id_length = 0;
  slot.used_us.store(0);
  slot.use_is_to_tell.store(false);
  free_.push_back(&slot);
}

std::vector<const KeyTable::Slot*> KeyTable::drop_ended(WallTime now, std::size_t most) {
  const Duration known = ended_known_ > kEndedKnownMax ? kEndedKnownLeast : kEndedKnown;
  const std::int64_t now_us = to_microseconds(now);
  std::vector<const Slot*> dropped;
  for (std::size_t i = 0; i < most && !slots_.empty(); ++i) {
    if (next_ >= slots_.size()) {
      next_ = 0;
      ended_known_ = std::exchange(ended_, 0);
      break;
    }
    Slot& slot = slots_[next_++];
    const std::int64_t end_us = std::min(slot.expires_us, slot.revoked_us);
    if (slot.id_length == 0 || end_us > now_us) continue;
    ++ended_;
    if (end_us > now_us - known.count()) continue;
    drop(slot);
    dropped.push_back(&slot);
  }
  return dropped;
}

std::optional<KeyFacts> KeyTable::find(std::string_view id, Arena& arena) const {
  Slot* const slot = slot_of(id);
  if (slot == nullptr) return std::nullopt;
  Number size;
  std::memcpy(&size, slot->grant.get(), sizeof size);
  const std::string_view grant = arena.copy({slot->grant.get(), size});
  KeyFacts facts;
  facts.id = arena.copy(slot->id());
  facts.digest = slot->digest;
  facts.expires = time_or_none(slot->expires_us);
  facts.revoked = time_or_none(slot->revoked_us);
  facts.slot = slot;
  Unpacker from(grant.data() + sizeof size, arena);
  facts.tenant = from.text();
  facts.user = from.text();
  facts.roles = from.texts();
  if (from.number() == 0) return facts;
  facts.reach.routes = from.texts();
  facts.reach.models = from.texts();
  facts.reach.tools = from.texts();
  facts.addresses = from.ranges();
  return facts;
}

const KeyTable::Slot* KeyTable::same_as(const KeyRecord& key) const {
  const Slot* const slot = slot_of(key.id);
  return slot != nullptr && slot->created_us == to_microseconds(key.created) ? slot : nullptr;
}

std::optional<WallTime> KeyTable::revoked(const KeyRecord& key) const {
  const Slot* const slot = same_as(key);
  return slot == nullptr ? std::nullopt : time_or_none(slot->revoked_us);
}

std::optional<WallTime> KeyTable::expires(const KeyRecord& key) const {
  const Slot* const slot = same_as(key);
  return slot == nullptr ? std::nullopt : time_or_none(slot->expires_us);
}

std::size_t KeyTable::memory_bytes() const {
  return slots_.size() * sizeof(Slot) + index_.size() * sizeof(Slot*) + grant_bytes_;
}

}  // namespace tollgate::storage
