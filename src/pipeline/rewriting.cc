// A request that is written anew before it is decided: without what its texts may not hold, and
// without tools that the model may not be told of.
#include <algorithm>
#include <utility>

#include "pipeline/life.h"
#include "pipeline/pipeline.h"
#include "pipeline/tool_rules.h"

namespace tollgate::pipeline {

// From here on the reader holds the request as it will be sent.
Expected<void> Pipeline::rewrite(Life& life, std::string_view body, const Plan& plan) {
  Redaction& redaction = life.redaction;
  if (!plan.tools_removed.empty()) {
    Arena& arena = life.exchange.arena();
    const std::span<const std::string_view> offered = life.record.tools_offered;
    if (life.tools_offered.empty()) life.tools_offered = offered;
    const auto removed = arena.make<std::string_view>(plan.tools_removed.size());
    std::ranges::transform(plan.tools_removed, removed.begin(),
                           [&](std::size_t which) { return offered[which]; });
    life.tools_removed = joined(life.tools_removed, removed, arena);
    redaction.leave_out(reader_, plan.tools_removed);
  } else {
    if (redaction.first_found.empty()) redaction.first_found = life.record.content;
    Expected<void> masked = redaction.mask(reader_, life.request, scanner_, *plan.route);
    if (!masked) return masked;
  }
  life.read = 0;
  return read(life, body);
}

// Of what is masked the places count in which it came; what was found behind that is told where it
// is the reason of a refusal. Of tools those count that the caller offered.
void Pipeline::tell_rewritten(Life& life, bool passes) {
  if (!life.tools_removed.empty()) {
    life.record.tools_offered = life.tools_offered;
    life.record.tools_removed = life.tools_removed;
  }
  const auto first = life.redaction.first_found;
  if (first.empty()) return;
  const bool is_told = passes || life.record.content.data() == first.data();
  life.record.content = is_told ? first : joined(first, life.record.content, life.exchange.arena());
}

void Pipeline::count_tools(Life& life) {
  audit::Record& record = life.record;
  const std::pair<std::string_view, std::span<const std::string_view>> lists[] = {
      {"offered", record.tools_offered},
      {"removed", record.tools_removed},
      {"called", record.tools_called},
      {"refused", record.tools_refused}};
  std::size_t count = 0;
  for (const auto& [outcome, names] : lists) count += names.size();
  const auto route = std::ranges::find(life.config->routes, record.route, &config::Route::name);
  if (count == 0 || route == life.config->routes.end()) return;
  const tools::Scope scope = tool_scope(*life.config, *route, life.caller);
  const auto counts = life.exchange.arena().make<audit::ToolCount>(count);
  auto next = counts.begin();
  for (const auto& [outcome, names] : lists) {
    for (const std::string_view tool : names) *next++ = {tools::metric_label(scope, tool), outcome};
  }
  record.tool_counts = counts;
}

}  // namespace tollgate::pipeline
