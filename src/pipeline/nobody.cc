#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

// What the pipeline has on record of refusals that are of no request, or of many.

namespace tollgate::pipeline {

void Pipeline::record_nobody(audit::Record& record, std::string_view rule,
                             std::string_view message) {
  record.outcome = audit::Outcome::kRefused;
  record.rule = rule;
  record.message = message;
  BufferPool::Lease text = buffers_.lease();
  for (const audit::Phase phase : {audit::Phase::kDecision, audit::Phase::kOutcome}) {
    text->clear();
    audit::write(record, phase, *text);
    (void)services_.trail.append(record, phase, {}, *text);
  }
}

void Pipeline::tell_of_strangers(Instant now) {
  if (!strangers_.has_untold()) return;
  const Strangers::Untold untold = strangers_.take_untold(now);
  if (untold.count == 0) return;
  Arena arena;
  audit::Record record;
  record.time = services_.clock.wall();
  record.id = ids_.next(record.time, arena);
  const std::shared_ptr<const config::Config> config = services_.config.get();
  record.config_version = config->version;
  record.client_ip = untold.last;
  record.code = row_of(Reason::kRateLimited).code;
  record_nobody(record, "audit",
                fmt::format("{} further refusals of callers that nobody knows have no records of "
                            "their own; the last came from this address.",
                            untold.count));
}

void Pipeline::refuse_malformed(const RequestHead& head, std::string_view message,
                                std::string& headers, std::string& out) {
  Arena arena;
  const WallTime wall = services_.clock.wall();
  const std::shared_ptr<const config::Config> config = services_.config.get();
  audit::Record record;
  record.id = ids_.next(wall, arena);
  record.time = wall;
  record.config_version = config->version;
  record.listener = head.listener;
  record.client_ip = head.client_ip;
  record.outcome = audit::Outcome::kRefused;
  record.code = row_of(Reason::kInvalidRequest).code;

  Refusal refusal;
  refusal.reason = Reason::kInvalidRequest;
  refusal.rule = "edge";
  refusal.message = std::string(message);
  services_.meter.began();
  write_refusal_reply(dialect_at(without_query(head.target), head), refusal, record.id, 0, headers,
                      out);
  const Instant now = services_.clock.now();
  tell_of_strangers(now);
  if (strangers_.records(record.client_ip, now)) record_nobody(record, "edge", message);
  services_.meter.ended(record, Duration{});
}

}  // namespace tollgate::pipeline
