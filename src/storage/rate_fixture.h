// Gateways that share limits in a real Redis, moved along by hand: time is made to pass by moving
// the times that Redis keeps, and each question is carried out when the test says so. For tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hand_executor.h"
#include "redis/testing_server.h"
#include "storage/memory_ledger.h"
#include "storage/rate_scripts.h"
#include "storage/testing_hold.h"

namespace tollgate::storage {

// One Redis and its clock, which the gateways have too.
class SharedRedis {
 public:
  SharedRedis() : client_(std::move(*redis::Client::create(server.endpoint()))) {}

  // Redis' clock and all that was made to pass.
  Instant now() const {
    const auto real = std::chrono::system_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Duration>(real) + passed_};
  }
  void pass(Duration time) {
    static const redis::Script kShift(R"lua(
      local by = tonumber(ARGV[1])
      local function back(text) return string.format('%.0f', tonumber(text) - by) end
      local raw = redis.call('HGETALL', KEYS[1])
      for i = 1, #raw, 2 do
        local value = raw[i + 1]
        if raw[i] == 'at' or (raw[i] == 'lost' and value ~= '0') then value = back(value) end
        local first, ends, owes = string.match(value, '^(%S+) (%S+) ?(%S*)$')
        if first then
          value = first .. ' ' .. back(ends)
          if owes ~= '' then value = value .. ' ' .. back(owes) end
        end
        redis.call('HSET', KEYS[1], raw[i], value)
      end)lua");
    const std::string by = std::to_string(time.count());
    const std::string_view arguments[] = {by};
    for (const std::string& key : keys_) client_->add(kShift, key, arguments);
    passed_ += time;
    run();
  }
  RateAnswer ask(const RateId& id, const RateQuestion& question) {
    const std::string key = rate_key(id);
    if (std::find(keys_.begin(), keys_.end(), key) == keys_.end()) keys_.push_back(key);
    // Redis' own times are behind ours by what was made to pass.
    RateQuestion sent = question;
    sent.report.claim.until_us -= passed_.count();
    if (sent.lost_since > 0) sent.lost_since -= passed_.count();
    add_question(*client_, key, sent);
    auto answer = read_answer(*client_, run().front());
    EXPECT_TRUE(answer) << answer.error().message;
    if (!answer) return {};
    answer->now_us += passed_.count();
    return *answer;
  }
  // A field of a limit's key as Redis has it; 0: it has none.
  std::int64_t field(const RateId& id, std::string_view name) {
    client_->add({"HGET", rate_key(id), name});
    return run().front().number().value_or(0);
  }
  std::int64_t now_us() const { return now().time_since_epoch().count(); }
  std::vector<redis::Reply> run() {
    auto replies = client_->exchange(redis::in_time(std::chrono::seconds(20)));
    EXPECT_TRUE(replies) << replies.error().message;
    return replies ? std::move(*replies) : std::vector<redis::Reply>(64);
  }

  redis::RedisServer server;

 private:
  std::unique_ptr<redis::Client> client_;
  Duration passed_{};
  std::vector<std::string> keys_;
};

// The thread of one gateway, turned by hand.
class HandRates final : public RateLender {
 public:
  static constexpr Duration kTtl = std::chrono::seconds(3);

  HandRates(SharedRedis& shared, std::string gateway)
      : shared_(shared), gateway_(std::move(gateway)) {}

  void ask(std::span<const RateNeed> needs, RateWait* wait) override {
    for (const RateNeed& need : needs) asked.push_back(question_of(need, wait));
  }
  void give_back(const RateNeed& need) override {
    asked.push_back(question_of(need, nullptr));
    asked.back().needs = 0;
  }

  struct Question {
    std::string rule, subject;
    std::uint64_t hash = 0;
    RateQuestion sent;
    RateWait* wait = nullptr;
    int needs = 1;
    RateId id() const { return {rule, subject}; }
  };

  // Carries out what was asked first.
  void answer(RateBorrower& borrower) {
    Question question = take(borrower);
    hear(borrower, question, shared_.ask(question.id(), question.sent));
  }
  void answer_all(RateBorrower& borrower) {
    while (!asked.empty()) answer(borrower);
  }
  // It is sent and not answered; carrying it out is left to late().
  void lose(RateBorrower& borrower) {
    Question question = take(borrower);
    late.push_back(question);
    fall_back(RateMode::kLent, gateways);
    borrower.answered(question.id(), question.hash, question.needs, {});
    if (question.wait != nullptr) question.wait->answered(shared_.now());
  }
  void carry_out_late() {
    for (const Question& question : late) (void)shared_.ask(question.id(), question.sent);
    late.clear();
  }
  // All that is in hand is forgotten, and what was asked stays without an answer.
  void fall_back(RateMode mode, std::uint32_t alive) {
    gateways = alive;
    ++connection_;
    enter({mode, ++generation_, alive});
  }
  void fail_all(RateBorrower& borrower) {
    while (!asked.empty()) {
      const Question question = std::move(asked.front());
      asked.pop_front();
      if (question.needs > 0) borrower.unanswered(question.id(), question.hash, question.needs);
      if (question.wait != nullptr) question.wait->answered(shared_.now());
    }
  }
  // Tells again what is in hand, giving back what was not used.
  void renew(const RateNeed& account, RateBorrower& borrower,
             RateTelling telling = RateTelling::kRenewing) {
    Question question = question_of(account, nullptr);
    question.needs = 0;
    const auto told = borrower.report(account.id, account.hash, telling, shared_.now());
    if (!told) return;
    question.sent.report = *told;
    sent_at_ = shared_.now();
    hear(borrower, question, shared_.ask(question.id(), question.sent));
  }

