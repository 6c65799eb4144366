#include <fmt/format.h>

#include "pipeline/life.h"
#include "pipeline/pages.h"
#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

// What is answered to those who are no callers, and what of it is on record.

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

bool Pipeline::leaves_unrecorded(const Life& life) {
  if (life.decided) return false;
  const IpAddress& from = life.record.client_ip;
  const bool lacks_credential =
      life.record.actor == nullptr ||
      life.record.actor->credential_kind == authentication::CredentialKind::kAnonymous;
  if (lacks_credential) return !strangers_.records(from, life.began);
  // Who is known as a caller answers for each of its records.
  return !life.known && !strangers_.records(*life.record.actor, from, life.began);
}

void Pipeline::tell_of_strangers(Instant now) {
  if (!strangers_.has_untold()) return;
  tell_of(strangers_.take_untold(now));
}

void Pipeline::close() { tell_of(strangers_.take_all()); }

void Pipeline::tell_of(const std::vector<Strangers::Untold>& all) {
  Arena arena;
  for (const Strangers::Untold& untold : all) {
    arena.reset();
    audit::Record record;
    record.time = services_.clock.wall();
    record.id = ids_.next(record.time, arena);
    const std::shared_ptr<const config::Config> config = services_.config.get();
    record.config_version = config->version;
    record.client_ip = untold.last;
    record.code = row_of(Reason::kRateLimited).code;
    authentication::Identity holder;
    holder.tenant = untold.tenant;
    holder.subject = untold.subject;
    holder.credential_id = untold.credential_id;
    const bool by_itself = !untold.credential_id.empty();
    if (by_itself) record.actor = &holder;
    record_nobody(record, "audit",
                  fmt::format("{} further answers to {} have no records of their own; the last "
                              "went to this address.",
                              untold.count,
                              by_itself ? "who holds this credential, which is not good,"
                                        : "callers without a good credential"));
  }
}

bool Pipeline::is_only_asked(Life& life) {
  const RequestHead& head = life.exchange.head();
  life.page = listed_page(head, *life.config);
  if (!life.page.empty() && is_preflight(head)) return true;
  life.exchange.add_headers(answer_headers(head, life.page, *life.config, life.exchange.arena()));
  return false;
}

Task<void> Pipeline::answer_alive(Exchange& exchange) {
  const std::shared_ptr<const config::Config> config = services_.config.get();
  const RequestHead& asked = exchange.head();
  ReplyHead head;
  head.content_type = "text/plain";
  head.headers = answer_headers(asked, listed_page(asked, *config), *config, exchange.arena());
  co_await exchange.reply(head, "ok\n");
}

// Who has no token yet has to be able to ask; what it is told is the same for everybody.
Task<bool> Pipeline::answer_mcp_metadata(Exchange& exchange) {
  const std::shared_ptr<const config::Config> config = services_.config.get();
  const config::Mcp* mcp = mcp_metadata_at(*config, exchange.head());
  if (mcp == nullptr) co_return false;
  ReplyHead head;
  // Pages of clients read it, too: it is no secret and nobody's.
  head.headers = "access-control-allow-origin: *\r\n";
  co_await exchange.reply(head, mcp->metadata);
  co_return true;
}

Task<void> Pipeline::answer_preflight(Life& life) {
  ReplyHead reply;
  reply.status = 204;
  reply.content_type = {};
  reply.headers = preflight_headers(life.exchange.head(), life.page, life.exchange.arena());
  co_await life.exchange.reply(reply, {});
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
  headers += answer_headers(head, listed_page(head, *config), *config, arena);
  write_refusal_reply(dialect_at(without_query(head.target), head), refusal, record.id, 0, headers,
                      out);
  const Instant now = services_.clock.now();
  tell_of_strangers(now);
  if (strangers_.records(record.client_ip, now)) record_nobody(record, "edge", message);
  services_.meter.ended(record, Duration{});
}

}  // namespace tollgate::pipeline
