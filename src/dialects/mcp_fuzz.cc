// Any message of a caller and any of a server: read or refused, and what is written for the other
// side is one sound message that reads back as what was decided.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialects/mcp_answer.h"
#include "dialects/mcp_message.h"
#include "dialects/request.h"

using namespace tollgate;
using namespace tollgate::dialects;

namespace {

// Lets texts of most lengths pass; by their text alone, so that what passed once passes again.
class ReadsSome final : public McpTextSink {
 public:
  void begin() override { passes_ = true; }
  void text(std::string_view place, std::string_view text, McpText) override {
    CHECK(place.starts_with("params") || place.starts_with("result") ||
          place.starts_with("error") || place.starts_with("id"));
    passes_ = passes_ && text.size() % 16 != 9;
  }
  bool passes() override { return passes_; }

 private:
  bool passes_ = true;
};

class SeesSome final : public McpSight {
 public:
  McpTextSink* texts() override { return &texts_; }
  bool sees(McpItem, std::string_view name) const override { return name.size() % 2 == 0; }
  bool sees_definition(McpItem, std::string_view, std::string_view definition) override {
    CHECK(definition.empty() || definition.starts_with('{'));
    return definition.size() % 3 != 0;
  }
  bool holds_definitions(McpItem item) const override { return item == McpItem::kTool; }

 private:
  ReadsSome texts_;
};

std::string padded(std::string_view text) {
  std::string made(text);
  made.resize(made.size() + RequestReader::kPadding);
  return made;
}

void read_caller(std::string_view text, const McpHeaders& headers) {
  static McpReader reader;
  const std::string body = padded(text);
  const auto read = reader.read(std::string_view(body).substr(0, text.size()), headers);
  if (!read) {
    CHECK(!read.error().refusal.message.empty());
    return;
  }
  const std::string name(read->name());
  const std::string id(read->id);
  ReadsSome texts;
  reader.read_texts(texts);
  std::string out;
  reader.write({}, out);
  const std::string again = padded(out);
  const auto twice = reader.read(std::string_view(again).substr(0, out.size()), headers);
  CHECK(twice.has_value());
  CHECK(twice->name() == name);
  CHECK(twice->id == id);
  CHECK(mcp_header_text(mcp_header_value(name)) == name || name.empty());
}

void read_server(std::string_view text, const McpAsked& asked) {
  static McpAnswerReader reader;
  SeesSome sight;
  std::string out;
  const std::string body = padded(text);
  const auto read = reader.read(std::string_view(body).substr(0, text.size()), asked, sight, out);
  CHECK(read.has_value() || out.empty());
  if (!read || read->passed == McpPassed::kWithheld) return;
  CHECK(!read->refused || out.empty());
  if (read->refused) return;
  const std::string first = padded(out);
  std::string again;
  const auto twice =
      reader.read(std::string_view(first).substr(0, out.size()), asked, sight, again);
  CHECK(twice.has_value());
  CHECK(twice->withheld == 0);
  CHECK(again == out);
}

}  // namespace

// The first byte chooses the side and what was asked.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view kMethods[] = {"tools/list",   "tools/call",     "initialize",
                                           "prompts/list", "resources/list", "resources/read"};
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] < 8) {
    McpHeaders headers;
    if ((data[0] & 1) != 0) headers.version = kMcpModern;
    if ((data[0] & 2) != 0) headers.method = "tools/call";
    if ((data[0] & 4) != 0) headers.name = "search";
    read_caller(text, headers);
    return 0;
  }
  const McpMethod* method = mcp_method(kMethods[data[0] % std::size(kMethods)], McpEra::kLegacy);
  McpAsked asked{.method = method, .id = "1"};
  if (data[0] > 128) asked.requests.bits = 7;
  read_server(text, asked);
  return 0;
}