  std::deque<Question> asked;
  std::vector<Question> late;
  std::int64_t lost_since = 0;
  std::uint32_t gateways = 1;
  RateAnswer last;

 private:
  Question question_of(const RateNeed& need, RateWait* wait) {
    Question question;
    question.rule = need.id.rule;
    question.subject = need.id.subject;
    question.hash = need.hash;
    question.wait = wait;
    question.sent.gateway = gateway_;
    question.sent.figure = need.figure;
    question.sent.limit = need.limit;
    question.sent.least = question.sent.all = need.least;
    question.sent.ahead = need.ahead;
    question.sent.ttl = kTtl;
    question.sent.connection = connection_;
    question.sent.lost_since = lost_since;
    return question;
  }
  Question take(RateBorrower& borrower) {
    Question question = std::move(asked.front());
    asked.pop_front();
    const auto telling = question.needs > 0 ? RateTelling::kAsking : RateTelling::kReturning;
    const auto told = borrower.report(question.id(), question.hash, telling, shared_.now());
    EXPECT_TRUE(told);
    question.sent.report = *told;
    question.sent.connection = connection_;
    question.sent.lost_since = lost_since;
    sent_at_ = shared_.now();
    return question;
  }
  void hear(RateBorrower& borrower, const Question& question, const RateAnswer& replied) {
    RateAnswer answer = replied;
    answer.generation = state().generation;
    answer.told = question.sent.report.in_hand;
    answer.heard_at = shared_.now();
    answer.until = sent_at_ + kTtl - std::chrono::milliseconds(300);
    answer.gathers = lost_since > 0 && shared_.now_us() < lost_since + kTtl.count();
    last = replied;
    borrower.answered(question.id(), question.hash, question.needs, answer);
    if (question.wait != nullptr) question.wait->answered(shared_.now());
  }

  SharedRedis& shared_;
  const std::string gateway_;
  std::int64_t connection_ = 0;
  std::uint32_t generation_ = 0;
  Instant sent_at_{};
};

// One gateway: its ledger and its lender.
struct SharingGateway {
  SharingGateway(SharedRedis& shared, std::string name) : rates(shared, std::move(name)) {
    ledger.rates_from(rates);
  }
  MemoryLedger ledger{{.key = 5}, nullptr};
  HandRates rates;
  HandExecutor executor;
};

inline constexpr WallTime kWall = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25);

// One request: it holds on its own, and is settled or refused later.
struct RateRequest {
  std::vector<pipeline::LimitCharge> limits;
  Arena arena;
  Instant at{};
  std::optional<Expected<pipeline::Hold, pipeline::Shortfall>> held;
  pipeline::Charges charges() const { return {limits, {}}; }
  bool passed() const { return held && held->has_value(); }
};

inline Task<void> hold_later(MemoryLedger& ledger, Executor& executor, RateRequest& request) {
  request.held =
      co_await ledger.hold(request.charges(), request.arena, executor, request.at, kWall);
}

// Begins a hold; what it asks for is not answered yet.
inline std::unique_ptr<RateRequest> begin(SharingGateway& gateway,
                                          std::vector<pipeline::LimitCharge> charges, Instant now) {
  auto request = std::make_unique<RateRequest>();
  request->limits = std::move(charges);
  request->at = now;
  start(hold_later(gateway.ledger, gateway.executor, *request));
  return request;
}

// Answers until nobody waits.
inline void answer_all(SharingGateway& gateway) {
  do {
    gateway.rates.answer_all(gateway.ledger);
  } while (gateway.executor.run() || !gateway.rates.asked.empty());
}

inline std::unique_ptr<RateRequest> hold(SharingGateway& gateway, const limits::Policy& policy,
                                         std::int64_t amount, Instant now) {
  auto request = begin(gateway, {{&policy, "acme", amount}}, now);
  answer_all(gateway);
  EXPECT_TRUE(request->held);
  return request;
}

inline void settle(SharingGateway& gateway, RateRequest& request, Tokens used, Instant now) {
  gateway.ledger.settle(**request.held, request.charges(), {0, used, {}}, {}, now, kWall);
}

inline RateNeed account_of(const limits::Policy& policy) {
  RateNeed account;
  account.id = {policy.rule, "acme"};
  account.hash = LedgerAccounts(1, 5).hash_of(policy.rule, "acme");
  account.figure = policy.figure;
  account.limit = policy.limit;
  return account;
}

}  // namespace tollgate::storage
