// The attacks on money: agents that run away, answers that are cut, providers that fail.
#include <fmt/format.h>

#include <cstdio>

#include "cli/attack_reel.h"

namespace tollgate::cli {

Task<void> Reel::wallet() {
  constexpr Money kBudget{50'000};
  std::vector<AttackRequest> requests(400,
                                      as("intern", chat_body("gpt-4o", "Write 400 words", 512)));
  const std::vector<AttackReply> replies = co_await client_.send_all(requests);
  Row row;
  row.attack = "a runaway agent: 400 dear requests at once";
  tally(row, replies);
  const Money spent = spent_by("intern");
  row.held = spent <= kBudget && row.stopped > 0 && spent.micro_usd > 0;
  row.saved = worth_of(400, row.stopped);
  row.remark = fmt::format("${} of ${} spent", format_usd(spent), format_usd(kBudget));
  add(std::move(row));
}

Task<void> Reel::cut_streams() {
  const Money before = spent_by("search");
  std::vector<AttackRequest> requests(
      2, as("search", chat_body("gpt-4o", "Write 2000 words slowly", 2000, R"(,"stream":true)")));
  for (AttackRequest& request : requests) request.leave_after = 2000;
  // The flood has used the tenant's rate up: it earns two requests a second back.
  co_await loop_.sleep(std::chrono::milliseconds(1600));
  const std::vector<AttackReply> replies = co_await client_.send_all(requests);
  co_await loop_.sleep(std::chrono::milliseconds(500));
  const Money paid{spent_by("search").micro_usd - before.micro_usd};
  Row row;
  row.attack = "streams cut to get them for nothing";
  row.tried = replies.size();
  row.stopped = replies.size();
  row.rules.insert("settled at what had passed");
  row.held = paid.micro_usd > 0 && upstream_.cancelled.load() > 0;
  row.remark = fmt::format("${} billed", format_usd(paid));
  add(std::move(row));
}

Task<void> Reel::rogue_model() {
  const std::vector<AttackRequest> requests{
      as("acme", chat_body("rogue", "Write 200 words", 200, R"(,"stream":true)"))};
  co_await loop_.sleep(std::chrono::milliseconds(600));
  const std::vector<AttackReply> replies = co_await client_.send_all(requests);
  std::size_t words = 0;
  for (std::size_t at = replies.front().body.find("\"content\":\" "); at != std::string::npos;
       at = replies.front().body.find("\"content\":\" ", at + 1)) {
    ++words;
  }
  Row row;
  row.attack = "a model that ignores the output cap";
  row.tried = 1;
  row.stopped = 1;
  row.rules.insert("output_cap_exceeded");
  row.held = replies.front().status == 200 && words <= 200 &&
             replies.front().body.find("\"length\"") != std::string::npos;
  row.saved = worth_of(2000 - 200, 1);
  row.remark = fmt::format("cut at {} of 2000 tokens", words);
  add(std::move(row));
}

// Within its budget and its limits, and unlike anything that a key should do: it is frozen, and the
// alert is at the webhook.
Task<void> Reel::frozen_agent() {
  constexpr int kWaves = 20;
  constexpr Duration kTold = std::chrono::seconds(10);
  constexpr Duration kLook = std::chrono::milliseconds(50);
  const std::vector<AttackRequest> wave(5,
                                        as("agent", chat_body("gpt-4o", "Write 4000 words", kCap)));
  Row row;
  row.attack = "a runaway agent within its budget";
  for (int i = 0; i < kWaves; ++i) {
    tally(row, co_await client_.send_all(wave));
    co_await loop_.sleep(kLook);
  }
  for (Duration waited{}; upstream_.hooks.load() == 0 && waited < kTold; waited += kLook) {
    co_await loop_.sleep(kLook);
  }
  row.held = row.reasons.contains("anomaly_refused") && upstream_.hooks.load() == 1;
  row.saved = worth_of(kCap, row.stopped);
  row.remark = fmt::format("frozen, {} alert at the webhook", upstream_.hooks.load());
  add(std::move(row));
}

// Everybody asks a provider that is gone, again and again: nearly nothing is sent there.
Task<void> Reel::storm() {
  constexpr int kWaves = 50;
  const std::vector<AttackRequest> wave(10, as("storm", chat_body("gone", "Are you there?", 50)));
  Row row;
  row.attack = "a storm of retries: 500 to a dead provider";
  std::size_t sent = 0;
  for (int i = 0; i < kWaves; ++i) {
    const std::vector<AttackReply> replies = co_await client_.send_all(wave);
    for (const AttackReply& reply : replies) sent += reply.status == 502 ? 1 : 0;
    tally(row, replies);
  }
  row.rules = {"upstreams.gone.circuit_breaker"};
  row.held =
      row.stopped == row.tried && sent <= row.tried / 10 && row.reasons.contains("overloaded");
  row.remark = fmt::format("{} reached for it", sent);
  add(std::move(row));
}

// A dear model whose provider fails: another one answers, at its own price.
Task<void> Reel::failing_provider() {
  const std::vector<AttackRequest> wave(5, as("storm", chat_body("safe", "Write 20 words", 50)));
  Row row;
  row.attack = "a provider that fails: 50 for its model";
  for (int i = 0; i < 10; ++i) {
    for (const AttackReply& reply : co_await client_.send_all(wave)) {
      ++row.tried;
      const bool served = reply.status == 200 && reply.rule == "models.safe.fallback";
      row.stopped += served ? 1 : 0;
    }
  }
  row.rules = {"models.safe.fallback"};
  row.held = row.stopped == row.tried;
  row.remark = "all answered by `small`";
  add(std::move(row));
}

// Who uses the dear model for everything: from half of the budget on the cheap one answers.
Task<void> Reel::dear_habit() {
  constexpr Money kBudget{50'000};
  Row row;
  row.attack = "a dear model for everything: 40 requests";
  for (int i = 0; i < 40; ++i) {
    const AttackReply reply =
        co_await client_.send(as("thrifty", chat_body("gpt-4o", "Write 200 words", 200)));
    ++row.tried;
    row.held = row.held && reply.status == 200;
    row.stopped += reply.rule == "models.gpt-4o.downgrade[0]" ? 1 : 0;
  }
  const Money spent = spent_by("thrifty");
  row.rules = {"models.gpt-4o.downgrade[0]"};
  row.held = row.held && row.stopped > 0 && row.stopped < row.tried && spent <= kBudget;
  row.saved = worth_of(200, row.stopped);
  row.remark = fmt::format("{} by gpt-4o, {} by `small`", row.tried - row.stopped, row.stopped);
  add(std::move(row));
}

}  // namespace tollgate::cli
