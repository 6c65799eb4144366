// Asks endpoints how they are, where `upstreams.NAME.health_check` says so.
//
// One loop's. What is asked goes out beside the requests: it takes none of their places, and shows
// no credential.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "controls/attempts/endpoints.h"
#include "net/net.h"

namespace tollgate::cli {

class HealthChecks {
 public:
  // Borrows both.
  HealthChecks(net::Loop& loop, attempts::Endpoints& endpoints)
      : loop_(loop), endpoints_(endpoints), pool_(loop, gates_) {}

  // Asks whoever is due. Called every now and then.
  void tend(const std::shared_ptr<const config::Config>& config);
  // Gives up what is asked, and asks no more.
  void close();
  bool is_idle() const { return open_ == 0; }

 private:
  Task<void> ask(std::shared_ptr<const config::Config> config, const config::Upstream& upstream,
                 std::size_t endpoint);
  Task<bool> is_well(const config::Upstream& upstream, std::size_t endpoint);

  net::Loop& loop_;
  attempts::Endpoints& endpoints_;
  net::UpstreamGates gates_;
  net::UpstreamPool pool_;
  std::shared_ptr<const config::Config> asked_;
  std::map<std::string, Instant> due_;  // By upstream and URL.
  std::vector<pipeline::UpstreamCall*> calls_;
  int open_ = 0;
  bool closed_ = false;
};

}  // namespace tollgate::cli
