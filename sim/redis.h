// The Redis of a world: the shipped scripts, run by a Lua of the same version as a server's, on the
// few commands that they use.
//
// It is away, forgets everything, fails over to a replica that lacks its last writes; a connection
// breaks before, between or behind the commands of a round, and what was sent on it may be carried
// out much later.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redis/client.h"
#include "sim/chance.h"
#include "sim/settings.h"

struct lua_State;

namespace tollgate::sim {

class Redis {
 public:
  Redis(const Plan& plan, Chance& chance, const std::int64_t& now_us);
  ~Redis();
  Redis(const Redis&) = delete;

  // `cut_off` outlives the client.
  std::unique_ptr<redis::Client> connect(const bool& cut_off);
  void flush() { keys_.clear(); }
  // A replica has everything up to here, and takes the place of the server.
  void replicate() { replica_ = keys_; }
  void fail_over() { keys_ = replica_; }
  // What comes late is carried out once its time has come.
  void deliver_late();
  void heal() {
    away = false;
    healed_ = true;
  }
  // What there is, by key: the names of fields.
  std::map<std::string, std::vector<std::string>> hashes();

  bool away = false;

 private:
  friend class RedisLine;
  friend struct RedisCommands;

  struct Command {
    const redis::Script* script = nullptr;
    std::string key;
    std::vector<std::string> arguments;
  };
  struct Key {
    std::vector<std::pair<std::string, std::string>> fields;  // A hash, in the order of its making.
    std::map<std::string, double> scores;                     // Or a sorted set.
    std::int64_t expires_us = INT64_MAX;
  };

  redis::Reply carry_out(const Command& command);
  Key* find(const std::string& key);

  const Plan& plan_;
  Chance& chance_;
  const std::int64_t& now_us_;
  bool healed_ = false;
  std::map<std::string, Key> keys_;
  std::map<std::string, Key> replica_;
  std::multimap<std::int64_t, std::vector<Command>> late_;  // By when.
  lua_State* lua_;
  std::map<std::string, int> scripts_;  // By digest.
};

}  // namespace tollgate::sim
