#include "dialects/guard.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/json_writer.h"
#include "dialects/json_strict.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// What is between two texts that are judged as one.
constexpr std::string_view kBetween = "\n\n";
// A category is a name: nothing that somebody could write a sentence into.
constexpr std::size_t kCategoryBytesMax = 64;

std::unexpected<Fault> broken(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("the guard's answer {}", what));
}

// Calls `visit(text, place)`; the place is made where it is asked for.
template <typename Visit>
void each_text(const GuardQuestion& question, const Visit& visit) {
  for (const auto texts : {question.texts, question.carried}) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].kind == TextKind::kRole || texts[i].text.empty()) continue;
      visit(texts[i].text, [&] { return place_of(texts, i); });
    }
  }
  for (const AnswerText& text : question.answer) {
    visit(text.text, [&] { return text.place; });
  }
}

std::string all_texts(const GuardQuestion& question) {
  std::string all;
  each_text(question, [&](std::string_view text, const auto&) {
    if (!all.empty()) all += kBetween;
    all += text;
  });
  return all;
}

void write_http(const GuardQuestion& question, JsonWriter& json) {
  json.member("tenant", question.tenant);
  json.member("route", question.route);
  json.member("model", question.model);
  if (!question.answer.empty()) {
    json.member("direction", "response");
    json.member("complete", question.is_whole);
  } else {
    json.member("direction", "request");
  }
  json.key("texts");
  json.begin_array();
  each_text(question, [&](std::string_view text, const auto& place) {
    json.begin_object();
    json.member("where", place());
    json.member("text", text);
    json.end_object();
  });
  json.end_array();
}

void write_moderation(const GuardQuestion& question, JsonWriter& json) {
  if (!question.model.empty()) json.member("model", question.model);
  json.key("input");
  json.begin_array();
  each_text(question, [&](std::string_view text, const auto&) { json.value(text); });
  json.end_array();
}

void write_message(std::string_view role, std::string_view content, JsonWriter& json) {
  json.begin_object();
  json.member("role", role);
  json.member("content", content);
  json.end_object();
}

// The server puts its own template around the message. All is one user's, so that nothing that a
// caller wrote as the assistant's counts as said by the model. What the last one said is judged.
void write_llama_guard(const GuardQuestion& question, JsonWriter& json) {
  json.member("model", question.model);
  json.member("max_tokens", kGuardOutputMax);
  json.member("temperature", 0);
  json.key("messages");
  json.begin_array();
  const bool is_answer = !question.answer.empty();
  if (is_answer && !question.asked.empty()) write_message("user", question.asked, json);
  write_message(is_answer ? "assistant" : "user", all_texts(question), json);
  json.end_array();
}

void write_presidio(const GuardQuestion& question, const GuardThreshold& threshold,
                    JsonWriter& json) {
  json.member("text", all_texts(question));
  json.member("language", question.language);
  if (threshold.score > 0) json.member("score_threshold", threshold.score);
  if (threshold.categories.empty()) return;
  json.key("entities");
  json.begin_array();
  for (const std::string& category : threshold.categories) json.value(category);
  json.end_array();
}

bool counts(const GuardThreshold& threshold, std::string_view category) {
  return threshold.categories.empty() ||
         std::ranges::find(threshold.categories, category) != threshold.categories.end();
}

// A category that is no name is told as what it is not.
void add(GuardVerdict& verdict, std::string_view category) {
  verdict.passes = false;
  const bool is_name = !category.empty() && category.size() <= kCategoryBytesMax &&
                       std::ranges::all_of(category, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '/' ||
                                c == '.';
                       });
  std::string name(is_name ? category : std::string_view("unnamed"));
  if (verdict.categories.size() == kGuardCategoriesMax) return;
  if (std::ranges::find(verdict.categories, name) == verdict.categories.end()) {
    verdict.categories.push_back(std::move(name));
  }
}

