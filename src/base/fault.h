// An accident outside of the gateway: a store is down, an upstream is broken, a disk is full.
//
// A Fault is what a port returns; the policy decides what the caller gets to see of it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace tollgate {

enum class FaultKind : std::uint8_t {
  kUnreachable,    // Nobody answered, or the connection could not be made.
  kTimeout,        // A deadline passed.
  kUncertain,      // A commit's answer was lost: it was kept, or not.
  kCancelled,      // The other side of our own process gave up (the caller left, a drain).
  kBroken,         // What came was not what the protocol allows, or it ended too early.
  kRefusedByPeer,  // The peer answered and said no (a full disk, a read-only database, 401).
  kCorrupt,        // Stored data is damaged or of a version that we do not know.
  kNoRoom,         // We keep as much in memory as we may.
  kRevoked,        // Whoever asked is let in no longer, so nothing was done.
};

struct Fault {
  FaultKind kind = FaultKind::kBroken;
  std::string message;  // For the operator: what failed, where, and what to do. No secrets.
};

template <class T>
using FaultOr = std::expected<T, Fault>;

inline std::unexpected<Fault> fault(FaultKind kind, std::string message) {
  Fault made;
  made.kind = kind;
  made.message = std::move(message);
  return std::unexpected<Fault>(std::move(made));
}

}  // namespace tollgate
