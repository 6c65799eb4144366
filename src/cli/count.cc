// `tollgate count`: exact token counts of files, as the gateway counts texts.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "cli/commands.h"
#include "cli/gateway.h"
#include "tokens/vocabulary.h"

namespace tollgate::cli {

namespace {

std::optional<std::string> read_input(const std::string& file) {
  if (file == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad()) {
    fmt::print(stderr, "tollgate: cannot read {}: {}\n", file, std::strerror(errno));
    return std::nullopt;
  }
  return text;
}

void print_count(const CountOptions& options, const std::string& file, const std::string& text,
                 tokens::Counter& counter) {
  const std::vector<std::uint32_t> ids =
      options.ids ? counter.ids(text) : std::vector<std::uint32_t>();
  if (options.ids && !options.json) {
    fmt::print("{}\n", fmt::join(ids, " "));
    return;
  }
  const Tokens tokens = counter.count(text);
  if (options.json) {
    boost::json::object root{{"file", file}, {"tokenizer", options.tokenizer}, {"tokens", tokens}};
    if (options.ids) root["ids"] = boost::json::array(ids.begin(), ids.end());
    fmt::print("{}\n", boost::json::serialize(root));
  } else {
    fmt::print("{}\n", tokens);
  }
}

}  // namespace

int count(const CountOptions& options) {
  const std::vector<std::string_view> known = tokens::known_vocabularies();
  if (std::find(known.begin(), known.end(), options.tokenizer) == known.end() &&
      !tokens::names_file(options.tokenizer)) {
    return wrong_use(
        fmt::format("unknown tokenizer `{}`; known are {}, and the path of a "
                    "tokenizer.json",
                    options.tokenizer, fmt::join(known, ", ")));
  }
  const auto vocabulary = tokens::Vocabulary::load(options.tokenizer, vocabulary_directory());
  if (!vocabulary) return faulty(vocabulary.error());
  tokens::Counter counter(**vocabulary);
  std::vector<std::string> files = options.files;
  if (files.empty()) files.push_back("-");
  int code = kDone;
  for (const std::string& file : files) {
    const std::optional<std::string> text = read_input(file);
    if (!text) {
      code = kRuntimeFault;
      continue;
    }
    print_count(options, file, *text, counter);
  }
  return code;
}

}  // namespace tollgate::cli
