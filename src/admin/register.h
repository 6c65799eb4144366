// What the door asks of the store: tokens by their ids, and who came, on record.
//
// On a thread and a connection of its own, so that nobody who is to be known waits for a question
// that takes long (answers.h). What is asked here takes one look or one short commit, and waits
// neither for the store's write lock nor for what the trail has before it longer than kPatience.
//
// Blocking I/O, of the door's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controls/administration/token.h"
#include "pipeline/ports.h"
#include "storage/changes.h"
#include "storage/store.h"

namespace tollgate::admin {

// What is on record of one who came.
struct Entry {
  storage::Author author;
  std::string action;
  std::string object;
  std::string before;  // As of storage::Change.
  std::string after;
};

class Register {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(1);

  // Both outlive it.
  Register(storage::Store& store, const pipeline::Clock& clock) : store_(store), clock_(clock) {}

  // The token of this id, as the store has it now.
  FaultOr<std::optional<administration::TokenRecord>> find(std::string_view id);
  // It was used. That this is not written is no reason to refuse anybody.
  void use(const administration::TokenRecord& token);

  // All of them in the chain of changes, or none. In turn with the trail's own commits, so that
  // whoever is refused here without end never has the lock that those wait for. A Fault where the
  // trail does not come to it within kPatience: then nothing was done, and nothing will be.
  //
  // A batch with a number is on record once, however often it is tried again: also where nobody can
  // tell whether the last try was kept (FaultKind::kUncertain). Numbers go up.
  FaultOr<void> record(std::span<const Entry> entries, std::optional<std::uint64_t> number);

 private:
  FaultOr<bool> is_new(storage::Database& database, std::uint64_t number);
  FaultOr<storage::Database*> database();

  storage::Store& store_;
  const pipeline::Clock& clock_;
  std::unique_ptr<storage::Database> database_;
  std::string run_;  // Of batches: no other process has it.
};

}  // namespace tollgate::admin
