#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/commands.h"

namespace tollgate::cli {

namespace {

// What may stand behind an option, or as an argument.
struct Value {
  enum class Kind : std::uint8_t { kNone, kText, kFile, kOneOf } kind = Kind::kNone;
  std::vector<std::string> words;  // Of kOneOf.
};

struct Option {
  std::vector<std::string> names;  // "-c", "--config"
  std::string says;
  Value value;
};

// A command with its words: "keys create", and what may follow it.
struct Node {
  std::string path;
  std::vector<std::string> commands;
  std::vector<Option> options;
  Value argument;
};

// The type is "FILE" or "DIR", or ends in the words that are accepted: "TEXT:{bash,zsh,fish}".
Value value_of(const CLI::Option& option) {
  if (option.get_expected_min() == 0) return {};  // A flag.
  const std::string type = option.get_type_name();
  if (type == "FILE" || type == "DIR") return {Value::Kind::kFile, {}};
  const std::size_t open = type.find('{');
  if (open == std::string::npos || !type.ends_with('}')) return {Value::Kind::kText, {}};
  Value value{Value::Kind::kOneOf, {}};
  for (std::size_t at = open + 1; at < type.size();) {
    const std::size_t end = type.find_first_of(",}", at);
    value.words.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return value;
}

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}, {}, {}};
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    node.commands.push_back(sub->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      node.argument = value_of(*option);
      continue;
    }
    Option made{{}, option->get_description(), value_of(*option)};
    for (const std::string& name : option->get_lnames()) made.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) made.names.push_back("-" + name);
    node.options.push_back(std::move(made));
  }
  nodes.push_back(node);
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), nodes);
  }
}

std::string words_of(const Node& node) {
  std::vector<std::string> words = node.commands;
  words.insert(words.end(), node.argument.words.begin(), node.argument.words.end());
  for (const Option& option : node.options) {
    words.insert(words.end(), option.names.begin(), option.names.end());
  }
  return fmt::format("{}", fmt::join(words, " "));
}

// Lines of `case` that bash and zsh share. The words typed so far that are commands:
std::string path_case(const std::vector<Node>& nodes) {
  std::vector<std::string> paths;
  for (const Node& node : nodes) {
    if (!node.path.empty()) paths.push_back(fmt::format("\"{}\"", node.path));
  }
  return fmt::format("      {}) at=\"${{at:+$at }}$word\" ;;\n", fmt::join(paths, "|"));
}

// What follows an option that takes a value.
std::string value_cases(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) {
    for (const Option& option : node.options) {
      if (option.value.kind == Value::Kind::kNone) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) {
        patterns.push_back(fmt::format("\"{} {}\"", node.path, name));
      }
      text += fmt::format("    {}) candidates=\"{}\" files={} ;;\n", fmt::join(patterns, "|"),
                          fmt::join(option.value.words, " "),
                          option.value.kind == Value::Kind::kFile ? "yes" : "");
    }
  }
  return text;
}

// What follows a command otherwise.
std::string word_cases(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) {
    text += fmt::format("        \"{}\") candidates=\"{}\" files={} ;;\n", node.path,
                        words_of(node), node.argument.kind == Value::Kind::kFile ? "yes" : "");
  }
  return text;
}

std::string bash(const std::vector<Node>& nodes) {
  return fmt::format(R"(# tollgate completion for bash: source <(tollgate completion bash)
_tollgate() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local at="" word candidates="" files="" line
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "${{at:+$at }}$word" in
{}    esac
  done
  case "$at $previous" in
{}    *)
      case "$at" in
{}      esac ;;
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
  fi
}}
complete -F _tollgate tollgate
)",
                     path_case(nodes), value_cases(nodes), word_cases(nodes));
}

// `words` and `path` are zsh's own: the names here must be others.
std::string zsh(const std::vector<Node>& nodes) {
  return fmt::format(R"(#compdef tollgate
# tollgate completion for zsh: source <(tollgate completion zsh)
_tollgate() {{
  local at="" word candidates="" files="" previous="${{words[CURRENT-1]}}"
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "${{at:+$at }}$word" in
{}    esac
  done
  case "$at $previous" in
{}    *)
      case "$at" in
{}      esac ;;
  esac
  if [ -n "$candidates" ]; then compadd -- ${{=candidates}}; fi
  if [ -n "$files" ]; then _files; fi
}}
if [ "$funcstack[1]" = "_tollgate" ]; then
  _tollgate "$@"
else
  compdef _tollgate tollgate
fi
)",
                     path_case(nodes), value_cases(nodes), word_cases(nodes));
}

std::string fish_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string fish_option(const Node& node, const Option& option) {
  std::string line = fmt::format("complete -c tollgate -n '__tollgate_is \"{}\"'", node.path);
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (option.value.kind == Value::Kind::kFile) line += " -r -F";
  if (option.value.kind == Value::Kind::kText) line += " -x";
  if (option.value.kind == Value::Kind::kOneOf) {
    line += fmt::format(" -x -a '{}'", fmt::join(option.value.words, " "));
  }
  return line + " -d " + fish_quoted(option.says) + "\n";
}

std::string fish(const std::vector<Node>& nodes) {
  std::string paths;
  for (const Node& node : nodes) {
    if (!node.path.empty()) paths += fmt::format(" '{}'", node.path);
  }
  std::string text =
      fmt::format(R"(# tollgate completion for fish: tollgate completion fish | source
function __tollgate_is
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$at $word")
    contains -- "$next"{}; and set at $next
  end
  test "$at" = "$argv[1]"
end
complete -c tollgate -f
)",
                  paths);
  for (const Node& node : nodes) {
    std::vector<std::string> words = node.commands;
    words.insert(words.end(), node.argument.words.begin(), node.argument.words.end());
    const std::string line =
        fmt::format("complete -c tollgate -n '__tollgate_is \"{}\"'", node.path);
    if (!words.empty()) text += fmt::format("{} -a '{}'\n", line, fmt::join(words, " "));
    if (node.argument.kind == Value::Kind::kFile) text += line + " -F\n";
    for (const Option& option : node.options) text += fish_option(node, option);
  }
  return text;
}

}  // namespace

int completion(const CLI::App& app, const std::string& shell) {
  std::vector<Node> nodes;
  collect(app, "", nodes);
  const std::string script = shell == "bash"  ? bash(nodes)
                             : shell == "zsh" ? zsh(nodes)
                                              : fish(nodes);
  std::fputs(script.c_str(), stdout);
  return kDone;
}

}  // namespace tollgate::cli
