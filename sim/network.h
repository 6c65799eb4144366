// Messages between gateways and the store: late, lost, twice and out of order.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "sim/chance.h"

namespace tollgate::sim {

class Network {
 public:
  Network(Chance& chance, int lost_in, int twice_in)
      : chance_(chance), lost_in_(lost_in), twice_in_(twice_in) {}

  void send(std::int64_t now_us, const std::function<void()>& arrive) {
    if (!healed_ && chance_.one_in(lost_in_)) return;
    const int copies = !healed_ && chance_.one_in(twice_in_) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const std::int64_t most = chance_.one_in(20) ? 3'000'000 : 40'000;
      flying_.emplace(std::pair(now_us + chance_.between(100, most), ++sent_), arrive);
    }
  }
  // Delivers what is due, in order, with what that sends as far as it is due as well.
  void deliver(std::int64_t now_us) {
    while (!flying_.empty() && flying_.begin()->first.first <= now_us) {
      const std::function<void()> arrive = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      arrive();
    }
  }
  bool empty() const { return flying_.empty(); }
  // Nothing gets lost from here on.
  void heal() { healed_ = true; }

 private:
  Chance& chance_;
  const int lost_in_;
  const int twice_in_;
  bool healed_ = false;
  std::uint64_t sent_ = 0;
  std::map<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> flying_;
};

}  // namespace tollgate::sim
