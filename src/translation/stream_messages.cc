// A streamed answer in Anthropic's messages.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "dialects/json_strict.h"
#include "dialects/usage_json.h"
#include "translation/answer_words.h"

namespace tollgate::translation {

namespace {

class MessagesStream final : public AnswerStream {
 public:
  void start(const AnswerTerms& terms, std::string& out) override;
  void begin(std::string_view id, std::string_view model, std::int64_t created) override;
  void text(std::string_view piece) override { write_text(Open::kText, piece); }
  void thought(std::string_view piece) override { write_text(Open::kThought, piece); }
  void refusal(std::string_view piece) override { write_text(Open::kText, piece); }
  void call(std::string_view id, std::string_view name, bool is_custom) override;
  void arguments(std::string_view piece) override;
  void part_ends() override { close(); }
  void finish(Finish reason, std::string_view stop_sequence) override;
  void usage(const Usage& told) override { usage_ = told; }
  void done() override;
  void error(std::string_view type, std::string_view message) override;

 private:
  enum class Open : std::uint8_t { kNothing, kText, kThought, kCall };

  void open(Open kind);
  void close();
  void write_text(Open kind, std::string_view piece);
  void write_delta(std::string_view type, std::string_view key, std::string_view piece);

  std::string* out_ = nullptr;
  AnswerTerms terms_;
  Open open_ = Open::kNothing;
  std::int64_t block_ = -1;  // The last one that was opened.
  bool has_calls_ = false;
  Finish finish_ = Finish::kStop;
  std::string stop_sequence_;
  std::optional<Usage> usage_;
};

void MessagesStream::start(const AnswerTerms& terms, std::string& out) {
  out_ = &out;
  terms_ = terms;
  open_ = Open::kNothing;
  block_ = -1;
  has_calls_ = false;
  finish_ = Finish::kStop;
  stop_sequence_.clear();
  usage_.reset();
}

void MessagesStream::begin(std::string_view id, std::string_view model, std::int64_t) {
  *out_ += "event: message_start\ndata: ";
  JsonWriter json(*out_);
  json.begin_object();
  json.member("type", "message_start");
  json.key("message");
  json.begin_object();
  json.member("id", id.empty() ? terms_.id : id);
  json.member("type", "message");
  json.member("role", "assistant");
  json.member("model", model.empty() ? terms_.model : model);
  json.key("content");
  json.raw("[]");
  json.key("stop_reason");
  json.null();
  json.key("stop_sequence");
  json.null();
  json.key("usage");
  Usage counted;
  counted.input = terms_.input;
  dialects::write_usage(Surface::kMessages, counted, json);
  json.end_object();
  json.end_object();
  *out_ += "\n\n";
}

void MessagesStream::open(Open kind) {
  close();
  open_ = kind;
  ++block_;
  fmt::format_to(std::back_inserter(*out_),
                 "event: content_block_start\ndata: {{\"type\":\"content_block_start\","
                 "\"index\":{},\"content_block\":",
                 block_);
}

void MessagesStream::close() {
  if (std::exchange(open_, Open::kNothing) == Open::kNothing) return;
  fmt::format_to(std::back_inserter(*out_),
                 "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\","
                 "\"index\":{}}}\n\n",
                 block_);
}

void MessagesStream::write_delta(std::string_view type, std::string_view key,
                                 std::string_view piece) {
  fmt::format_to(std::back_inserter(*out_),
                 "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\","
                 "\"index\":{},\"delta\":{{\"type\":\"{}\",\"{}\":",
                 block_, type, key);
  dialects::append_json_string(piece, *out_);
  *out_ += "}}\n\n";
}

void MessagesStream::write_text(Open kind, std::string_view piece) {
  if (piece.empty()) return;
  const bool is_text = kind == Open::kText;
  if (open_ != kind) {
    open(kind);
    *out_ += is_text ? "{\"type\":\"text\",\"text\":\"\"}}\n\n"
                     : "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n";
  }
  write_delta(is_text ? "text_delta" : "thinking_delta", is_text ? "text" : "thinking", piece);
}

void MessagesStream::call(std::string_view id, std::string_view name, bool) {
  has_calls_ = true;
  open(Open::kCall);
  JsonWriter json(*out_);
  json.begin_object();
  json.member("type", "tool_use");
  json.member("id", id);
  json.member("name", name);
  json.key("input");
  json.raw("{}");
  json.end_object();
  *out_ += "}\n\n";
}

void MessagesStream::arguments(std::string_view piece) {
  write_delta("input_json_delta", "partial_json", piece);
}

void MessagesStream::finish(Finish reason, std::string_view stop_sequence) {
  finish_ = reason == Finish::kStop && has_calls_ ? Finish::kCalls : reason;
  stop_sequence_ = stop_sequence;
}

// The reason and the usage come in one event.
void MessagesStream::done() {
  close();
  *out_ += "event: message_delta\ndata: ";
  JsonWriter json(*out_);
  json.begin_object();
  json.member("type", "message_delta");
  json.key("delta");
  json.begin_object();
  write_stop(finish_, stop_sequence_, json);
  json.end_object();
  json.key("usage");
  if (usage_) {
    dialects::write_usage(Surface::kMessages, *usage_, json);
  } else {
    // What began as a count of ours is nobody's report.
    json.raw(R"({"output_tokens":null})");
  }
  json.end_object();
  *out_ += "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

void MessagesStream::error(std::string_view type, std::string_view message) {
  *out_ += "event: error\ndata: ";
  JsonWriter json(*out_);
  json.begin_object();
  json.member("type", "error");
  json.key("error");
  json.begin_object();
  json.member("type", type);
  json.member("message", message);
  json.end_object();
  json.end_object();
  *out_ += "\n\n";
}

}  // namespace

std::unique_ptr<AnswerStream> make_messages_stream() { return std::make_unique<MessagesStream>(); }

}  // namespace tollgate::translation
