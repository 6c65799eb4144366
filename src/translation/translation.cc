#include "translation/translation.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "dialects/json_strict.h"
#include "dialects/reply.h"
#include "dialects/request.h"
#include "dialects/sse.h"
#include "translation/answer.h"
#include "translation/conversation.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kDialects = 3;

std::size_t place_of(Surface surface) {
  return surface == Surface::kMessages ? 1 : surface == Surface::kResponses ? 2 : 0;
}

// Memory of a parser that has seen more is given back before the next.
void give_back(dom::parser& parser, std::size_t next) {
  using dialects::StrictJson;
  if (parser.capacity() > StrictJson::kKeptMax && next <= StrictJson::kKeptMax)
    parser = dom::parser(StrictJson::kCapacityMax);
}

}  // namespace

struct RequestTranslator::State {
  dom::parser parser{dialects::StrictJson::kCapacityMax};
  Conversation conversation;
};

RequestTranslator::RequestTranslator() : state_(std::make_unique<State>()) {}
RequestTranslator::~RequestTranslator() = default;
RequestTranslator::RequestTranslator(RequestTranslator&&) noexcept = default;

Expected<void> RequestTranslator::translate(const Passage& passage, std::string_view body,
                                            std::string& out) {
  State& state = *state_;
  give_back(state.parser, body.size());
  dom::object root;
  if (state.parser.parse(body.data(), body.size(), false).get(root) != simdjson::SUCCESS)
    return refuse(Reason::kInvalidJson, "request", "The body must be a JSON object.");
  state.conversation.clear(passage.asked, passage.dropped);
  constexpr std::array kReaders{read_chat, read_messages, read_response};
  if (Checked read = kReaders[place_of(passage.asked)](root, state.conversation); !read)
    return read;
  state.conversation.service_tier = passage.service_tier;
  switch (passage.spoken) {
    case Surface::kMessages:
      return write_messages(state.conversation, out);
    case Surface::kResponses:
      return write_response(state.conversation, out);
    default:
      return write_chat(state.conversation, passage.cap_field, out);
  }
}

struct AnswerTranslator::State {
  dom::parser parser{dialects::StrictJson::kCapacityMax};
  std::array<std::unique_ptr<AnswerSource>, kDialects> sources{
      make_chat_source(), make_messages_source(), make_response_source()};
  std::array<std::unique_ptr<AnswerStream>, kDialects> streams{
      make_chat_stream(), make_messages_stream(), make_response_stream()};
  AnswerKeeper kept;
  std::string call;

  // Of a stream.
  dialects::SseSplitter events;
  AnswerSource* source = nullptr;
  AnswerStream* stream = nullptr;
  std::string written;
  bool ends_with_word = false;  // "[DONE]"
  bool finished = false;

  void leave_out_cut_call();
  FaultOr<void> check_calls();
  FaultOr<void> read_event(const dialects::SseEvent& event);
};

AnswerTranslator::AnswerTranslator() : state_(std::make_unique<State>()) {}
AnswerTranslator::~AnswerTranslator() = default;
AnswerTranslator::AnswerTranslator(AnswerTranslator&&) noexcept = default;

// The last call of an answer that was cut is none: nobody is to run it.
void AnswerTranslator::State::leave_out_cut_call() {
  Answer& answer = kept.answer;
  const bool cut = answer.finish == Finish::kLength || answer.finish == Finish::kFiltered;
  if (cut && !answer.pieces.empty() && answer.pieces.back().kind == Answer::Kind::kCall)
    answer.pieces.pop_back();
}

// The input of a call is JSON in messages, a text elsewhere.
FaultOr<void> AnswerTranslator::State::check_calls() {
  for (const Answer::Piece& piece : kept.answer.pieces) {
    if (piece.kind != Answer::Kind::kCall || piece.text.empty()) continue;
    call.assign(piece.text);
    call.reserve(call.size() + simdjson::SIMDJSON_PADDING);
    dom::object input;
    if (parser.parse(call.data(), call.size(), false).get(input) != simdjson::SUCCESS)
      return broken("calls a tool with arguments that are no JSON object");
  }
  return {};
}

