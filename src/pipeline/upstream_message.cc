// The request as the upstream gets it.
#include <algorithm>

#include "pipeline/forward.h"
#include "pipeline/life.h"
#include "pipeline/pipeline.h"
#include "pipeline/translated_call.h"
#include "pipeline/upstream_head.h"

namespace tollgate::pipeline {

namespace {

std::string_view upstream_path(dialects::Dialect speaks, dialects::Surface surface) {
  std::string_view path = dialects::standard_path(surface);
  // An OpenAI base URL ends in its version ("…/v1"), an Anthropic one does not.
  if (speaks == dialects::Dialect::kOpenAi) path.remove_prefix(std::string_view("/v1").size());
  return path;
}

bool is_version_date(std::string_view text) {
  return text.size() == 10 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace

void write_upstream_head(const UpstreamMessage& message, std::size_t body_bytes, std::string& out) {
  begin_upstream_head(message.upstream, message.place,
                      upstream_path(message.upstream.speaks, message.surface), out);
  if (message.upstream.speaks == dialects::Dialect::kAnthropic) {
    const std::string_view asked = message.caller.header("anthropic-version");
    out += "\r\nanthropic-version: ";
    out += is_version_date(asked) ? asked : std::string_view("2023-06-01");
  }
  if (const std::string_view trace = message.caller.header("traceparent"); is_traceparent(trace)) {
    out += "\r\ntraceparent: ";
    out += trace;
  }
  if (message.surface == dialects::Surface::kSpeech) {
    out += "\r\nAccept: audio/*, application/octet-stream";
  } else if (dialects::reads_sound(message.surface) &&
             message.delivery == dialects::Delivery::kWhole) {
    out += "\r\nAccept: application/json, text/plain, text/vtt";
  } else {
    out += message.delivery == dialects::Delivery::kStreamed ? "\r\nAccept: text/event-stream"
                                                             : "\r\nAccept: application/json";
  }
  end_upstream_head(message.id, body_bytes, out, message.content_type);
}

void Pipeline::choose_place(Life& life, const Plan& plan) {
  const std::span<attempts::Endpoint* const> places = places_.of(*life.config, *plan.model);
  attempts::Wanted wanted;
  wanted.tokens = tokens_held(plan);
  wanted.turn = turn_++;
  wanted.tried = life.tried;
  if (places.size() > 1) wanted.conversation = conversation_of(life.caller.tenant, life.request);
  life.place = attempts::choose(places, plan.upstream->breaker, wanted, services_.clock.now());
}

// Written anew while the reader still holds the request; never the caller's bytes.
Expected<void> Pipeline::write_message(Life& life, const Plan& plan, std::string& message) {
  dialects::Edits edits;
  edits.model = plan.model->upstream_name;
  edits.cap_field = plan.upstream->output_cap_field;
  edits.previous_response = plan.kept.previous;
  edits.cache_control = plan.cache != cost::CacheLifetime::kNone;
  // Also where a call costs nothing: what it finds may be held for.
  if (plan.paid_tools.total > 0) edits.tool_calls = plan.paid_tools.cap;
  if (dialects::makes_output(*life.surface)) edits.output_tokens = plan.output_cap;
  const translation::Passage passage = passage_of(plan, *life.surface);
  const bool is_translated = passage.spoken != passage.asked;
  // In the words of the upstream, which the translator says.
  if (!is_translated) edits.service_tier = plan.tier_written;
  BufferPool::Lease written = buffers_.lease();
  reader_.write(edits, *written);
  BufferPool::Lease translated = buffers_.lease();
  if (is_translated) {
    written->reserve(written->size() + dialects::RequestReader::kPadding);
    Expected<void> carried = translator_.translate(passage, *written, *translated);
    if (!carried) return carried;
  }
  const std::string& body = is_translated ? *translated : *written;
  choose_place(life, plan);
  const std::string content_type = reader_.content_type(edits);
  const UpstreamMessage upstream{*plan.upstream, std::max(life.place, 0), passage.spoken,
                                 life.delivery,  life.exchange.head(),    life.record.id,
                                 content_type};
  message.clear();
  write_upstream_head(upstream, body.size(), message);
  message += body;
  return keep_written(life, message);
}

}  // namespace tollgate::pipeline
