// Any bytes as what is put into a conversation, and as what its provider tells of one: what passes
// the reader of requests comes back as items and metadata that pass it again, the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "dialects/conversation.h"
#include "dialects/request.h"

using namespace tollgate;
using namespace tollgate::dialects;

namespace {

class NoTexts final : public AnswerSink {
 public:
  void text(std::string_view, std::string_view) override {}
  void piece(std::string_view, std::string_view) override {}
  void ended(std::string_view) override {}
};

class NoCalls final : public CallSink {
 public:
  void call(const CallPiece&) override {}
  void unreadable() override {}
  void ended(std::int64_t, CallEnd) override {}
  bool stops() const override { return false; }
};

// Empty: it was refused.
std::string there_and_back(ConversationBody holds, std::string_view body) {
  std::string padded(body);
  padded.resize(body.size() + RequestReader::kPadding, ' ');
  std::string asked;
  if (!write_as_response(holds, std::string_view(padded).substr(0, body.size()), "m", asked))
    return {};
  const std::size_t size = asked.size();
  asked.resize(size + RequestReader::kPadding, ' ');
  RequestReader reader;
  if (!reader.read(Surface::kResponses, std::string_view(asked).substr(0, size))) return {};
  std::string written;
  reader.write({.model = "m", .output_tokens = 1}, written);
  std::string back;
  CHECK(write_as_conversation(holds, written, back));
  return back;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto holds = static_cast<ConversationBody>(data[0] % 3);
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const std::string back = there_and_back(holds, body); !back.empty())
    CHECK(there_and_back(holds, back) == back);
  std::string out;
  NoTexts texts;
  NoCalls calls;
  const FaultOr<std::string> id = read_conversation_id(body);
  if (id) {
    CHECK(is_conversation_id(*id));
    CHECK(write_conversation(body, *id, "name", &texts, out));
  }
  (void)read_kept_item(body, &texts, calls);
  return 0;
}
