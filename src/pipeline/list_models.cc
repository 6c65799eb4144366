// GET /v1/models and /v1/models/{id}: what the caller may use, answered by tollgate itself.
#include <algorithm>

#include "pipeline/life.h"
#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

// What is told of one model is told of all: by the door of the list.
void Pipeline::name_model(Life& life) {
  const std::string_view list = dialects::standard_path(dialects::Surface::kModels);
  std::string_view path = life.target.path;
  if (life.target.method != "GET" || !path.starts_with(list)) return;
  path.remove_prefix(list.size());
  if (path.size() < 2 || path.front() != '/') return;
  life.model_named = path.substr(1);
  life.target.path = list;
}

Task<void> Pipeline::serve_models(Life& life) {
  const config::Config& config = *life.config;
  Arena& arena = life.exchange.arena();
  const auto models = arena.make<dialects::ModelListing>(config.models.size());
  std::size_t count = 0;
  for (const config::Model& model : config.models) {
    const bool usable = std::ranges::any_of(config.access, [&](const auto* route) {
      return authorization::lists(*route, life.target.exposure, model.name, life.caller);
    });
    const bool is_asked = life.model_named.empty() || life.model_named == model.name;
    if (usable && is_asked) models[count++] = {model.name};
  }
  if (count == 0 && !life.model_named.empty()) {
    co_return co_await refuse_request(life, authorization::refuse_model(life.model_named));
  }
  BufferPool::Lease headers = buffers_.lease();
  BufferPool::Lease body = buffers_.lease();
  write_id_headers(life.dialect, life.record.id, *headers);
  if (life.model_named.empty()) {
    dialects::write_models(life.dialect, models.first(count), *body);
  } else {
    dialects::write_model(life.dialect, models.front(), *body);
  }
  life.unrecorded = leaves_unrecorded(life);
  if (!append(life, audit::Phase::kDecision)) {
    const Refusal refusal = unrecorded();
    co_return co_await refuse_request(life, refusal);
  }
  ReplyHead head;
  head.headers = *headers;
  co_await life.exchange.reply(head, *body);
  close_record(life);
}

}  // namespace tollgate::pipeline
