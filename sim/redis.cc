#include "sim/redis.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <lua.hpp>
#include <span>

#include "sim/clock.h"
#include "sim/story.h"

namespace tollgate::sim {

using redis::Reply;

// ---- The commands ---------------------------------------------------------------------------

// Called by Lua. Nothing here may end with an error of Lua's: it would leap over C++.
struct RedisCommands {
  using Words = std::vector<std::string>;

  static int call(lua_State* lua) {
    auto& self = *static_cast<Redis*>(lua_touserdata(lua, lua_upvalueindex(1)));
    Words words;
    for (int i = 1; i <= lua_gettop(lua); ++i) {
      std::size_t length = 0;
      const char* text = lua_tolstring(lua, i, &length);
      words.emplace_back(text == nullptr ? "" : text, length);
    }
    return answer(self, words, lua);
  }

  static void push(lua_State* lua, std::string_view text) {
    lua_pushlstring(lua, text.data(), text.size());
  }
  static int count(lua_State* lua, std::size_t number) {
    lua_pushnumber(lua, static_cast<double>(number));
    return 1;
  }

  static int answer(Redis& self, const Words& words, lua_State* lua) {
    const std::string_view name = words.at(0);
    if (name == "TIME") return time(self, lua);
    const std::string& key = words.at(1);
    Redis::Key* const found = self.find(key);
    if (name == "HGETALL") return get_all(found, lua);
    if (name == "HMGET") return get(found, words, lua);
    if (name == "HSET") return set(self.keys_[key], words, lua);
    if (name == "HDEL") return remove(self, key, words, lua);
    if (name == "PEXPIRE") {
      if (found != nullptr) found->expires_us = self.now_us_ + 1000 * std::stoll(words.at(2));
      return count(lua, found != nullptr);
    }
    if (name == "ZADD") {
      self.keys_[key].scores[words.at(3)] = std::stod(words.at(2));
      return count(lua, 1);
    }
    if (name == "ZREM") return count(lua, found == nullptr ? 0 : found->scores.erase(words.at(2)));
    if (name == "ZCARD") return count(lua, found == nullptr ? 0 : found->scores.size());
    if (name == "ZREMRANGEBYSCORE") return remove_scores(found, words, lua);
    lua_pushnil(lua);  // The script stumbles over it.
    return 1;
  }

  static int time(const Redis& self, lua_State* lua) {
    const std::int64_t now = wall_at(self.now_us_).time_since_epoch().count();
    lua_newtable(lua);
    push(lua, std::to_string(now / 1'000'000));
    lua_rawseti(lua, -2, 1);
    push(lua, std::to_string(now % 1'000'000));
    lua_rawseti(lua, -2, 2);
    return 1;
  }

  static int get_all(const Redis::Key* found, lua_State* lua) {
    lua_newtable(lua);
    int at = 0;
    if (found == nullptr) return 1;
    for (const auto& [field, value] : found->fields) {
      push(lua, field);
      lua_rawseti(lua, -2, ++at);
      push(lua, value);
      lua_rawseti(lua, -2, ++at);
    }
    return 1;
  }

  static int get(const Redis::Key* found, const Words& words, lua_State* lua) {
    lua_newtable(lua);
    for (std::size_t i = 2; i < words.size(); ++i) {
      lua_pushboolean(lua, 0);
      if (found != nullptr) {
        const auto field =
            std::ranges::find(found->fields, words[i], &std::pair<std::string, std::string>::first);
        if (field != found->fields.end()) {
          lua_pop(lua, 1);
          push(lua, field->second);
        }
      }
      lua_rawseti(lua, -2, static_cast<int>(i) - 1);
    }
    return 1;
  }

  static int set(Redis::Key& key, const Words& words, lua_State* lua) {
    for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
      const auto field =
          std::ranges::find(key.fields, words[i], &std::pair<std::string, std::string>::first);
      if (field != key.fields.end()) {
        field->second = words[i + 1];
      } else {
        key.fields.emplace_back(words[i], words[i + 1]);
      }
    }
    return count(lua, words.size() / 2 - 1);
  }

  static int remove(Redis& self, const std::string& key, const Words& words, lua_State* lua) {
    Redis::Key* const found = self.find(key);
    if (found == nullptr) return count(lua, 0);
    const std::size_t gone =
        std::erase_if(found->fields, [&](const auto& field) { return field.first == words.at(2); });
    if (found->fields.empty()) self.keys_.erase(key);
    return count(lua, gone);
  }

  // "(5": beyond 5.
  static int remove_scores(Redis::Key* found, const Words& words, lua_State* lua) {
    if (found == nullptr) return count(lua, 0);
    const auto bound = [](std::string_view text, double towards) {
      if (text == "-inf" || text == "+inf") return text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
      const bool open = text.starts_with('(');
      const double value = std::stod(std::string(text.substr(open ? 1 : 0)));
      return open ? std::nextafter(value, towards) : value;
    };
    const double low = bound(words.at(2), HUGE_VAL);
    const double high = bound(words.at(3), -HUGE_VAL);
    return count(lua, std::erase_if(found->scores, [&](const auto& member) {
                   return member.second >= low && member.second <= high;
                 }));
  }

