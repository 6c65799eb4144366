#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "config/build.h"

namespace tollgate::config {

using authentication::JwtPolicy;
using authentication::KeyOrigin;
using authentication::PolicyMistake;

namespace {

bool holds_broken(const Node& node) {
  return node.broken || std::ranges::any_of(node.children, holds_broken);
}

}  // namespace

std::vector<View> entries_of(const View& view, std::string_view key) {
  std::vector<View> found = view.each(key);
  std::erase_if(found, [](const View& each) { return each.node()->kind != NodeKind::kMapping; });
  return found;
}

std::string readable_file(Report& report, const View& view, std::string_view key) {
  std::string path = file_of(report, view, key);
  if (!path.empty() && !std::ifstream(path)) {
    tell_in(report, view, key, fmt::format("`{}` cannot be read", path));
  }
  return path;
}

void tell_mistakes(Report& report, const View& view, std::span<const PolicyMistake> mistakes,
                   std::span<const std::string_view> demanded) {
  for (const PolicyMistake& mistake : mistakes) {
    const Node* field = view.node()->find(mistake.field);
    const bool told = field != nullptr
                          ? holds_broken(*field)
                          : view.node()->broken || std::ranges::count(demanded, mistake.field) != 0;
    if (told) continue;
    report.tell(
        field != nullptr ? *field : *view.node(),
        field != nullptr ? view.path(mistake.field) : view.path(),
        field != nullptr ? mistake.why : fmt::format("`{}`: {}", mistake.field, mistake.why));
  }
}

JwtPolicy build_verifier(const View& view, Report& report) {
  JwtPolicy made;
  made.name = view.text("name");
  made.issuer = view.text("issuer");
  made.audiences = view.texts("audience");
  if (view.has("algorithms")) {
    made.algorithms.clear();
    for (const std::string& name : view.texts("algorithms")) {
      if (const auto known = authentication::algorithm_named(name)) {
        made.algorithms.push_back(*known);
      }
    }
  }
  made.type = view.choice("token_type", made.type);
  made.leeway = view.duration("leeway");
  if (view.has("jwks_url")) {
    made.keys = KeyOrigin::kUrl;
    made.keys_at = view.text("jwks_url");
  }
  if (view.has("jwks_file")) {
    if (view.has("jwks_url")) {
      tell_in(report, view, "jwks_file", "expected `jwks_url` or `jwks_file`, found both");
    }
    made.keys = KeyOrigin::kFile;
    made.keys_at = file_of(report, view, "jwks_file");
  }
  made.certificate_authority = authority_of(report, view);
  return made;
}

void check_key_file(const View& view, const JwtPolicy& policy, Report& report) {
  if (policy.keys != KeyOrigin::kFile) return;
  std::ifstream in(policy.keys_at, std::ios::binary);
  if (!in) {
    return tell_in(report, view, "jwks_file", fmt::format("`{}` cannot be read", policy.keys_at));
  }
  std::string text(authentication::KeySet::kDocumentBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  const auto read = authentication::read_key_set(text, {.algorithms = policy.algorithms});
  if (!read) return tell_in(report, view, "jwks_file", read.error());
  if (!read->keys.empty()) return;
  tell_in(report, view, "jwks_file",
          read->refused.empty() ? std::string("It holds no key.")
                                : fmt::format("None of its keys is used; of `{}`: {}",
                                              read->refused.front().id, read->refused.front().why));
}

}  // namespace tollgate::config
