// Every kind of request that the gateway serves, a row each, and which controls do not apply to it,
// with the reason. The rows come from what the router knows: surfaces, what is asked of what a
// provider keeps, and methods of MCP. Whoever adds one of those adds a row here: it does not
// compile without, or every_control_test fails.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/mcp_methods.h"
#include "pipeline/kept_response.h"
#include "pipeline/surface_samples_test.h"
#include "pipeline/testing_caller.h"

namespace tollgate::pipeline::testing {

enum class Control : std::uint8_t {
  kCredential,       // Nobody asks without one…
  kRevoked,          // …and what is at work ends when it is revoked.
  kRoute,            // Who may come in.
  kFrozenCaller,     // Answers to alerts.
  kFrozenRoute,      // The same.
  kOwner,            // What was made for one is nothing to others.
  kModel,            // Which models a key may ask.
  kTool,             // Which tools may be offered, or called by name.
  kCalls,            // What of tools an answer may hold.
  kBodySize,         // How large a body is.
  kStrictBody,       // That cannot be read in two ways.
  kInputTokens,      // How large an input is.
  kContentAsked,     // What texts say that go out…
  kContentAnswered,  // …and those that come back.
  kRequestLimit,     // Requests a minute…
  kConcurrency,      // …and at once.
  kTokenLimit,       // Tokens a minute.
  kBudget,           // Money.
  kHeldFirst,        // Nothing is sent that is not held.
  kRecordFirst,      // Nothing is sent that is not on record.
  kRecorded,         // A decision and an outcome, of whom and what.
  kMetered,          // Counted in the metrics.
  kPlace,            // The upstream's own bound on what it is at work on.
  kBreaker,          // An endpoint that fails is left alone.
};
inline constexpr int kControlCount = 24;

// What a probe wants of a request, and of its answer.
struct Wish {
  std::string_view text = "Hi";
  bool forbidden = false;  // A tool, a prompt or an address that may not be used.
};

struct Row {
  std::string name;
  std::string recorded;                 // In its decision.
  std::string route;                    // Empty: of none.
  std::function<Ask(const Wish&)> ask;  // Without a credential.
  // What its upstream answers: `text` in it, and where `forbidden` a call or an entry of the tool.
  std::function<std::string(const Wish&)> answer;
  std::string answer_type = "application/json";
  std::string tool_refused = "tool_not_allowed";  // As what a tool is refused…
  std::string model_refused = "model_not_found";  // …and a model.
  int status = 200;                               // Of a good answer.
  std::map<Control, std::string_view> without;    // Why.

  void leave_out(std::string_view why, std::initializer_list<Control> controls) {
    for (const Control control : controls) without.emplace(control, why);
  }
};

// What those that are kept are named by.
struct KeptNames {
  std::string response;
  std::string conversation;
};

// ---- Surfaces of models ----------------------------------------------------------------------

// A call of the tool `rm`, where an answer of that surface can hold one.
inline std::string_view call_of(Surface surface) {
  switch (surface) {
    case Surface::kChatCompletions:
      return R"({"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[)"
             R"({"id":"c","type":"function","function":{"name":"rm","arguments":"{}"}}]}}],)"
             R"("usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}})";
    case Surface::kMessages:
      return R"({"type":"message","content":[{"type":"tool_use","id":"c","name":"rm","input":{}}],)"
             R"("usage":{"input_tokens":9,"output_tokens":1}})";
    case Surface::kResponses:
      return R"({"id":"resp_1","output":[{"type":"function_call","call_id":"c","name":"rm",)"
             R"("arguments":"{}"}],)"
             R"("usage":{"input_tokens":9,"output_tokens":1,"total_tokens":10}})";
    default:
      return {};
  }
}