FaultOr<void> AnswerTranslator::whole(const Passage& passage, const AnswerTerms& terms,
                                      std::string_view body, std::string& out) {
  State& state = *state_;
  give_back(state.parser, body.size());
  dom::object root;
  const simdjson::error_code error = state.parser.parse(body.data(), body.size(), false).get(root);
  if (error != simdjson::SUCCESS)
    return broken(fmt::format("is no JSON object: {}", simdjson::error_message(error)));
  AnswerSource& source = *state.sources[place_of(passage.spoken)];
  source.start();
  state.kept.clear(terms);
  if (FaultOr<void> read = source.whole(root, state.kept); !read) return read;
  if (!state.kept.failure.empty()) return broken("says that it failed");
  switch (passage.asked) {
    case Surface::kMessages:
      state.leave_out_cut_call();
      if (FaultOr<void> sound = state.check_calls(); !sound) return sound;
      write_messages_answer(state.kept.answer, out);
      break;
    case Surface::kResponses:
      state.leave_out_cut_call();
      write_response_answer(state.kept.answer, out);
      break;
    default:
      write_chat_answer(state.kept.answer, out);
      break;
  }
  out.reserve(out.size() + dialects::RequestReader::kPadding);
  return {};
}

namespace {

// Tells on, and sees the end.
class Watched final : public AnswerParts {
 public:
  Watched(AnswerParts& to, bool& finished) : to_(to), finished_(finished) {}

  void begin(std::string_view id, std::string_view model, std::int64_t created) override {
    to_.begin(id, model, created);
  }
  void text(std::string_view piece) override { to_.text(piece); }
  void thought(std::string_view piece) override { to_.thought(piece); }
  void refusal(std::string_view piece) override { to_.refusal(piece); }
  void call(std::string_view id, std::string_view name, bool is_custom) override {
    to_.call(id, name, is_custom);
  }
  void arguments(std::string_view piece) override { to_.arguments(piece); }
  void part_ends() override { to_.part_ends(); }
  void finish(Finish reason, std::string_view stop) override { to_.finish(reason, stop); }
  void usage(const Usage& told) override { to_.usage(told); }
  void done() override {
    to_.done();
    finished_ = true;
  }
  void error(std::string_view type, std::string_view message) override { to_.error(type, message); }

 private:
  AnswerParts& to_;
  bool& finished_;
};

}  // namespace

void AnswerTranslator::start(const Passage& passage, const AnswerTerms& terms) {
  State& state = *state_;
  give_back(state.parser, 0);
  state.events.clear();
  state.source = state.sources[place_of(passage.spoken)].get();
  state.stream = state.streams[place_of(passage.asked)].get();
  state.source->start();
  state.written.clear();
  state.stream->start(terms, state.written);
  state.ends_with_word = passage.spoken == Surface::kChatCompletions;
  state.finished = false;
}

FaultOr<void> AnswerTranslator::State::read_event(const dialects::SseEvent& event) {
  if (event.data.empty()) return {};
  Watched parts(*stream, finished);
  if (ends_with_word && event.data == "[DONE]") return source->last(parts);
  dom::object root;
  if (parser.parse(event.data.data(), event.data.size(), false).get(root) != simdjson::SUCCESS)
    return broken("has an event that is no JSON object");
  return source->event(event.type, root, parts);
}

FaultOr<void> AnswerTranslator::feed(std::string_view piece, std::string& out) {
  State& state = *state_;
  constexpr Bytes kEventBytesMax = dialects::StreamReader::kEventBytesMax;
  state.events.append(piece);
  while (!state.finished) {
    (void)state.events.trailing_lf();
    const std::optional<dialects::SseEvent> event = state.events.next();
    if (!event) break;
    if (std::ssize(event->raw) > kEventBytesMax) return broken("has an event that is too long");
    FaultOr<void> read = state.read_event(*event);
    out += state.written;
    state.written.clear();
    if (!read) return read;
  }
  if (std::cmp_greater(state.events.pending(), kEventBytesMax))
    return broken("has an event that is too long");
  return {};
}

}  // namespace tollgate::translation
