// A streamed answer in OpenAI's responses: each text comes piece by piece, then whole, then within
// its part, its item and the response.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "dialects/json_strict.h"
#include "translation/answer_words.h"

namespace tollgate::translation {

namespace {

using Kind = Answer::Kind;

class ResponseStream final : public AnswerStream {
 public:
  void start(const AnswerTerms& terms, std::string& out) override;
  void begin(std::string_view id, std::string_view model, std::int64_t created) override;
  void text(std::string_view piece) override { add(Kind::kText, piece); }
  void thought(std::string_view piece) override { add(Kind::kThought, piece); }
  void refusal(std::string_view piece) override { add(Kind::kRefusal, piece); }
  void call(std::string_view id, std::string_view name, bool is_custom) override;
  void arguments(std::string_view piece) override;
  void part_ends() override;
  void finish(Finish reason, std::string_view stop_sequence) override {
    kept_.finish(reason, stop_sequence);
  }
  void usage(const Usage& told) override { kept_.usage(told); }
  void done() override;
  void error(std::string_view type, std::string_view message) override;

 private:
  void begin_event(std::string_view type);
  void write_response_event(std::string_view type, ResponseStatus status);
  void write_item_event(std::string_view type, ResponseStatus status);
  void write_part_event(std::string_view type, ResponseStatus status);
  // "item_id" and where it stands, of the item that is open.
  void write_place();
  void write_piece_event(std::string_view field, std::string_view text, bool is_whole);
  void add(Kind kind, std::string_view piece);
  void open_item();
  void close_item();

  const Answer::Piece& piece() const { return kept_.answer.pieces.back(); }
  std::string_view name_of_text() const;

  std::string* out_ = nullptr;
  AnswerKeeper kept_;
  bool is_open_ = false;
  std::string item_id_;
  std::int64_t sequence_ = 0;
};

void ResponseStream::start(const AnswerTerms& terms, std::string& out) {
  out_ = &out;
  kept_.clear(terms);
  is_open_ = false;
  sequence_ = 0;
}

void ResponseStream::begin_event(std::string_view type) {
  fmt::format_to(std::back_inserter(*out_),
                 "event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{},", type, type,
                 sequence_++);
}

void ResponseStream::write_response_event(std::string_view type, ResponseStatus status) {
  begin_event(type);
  *out_ += "\"response\":";
  JsonWriter json(*out_);
  write_response_object(kept_.answer, status, json);
  *out_ += "}\n\n";
}

void ResponseStream::begin(std::string_view id, std::string_view model, std::int64_t created) {
  kept_.begin(id, model, created);
  write_response_event("response.created", ResponseStatus::kBegun);
  write_response_event("response.in_progress", ResponseStatus::kBegun);
}

void ResponseStream::write_item_event(std::string_view type, ResponseStatus status) {
  begin_event(type);
  const std::size_t at = kept_.answer.pieces.size() - 1;
  fmt::format_to(std::back_inserter(*out_), "\"output_index\":{},\"item\":", at);
  JsonWriter json(*out_);
  write_item({kept_.answer, at}, status, json);
  *out_ += "}\n\n";
}

void ResponseStream::write_place() {
  *out_ += "\"item_id\":";
  dialects::append_json_string(item_id_, *out_);
  fmt::format_to(std::back_inserter(*out_), ",\"output_index\":{},",
                 kept_.answer.pieces.size() - 1);
  if (piece().kind != Kind::kCall) *out_ += "\"content_index\":0,";
}

void ResponseStream::write_part_event(std::string_view type, ResponseStatus status) {
  begin_event(type);
  write_place();
  *out_ += "\"part\":";
  JsonWriter json(*out_);
  write_item_part(piece(), status, json);
  *out_ += "}\n\n";
}

// "output_text", of which there are a delta and a done.
std::string_view ResponseStream::name_of_text() const {
  switch (piece().kind) {
    case Kind::kText:
      return "output_text";
    case Kind::kThought:
      return "reasoning_text";
    case Kind::kRefusal:
      return "refusal";
    case Kind::kCall:
      break;
  }
  return piece().is_custom ? "custom_tool_call_input" : "function_call_arguments";
}

void ResponseStream::write_piece_event(std::string_view field, std::string_view text,
                                       bool is_whole) {
  begin_event(fmt::format("response.{}.{}", name_of_text(), is_whole ? "done" : "delta"));
  write_place();
  dialects::append_json_string(field, *out_);
  *out_ += ':';
  dialects::append_json_string(text, *out_);
  *out_ += piece().kind == Kind::kText ? ",\"logprobs\":[]}\n\n" : "}\n\n";
}

void ResponseStream::open_item() {
  is_open_ = true;
  item_id_ = item_id({kept_.answer, kept_.answer.pieces.size() - 1});
  write_item_event("response.output_item.added", ResponseStatus::kBegun);
  if (piece().kind != Kind::kCall)
    write_part_event("response.content_part.added", ResponseStatus::kBegun);
}

void ResponseStream::close_item() {
  if (!std::exchange(is_open_, false)) return;
  const Answer::Piece& ended = piece();
  const bool is_call = ended.kind == Kind::kCall;
  const std::string_view field = is_call ? ended.is_custom ? "input" : "arguments"
                                 : ended.kind == Kind::kRefusal ? "refusal"
                                                                : "text";
  write_piece_event(field, ended.text, true);
  if (!is_call) write_part_event("response.content_part.done", ResponseStatus::kEnded);
  write_item_event("response.output_item.done", ResponseStatus::kEnded);
}

void ResponseStream::add(Kind kind, std::string_view text) {
  if (text.empty()) return;
  if (is_open_ && piece().kind != kind) close_item();
  if (!is_open_) kept_.part_ends();
  kept_.add(kind, text);
  if (!is_open_) open_item();
  write_piece_event("delta", text, false);
}

void ResponseStream::call(std::string_view id, std::string_view name, bool is_custom) {
  close_item();
  kept_.call(id, name, is_custom);
  open_item();
}

void ResponseStream::arguments(std::string_view piece) {
  kept_.arguments(piece);
  write_piece_event("delta", piece, false);
}

// A call is closed once it is known that it was not cut.
void ResponseStream::part_ends() {
  if (!is_open_ || piece().kind != Kind::kCall) close_item();
  kept_.part_ends();
}

void ResponseStream::done() {
  const Finish finish = kept_.answer.finish;
  const bool cut = finish == Finish::kLength || finish == Finish::kFiltered;
  // A call that was cut is none: nobody is to run it.
  if (cut && is_open_ && piece().kind == Kind::kCall) {
    kept_.answer.pieces.pop_back();
    is_open_ = false;
  }
  close_item();
  write_response_event(cut ? "response.incomplete" : "response.completed", ResponseStatus::kEnded);
}

void ResponseStream::error(std::string_view type, std::string_view message) {
  begin_event("error");
  *out_ += "\"code\":";
  dialects::append_json_string(type, *out_);
  *out_ += ",\"message\":";
  dialects::append_json_string(message, *out_);
  *out_ += ",\"param\":null}\n\n";
}

}  // namespace

std::unique_ptr<AnswerStream> make_response_stream() { return std::make_unique<ResponseStream>(); }

}  // namespace tollgate::translation
