// What is still to be sent to whom: a bounded queue with tries that come later and later.
//
// One message at a time is on its way to each target, so that one that hangs keeps no other
// waiting. A target that is down costs requests nothing: nobody waits for it, and beyond
// kWaitingMax messages the oldest gives way.
//
// Pure, no clock. One thread.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/units.h"
#include "controls/alerts/message.h"

namespace tollgate::alerts {

struct Letter {
  std::string id;      // "msg_…", the same for each try.
  std::string target;  // Name of it.
  Alert alert;
  Done done;
  int tries = 0;
  Instant due{};
};

class Outbox {
 public:
  static constexpr std::size_t kWaitingMax = 1024;
  static constexpr int kTriesMax = 8;
  static constexpr Duration kFirstWait = std::chrono::seconds(1);
  static constexpr int kWaitGrows = 4;
  static constexpr Duration kWaitMax = std::chrono::minutes(15);

  // The letter that gave way for it, where one had to.
  std::optional<Letter> put(Letter letter);
  // The next that is due and whose target has none on its way. It is on its way then, until
  // sent() or failed().
  std::optional<Letter> next(Instant now);
  void sent(const Letter& letter) { busy_.erase(letter.target); }
  // What became of a letter that could not be delivered.
  enum class Fate : std::uint8_t {
    kAgain,      // It comes again later.
    kTried,      // It has had its tries.
    kThrownAway  // It would, but as many wait as may: it is the oldest, and gives way.
  };
  Fate failed(Letter letter, Instant now);
  std::size_t waiting() const { return waiting_.size(); }

 private:
  std::list<Letter> waiting_;
  std::set<std::string, std::less<>> busy_;
};

}  // namespace tollgate::alerts
