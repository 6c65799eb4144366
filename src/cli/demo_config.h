// The configuration of the demo: small enough to read in a minute, with every control that is
// served, and tenants that run into each of them. Pure text.
#pragma once

#include <cstdint>
#include <string>

namespace tollgate::cli {

struct DemoAddresses {
  std::uint16_t port = 0;
  std::uint16_t admin_port = 0;
  std::string model_url;  // Of the mock model, "http://127.0.0.1:1234".
  std::string rogue_url;  // Of a mock that ignores output caps.
  std::string leaky_url;  // Of a mock that says a key.
  std::string ledger;     // Absolute path.
};

std::string demo_yaml(const DemoAddresses& at);

}  // namespace tollgate::cli
