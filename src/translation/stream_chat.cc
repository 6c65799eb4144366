// A streamed answer in OpenAI's chat completions.
#include "base/json_writer.h"
#include "dialects/json_strict.h"
#include "dialects/usage_json.h"
#include "translation/answer_words.h"

namespace tollgate::translation {

namespace {

class ChatStream final : public AnswerStream {
 public:
  void start(const AnswerTerms& terms, std::string& out) override;
  void begin(std::string_view id, std::string_view model, std::int64_t created) override;
  void text(std::string_view piece) override { write_text("content", piece); }
  void thought(std::string_view piece) override { write_text("reasoning_content", piece); }
  void refusal(std::string_view piece) override { write_text("refusal", piece); }
  void call(std::string_view id, std::string_view name, bool is_custom) override;
  void arguments(std::string_view piece) override;
  void part_ends() override {}
  void finish(Finish reason, std::string_view stop_sequence) override;
  void usage(const Usage& told) override { usage_ = told; }
  void done() override;
  void error(std::string_view type, std::string_view message) override;

 private:
  void write_head(std::string_view id, std::string_view model, std::int64_t created);
  // The chunk up to what it adds, and from there.
  void begin_delta();
  void end_delta(std::string_view reason = {});
  void write_text(std::string_view key, std::string_view piece);

  std::string* out_ = nullptr;
  std::string head_;  // What every chunk begins with.
  AnswerTerms terms_;
  std::int64_t calls_ = 0;
  bool is_custom_ = false;
  std::optional<Usage> usage_;
};

void ChatStream::start(const AnswerTerms& terms, std::string& out) {
  out_ = &out;
  terms_ = terms;
  calls_ = 0;
  usage_.reset();
  write_head(terms.id, terms.model, terms.created);
}

void ChatStream::write_head(std::string_view id, std::string_view model, std::int64_t created) {
  head_ = "data: ";
  JsonWriter json(head_);
  json.begin_object();
  json.member("id", id.empty() ? terms_.id : id);
  json.member("object", "chat.completion.chunk");
  json.member("created", created > 0 ? created : terms_.created);
  json.member("model", model.empty() ? terms_.model : model);
  json.key("choices");
  json.begin_array();
}

void ChatStream::begin_delta() {
  *out_ += head_;
  *out_ += R"({"index":0,"delta":{)";
}

void ChatStream::end_delta(std::string_view reason) {
  *out_ += R"(},"logprobs":null,"finish_reason":)";
  if (reason.empty()) {
    *out_ += "null";
  } else {
    dialects::append_json_string(reason, *out_);
  }
  *out_ += "}]}\n\n";
}

void ChatStream::write_text(std::string_view key, std::string_view piece) {
  begin_delta();
  dialects::append_json_string(key, *out_);
  *out_ += ':';
  dialects::append_json_string(piece, *out_);
  end_delta();
}

void ChatStream::begin(std::string_view id, std::string_view model, std::int64_t created) {
  write_head(id, model, created);
  begin_delta();
  *out_ += R"("role":"assistant","content":"")";
  end_delta();
}

void ChatStream::call(std::string_view id, std::string_view name, bool is_custom) {
  is_custom_ = is_custom;
  begin_delta();
  *out_ += R"("tool_calls":[)";
  JsonWriter json(*out_);
  const std::string_view type = is_custom ? "custom" : "function";
  json.begin_object();
  json.member("index", calls_++);
  json.member("id", id);
  json.member("type", type);
  json.key(type);
  json.begin_object();
  json.member("name", name);
  json.member(is_custom ? "input" : "arguments", "");
  json.end_object();
  json.end_object();
  *out_ += ']';
  end_delta();
}

void ChatStream::arguments(std::string_view piece) {
  begin_delta();
  *out_ += R"("tool_calls":[)";
  JsonWriter json(*out_);
  json.begin_object();
  json.member("index", calls_ - 1);
  json.key(is_custom_ ? "custom" : "function");
  json.begin_object();
  json.member(is_custom_ ? "input" : "arguments", piece);
  json.end_object();
  json.end_object();
  *out_ += ']';
  end_delta();
}

void ChatStream::finish(Finish reason, std::string_view) {
  begin_delta();
  const bool has_calls = calls_ > 0 && reason == Finish::kStop;
  end_delta(chat_reason(has_calls ? Finish::kCalls : reason));
}

void ChatStream::done() {
  if (usage_) {
    *out_ += head_;
    *out_ += R"(],"usage":)";
    JsonWriter json(*out_);
    dialects::write_usage(Surface::kChatCompletions, *usage_, json);
    *out_ += "}\n\n";
  }
  *out_ += "data: [DONE]\n\n";
}

void ChatStream::error(std::string_view type, std::string_view message) {
  *out_ += "data: ";
  JsonWriter json(*out_);
  json.begin_object();
  json.key("error");
  json.begin_object();
  json.member("message", message);
  json.member("type", type);
  json.key("param");
  json.null();
  json.key("code");
  json.null();
  json.end_object();
  json.end_object();
  *out_ += "\n\n";
}

}  // namespace

std::unique_ptr<AnswerStream> make_chat_stream() { return std::make_unique<ChatStream>(); }

}  // namespace tollgate::translation
