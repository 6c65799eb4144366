// Any body on any surface, masked by all rules that can be: what is written is JSON, differs from
// what came in strings only, by masks, holds no value that was masked, and is read as a request in
// which nothing is left to mask.
#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "controls/content/rules.h"
#include "pipeline/redaction.h"

using namespace tollgate;
using namespace tollgate::pipeline;

namespace {

namespace dom = simdjson::dom;
constexpr content::Pack kPacks[] = {content::Pack::kSecrets, content::Pack::kPii,
                                    content::Pack::kSpecialTokens};

const config::Route& route() {
  static const auto made = [] {
    auto route = std::make_unique<config::Route>();
    route->name = "any";
    route->content.request = {std::begin(kPacks), std::end(kPacks)};
    route->content.on_match = content::OnMatch::kRedact;
    content::resolve(route->content, content::all_rules());
    return route;
  }();
  return *made;
}

// Whether `b` is `a` but for strings that have a mask.
bool is_alike(dom::element a, dom::element b) {
  std::string_view of_a;
  std::string_view of_b;
  if (a.get(of_a) == simdjson::SUCCESS) {
    if (b.get(of_b) != simdjson::SUCCESS) return false;
    return of_a == of_b || of_b.find("[REDACTED:") != std::string_view::npos;
  }
  if (a.is_array()) {
    if (!b.is_array() || dom::array(a).size() != dom::array(b).size()) return false;
    auto other = dom::array(b).begin();
    for (const dom::element one : dom::array(a)) {
      if (!is_alike(one, *other)) return false;
      ++other;
    }
    return true;
  }
  if (a.is_object()) {
    if (!b.is_object() || dom::object(a).size() != dom::object(b).size()) return false;
    auto other = dom::object(b).begin();
    for (const dom::key_value_pair one : dom::object(a)) {
      if (one.key != other.key() || !is_alike(one.value, other.value())) return false;
      ++other;
    }
    return true;
  }
  return simdjson::minify(a) == simdjson::minify(b);
}

FaultOr<void> scan(content::Scanner& scanner, const dialects::Request& request) {
  static const auto rules = *content::Rules::compile(kPacks);
  FaultOr<void> read = scanner.begin(rules, route().content.actions, content::Layers::kAll,
                                     content::Scanner::kMaskedMax);
  for (const auto texts : {request.texts, request.carried}) {
    for (const dialects::Text& text : texts) {
      if (read) read = scanner.read(text.text);
    }
  }
  return read;
}

}  // namespace

// The first byte chooses the surface.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static content::Scanner scanner;
  static dialects::RequestReader reader;
  if (size == 0) return 0;
  constexpr dialects::Surface kSurfaces[] = {
      dialects::Surface::kChatCompletions, dialects::Surface::kCompletions,
      dialects::Surface::kEmbeddings, dialects::Surface::kMessages, dialects::Surface::kResponses};
  const dialects::Surface surface = kSurfaces[data[0] % std::size(kSurfaces)];
  std::string body(reinterpret_cast<const char*>(data + 1), size - 1);
  body.append(dialects::RequestReader::kPadding, ' ');
  const std::string_view came = std::string_view(body).substr(0, size - 1);
  Expected<dialects::Request> request = reader.read(surface, came);
  if (!request) return 0;

  Redaction redaction;
  for (;;) {
    CHECK(scan(scanner, *request).has_value());
    if (scanner.found().empty()) break;
    const Expected<void> masked = redaction.mask(reader, *request, scanner, route());
    if (!masked) {
      CHECK(!masked.error().message.empty());
      return 0;
    }
    request = reader.read(surface, redaction.body());
    CHECK(request.has_value());
  }
  if (redaction.values().empty()) return 0;
  dom::parser first;
  dom::parser second;
  const dom::element before = first.parse(came.data(), came.size(), false);
  const dom::element after = second.parse(redaction.body().data(), redaction.body().size(), false);
  CHECK(is_alike(before, after));
  return 0;
}
