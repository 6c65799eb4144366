// What the requests of one loop came to since somebody looked: the facts that alerts are made of.
//
// A request adds to it where it is counted anyway, under the lock that is held for that; nothing is
// allocated for a caller that is known. Whoever looks drains it, about four times a second. At most
// kCallersMax callers are told apart between two looks: what more there are is counted by tenant.
//
// No I/O and no lock of its own: whoever shares it guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/money.h"
#include "base/units.h"
#include "controls/limits/limits.h"

namespace tollgate::alerts {

// Who asked for what. Borrows.
struct Who {
  std::string_view tenant;
  std::string_view user;
  std::string_view key_id;
  std::string_view verifier;  // Empty: the gateway's own.
  std::string_view route;
  std::string_view model;
  friend bool operator==(const Who&, const Who&) = default;
};

// The subject that a scope means, as limits and budgets know it (pipeline::subject_of), into `out`.
// False: it has none.
bool subject_of(limits::Scope scope, const Who& who, std::string& out);

struct Deed {
  Money spent;
  std::int64_t refused = 0;
  // Of `spent`: the sum of the squares of what each request cost, in dollars.
  double squares = 0;
};

struct Attempts {
  std::int64_t served = 0;
  std::int64_t failed = 0;  // Without a reply, or with one of 500 and above.
};

struct Counted {
  Tokens ours = 0;
  Tokens provider = 0;
};

class Tally {
 public:
  static constexpr std::size_t kCallersMax = 4096;
  static constexpr std::size_t kNamesMax = 1024;  // Of upstreams, and of models.

  Tally();
  ~Tally();
  Tally(const Tally&) = delete;

  void spent(const Who& who, Money cost);
  void refused(const Who& who);
  void failed_authentication() { ++authentication_failures_; }
  void attempted(std::string_view upstream, bool served, std::int64_t calls);
  void counted(std::string_view model, Tokens ours, Tokens provider);

  // Calls back with what there is and is empty then.
  class Reader {
   public:
    virtual void caller(const Who& who, const Deed& deed) = 0;
    virtual void upstream(std::string_view name, const Attempts& attempts) = 0;
    virtual void model(std::string_view name, const Counted& counted) = 0;
    virtual void authentication_failures(std::int64_t count) = 0;

   protected:
    ~Reader() = default;
  };
  void drain(Reader& reader);

  // Swaps all of it, in constant time.
  friend void swap(Tally& a, Tally& b) noexcept;

 private:
  struct Callers;
  std::unique_ptr<Callers> callers_;
  std::unordered_map<std::string, Attempts> upstreams_;
  std::unordered_map<std::string, Counted> models_;
  std::string name_;  // Used again.
  std::int64_t authentication_failures_ = 0;
};

}  // namespace tollgate::alerts
