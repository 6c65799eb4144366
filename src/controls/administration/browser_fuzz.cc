// Whatever a browser says of where a call comes from: `host\norigin\nsite`.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "controls/administration/browser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::administration;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string_view lines[3];
  for (std::string_view& line : lines) {
    line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  const Names names{"127.0.0.1", "", {"tollgate.internal"}, false};
  const auto& [host, origin, site] = lines;
  // No name of somebody else's is one of ours, whatever stands before it.
  CHECK(!is_own_host(names, std::string(host) + ".evil.example.com"));
  CHECK(!is_own_host(names, std::string(host) + "@evil.example.com"));
  for (const Vouched vouched : {Vouched::kByHeader, Vouched::kByCookie}) {
    // What changes something by a cookie must say that it is from here.
    if (!check_origin(names, {"POST", host, origin, site}, vouched)) continue;
    CHECK(site.empty() || site == "same-origin");
    CHECK(vouched == Vouched::kByHeader || !origin.empty() || site == "same-origin");
    CHECK(origin.empty() || origin.size() == origin_of(names, host).size());
  }
  return 0;
}