// {"action": "allow" | "refuse", "categories": ["…"]}
FaultOr<GuardVerdict> read_http(dom::element root, const GuardThreshold& threshold) {
  std::string_view action;
  if (root["action"].get(action) != simdjson::SUCCESS) return broken("has no `action`");
  GuardVerdict verdict;
  if (action == "allow") return verdict;
  if (action != "refuse") return broken("has an `action` that is neither `allow` nor `refuse`");
  // Where it names nothing, or not as it should, that is a refusal all the same.
  dom::array categories;
  if (root["categories"].get(categories) != simdjson::SUCCESS || categories.size() == 0) {
    add(verdict, {});
    return verdict;
  }
  for (const dom::element category : categories) {
    std::string_view name;
    const bool is_named = category.get(name) == simdjson::SUCCESS;
    if (!is_named || counts(threshold, name)) add(verdict, name);
  }
  return verdict;
}

FaultOr<void> read_result(dom::element result, const GuardThreshold& threshold,
                          GuardVerdict& verdict) {
  bool flagged = false;
  dom::object categories;
  dom::object scores;
  if (result["flagged"].get(flagged) != simdjson::SUCCESS ||
      result["categories"].get(categories) != simdjson::SUCCESS) {
    return broken("has a result without `flagged` or `categories`");
  }
  if (threshold.score > 0) {
    if (result["category_scores"].get(scores) != simdjson::SUCCESS || scores.size() == 0) {
      return broken("has a result without `category_scores`");
    }
    for (const dom::key_value_pair score : scores) {
      double value = 0;
      if (score.value.get(value) != simdjson::SUCCESS) return broken("has a score that is none");
      if (value >= threshold.score && counts(threshold, score.key)) add(verdict, score.key);
    }
    return {};
  }
  bool is_told = false;
  for (const dom::key_value_pair category : categories) {
    bool holds = false;
    if (!category.value.is_null() && category.value.get(holds) != simdjson::SUCCESS) {
      return broken("has a category that neither holds nor does not");
    }
    is_told = is_told || holds;
    if (holds && counts(threshold, category.key)) add(verdict, category.key);
  }
  // Flagged for nothing that it names: that counts.
  if (flagged && !is_told) add(verdict, {});
  return {};
}

FaultOr<GuardVerdict> read_moderation(dom::element root, const GuardThreshold& threshold,
                                      std::size_t texts) {
  dom::array results;
  if (root["results"].get(results) != simdjson::SUCCESS || results.size() == 0) {
    return broken("has no `results`");
  }
  // Each text has one: of a text without, nothing is known.
  if (results.size() < texts) return broken("has fewer `results` than it was sent texts");
  GuardVerdict verdict;
  for (const dom::element result : results) {
    if (FaultOr<void> read = read_result(result, threshold, verdict); !read) {
      return std::unexpected(read.error());
    }
  }
  return verdict;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Models part their categories in several ways.
constexpr std::string_view kBetweenCategories = " \t\r\n,;";

// "S1" to "S14" of Llama Guard 3, "O1" of the first.
bool is_hazard(std::string_view category) {
  return category.size() > 1 && category.size() <= 3 && category.front() >= 'A' &&
         category.front() <= 'Z' &&
         std::ranges::all_of(category.substr(1), [](char c) { return c >= '0' && c <= '9'; });
}

// "safe", or "unsafe" and a line of categories: "S1,S9".
FaultOr<GuardVerdict> read_llama_guard(dom::element root, const GuardThreshold& threshold) {
  std::string_view content;
  if (root["choices"].at(0)["message"]["content"].get(content) != simdjson::SUCCESS) {
    return broken("has no `choices[0].message.content`");
  }
  content = trimmed(content);
  GuardVerdict verdict;
  std::int64_t tokens = 0;
  if (root["usage"]["prompt_tokens"].get(tokens) == simdjson::SUCCESS) verdict.input = tokens;
  if (root["usage"]["completion_tokens"].get(tokens) == simdjson::SUCCESS) verdict.output = tokens;
  if (content == "safe") return verdict;
  const std::size_t line = std::min(content.find('\n'), content.size());
  if (trimmed(content.substr(0, line)) != "unsafe") {
    return broken("says neither `safe` nor `unsafe`");
  }
  const std::string_view told = content.substr(line);
  bool is_told = false;
  for (std::size_t at = 0;
       (at = told.find_first_not_of(kBetweenCategories, at)) != std::string_view::npos;) {
    const std::size_t end = std::min(told.find_first_of(kBetweenCategories, at), told.size());
    std::string_view category = told.substr(at, end - at);
    at = end;
    if (category.ends_with('.')) category.remove_suffix(1);
    is_told = is_told || is_hazard(category);
    if (counts(threshold, category)) add(verdict, category);
  }
  // Unsafe for something that it does not name as it should: that counts.
  if (!is_told && verdict.passes) add(verdict, {});
  return verdict;
}

FaultOr<GuardVerdict> read_presidio(dom::element root, const GuardThreshold& threshold) {
  dom::array entities;
  if (root.get(entities) != simdjson::SUCCESS) return broken("is no list");
  GuardVerdict verdict;
  for (const dom::element entity : entities) {
    std::string_view type;
    double score = 0;
    if (entity["entity_type"].get(type) != simdjson::SUCCESS ||
        entity["score"].get(score) != simdjson::SUCCESS) {
      return broken("has an entity without `entity_type` or `score`");
    }
    if (score >= threshold.score && counts(threshold, type)) add(verdict, type);
  }
  return verdict;
}

}  // namespace