inline Row surface_row(Surface surface) {
  Row row;
  row.name = dialects::name_of(surface);
  row.recorded = fmt::format(R"("surface":"{}")", row.name);
  row.route = row.name;
  row.ask = [surface](const Wish& wish) {
    const Sample sample = sample_of(surface);
    const std::string_view tools =
        sample.tools.empty() ? R"([{"type":"function","name":"rm"}])" : sample.tools;
    Ask asked;
    asked.target = dialects::standard_path(surface);
    asked.body = body_of(surface, is_anthropic(surface) ? "opus" : "small", wish.text,
                         wish.forbidden ? fmt::format(R"(,"tools":{})", tools) : "");
    if (dialects::asks_by_form(surface))
      asked.headers = {{"Content-Type", "multipart/form-data; boundary=BOUND"}};
    return asked;
  };
  row.answer = [surface](const Wish& wish) {
    std::string made(wish.forbidden ? call_of(surface) : sample_of(surface).reply);
    if (const std::size_t at = made.find(R"("x")"); at != std::string::npos)
      made.replace(at + 1, 1, wish.text);
    return made;
  };
  row.answer_type = sample_of(surface).reply_type;
  if (sample_of(surface).tools.empty()) row.tool_refused = "unsupported_parameter";
  row.leave_out("names nothing that is kept for somebody", {Control::kOwner});
  if (call_of(surface).empty())
    row.leave_out("no call of a tool fits into its answer", {Control::kCalls});
  if (!dialects::answers_in_text(surface))
    row.leave_out("its answer holds no text of a model", {Control::kContentAnswered});
  if (!dialects::costs_tokens(surface)) {
    row.leave_out("makes nothing: what is asked is how much something would be",
                  {Control::kTokenLimit, Control::kBudget});
  }
  return row;
}

// The list of models, and one of them.
inline std::vector<Row> model_rows() {
  Row list;
  list.name = "models";
  list.recorded = R"("surface":"models")";
  list.ask = [](const Wish&) {
    return Ask{.method = "GET", .target = "/v1/models", .headers = {}, .body = {}};
  };
  list.answer = [](const Wish&) { return std::string(); };
  list.leave_out("answered here, of what its caller may use: surfaces_test, ListModels…",
                 {Control::kRoute, Control::kFrozenRoute, Control::kModel});
  list.leave_out("has no body that is read, and names nothing",
                 {Control::kOwner, Control::kTool, Control::kBodySize, Control::kStrictBody,
                  Control::kInputTokens, Control::kContentAsked});
  list.leave_out("names of models, as the configuration has them",
                 {Control::kCalls, Control::kContentAnswered});
  list.leave_out("takes nothing: it is answered from memory, and waits for nobody",
                 {Control::kRequestLimit, Control::kConcurrency, Control::kTokenLimit,
                  Control::kBudget, Control::kHeldFirst, Control::kRevoked});
  list.leave_out("nothing is sent anywhere", {Control::kPlace, Control::kBreaker});
  Row one = list;
  one.name = "models, one";
  one.ask = [](const Wish&) {
    return Ask{.method = "GET", .target = "/v1/models/small", .headers = {}, .body = {}};
  };
  one.without.erase(Control::kModel);
  return {list, one};
}

// Those of the surfaces of models that have one.
inline std::vector<Row> surface_rows() {
  std::vector<Row> rows;
  for (int i = 0; i < dialects::kSurfaceCount; ++i) {
    const auto surface = static_cast<Surface>(i);
    if (surface == Surface::kMcp) continue;  // By its methods.
    if (surface == Surface::kModels) {
      for (Row& row : model_rows()) rows.push_back(std::move(row));
    } else {
      rows.push_back(surface_row(surface));
    }
  }
  return rows;
}

// ---- What a provider keeps ---------------------------------------------------------------------

struct KeptSample {
  std::string_view method;
  std::string_view behind;  // Behind the id.
  std::string_view answer;  // TEXT stands for a text, CALL for an item.
  std::string_view body = {};
};

inline KeptSample kept_sample_of(KeptAction action) {
  constexpr std::string_view kResponse =
      R"({"id":"resp_1","output":[{"type":"message","role":"assistant","content":[)"
      R"({"type":"output_text","text":"TEXT"}]}CALL]})";
  constexpr std::string_view kItem =
      R"({"type":"message","role":"user","content":[{"type":"input_text","text":"TEXT"}]})";
  constexpr std::string_view kList =
      R"({"object":"list","data":[{"type":"message","role":"user","content":[)"
      R"({"type":"input_text","text":"TEXT"}]}CALL]})";
  constexpr std::string_view kItems = R"({"items":[{"type":"message","role":"user","content":[)"
                                      R"({"type":"input_text","text":"TEXT"}]}CALL]})";
  constexpr std::string_view kConversation =
      R"({"id":"conv_1","object":"conversation","metadata":{"topic":"TEXT"}})";
  switch (action) {
    case KeptAction::kNothing:
      break;
    case KeptAction::kRetrieve:
      return {"GET", "", kResponse};
    case KeptAction::kDelete:
      return {"DELETE", "", R"({"id":"resp_1","deleted":true})"};
    case KeptAction::kCancel:
      return {"POST", "/cancel", kResponse};
    case KeptAction::kInputItems:
      return {"GET", "/input_items", kList};
    case KeptAction::kCreateConversation:
      return {"POST", "", kConversation, kItems};
    case KeptAction::kRetrieveConversation:
      return {"GET", "", kConversation};
    case KeptAction::kUpdateConversation:
      return {"POST", "", kConversation, R"({"metadata":{"topic":"TEXT"}})"};
    case KeptAction::kDeleteConversation:
      return {"DELETE", "", R"({"id":"conv_1","deleted":true})"};
    case KeptAction::kCreateItems:
      return {"POST", "/items", kList, kItems};
    case KeptAction::kListItems:
      return {"GET", "/items", kList};
    case KeptAction::kRetrieveItem:
      return {"GET", "/items/msg_1", kItem};
    case KeptAction::kDeleteItem:
      return {"DELETE", "/items/msg_1", kConversation};
  }
  return {};
}

