// What a good request of each surface is, and its answer: whoever adds a surface adds a sample of
// it here, or this does not compile.
#pragma once

#include <string>
#include <string_view>

#include "dialects/form.h"
#include "dialects/surface.h"
#include "dialects/testing_media.h"

namespace tollgate::pipeline::testing {

using dialects::Surface;

// In two parts, so that no scanner of repositories takes it for one.
inline const std::string kSecret = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
inline constexpr std::string_view kHere = "TEXT";

struct Sample {
  std::string_view body;   // TEXT stands for what is asked.
  std::string_view tools;  // Of which one may be offered and `rm` not; empty: it takes none.
  std::string_view reply;
  std::string_view reply_type = "application/json";
};

inline Sample sample_of(Surface surface) {
  constexpr std::string_view kMessages =
      R"({"model":"MODEL","messages":[{"role":"user","content":"TEXT"}])";
  constexpr std::string_view kChatTools = R"([{"type":"function","function":{"name":"rm"}}])";
  constexpr std::string_view kFlatTools = R"([{"type":"function","name":"rm","parameters":{}}])";
  constexpr std::string_view kAnthropicTools = R"([{"name":"rm","input_schema":{}}])";
  switch (surface) {
    case Surface::kChatCompletions:
      return {kMessages, kChatTools,
              R"({"choices":[{"index":0,"finish_reason":"stop",)"
              R"("message":{"role":"assistant","content":"x"}}],)"
              R"("usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}})"};
    case Surface::kCompletions:
      return {R"({"model":"MODEL","prompt":"TEXT")",
              {},
              R"({"choices":[{"index":0,"text":"x","finish_reason":"stop"}],)"
              R"("usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}})"};
    case Surface::kEmbeddings:
      return {R"({"model":"MODEL","input":"TEXT")",
              {},
              R"({"data":[{"index":0,"embedding":[0.5]}],)"
              R"("usage":{"prompt_tokens":9,"total_tokens":9}})"};
    case Surface::kMessages:
      return {
          R"({"model":"MODEL","max_tokens":50,"messages":[{"role":"user","content":"TEXT"}])",
          kAnthropicTools,
          R"({"type":"message","stop_reason":"end_turn","content":[{"type":"text","text":"x"}],)"
          R"("usage":{"input_tokens":9,"output_tokens":1}})"};
    case Surface::kResponses:
      return {R"({"model":"MODEL","input":"TEXT")", kFlatTools,
              R"({"id":"r","output":[{"type":"message","content":[{"type":"output_text",)"
              R"("text":"x"}]}],"usage":{"input_tokens":9,"output_tokens":1,"total_tokens":10}})"};
    case Surface::kCountTokens:
      return {kMessages, kAnthropicTools, R"({"input_tokens":9})"};
    case Surface::kModerations:
      return {R"({"model":"MODEL","input":["TEXT"])", {}, R"({"results":[{"flagged":false}]})"};
    case Surface::kRerank:
      return {R"({"model":"MODEL","query":"TEXT","documents":["a"])",
              {},
              R"({"results":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":9}})"};
    case Surface::kImages:
      return {R"({"model":"MODEL","prompt":"TEXT")",
              {},
              R"({"created":0,"data":[{"b64_json":"AAAA"}]})"};
    case Surface::kSpeech:
      return {
          R"({"model":"MODEL","voice":"alloy","input":"TEXT")", {}, "\xFF\xFB sound", "audio/mpeg"};
    case Surface::kTranscriptions:
    case Surface::kTranslations:
      return {"MODEL TEXT", {}, R"({"text":"x"})"};  // A form: form_of().
    case Surface::kImageEdits:
      return {"MODEL TEXT", {}, R"({"created":0,"data":[{"b64_json":"AAAA"}]})"};
    case Surface::kModels:
      break;  // Asks no model: surface_rows_test.h.
    case Surface::kMcp:
      break;  // Nor does it: surface_rows_test.h.
  }
  return {};
}

// The sample as a form, with that text; of `more`, which is a member of JSON, the name and the
// value.
inline std::string form_of(Surface surface, std::string_view text, std::string_view more,
                           std::string_view model) {
  std::string out;
  if (dialects::reads_sound(surface)) {
    const dialects::FormFile file{"a.wav", "audio/wav"};
    dialects::append_form_file("BOUND", "file", file, dialects::testing::wav(1500), out);
  } else {
    const dialects::FormFile file{"a.png", "image/png"};
    dialects::append_form_file("BOUND", "image", file, dialects::testing::png(64, 64), out);
  }
  dialects::append_form_value("BOUND", "model", model, out);
  dialects::append_form_value("BOUND", "prompt", text, out);
  if (const std::size_t colon = more.find("\":"); colon != std::string_view::npos) {
    dialects::append_form_value("BOUND", more.substr(2, colon - 2), more.substr(colon + 2), out);
  }
  dialects::append_form_end("BOUND", out);
  return out;
}

// The sample with that text, asked of that model, with `more` behind it.
inline std::string body_of(Surface surface, std::string_view model, std::string_view text,
                           std::string_view more = {}) {
  if (dialects::asks_by_form(surface)) return form_of(surface, text, more, model);
  std::string made(sample_of(surface).body);
  made.replace(made.find("MODEL"), 5, model);
  made.replace(made.find(kHere), kHere.size(), text);
  return made + std::string(more) + "}";
}

inline bool is_anthropic(Surface surface) {
  return dialects::dialect_of(surface) == dialects::Dialect::kAnthropic;
}

}  // namespace tollgate::pipeline::testing
