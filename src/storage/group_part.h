// Somebody who writes in the transaction of each group of the trail, so that one fsync serves
// both, and both are durable or neither is.
#pragma once

#include "base/fault.h"
#include "storage/database.h"

namespace tollgate::storage {

// All on the writer's thread.
class GroupPart {
 public:
  virtual bool idle() const = 0;  // Nothing is to be written.
  virtual FaultOr<void> write(Database& database) = 0;
  // What became of what write() wrote, or of what waited where no transaction could begin.
  virtual void committed() = 0;
  virtual void failed(const Fault& fault) = 0;

 protected:
  ~GroupPart() = default;
};

}  // namespace tollgate::storage
