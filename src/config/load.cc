#include "config/load.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>
#include <expected>
#include <fstream>
#include <tuple>

#include "config/build.h"

namespace tollgate::config {

namespace {

constexpr int kVersionBytes = 6;
constexpr std::size_t kProblemsMax = 200;  // Told at once.

// In the order of the file, as many as somebody can read.
void settle(std::vector<Problem>& problems) {
  std::ranges::sort(problems, [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column, a.field, a.message) <
           std::tie(b.line, b.column, b.field, b.message);
  });
  if (problems.size() <= kProblemsMax) return;
  const std::size_t more = problems.size() - kProblemsMax;
  problems.resize(kProblemsMax);
  problems.back().message += fmt::format(" (and {} more problems, not shown)", more);
}

Loaded failed(const std::string& file, std::string message) {
  Loaded loaded;
  loaded.problems.push_back({file, 1, 1, "", std::move(message)});
  return loaded;
}

}  // namespace

std::string version_of(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string version;
  for (int i = 0; i < kVersionBytes; ++i) version += fmt::format("{:02x}", digest[i]);
  return version;
}

std::string format(const Problem& problem) {
  return fmt::format("{}:{}:{}: {}{}{}", problem.file, problem.line, problem.column, problem.field,
                     problem.field.empty() ? "" : ": ", problem.message);
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Loaded load_text(std::string_view text, const std::string& file, const Environment& environment) {
  Loaded loaded;
  Report report{file, loaded.problems};
  Node root = parse_tree(text, file, loaded.problems);
  // From here on the tree is as much of the text as is YAML.
  if (root.kind == NodeKind::kNothing && !root.broken) {
    settle(loaded.problems);
    if (!loaded.problems.empty()) return loaded;
    return failed(file, "the file is empty: `tollgate init` writes one to begin with");
  }

  expand(root, environment, report);
  check_shape(root, root_section(), report);
  // From here on every value that is not marked broken is what its table allows.

  auto config = std::make_shared<Config>();
  config->version = version_of(text);
  config->file = file;
  build(View(&root, root_section(), ""), *config, report);
  if (!config->prices_version.empty()) {
    config->version = version_of(std::string(text).append(config->prices_version));
  }
  validate(*config, root, report);
  loaded.prices_file = config->prices_file;

  settle(loaded.problems);
  if (loaded.problems.empty()) loaded.config = std::move(config);
  return loaded;
}

namespace {

// The text of the file, or what is wrong with it.
std::expected<std::string, Loaded> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return std::unexpected(failed(path,
                                  "the file cannot be read: name it with `-c FILE`, or let "
                                  "`tollgate init` write one"));
  }
  std::string text;
  text.resize(kTextBytesMax + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return std::unexpected(failed(path, "the file cannot be read to its end"));
  return text;
}

// The root as the commands on the store see it.
const Section& store_section() {
  static const std::vector<Field> fields = [] {
    std::vector<Field> found;
    for (const std::string_view key : {"store", "authentication", "tenants"}) {
      found.push_back(*root_section().find(key));
    }
    return found;
  }();
  static const Section section{root_section().name, root_section().doc, fields};
  return section;
}

}  // namespace

Loaded load_file(const std::string& path, const Environment& environment) {
  const std::expected<std::string, Loaded> text = read_file(path);
  return text ? load_text(*text, path, environment) : text.error();
}

Loaded load_store_settings(const std::string& path, const Environment& environment) {
  const std::expected<std::string, Loaded> text = read_file(path);
  if (!text) return text.error();
  Loaded loaded;
  Report report{path, loaded.problems};
  Node root = parse_tree(*text, path, loaded.problems);
  // A name that is no section's stays: it may be meant to be one of ours.
  std::erase_if(root.children, [](const Node& child) {
    return root_section().find(child.key) != nullptr && store_section().find(child.key) == nullptr;
  });
  if (loaded.problems.empty()) {
    expand(root, environment, report);
    check_shape(root, store_section(), report);
  }
  if (loaded.problems.empty()) {
    auto config = std::make_shared<Config>();
    config->version = version_of(*text);
    config->file = path;
    build(View(&root, root_section(), ""), *config, report);
    if (loaded.problems.empty()) loaded.config = std::move(config);
  }
  settle(loaded.problems);
  return loaded;
}

}  // namespace tollgate::config
