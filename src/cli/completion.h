// Completion scripts for shells, made from the command line itself, so they cannot disagree
// with it.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tollgate::cli {

// Prints the script for `shell`: bash, zsh or fish.
int completion(const CLI::App& app, const std::string& shell);

}  // namespace tollgate::cli
