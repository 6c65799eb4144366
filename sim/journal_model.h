// What of a gateway's records survives it: the promises of the journal, without its files.
//
// An item that was appended survives the end of its process; one that was being appended does
// not, as the checksum of a torn entry is wrong. Of what was not yet on the disk when the power
// went, any part may be gone: pages are written in any order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/chance.h"
#include "storage/trail_item.h"

namespace tollgate::sim {

class JournalModel {
 public:
  struct Entry {
    std::string packed;
    std::string id;
    storage::ItemKind kind{};
    audit::Phase phase{};
    audit::Outcome outcome{};
    std::int64_t amount = 0;
    std::string accounts;
    bool lost = false;
  };

  // Positions count entries from 1; a position is behind its entry.
  std::uint64_t append(const storage::Item& item) {
    Entry entry;
    storage::pack(item, entry.packed);
    entry.id = item.id;
    entry.kind = item.kind;
    entry.phase = item.phase;
    entry.outcome = item.outcome;
    entry.amount = item.amount.micro_usd;
    entry.accounts = item.accounts;
    entries_.push_back(std::move(entry));
    return entries_.size();
  }
  std::uint64_t end() const { return entries_.size(); }
  const Entry& behind(std::uint64_t position) const { return entries_[position]; }
  const std::vector<Entry>& entries() const { return entries_; }

  // All up to here is on the disk.
  void synced(std::uint64_t position) { synced_ = std::max(synced_, position); }
  std::uint64_t synced() const { return synced_; }
  // Whether what is lost is a tail or any part, chance says.
  void lose_power(Chance& chance) {
    const bool tail_only = chance.one_in(2);
    bool lost = false;
    for (std::size_t i = synced_; i < entries_.size(); ++i) {
      if (!lost || !tail_only) lost = chance.one_in(3);
      entries_[i].lost = entries_[i].lost || lost;
    }
    synced_ = entries_.size();
  }

 private:
  std::vector<Entry> entries_;
  std::uint64_t synced_ = 0;
};

}  // namespace tollgate::sim