std::string_view name_of(GuardKind kind) {
  switch (kind) {
    case GuardKind::kHttp:
      return "http";
    case GuardKind::kOpenAiModeration:
      return "openai_moderation";
    case GuardKind::kLlamaGuard:
      return "llama_guard";
    case GuardKind::kPresidio:
      return "presidio";
  }
  return "http";
}

std::string_view path_behind(GuardKind kind) {
  switch (kind) {
    case GuardKind::kHttp:
      return "";
    case GuardKind::kOpenAiModeration:
      return "/moderations";
    case GuardKind::kLlamaGuard:
      return "/chat/completions";
    case GuardKind::kPresidio:
      return "/analyze";
  }
  return "";
}

std::string texts_as_one(std::span<const Text> texts, std::span<const Text> carried) {
  GuardQuestion question;
  question.texts = texts;
  question.carried = carried;
  return all_texts(question);
}

bool reads_what_was_asked(GuardKind kind) { return kind == GuardKind::kLlamaGuard; }

std::size_t write_question(const GuardQuestion& question, const GuardThreshold& threshold,
                           std::string& out) {
  JsonWriter json(out);
  json.begin_object();
  switch (question.kind) {
    case GuardKind::kHttp:
      write_http(question, json);
      break;
    case GuardKind::kOpenAiModeration:
      write_moderation(question, json);
      break;
    case GuardKind::kLlamaGuard:
      write_llama_guard(question, json);
      break;
    case GuardKind::kPresidio:
      write_presidio(question, threshold, json);
      break;
  }
  json.end_object();
  std::size_t texts = 0;
  each_text(question, [&](std::string_view, const auto&) { ++texts; });
  return texts;
}

FaultOr<GuardVerdict> read_verdict(GuardKind kind, std::string_view body,
                                   const GuardThreshold& threshold, std::size_t texts) {
  dom::parser parser;
  dom::element root;
  if (parser.parse(body).get(root) != simdjson::SUCCESS) return broken("is no JSON");
  if (has_field_twice(root)) return broken("has a field twice");
  switch (kind) {
    case GuardKind::kHttp:
      return read_http(root, threshold);
    case GuardKind::kOpenAiModeration:
      return read_moderation(root, threshold, texts);
    case GuardKind::kLlamaGuard:
      return read_llama_guard(root, threshold);
    case GuardKind::kPresidio:
      return read_presidio(root, threshold);
  }
  return broken("is of no kind");
}

}  // namespace tollgate::dialects
