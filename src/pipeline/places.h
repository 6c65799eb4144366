// Where the requests of one loop go: the places of each upstream of a configuration, and how often
// what failed there may be tried again. Internal to the pipeline.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "controls/attempts/endpoints.h"
#include "controls/attempts/retry_budget.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// Makes known the endpoints of all models of a configuration, before anything is sent there.
void make_known(const config::Config& config, attempts::Endpoints& endpoints);

class Places {
 public:
  // Borrows what all loops know of endpoints; null: it is this loop's alone.
  explicit Places(attempts::Endpoints* shared);

  // Of `model`, which is of `config`, in the order of the places of its upstream.
  std::span<attempts::Endpoint* const> of(const config::Config& config, const config::Model& model);
  // Of that upstream. Lives as long as this object.
  attempts::RetryBudget& budget(const config::Upstream& upstream);

 private:
  using OfModel = std::vector<attempts::Endpoint*>;
  // Those of one configuration, by model; compared, never followed, and by its version too, as
  // memory is used again.
  struct Known {
    const config::Config* config = nullptr;
    std::string version;
    std::vector<OfModel> models;
  };
  std::unique_ptr<attempts::Endpoints> own_;
  attempts::Endpoints& endpoints_;
  std::array<Known, 2> known_;  // The one in force, and the one before: requests may hold both.
  std::size_t oldest_ = 0;
  std::map<std::string, attempts::RetryBudget, std::less<>> budgets_;
};

// The same for all turns of a conversation of one tenant, by how it begins; 0: it has no texts.
std::uint64_t conversation_of(std::string_view tenant, const dialects::Request& request);

}  // namespace tollgate::pipeline
