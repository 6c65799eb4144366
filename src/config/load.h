// Text to Config: strict, all problems at once, each with file, line, field, what was expected
// and the nearest known name.
//
// YAML by libyaml events into a tree that knows its lines; duplicate keys, anchors of unbounded
// size, several documents and unknown keys are problems. `${ENV}`, `${ENV:-default}` and
// `file:PATH` give secrets (only fields that are secrets take `file:`). Durations "30s",
// "200ms", "10m", "2h", "90d"; sizes "64KiB", "1MiB" or plain bytes; money "12.50" or 12.50.
// A part of the public contract that this version does not serve (jwt, content, fallback…) is a
// problem that says so: no control is accepted and then not applied.
//
// Reads the files that the text names (`file:`, TLS) and the environment; nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace tollgate::config {

struct Problem {
  std::string file;
  int line = 0;         // From 1.
  int column = 0;       // From 1.
  std::string field;    // "routes[0].prompt.body"
  std::string message;  // "unknown key `bdy`; did you mean `body`?"
};
std::string format(const Problem& problem);  // "tollgate.yaml:12:5: routes[0].prompt: …"

struct Loaded {
  std::shared_ptr<const Config> config;  // Null where there is any problem.
  std::vector<Problem> problems;
  // That the text names, whatever is wrong with it or elsewhere; empty: none.
  std::string prices_file;
};

// Looks an environment variable up; tests pass their own.
using Environment = std::function<std::optional<std::string>(const std::string&)>;
Environment process_environment();

Loaded load_text(std::string_view text, const std::string& file, const Environment& environment);
Loaded load_file(const std::string& path, const Environment& environment);

// Reads store, authentication and tenants alone: for commands that work on the store and must
// not fail at what is wrong elsewhere, so that a leaked key can be revoked where an upstream's
// secret is not set. Problems of these sections, of YAML and of the names of sections fail.
// Nothing else of the Config means anything.
Loaded load_store_settings(const std::string& path, const Environment& environment);

// A weakness of a valid configuration: what `check` reports beside problems.
struct Finding {
  enum class Level : std::uint8_t {
    kWarning,  // Something is open, dear or readable that need not be.
    kNote,     // Nothing is open: a part of the file does nothing.
  };
  Level level = Level::kWarning;
  std::string id;  // "route-without-allow"
  int line = 0;
  std::string field;
  std::string message;  // What is weak and why it matters.
  std::string mend;     // What to write.
};
std::vector<Finding> posture(const Config& config, std::string_view text);

// What is wrong with the tokenizer.json files that the models of `config` name, `text` being its
// file: each is opened, read and judged, as a gateway that starts or reloads does itself.
std::vector<Problem> tokenizer_problems(const Config& config, std::string_view text);

// JSON Schema (draft 2020-12) of the file, from the same table as the parser.
std::string schema();

// The configuration in force as YAML-shaped JSON, secrets masked, for the admin API.
std::string effective_json(const Config& config);

}  // namespace tollgate::config
