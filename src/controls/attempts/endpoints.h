// The endpoints of all upstreams, and which of an upstream's a request goes to. An endpoint is
// known by each credential and each model apart: one that is limited says nothing of the others.
//
// Of those that may be asked it is the one with the fewest tokens at work, by its weight; a
// conversation stays where it was, so that what the server keeps of its beginning is of use (prefix
// cache), as long as that is not far busier than the others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "controls/attempts/endpoint.h"

namespace tollgate::attempts {

// What a request wants of an endpoint.
struct Wanted {
  Tokens tokens = 0;               // That it may take there.
  std::uint64_t conversation = 0;  // The same for all turns of one; 0: not known.
  std::uint64_t turn = 0;          // Those that are alike take turns by it.
  std::uint64_t tried = 0;         // A bit for each place that failed before.
};

// An endpoint that is home to a conversation may be so many times as busy as they are on average,
// and by so many of its requests more.
inline constexpr double kHomeLoad = 1.25;
inline constexpr double kHomeRequests = 2;

// The place of the endpoint to ask, of at most 64 and of those that were not tried; -1: none may be
// asked now.
int choose(std::span<Endpoint* const> endpoints, const BreakerPolicy& policy, const Wanted& wanted,
           Instant now);

// When the first of them may be asked again, for those that none may be.
Instant available_from(std::span<Endpoint* const> endpoints, Tokens tokens, Instant now);

// All endpoints that any configuration named, by upstream and URL. They outlive a reload, so that
// what is known of them does. Safe from any thread; asked once for each configuration.
class Endpoints {
 public:
  // `whom` tells apart who is known there, and for what: a hash of credential and model.
  Endpoint& of(std::string_view upstream, std::string_view url, std::uint64_t whom);

  Host& host(std::string_view upstream, std::string_view url);
  // Whatever was said of being unwell holds no more.
  void forget_words();

  // Calls `visit` with upstream, URL and endpoint of each, in their order; several of one URL where
  // there are several credentials or models.
  using Visit = std::function<void(std::string_view, std::string_view, const Endpoint&)>;
  void each(const Visit& visit) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Host> hosts_;
  std::map<std::tuple<std::string, std::string, std::uint64_t>, std::unique_ptr<Endpoint>> all_;
};

}  // namespace tollgate::attempts