inline std::string filled(std::string_view sample, const Wish& wish) {
  std::string made(sample);
  if (const std::size_t at = made.find("TEXT"); at != std::string::npos)
    made.replace(at, 4, wish.text);
  if (const std::size_t at = made.find("CALL"); at != std::string::npos) {
    made.replace(at, 4,
                 wish.forbidden
                     ? R"(,{"type":"function_call","call_id":"c","name":"rm","arguments":"{}"})"
                     : "");
  }
  return made;
}

inline Row kept_row(KeptAction action, const KeptNames& names) {
  const KeptSample sample = kept_sample_of(action);
  Row row;
  row.name = name_of(action);
  row.recorded = fmt::format(R"("surface":"{}")", row.name);
  row.route = "responses";
  std::string target = "/v1/responses/" + names.response;
  if (is_of_conversation(action)) target = "/v1/conversations/" + names.conversation;
  if (action == KeptAction::kCreateConversation) target = "/v1/conversations";
  target += sample.behind;
  row.ask = [sample, target](const Wish& wish) {
    return Ask{.method = std::string(sample.method),
               .target = target,
               .headers = {},
               .body = filled(sample.body, wish)};
  };
  row.answer = [sample, action](const Wish& wish) {
    // Of one item that item is the call.
    if (action == KeptAction::kRetrieveItem && wish.forbidden)
      return filled("CALL", wish).substr(1);
    return filled(sample.answer, wish);
  };
  row.model_refused = "not_found";
  row.leave_out("costs nothing but the request", {Control::kTokenLimit, Control::kBudget});
  if (action == KeptAction::kCreateConversation)
    row.leave_out("makes it, for whoever asks", {Control::kOwner});
  if (sample.body.empty()) {
    row.leave_out(
        "nothing of its body is read, nor sent",
        {Control::kStrictBody, Control::kInputTokens, Control::kContentAsked, Control::kTool});
  } else if (sample.body.find("CALL") == std::string_view::npos) {
    row.leave_out("brings metadata, which no model reads", {Control::kInputTokens, Control::kTool});
  }
  if (sample.answer.find("TEXT") == std::string_view::npos)
    row.leave_out("its answer is the gateway's own", {Control::kContentAnswered});
  if (sample.answer.find("CALL") == std::string_view::npos && action != KeptAction::kRetrieveItem) {
    row.leave_out("its answer holds no items", {Control::kCalls});
  }
  return row;
}

// What goes on from what is kept: the same surface, by another bound of its input.
inline Row turn_row(std::string name, std::string member) {
  Row row = surface_row(Surface::kResponses);
  row.name = std::move(name);
  row.without.erase(Control::kOwner);
  row.ask = [ask = row.ask, member](const Wish& wish) {
    Ask asked = ask(wish);
    asked.body.insert(1, member);
    return asked;
  };
  return row;
}

inline std::vector<Row> kept_rows(const KeptNames& names) {
  std::vector<Row> rows;
  rows.push_back(turn_row("a turn of a conversation",
                          fmt::format(R"("conversation":"{}",)", names.conversation)));
  rows.push_back(turn_row("from a response on",
                          fmt::format(R"("previous_response_id":"{}",)", names.response)));
  for (int i = 0; i < kKeptActionCount; ++i) {
    const auto action = static_cast<KeptAction>(i);
    if (action != KeptAction::kNothing) rows.push_back(kept_row(action, names));
  }
  return rows;
}

}  // namespace tollgate::pipeline::testing
