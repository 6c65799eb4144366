// What the attack reel is played by: one object a run, and what its parts share.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "cli/attack_client.h"
#include "cli/demo.h"

namespace tollgate::cli {

// What one output token of gpt-4o (and of rogue) costs in the demo, micro-dollars.
inline constexpr std::int64_t kOutputTokenMicroUsd = 10;
inline constexpr std::int64_t kInputTokenNanoUsd = 2'500;
// The output cap of the demo's route.
inline constexpr std::int64_t kCap = 4096;

// One line of the closing table.
struct Row {
  std::string attack;
  std::size_t tried = 0;
  std::size_t stopped = 0;
  std::set<std::string> rules;  // By name; the reason where there is none.
  std::set<std::string> reasons;
  Money saved;
  bool held = true;  // Whether the gateway did what it must.
  std::string remark;
};

class Reel {
 public:
  Reel(net::Loop& loop, Gateway& gateway, const DemoKeys& keys,
       const std::vector<std::string>& fleet, const mock::Stats& upstream,
       const tokens::Vocabulary& vocabulary)
      : loop_(loop),
        gateway_(gateway),
        keys_(keys),
        fleet_(fleet),
        upstream_(upstream),
        vocabulary_(vocabulary),
        client_(loop, gateway.listeners().front().url) {}

  Task<void> play();
  const std::vector<Row>& rows() const { return rows_; }

 private:
  Task<void> strangers();
  Task<void> forbidden_doors();
  Task<void> forbidden_tools();
  Task<void> looping_agent();
  Task<void> poisoned_tool();
  Task<void> disagreeing_headers();
  Task<void> forged_bodies();
  Task<void> dear_requests();
  Task<void> smuggled();
  Task<void> flood();
  Task<void> parallel_streams();
  Task<void> wallet();
  Task<void> cut_streams();
  Task<void> rogue_model();
  Task<void> disguised(std::string attack, std::string_view before,
                       std::span<const std::string_view> parts);
  Task<void> leaking_stream();
  Task<void> campaign();
  Task<void> frozen_agent();
  Task<void> storm();
  Task<void> failing_provider();
  Task<void> dear_habit();

  // Sends them all at once; every one must be stopped. `worths` is what each could have cost.
  Task<void> must_stop(std::string attack, std::vector<AttackRequest> requests,
                       std::vector<Money> worths);
  void add(Row row);
  Money spent_by(std::string_view tenant) const;

  AttackRequest as(const std::string& tenant, std::string body) const {
    AttackRequest request;
    request.key = keys_.at(tenant);
    request.body = std::move(body);
    return request;
  }

  net::Loop& loop_;
  Gateway& gateway_;
  const DemoKeys& keys_;
  const std::vector<std::string>& fleet_;
  const mock::Stats& upstream_;
  const tokens::Vocabulary& vocabulary_;
  AttackClient client_;
  std::vector<Row> rows_;
};

inline Money worst_case(std::int64_t input_tokens, std::int64_t output_tokens) {
  return {(input_tokens * kInputTokenNanoUsd + 999) / 1000 + output_tokens * kOutputTokenMicroUsd};
}

inline Money worth_of(std::int64_t output_tokens, std::size_t requests) {
  return {output_tokens * kOutputTokenMicroUsd * static_cast<std::int64_t>(requests)};
}

inline void tally(Row& row, const std::vector<AttackReply>& replies) {
  for (const AttackReply& reply : replies) {
    ++row.tried;
    if (reply.status == 200) continue;
    ++row.stopped;
    row.reasons.insert(reply.reason);
    const std::string& by = reply.rule.empty() ? reply.reason : reply.rule;
    if (!by.empty()) row.rules.insert(by);
  }
}

}  // namespace tollgate::cli