  static Reply reply_of(lua_State* lua, int at) {
    Reply reply;
    switch (lua_type(lua, at)) {
      case LUA_TNUMBER:
        reply.kind = Reply::Kind::kInteger;
        reply.integer = static_cast<std::int64_t>(lua_tonumber(lua, at));
        break;
      case LUA_TSTRING:
        reply.kind = Reply::Kind::kText;
        reply.text = lua_tostring(lua, at);
        break;
      case LUA_TTABLE:
        reply.kind = Reply::Kind::kList;
        for (int i = 1; true; ++i) {
          lua_rawgeti(lua, at, i);
          const bool there = !lua_isnil(lua, -1);
          if (there) reply.items.push_back(reply_of(lua, lua_gettop(lua)));
          lua_pop(lua, 1);
          if (!there) break;
        }
        break;
      default:
        break;
    }
    return reply;
  }
};

// ---- Scripts --------------------------------------------------------------------------------

Redis::Redis(const Plan& plan, Chance& chance, const std::int64_t& now_us)
    : plan_(plan), chance_(chance), now_us_(now_us), lua_(luaL_newstate()) {
  luaL_openlibs(lua_);
  lua_newtable(lua_);
  lua_pushlightuserdata(lua_, this);
  lua_pushcclosure(lua_, &RedisCommands::call, 1);
  lua_setfield(lua_, -2, "call");
  lua_setglobal(lua_, "redis");
}

Redis::~Redis() { lua_close(lua_); }

Redis::Key* Redis::find(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return nullptr;
  if (found->second.expires_us > now_us_) return &found->second;
  keys_.erase(found);
  return nullptr;
}

std::map<std::string, std::vector<std::string>> Redis::hashes() {
  std::map<std::string, std::vector<std::string>> all;
  for (const auto& [name, key] : keys_) {
    if (key.expires_us <= now_us_) continue;
    for (const auto& [field, value] : key.fields) all[name].push_back(field);
  }
  return all;
}

Reply Redis::carry_out(const Command& command) {
  const auto stumble = [this](std::string_view what) {
    return Violation{fmt::format("{}: {}", what, lua_tostring(lua_, -1))};
  };
  const std::string& text = command.script->text();
  const auto [script, fresh] = scripts_.try_emplace(command.script->digest(), 0);
  if (fresh) {
    if (luaL_loadbuffer(lua_, text.data(), text.size(), "script") != 0) throw stumble("a script");
    script->second = luaL_ref(lua_, LUA_REGISTRYINDEX);
  }
  lua_newtable(lua_);
  RedisCommands::push(lua_, command.key);
  lua_rawseti(lua_, -2, 1);
  lua_setglobal(lua_, "KEYS");
  lua_newtable(lua_);
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    RedisCommands::push(lua_, command.arguments[i]);
    lua_rawseti(lua_, -2, static_cast<int>(i) + 1);
  }
  lua_setglobal(lua_, "ARGV");
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, script->second);
  if (lua_pcall(lua_, 0, 1, 0) != 0) throw stumble("a script ends with an error");
  Reply reply = RedisCommands::reply_of(lua_, lua_gettop(lua_));
  lua_pop(lua_, 1);
  return reply;
}

void Redis::deliver_late() {
  while (!late_.empty() && late_.begin()->first <= now_us_) {
    if (!away) {
      for (const Command& command : late_.begin()->second) (void)carry_out(command);
    }
    late_.erase(late_.begin());
  }
}

// ---- A connection ---------------------------------------------------------------------------

class RedisLine final : public redis::Client {
 public:
  RedisLine(Redis& redis, const bool& cut_off)
      : Client(redis::Endpoint{}), redis_(redis), cut_off_(cut_off) {}

  bool connected() const override { return connected_; }
  void close() override { connected_ = false; }
  const std::optional<std::string>& evicts_by() const override { return nothing_; }
  void add(const redis::Script& script, std::string_view key,
           std::span<const std::string_view> arguments) override {
    added_.push_back({&script, std::string(key), {arguments.begin(), arguments.end()}});
  }
  FaultOr<std::vector<Reply>> exchange(Instant) override {
    const std::vector<Redis::Command> sent = std::exchange(added_, {});
    Chance& chance = redis_.chance_;
    const bool breaks = !redis_.healed_ && chance.one_in(redis_.plan_.answer_lost_in);
    const bool reaches = !redis_.away && !cut_off_;
    connected_ = reaches && !breaks;
    if (!reaches) return fault(FaultKind::kUnreachable, "nobody answers");
    if (breaks && chance.one_in(2)) {
      redis_.late_.emplace(redis_.now_us_ + chance.between(0, 5'000'000), sent);
      return fault(FaultKind::kTimeout, "no answer in time");
    }
    std::vector<Reply> replies;
    const auto carried_out =
        breaks ? static_cast<std::size_t>(chance.below(static_cast<std::int64_t>(sent.size()) + 1))
               : sent.size();
    for (std::size_t i = 0; i < carried_out; ++i) replies.push_back(redis_.carry_out(sent[i]));
    if (breaks) return fault(FaultKind::kTimeout, "the connection broke");
    return replies;
  }

 private:
  Redis& redis_;
  const bool& cut_off_;
  bool connected_ = false;
  const std::optional<std::string> nothing_ = "";  // Is thrown away.
  std::vector<Redis::Command> added_;
};

std::unique_ptr<redis::Client> Redis::connect(const bool& cut_off) {
  return std::make_unique<RedisLine>(*this, cut_off);
}

}  // namespace tollgate::sim
