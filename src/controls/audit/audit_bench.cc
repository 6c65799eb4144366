#include <benchmark/benchmark.h>

#include "controls/audit/audit.h"

namespace tollgate::audit {
namespace {

struct Sample {
  LimitEvidence limits[6];
  BudgetEvidence budgets[2];
  Attempt attempts[1] = {{"openai", 200, std::chrono::microseconds(123'456)}};
  authentication::Identity actor;
  Record record;
  Sample() {
    for (LimitEvidence& limit : limits)
      limit = {limits::Scope::kTenantId,
               "acme",
               limits::Figure::kInputTokensPerMinute,
               80'000,
               331,
               79'669};
    for (BudgetEvidence& budget : budgets)
      budget = {limits::Scope::kTenantId,
                "acme",
                cost::Window::kMonth,
                {500'000'000},
                {41'787},
                {12'345'678}};
    actor.tenant = "acme";
    actor.subject = "alice";
    actor.credential_id = "K1b2C3d4E5f6";
    record.id = "req_01HXYZ0123456789ABCDEFGHJK";
    record.time = WallTime{std::chrono::microseconds(1'795'000'000'123'456)};
    record.config_version = "0a1b2c3d4e5f";
    record.listener = "public";
    record.client_ip.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
    record.actor = &actor;
    record.route = "chat";
    record.surface = "chat_completions";
    record.model_asked = record.model_served = "gpt-4o";
    record.upstream = "openai";
    record.limits = limits;
    record.budgets = budgets;
    record.prompt_bytes = 2'048;
    record.input_tokens_counted = 331;
    record.output_tokens_cap = 4'096;
    record.fingerprint = 0x123456789abcdef0;
    record.usage_source = UsageSource::kProvider;
    record.input = 331;
    record.output = 200;
    record.cost = {2'828};
    record.price_version = "0a1b2c3d4e5f";
    record.attempts = attempts;
    record.first_byte = std::chrono::microseconds(98'765);
    record.total = std::chrono::microseconds(123'999);
  }
};

void write_phase(benchmark::State& state, Phase phase) {
  const Sample sample;
  std::string out;
  for (auto _ : state) {
    out.clear();
    write(sample.record, phase, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
void decision(benchmark::State& state) { write_phase(state, Phase::kDecision); }
void outcome(benchmark::State& state) { write_phase(state, Phase::kOutcome); }
BENCHMARK(decision);
BENCHMARK(outcome);

void fingerprint_2_kb(benchmark::State& state) {
  const std::string body(2'048, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(fingerprint(body, 42));
}
BENCHMARK(fingerprint_2_kb);

}  // namespace
}  // namespace tollgate::audit
