// Several gateways, a store and what is between them, from one seed.
//
// Each step lets time pass, delivers what is due, does one thing and checks everything. Nothing
// waits for a real clock, and nothing that the story depends on comes from an address.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sim/gateway.h"
#include "sim/redis.h"
#include "sim/server.h"

namespace tollgate::sim {

class World {
 public:
  // Its store lies in `directory`, which is there and empty.
  World(std::uint64_t seed, const std::string& directory);
  World(std::uint64_t seed, const Plan& plan, const std::string& directory);
  ~World();

  // Throws a Violation.
  void run(std::int64_t steps);
  // Everything is healed, every request ends, all is written and all leases are returned; then
  // the store, the books and the oracle say the same (I2, I6, I9).
  void rest();
  // Whether every gateway has refused so many requests in a row.
  bool everybody_refuses(std::int64_t in_a_row) const;

  Story& story() { return story_; }
  const Oracle& oracle() const { return oracle_; }
  const Settings& settings() const { return *settings_; }
  const Plan& plan() const { return plan_; }

 private:
  void step();
  void pass_time();
  void trouble();
  void trouble_redis();
  void trouble_standby();
  void fail_over();
  void look_who_asserted();
  void trouble_gateway(Gateway& gateway);
  void turn_all();
  void act(Gateway& gateway);
  void beat();
  void meanwhile();
  Gateway& any_gateway();
  std::int64_t any_skew();
  void reload();
  void heal();
  void check_back();
  bool finish_all(int round);

  void check();
  void check_tables(bool at_rest);
  void check_trail();
  void check_slots();
  std::map<Account, std::int64_t> counted_by_books();
  std::map<std::string, std::map<Account, std::int64_t>> leased_by_gateway();
  std::int64_t lost(const Account& account) const;

  // What a gateway was lent in what a failover lost, until it has said so anew.
  struct Lost {
    Gateway* gateway = nullptr;
    int start = 0;
    std::int64_t since_us = 0;
    std::map<Account, std::int64_t> leased;
  };

  Chance chance_;
  const Plan plan_;
  Story story_;
  Oracle oracle_;
  std::int64_t now_us_ = 0;
  Server server_;
  Redis redis_;
  std::int64_t redis_lost_us_ = INT64_MIN / 2;
  // The policies of all of them are borrowed by requests and by the oracle.
  std::vector<std::shared_ptr<const Settings>> history_;
  std::shared_ptr<const Settings> settings_;
  std::vector<std::unique_ptr<Gateway>> gateways_;
  std::vector<Lost> lost_;
  // What was given back in what a failover lost: the store has it leased still, and nobody has it.
  std::map<Account, std::int64_t> idle_;
  std::int64_t requests_ = 0;
  bool nested_ = false;  // Somebody waits for the store.
};

// A run of one seed to its end.
struct RunResult {
  std::uint64_t digest = 0;
  std::string violation;  // Empty: none.
  std::vector<std::string> last_lines;
  std::int64_t admitted = 0;
};
RunResult run_seed(std::uint64_t seed, std::int64_t steps, std::size_t lines_kept = 60);

// A directory in memory, if the machine has one, that goes with the object.
class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tollgate::sim
