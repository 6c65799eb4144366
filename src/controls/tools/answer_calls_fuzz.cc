// Any definition and any arguments: a schema that is understood says of them whether they fit, in
// bounded work, and a call is judged alike however its arguments are cut. The first line is the
// definition, the first byte says how the rest is cut.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "controls/tools/answer_calls.h"
#include "controls/tools/schema.h"

namespace {

using namespace tollgate::tools;

bool is_refused(const Scope& scope, std::span<const Offered> offered, std::string_view arguments,
                std::size_t step) {
  AnswerCalls calls(scope, offered);
  calls.piece({.type = "function", .name = "f"});
  for (; !arguments.empty(); arguments.remove_prefix(std::min(step, arguments.size()))) {
    calls.piece({.arguments = arguments.substr(0, step)});
  }
  calls.ended(0, End::kComplete);
  CHECK(!calls.holds());
  return calls.refusal().has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t line = text.find('\n');
  const std::string_view definition = text.substr(0, line);
  const std::string_view arguments =
      line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  Policy policy;
  policy.allow = NameSet({"f"});
  policy.arguments = Arguments::kValidate;
  const Scope scope{policy, "chat", "acme", nullptr, {}, {}};
  const Offered offered[] = {{{"function", "f"}, definition}};
  const bool whole = is_refused(scope, offered, arguments, size);
  CHECK(whole == is_refused(scope, offered, arguments, 1 + data[0] % 32));
  const auto schema = Schema::of_definition(definition);
  CHECK(whole == (!schema || schema->mistake_in(arguments)));
  return 0;
}
