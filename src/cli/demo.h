// What the demo and its attacks share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/gateway.h"
#include "mock/mock_model.h"

namespace tollgate::cli {

// A mock model on a thread of its own, on a free port of the loopback address.
class MockServer {
 public:
  static FaultOr<std::unique_ptr<MockServer>> start(const tokens::Vocabulary& vocabulary,
                                                    const mock::Policy& policy);
  ~MockServer();
  MockServer(const MockServer&) = delete;

  std::string url() const;
  const mock::Stats& stats() const;

 private:
  struct Parts;
  explicit MockServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Secrets of the keys by the name of their tenant.
using DemoKeys = std::map<std::string, std::string>;

// Plays the abuses that the gateway stops today against it, tells each as it goes, and ends
// with a table: tried, stopped, by which rule, money not spent. An exit code: kFindings
// when something that must be stopped was not. `fleet` are the secrets of the many keys of one
// tenant, an even number of them; `vocabulary` is that of the demo's gpt-4o.
int play_attacks(Gateway& gateway, const DemoKeys& keys, const std::vector<std::string>& fleet,
                 const mock::Stats& upstream, const tokens::Vocabulary& vocabulary);

}  // namespace tollgate::cli
