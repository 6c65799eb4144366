// Any bytes as the id of a response, and as whose it is: nothing opens but what was sealed for the
// very same.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "pipeline/stored_response.h"

using namespace tollgate;
using namespace tollgate::pipeline;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::array<std::uint8_t, 32> bytes{};
  const authentication::Pepper pepper{bytes};
  const std::string_view name = input.substr(0, input.find('\n'));
  config::Route route;
  config::Upstream upstream;
  config::Model model;
  route.name = name;
  route.stored_responses = "digest";
  authentication::Identity caller;
  caller.tenant = "acme";
  caller.subject = name;
  const ResponseOwner owner{route, upstream, model, caller};

  const StoredResponse response{.id = std::string(input.substr(0, 256)),
                                .tokens = static_cast<Tokens>(size) * 1000};
  const std::string sealed = seal_response(pepper, owner, response);
  const std::optional<StoredResponse> opened = open_response(pepper, owner, sealed);
  CHECK(opened && opened->id == response.id && opened->tokens == response.tokens);
  for (const std::string& other : {std::string(input), "resp_" + std::string(input)}) {
    CHECK(other == sealed || !open_response(pepper, owner, other));
  }
  authentication::Identity else_where = caller;
  else_where.tenant = "globex";
  CHECK(!open_response(pepper, {route, upstream, model, else_where}, sealed));
  return 0;
}
