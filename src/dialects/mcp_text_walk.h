// Goes through messages for their texts (mcp_texts.h). Internal to dialects.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "dialects/mcp_texts.h"

namespace tollgate::dialects {

class McpTextWalk {
 public:
  // Tells the texts of `value`, which stands at `place`.
  void walk(std::string_view place, simdjson::dom::element value, McpTextSink& sink);
  // The same of a member of what stands there, and its name.
  void walk_member(std::string_view place, simdjson::dom::key_value_pair field, McpTextSink& sink);

 private:
  void walk(simdjson::dom::element value, McpText kind);
  void walk_object(simdjson::dom::object object, McpText kind);
  void walk_member(simdjson::dom::key_value_pair field, McpText kind);

  McpTextSink* sink_ = nullptr;
  std::string place_;
  std::string json_;
};

}  // namespace tollgate::dialects
