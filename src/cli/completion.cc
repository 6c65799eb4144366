#include "cli/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "cli/commands.h"

namespace tollgate::cli {

namespace {

// A command with its words: "keys create", and what may follow it.
struct Node {
  std::string path;
  std::vector<std::string> commands;
  std::vector<std::string> options;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}, {}};
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    node.commands.push_back(sub->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) node.options.push_back("--" + name);
    for (const std::string& name : option->get_snames()) node.options.push_back("-" + name);
  }
  nodes.push_back(node);
  for (const CLI::App* sub : app.get_subcommands(nullptr)) {
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), nodes);
  }
}

std::string words_of(const Node& node) {
  return fmt::format("{}{}{}", fmt::join(node.commands, " "), node.commands.empty() ? "" : " ",
                     fmt::join(node.options, " "));
}

// The words typed so far that are commands name the node; bash and zsh share this.
std::string cases(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) {
    text += fmt::format("    \"{}\") words=\"{}\" ;;\n", node.path, words_of(node));
  }
  return text;
}

std::string bash(const std::vector<Node>& nodes) {
  return fmt::format(R"(# tollgate completion for bash: source <(tollgate completion bash)
_tollgate() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) break ;; esac
    path="${{path:+$path }}$word"
  done
  case "$path" in
{}  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
  if [ ${{#COMPREPLY[@]}} -eq 0 ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
complete -F _tollgate tollgate
)",
                     cases(nodes));
}

std::string zsh(const std::vector<Node>& nodes) {
  return fmt::format(R"(#compdef tollgate
# tollgate completion for zsh: source <(tollgate completion zsh)
_tollgate() {{
  local path="" word words=""
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "$word" in -*) break ;; esac
    path="${{path:+$path }}$word"
  done
  case "$path" in
{}  esac
  if [ -n "$words" ]; then
    compadd -- ${{=words}}
  else
    _files
  fi
}}
compdef _tollgate tollgate
)",
                     cases(nodes));
}

std::string fish(const std::vector<Node>& nodes) {
  std::string text = "# tollgate completion for fish: tollgate completion fish | source\n";
  text +=
      "function __tollgate_path\n"
      "  set -l words (commandline -opc)[2..-1]\n"
      "  set -l path\n"
      "  for word in $words\n"
      "    string match -q -- '-*' $word; and break\n"
      "    set -a path $word\n"
      "  end\n"
      "  string join ' ' -- $path\n"
      "end\n";
  for (const Node& node : nodes) {
    text += fmt::format("complete -c tollgate -n 'test (__tollgate_path) = \"{}\"' -a '{}'\n",
                        node.path, words_of(node));
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
