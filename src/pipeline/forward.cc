#include "pipeline/forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "dialects/error_reply.h"
#include "pipeline/answer_guards.h"
#include "pipeline/failure.h"
#include "pipeline/headroom.h"
#include "pipeline/hold_prices.h"
#include "pipeline/made.h"
#include "pipeline/metered_stream.h"
#include "pipeline/paid_tools.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"
#include "pipeline/tool_rules.h"
#include "pipeline/upstream_words.h"

namespace tollgate::pipeline {

namespace {

// An error that a provider gives is read up to here; a longer one is told in our words.
constexpr Bytes kErrorBytesMax = 64 << 10;

// The same above a bound by bytes: what a provider adds for tools.
constexpr Tokens kInputSlackBound = 1024;
// The part of a bound that a provider reports at the least.
constexpr Tokens kUnderReportBound = 64;
// What is read for the usage once a caller with the whole answer is gone.
constexpr Bytes kDrainBytesMax = 64 << 10;
// No model sustains tokens longer than this many bytes.
constexpr Bytes kBytesPerTokenAtMost = 32;

// The least that is believed of a figure of which we are sure of so much: where there was anything,
// never nothing.
Tokens least_of(Tokens sure, Tokens part) {
  return std::max(sure / part, std::min(sure, Tokens{1}));
}

// A figure as it is charged: what the provider reported, but at most what was held for it, and
// not a figure far below what we saw ourselves.
Tokens charged(Tokens reported, Tokens sure, const Count& ours, Tokens part) {
  return std::min(reported < least_of(sure, part) ? ours.tokens : reported, ours.held());
}

// The same of the part of the input that was sound, of which no more is charged than was counted.
bool is_audio_plausible(const dialects::Usage& usage, const Plan& plan) {
  const Tokens ours = plan.input.audio;
  if (!usage.audio_input) return true;
  return *usage.audio_input <= ours && *usage.audio_input >= ours / kUnderReport;
}

// The same of what has a price of its own within the input and the output.
bool are_parts_plausible(const dialects::Usage& usage) {
  return std::min({usage.cached_input, usage.cache_write, usage.reasoning, usage.audio_output}) >=
             0 &&
         usage.cached_input <= usage.input - usage.cache_write &&
         usage.image_input.value_or(0) <= usage.input &&
         usage.audio_output <= usage.output - usage.reasoning;
}

bool is_near(Tokens charged_tokens, Tokens reported, Tokens slack) {
  return reported >= charged_tokens && reported - charged_tokens <= slack;
}

std::optional<Tokens> input_of(const std::optional<dialects::Usage>& reported) {
  if (!reported) return std::nullopt;
  return reported->input;
}

// Whether the provider's usage can be charged as it stands, given what passed at the least.
bool is_plausible(const dialects::Usage& usage, const Plan& plan, Tokens least_output) {
  const Tokens part = plan.input.is_bound ? kUnderReportBound : kUnderReport;
  const Tokens sure = plan.input.tokens - plan.input.unsure;
  return usage.input <= plan.input.held() && usage.input >= least_of(sure, part) &&
         are_parts_plausible(usage) && is_audio_plausible(usage, plan) &&
         usage.output <= plan.output_cap_total &&
         usage.output >= least_of(least_output, kUnderReport) && cost_of(plan, usage) <= plan.worst;
}

// Errors about the request itself are the caller's to mend. Those about our credential (401,
// 403) or the provider's health are not: they become refusals of ours.
bool is_callers_error(int status) {
  return status == 400 || status == 404 || status == 413 || status == 415 || status == 422;
}

bool is_type(std::string_view content_type, std::string_view wanted) {
  if (content_type.size() < wanted.size()) return false;
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  return std::equal(wanted.begin(), wanted.end(), content_type.begin(),
                    [&](char wanted_c, char c) { return same(c, wanted_c); });
}

}  // namespace

Refusal revoked() {
  Refusal refusal;
  refusal.reason = Reason::kRevokedCredential;
  refusal.rule = "authentication";
  refusal.message = "The API key was revoked while the request was at work.";
  return refusal;
}

namespace {

// The input as it is charged, and the parts of it where that is near what was reported: else nobody
// knows them, and what the provider was asked to keep it may have kept. Whether it is near.
bool charge_input(const Plan& plan, const dialects::Usage& reported, dialects::Usage& usage) {
  const Tokens part = plan.input.is_bound ? kUnderReportBound : kUnderReport;
  const Tokens slack = plan.input.is_bound ? kInputSlackBound : tokens::kInputSlack;
  usage.input = charged(reported.input, plan.input.tokens - plan.input.unsure, plan.input, part);
  usage.cache_write = usage.input;
  if (!is_near(usage.input, reported.input, slack)) return false;
  usage.cached_input = std::clamp<Tokens>(reported.cached_input, 0, usage.input);
  usage.cache_write = std::clamp<Tokens>(reported.cache_write, 0, usage.input - usage.cached_input);
  usage.cache_write_1h = reported.cache_write_1h;
  usage.image_input = reported.image_input;
  return true;
}

}  // namespace

void Forwarder::bill(const Work& work, const std::optional<dialects::Usage>& reported,
                     OutputCount& passed, Forwarded& result) {
  const Plan& plan = work.attempted.billed(input_of(reported));
  result.usage = {.units = plan.made.units};
  result.source = audit::UsageSource::kCounted;
  const Tokens output = passed.tokens();
  if (!reported) {
    result.usage.input = plan.input.tokens;
    result.usage.output = std::min(output, plan.output_cap_total);
    // What it was asked to keep it may have kept.
    result.usage.cache_write = result.usage.input;
    return;
  }
  result.provider_input = reported->input;
  dialects::Usage& usage = result.usage;
  const bool is_input_near = charge_input(plan, *reported, usage);
  const Tokens audio = plan.input.audio;
  if (reported->audio_input) {
    usage.audio_input = charged(*reported->audio_input, audio, {.tokens = audio}, kUnderReport);
  }
  const bool is_low = least_of(passed.tokens_at_least(), kUnderReport) > reported->output;
  usage.output = std::min(is_low ? output : reported->output, plan.output_cap_total);
  usage.reasoning = std::clamp<Tokens>(reported->reasoning, 0, usage.output);
  usage.audio_output =
      std::clamp<Tokens>(reported->audio_output, 0, usage.output - usage.reasoning);
  usage.tier = reported->tier;
  usage.other_tier = reported->other_tier;
  const bool as_told = is_input_near && usage.output == reported->output &&
                       usage.audio_input == reported->audio_input;
  if (as_told) result.source = audit::UsageSource::kProvider;
}

void Forwarder::settle(const Work& work, Forwarded& result) {
  if (std::exchange(result.settled, true)) return;
  work.attempted.settle(result);
}

Task<Forwarded> Forwarder::forward(const Work& work) {
  Forwarded result;
  co_await attempt(work, result);
  settle(work, result);
  co_return result;
}

Task<void> Forwarder::relay(const Work& work, UpstreamCall& call, Forwarded& result) {
  return work.delivery == dialects::Delivery::kStreamed ? relay_stream(work, call, result)
                                                        : relay_whole(work, call, result);
}

namespace {

std::string refused_with(int status) {
  return fmt::format("The model server refused the request with status {}.", status);
}

}  // namespace

// What a provider says of a request may hold parts of it. Its words are in nobody's answer, so
// nothing of them is on record.
bool Forwarder::is_clean(const Work& work, const dialects::UpstreamError& error) {
  WholeAnswer words(*work.plan.route, scanner_, work.rules);
  for (const std::string* text : {&error.message, &error.param, &error.code, &error.type}) {
    words.text("error", *text);
  }
  AnswerVerdict unrecorded;
  return words.judge(unrecorded).has_value();
}

Task<void> Forwarder::relay_error(const Work& work, UpstreamCall& call, Forwarded& result) {
  const FaultOr<std::string_view> body = co_await call.read_whole(kErrorBytesMax);
  if (work.exchange.caller_gone()) {
    cut_by_caller(result);
    co_return;
  }
  const bool relayed = body && is_callers_error(result.status) &&
                       is_type(call.header("content-type"), "application/json");
  if (!relayed) {
    fail_by_status(work, result);
    co_return;
  }
  // Told in our own words and without what is ours alone: never the bytes as they came.
  result.relayed_status = result.status;
  result.cut_code = "upstream_rejected";
  dialects::UpstreamError error = dialects::read_error(*body).value_or(dialects::UpstreamError{});
  if (error.message.empty()) {
    error.message = refused_with(result.status);
  }
  if (error.type.empty()) error.type = "invalid_request_error";
  hide(error, work.plan);
  if (inspects_answers(*work.plan.route) && !is_clean(work, error)) {
    error = {.type = "invalid_request_error", .message = refused_with(result.status)};
  }
  dialects::RefusalWords words;
  words.type = error.type;
  words.code = error.code;
  words.param = error.param;
  words.message = error.message;
  words.request_id = work.id;
  BufferPool::Lease told = buffers_.lease();
  dialects::write_refusal(dialects::dialect_of(work.plan.route->surface), words, *told);
  BufferPool::Lease headers = buffers_.lease();
  work.attempted.write_headers(result, *headers);
  ReplyHead head;
  head.status = result.status;
  head.headers = *headers;
  settle(work, result);
  if (!co_await work.exchange.reply(head, *told)) cut_by_caller(result);
}

namespace {

// Whether the guards let pass a whole answer.
Task<bool> pass_guards(const Forwarder::Work& work, Forwarded& result) {
  const Expected<void> passed = co_await work.guards->judge(AnswerGuards::Part::kWhole);
  if (passed) co_return true;
  if (work.exchange.caller_gone()) {
    cut_by_caller(result);
  } else {
    result.refusal = passed.error();
  }
  co_return false;
}

// The same of a stream, as far as it has come: how that goes on, which went as `flow` says.
Task<Flow> pass_guards(const Forwarder::Work& work, AnswerGuards::Part part, Flow flow,
                       MeteredStream& metered, std::string& out) {
  const Expected<void> passed = co_await work.guards->judge(part);
  if (work.stop.asked()) {
    metered.broken = Fault{FaultKind::kCancelled, "the key was revoked"};
    co_return Flow::kBroken;
  }
  if (!passed) {
    metered.refuse(passed.error());
    co_return Flow::kRefused;
  }
  metered.release(out);
  co_return flow;
}

}  // namespace

void Forwarder::bill_whole(const Work& work, std::string_view body, Bytes measured,
                           const std::optional<dialects::Usage>& usage, Forwarded& result) {
  if (usage && is_plausible(*usage, work.attempted.billed(usage->input),
                            (measured + kBytesPerTokenAtMost - 1) / kBytesPerTokenAtMost)) {
    result.provider_input = usage->input;
    result.usage = *usage;
    result.usage.units = work.plan.made.units;
    result.source = audit::UsageSource::kProvider;
  } else {
    OutputCount passed(counting_.counter(work.plan.model->tokenizer));
    const FaultOr<std::optional<dialects::Usage>> again =
        read_whole(reply_reader_, work.plan, body, passed);
    CHECK(again.has_value());
    bill(work, *again, passed, result);
  }
  if (dialects::unit_of(work.plan.route->surface) == dialects::Unit::kImages) {
    bill_images(work.plan, reply_reader_.images(), result);
  }
  result.usage.tool_calls = paid_of(work.plan, reply_reader_.tool_calls());
}

Task<void> Forwarder::relay_whole(const Work& work, UpstreamCall& call, Forwarded& result) {
  const Instant began = clock_.now();
  const FaultOr<std::string_view> body = co_await call.read_whole(work.reply_bytes_max);
  result.waited = result.first_byte + (clock_.now() - began);
  if (!body) {
    bill_held(work, result);
    if (work.exchange.caller_gone()) {
      cut_by_caller(result);
    } else {
      fail(work, body.error(), result);
    }
    co_return;
  }
  OutputBytes measured;
  std::optional<WholeAnswer> answer;
  if (inspects_answers(*work.plan.route)) answer.emplace(*work.plan.route, scanner_, work.rules);
  BothSinks texts(answer ? &*answer : nullptr, work.guards);
  WatchedOutput watched(measured);
  const bool is_watched = watches_output(*work.plan.route);
  dialects::OutputSink& output =
      is_watched ? static_cast<dialects::OutputSink&>(watched) : measured;
  const FaultOr<std::optional<dialects::Usage>> usage =
      read_whole(reply_reader_, work.plan, *body, output, texts.get(), &work.tools);
  result.repeats = watched.repeats();
  if (!usage) {
    bill_held(work, result);
    fail(work, usage.error(), result);
    co_return;
  }
  bill_whole(work, *body, measured.bytes(), *usage, result);
  work.tools.finish();
  if (work.tools.refusal()) {
    result.refusal = *work.tools.refusal();
    co_return;
  }
  if (answer) {
    if (Expected<void> passed = answer->judge(result.answer); !passed) {
      result.refusal = std::move(passed.error());
      co_return;
    }
  }
  if (work.guards != nullptr && !co_await pass_guards(work, result)) co_return;
  BufferPool::Lease headers = buffers_.lease();
  work.attempted.write_headers(result, *headers);
  ReplyHead head;
  head.content_type = type_of_answer(work.plan);
  head.headers = *headers;
  BufferPool::Lease restored = buffers_.lease();
  if (!work.masked.empty()) {
    restored->assign(*body);
    dialects::Restoring(work.masked).restore(*restored);
  }
  settle(work, result);
  const std::string_view told = work.masked.empty() ? *body : std::string_view(*restored);
  if (!co_await work.exchange.reply(head, told)) cut_by_caller(result);
}

namespace {

dialects::Usage counted_usage(const Plan& plan, OutputCount& passed) {
  dialects::Usage usage;
  usage.input = plan.input.tokens;
  usage.output = std::min(passed.tokens(), plan.output_cap_total);
  return usage;
}

// An upstream that broke off in mid-stream is told as the dialect's error event: a clean ending
// would pass for the whole answer.
void end_failed(const Forwarder::Work& work, const Refusal& refusal, dialects::StreamReader& stream,
                std::string& out, Forwarded& result) {
  result.outcome = audit::Outcome::kCut;
  result.cut_code = row_of(refusal.reason).code;
  std::string body;
  std::string unused_headers;
  write_refusal_reply(dialects::dialect_of(work.plan.route->surface), refusal, work.id, 0,
                      unused_headers, body);
  stream.fail(body, out);
}

struct Relayed {
  dialects::StreamReader& stream;
  OutputCount& passed;
  MeteredStream& metered;
};

// Begun with the first bytes only: an upstream that breaks off before them is refused.
struct StreamedReply {
  ReplyHead head;
  std::string& out;
  dialects::Restoring restoring;
  bool begun = false;
};

// Until the stream ends or has to, or the caller is gone. What is left in `out` is not sent yet.
Task<Flow> relay_pieces(const Forwarder::Work& work, UpstreamCall& call, const Relayed& relayed,
                        StreamedReply& reply) {
  MeteredStream& metered = relayed.metered;
  std::string& out = reply.out;
  for (;;) {
    const FaultOr<std::string_view> piece = co_await call.read();
    out.clear();
    if (!piece || piece->empty()) {
      metered.broken =
          piece ? Fault{FaultKind::kBroken, "the stream ended too early"} : piece.error();
      co_return Flow::kBroken;
    }
    Flow flow = metered.feed(*piece, out);
    while (flow == Flow::kIsDue) {
      flow = co_await pass_guards(work, AnswerGuards::Part::kSoFar, Flow::kGoesOn, metered, out);
      // They had the watch for callers that leave.
      work.exchange.on_caller_gone(&call);
      work.stop.watch(&call);
      if (flow == Flow::kGoesOn) flow = metered.go_on(out);
    }
    // All is said, and only the usage is still to come: a caller that leaves now has the whole
    // answer, so the upstream is heard to its end.
    if (relayed.stream.output_ended() && !metered.waits()) work.exchange.on_caller_gone(nullptr);
    if (flow != Flow::kGoesOn) co_return flow;  // The last of it goes out when it is settled.
    reply.restoring.pass(out);
    if (out.empty()) continue;
    if (!std::exchange(reply.begun, true)) work.exchange.begin(reply.head);
    if (!co_await work.exchange.write(out)) co_return flow;
  }
}

// Writes the end of a stream that does not come to its own.
void end_early(const Forwarder::Work& work, Flow flow, const Relayed& relayed, std::string& out,
               Forwarded& result) {
  if (flow == Flow::kBroken) {
    result.failure = failure_of(work.stop, *relayed.metered.broken);
    return end_failed(work, refusal_of(work, *relayed.metered.broken), relayed.stream, out, result);
  }
  // A transcript has no other way to say that there would be more.
  if (flow == Flow::kRefused && dialects::reads_sound(work.plan.route->surface)) {
    return end_failed(work, relayed.metered.refusal(), relayed.stream, out, result);
  }
  if (flow == Flow::kRefused) {
    result.cut_code = row_of(relayed.metered.refusal().reason).code;
  } else if (flow == Flow::kCapReached) {
    result.cut_code = "output_cap_exceeded";
  } else if (flow == Flow::kRepeats) {
    result.cut_code = "repeating_output";
  } else {
    return;
  }
  result.outcome = audit::Outcome::kCut;
  const Plan& billed = work.attempted.billed(input_of(relayed.stream.usage()));
  relayed.stream.end(
      flow == Flow::kRefused ? dialects::Ending::kRefused : dialects::Ending::kLength,
      counted_usage(billed, relayed.passed), out);
}

}  // namespace

// Reads on for the usage, which is the last that a stream says, and hands nothing on.
Task<void> Forwarder::drain(UpstreamCall& call, dialects::StreamReader& stream,
                            OutputCount& passed) {
  BufferPool::Lease unseen = buffers_.lease();
  for (Bytes read = 0; !stream.usage() && read < kDrainBytesMax;) {
    const FaultOr<std::string_view> piece = co_await call.read();
    if (!piece || piece->empty()) co_return;
    read += std::ssize(*piece);
    unseen->clear();
    if (!stream.feed(*piece, *unseen, passed)) co_return;
  }
}

namespace {

bool is_translated(const Plan& plan) {
  return config::spoken_surface(*plan.upstream, plan.route->surface) != plan.route->surface;
}

}  // namespace

// Without the whole usage: what the stream had told by then is believed, the output is our count.
void Forwarder::bill_told(const Work& work, const dialects::EarlyUsage& told, OutputCount& passed,
                          Forwarded& result) {
  // A translated stream begins with our own count.
  const bool has_input = told.has_input && !is_translated(work.plan);
  const Plan& plan =
      work.attempted.billed(has_input ? std::optional(told.usage.input) : std::nullopt);
  dialects::Usage usage{.units = plan.made.units};
  const bool reasons = plan.model->reasoning;
  if (has_input) {
    charge_input(plan, told.usage, usage);
  } else {
    usage.input = reasons ? plan.input.held() : plan.input.tokens;
    usage.cache_write = usage.input;  // What it was asked to keep it may have kept.
  }
  // Reasoning does not pass by here, so nobody knows how much it was.
  usage.output = reasons ? plan.output_cap_total : std::min(passed.tokens(), plan.output_cap_total);
  usage.tier = told.usage.tier;
  usage.other_tier = told.usage.other_tier;
  if (reasons) charge_dearest_output(plan, usage);
  result.usage = usage;
  result.source = audit::UsageSource::kCounted;
}

void Forwarder::bill_cut(const Work& work, const dialects::StreamReader& stream,
                         OutputCount& passed, Forwarded& result) {
  const std::optional<dialects::Usage>& reported = stream.usage();
  if (reported) {
    bill(work, reported, passed, result);
  } else {
    bill_told(work, stream.early_usage(), passed, result);
  }
  // A call is told before it is run.
  result.usage.tool_calls = paid_of(work.plan, stream.tool_calls());
}

Task<void> Forwarder::relay_stream(const Work& work, UpstreamCall& call, Forwarded& result) {
  if (!is_type(call.header("content-type"), "text/event-stream")) {
    bill_held(work, result);
    fail(work, {FaultKind::kBroken, "no stream"}, result);
    co_return;
  }
  dialects::StreamReader stream;
  std::optional<StreamFilter> filter;
  if (inspects_answers(*work.plan.route)) {
    filter.emplace(*work.plan.route, scanner_, work.rules, buffered_);
  }
  stream.start(work.plan.route->surface, work.usage_asked, work.plan.model->name,
               filter || work.guards != nullptr || work.tools.may_hold() ? dialects::Holding::kYes
                                                                         : dialects::Holding::kNo);
  OutputCount passed(counting_.counter(work.plan.model->tokenizer));
  MeteredStream metered(stream, passed, work.plan, filter ? &*filter : nullptr, work.guards,
                        work.tools, buffered_);
  const Relayed relayed{stream, passed, metered};
  BufferPool::Lease headers = buffers_.lease();
  BufferPool::Lease out = buffers_.lease();
  work.attempted.write_headers(result, *headers);
  StreamedReply reply{{}, *out, dialects::Restoring(work.masked)};
  reply.head.content_type = "text/event-stream";
  reply.head.headers = *headers;

  Flow flow = co_await relay_pieces(work, call, relayed, reply);
  flow = metered.finish(flow, *out);
  const bool is_whole = flow != Flow::kGoesOn && flow != Flow::kBroken && flow != Flow::kRefused;
  if (work.guards != nullptr && is_whole) {
    flow = co_await pass_guards(work, AnswerGuards::Part::kWhole, flow, metered, *out);
  }
  if (filter) result.answer = filter->verdict();
  result.repeats = metered.repeats() && flow != Flow::kRepeats;
  if (work.exchange.caller_gone()) {
    if (flow == Flow::kGoesOn && stream.output_ended()) co_await drain(call, stream, passed);
    bill_cut(work, stream, passed, result);
    cut_by_caller(result);
    co_return;
  }
  bill_cut(work, stream, passed, result);
  if (flow == Flow::kBroken && !reply.begun) {
    // Nothing has reached the caller yet, so they get a true refusal. What the upstream made
    // of it before it broke off is what was metered.
    fail(work, *metered.broken, result);
    co_return;
  }
  if (flow == Flow::kRefused && !metered.has_handed_on(reply.begun || !out->empty())) {
    result.refusal = metered.refusal();
    co_return;
  }
  end_early(work, flow, relayed, *out, result);
  reply.restoring.finish(*out);
  settle(work, result);
  if (!reply.begun) work.exchange.begin(reply.head);
  if (!out->empty() && !co_await work.exchange.write(*out)) cut_by_caller(result);
  if (!co_await work.exchange.finish() && result.outcome == audit::Outcome::kAllowed) {
    cut_by_caller(result);
  }
}

}  // namespace tollgate::pipeline
