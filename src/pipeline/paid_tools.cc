#include "pipeline/paid_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace tollgate::pipeline {

namespace {

using dialects::PaidTool;
using dialects::ToolCalls;

Money price_on(const config::PriceList& prices, PaidTool tool) {
  return prices.made.tool_call[static_cast<std::size_t>(tool)].value_or(Money{});
}

Money cost_of_calls(const config::PriceList& prices, PaidTool tool, std::int64_t calls) {
  return cost::price(cost::UnitPrice{.price = price_on(prices, tool)}, calls);
}

enum class HasPrice : std::uint8_t { kNo, kYes };
std::unexpected<Refusal> refuse_tool(const Plan& plan, PaidTool tool, std::size_t place,
                                     HasPrice has_price) {
  const std::string setting =
      fmt::format("models.{}.price_per_tool_call.{}", plan.model->name, dialects::name_of(tool));
  const std::string where = fmt::format("tools[{}]", place);
  std::string why =
      has_price == HasPrice::kYes
          ? fmt::format(
                "'{}' is run by the provider, is paid for each call (`{}`) and cannot "
                "be held to a number of them on this surface: leave it out.",
                where, setting)
          : fmt::format(
                "'{}' is run by the provider, and what a call of it costs is not "
                "known here: the operator sets it as `{}`, in dollars.",
                where, setting);
  return refuse(Reason::kUnsupportedParameter, setting, std::move(why), where);
}

std::int32_t in_range(std::int64_t calls) {
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(calls, std::numeric_limits<std::int32_t>::max()));
}

// How often the tool can be called at most; nothing: as often as the provider likes.
std::optional<std::int64_t> bound_of(const dialects::Request& request, const dialects::Tool& tool,
                                     std::int64_t cap) {
  if (request.surface == dialects::Surface::kResponses) {
    return std::min(request.tool_calls_asked.value_or(cap), cap);
  }
  if (request.surface == dialects::Surface::kMessages && dialects::bounds_its_calls(tool.type)) {
    return std::min(tool.max_uses.value_or(cap), cap);
  }
  return std::nullopt;
}

std::array<std::size_t, dialects::kPaidToolCount> dearest_first(const config::PriceList& prices) {
  std::array<std::size_t, dialects::kPaidToolCount> order{};
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto price = [&](std::size_t tool) {
    return price_on(prices, static_cast<PaidTool>(tool));
  };
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return price(a) != price(b) ? price(a) > price(b) : a < b;
  });
  return order;
}

std::string version_of(const config::PriceList& prices, const ToolCalls& most) {
  std::string version;
  for (std::size_t i = 0; i < most.of.size(); ++i) {
    if (most.of[i] == 0) continue;
    const auto tool = static_cast<PaidTool>(i);
    version += fmt::format("{}{}={}", version.empty() ? "" : ",", dialects::name_of(tool),
                           format_usd(price_on(prices, tool)));
  }
  return version;
}

}  // namespace

Money cost_of(const config::PriceList& prices, const ToolCalls& calls) {
  Money sum;
  for (std::size_t i = 0; i < calls.of.size(); ++i) {
    if (calls.of[i] == 0) continue;
    sum = add_saturated(sum, cost_of_calls(prices, static_cast<PaidTool>(i), calls.of[i]));
  }
  return sum;
}

Expected<void> hold_paid_tools(const Facts& facts, Plan& plan, Arena& arena,
                               audit::Record& record) {
  const dialects::Request& request = facts.request;
  if (!dialects::makes_output(plan.route->surface)) return {};
  const std::int64_t cap = plan.route->tools.calls;
  record.tool_calls_cap = 0;
  PaidTools& paid = plan.paid_tools;
  for (std::size_t i = 0; i < request.tools.size(); ++i) {
    const dialects::Tool& tool = request.tools[i];
    const std::optional<PaidTool> of = dialects::paid_tool_of(tool.type);
    if (!of) continue;
    if (!plan.prices->made.tool_call[static_cast<std::size_t>(*of)]) {
      return refuse_tool(plan, *of, i, HasPrice::kNo);
    }
    const std::optional<std::int64_t> bound = bound_of(request, tool, cap);
    if (!bound && price_on(*plan.prices, *of) > Money{}) {
      return refuse_tool(plan, *of, i, HasPrice::kYes);
    }
    const std::int32_t most = in_range(bound.value_or(cap));
    const bool is_shared = request.surface == dialects::Surface::kResponses;
    std::int32_t& held = paid.most.at(*of);
    held = is_shared ? most : in_range(std::int64_t{held} + most);
    paid.total = is_shared ? most : paid.total + most;
  }
  if (paid.total == 0) return {};
  // From here on each has its price, and a bound where that is any.
  paid.cap = std::min(request.tool_calls_asked.value_or(cap), cap);
  paid.worst = cost_of(*plan.prices, paid_of(plan, paid.most));
  record.tool_calls_cap = paid.total;
  record.price_version = arena.copy(
      fmt::format("{};tool_calls:{}", record.price_version, version_of(*plan.prices, paid.most)));
  return {};
}

void hold_tool_tokens(Plan& plan) {
  const Tokens each = plan.prices->made.tool_call_tokens;
  const std::int64_t calls = plan.paid_tools.total;
  if (each == 0 || calls == 0) return;
  Tokens more = each > kTokensMax / calls ? kTokensMax : each * calls;
  Tokens room = kTokensMax - plan.input.held();
  // No model reads more than it can hold.
  if (plan.model->context_tokens > 0) {
    room = std::max<Tokens>(0, plan.model->context_tokens - plan.input.held());
  }
  plan.input.add_stored(std::min(more, room));
}

ToolCalls paid_of(const Plan& plan, const ToolCalls& told) {
  ToolCalls paid;
  std::int64_t left = plan.paid_tools.total;
  if (left == 0) return paid;
  for (const std::size_t tool : dearest_first(*plan.prices)) {
    const std::int64_t calls =
        std::clamp<std::int64_t>(told.of[tool], 0, plan.paid_tools.most.of[tool]);
    paid.of[tool] = in_range(std::min(calls, left));
    left -= paid.of[tool];
  }
  return paid;
}

void tell_paid_calls(const config::PriceList& prices, const ToolCalls& paid, Arena& arena,
                     audit::Record& record) {
  if (!paid.any()) return;
  const auto told = arena.make<audit::PaidCalls>(dialects::kPaidToolCount);
  std::size_t count = 0;
  for (std::size_t i = 0; i < paid.of.size(); ++i) {
    if (paid.of[i] == 0) continue;
    const auto tool = static_cast<PaidTool>(i);
    told[count++] = {dialects::name_of(tool), paid.of[i], cost_of_calls(prices, tool, paid.of[i])};
  }
  record.paid_calls = told.first(count);
}

}  // namespace tollgate::pipeline
