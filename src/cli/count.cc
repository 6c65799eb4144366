// `tollgate count`: exact token counts of files, as the gateway counts texts, and of request
// bodies, by the code that counts them in the gateway.
#include <fmt/format.h>

#include <algorithm>
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
#include "cli/load_config.h"
#include "pipeline/counting.h"
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

// Calls `print(file, text)`, which gives an exit code, for each file; the first code that is none
// of success is that of the command.
template <class Print>
int for_each_input(const CountOptions& options, Print print) {
  std::vector<std::string> files = options.files;
  if (files.empty()) files.push_back("-");
  int code = kDone;
  for (const std::string& file : files) {
    std::optional<std::string> text = read_input(file);
    const int done = text ? print(file, *text) : kRuntimeFault;
    if (code == kDone) code = done;
  }
  return code;
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

int count_texts(const CountOptions& options) {
  const auto vocabulary = tokens::Vocabulary::load(options.tokenizer, vocabulary_directory());
  if (!vocabulary) return faulty(vocabulary.error());
  tokens::Counter counter(**vocabulary);
  return for_each_input(options, [&](const std::string& file, const std::string& text) {
    print_count(options, file, text, counter);
    return kDone;
  });
}

// How one body is counted: what the options and the configuration say.
struct BodyScheme {
  dialects::Surface surface{};
  std::string tokenizer;
  dialects::ChatTemplate chat_template{};
  dialects::MediaFormulas media;  // Of a model of a configuration alone.
};

// Empty: what is in the request has a formula.
std::string lacks_formula(const dialects::Request& request, const dialects::MediaFormulas& media) {
  const auto told = [](std::string_view at, std::string_view what, std::string_view setting) {
    return fmt::format(
        "{} is {}, which costs what the model says: name one of a configuration that has `{}` "
        "with -c CONFIG --model NAME",
        at, what, setting);
  };
  if (!request.images.empty() && media.images == nullptr) {
    return told(request.first_image, "an image", "images");
  }
  if (!request.recordings.empty() && media.audio == nullptr) {
    return told(request.first_recording, "a recording", "audio");
  }
  return {};
}

int count_body(const CountOptions& options, const BodyScheme& by, pipeline::Counting& counting,
               const std::string& file, std::string& body) {
  const std::size_t size = body.size();
  body.append(dialects::RequestReader::kPadding, ' ');
  dialects::RequestReader reader;
  const Expected<dialects::Request> request =
      reader.read(by.surface, std::string_view(body).substr(0, size));
  if (!request) {
    fmt::print(stderr, "tollgate: {}: {}\n", file, request.error().message);
    return kFindings;
  }
  if (const std::string lacks = lacks_formula(*request, by.media); !lacks.empty()) {
    fmt::print(stderr, "tollgate: {}: {}\n", file, lacks);
    return kFindings;
  }
  const pipeline::Scheme scheme{by.tokenizer, by.chat_template, by.media};
  const pipeline::Count input = counting.input(*request, scheme, kTokensMax, {});
  if (!options.json) {
    fmt::print("{}\n", input.tokens);
    return kDone;
  }
  const Tokens framing = dialects::framing_of(*request, by.chat_template).tokens;
  const boost::json::object root{
      {"file", file},
      {"surface", dialects::name_of(by.surface)},
      {"tokenizer", by.tokenizer},
      {"chat_template", dialects::name_of(by.chat_template)},
      {"tokens", input.tokens},
      {"texts", input.tokens - framing - input.media - request->tokens_given},
      {"media", input.media},
      {"token_ids", request->tokens_given},
      {"framing", framing},
      {"framing_is_bound", input.unsure > 0},
      {"is_bound", input.is_bound}};
  fmt::print("{}\n", boost::json::serialize(root));
  return kDone;
}

// Empty: what was wrong is told, and the command ends.
std::optional<BodyScheme> scheme_of_model(const CountOptions& options) {
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (config == nullptr) return std::nullopt;
  const auto model = std::ranges::find(config->models, options.model, &config::Model::name);
  if (model == config->models.end()) {
    wrong_use(fmt::format("{} has no model `{}`", options.config, options.model));
    return std::nullopt;
  }
  return BodyScheme{.surface = {},
                    .tokenizer = model->tokenizer,
                    .chat_template = model->chat_template,
                    .media = model->media};
}

std::optional<BodyScheme> scheme_of(const CountOptions& options) {
  // The name of the surface, or the short one.
  const std::string name = options.body == "chat" ? "chat_completions" : options.body;
  const std::optional<dialects::Surface> surface = dialects::surface_named(name);
  if (!surface || *surface == dialects::Surface::kModels || *surface == dialects::Surface::kMcp) {
    wrong_use(fmt::format(
        "unknown kind of body `{}`; known are chat, messages, completions and embeddings",
        options.body));
    return std::nullopt;
  }
  std::optional<BodyScheme> by =
      options.model.empty()
          ? BodyScheme{.surface = {},
                       .tokenizer = options.tokenizer,
                       .chat_template = dialects::chat_template_of(options.tokenizer),
                       .media = {}}
          : scheme_of_model(options);
  if (!by) return std::nullopt;
  by->surface = *surface;
  if (options.chat_template.empty()) return by;
  const auto named = dialects::chat_template_named(options.chat_template);
  if (!named) {
    wrong_use(fmt::format("unknown chat template `{}`; known are {}", options.chat_template,
                          fmt::join(dialects::chat_template_names(), ", ")));
    return std::nullopt;
  }
  by->chat_template = *named;
  return by;
}

int count_bodies(const CountOptions& options) {
  if (options.ids)
    return wrong_use(
        "a body has no ids: what stands between its texts is counted, not written; leave out "
        "--ids or --body");
  const std::optional<BodyScheme> by = scheme_of(options);
  if (!by) return kWrongUse;
  pipeline::Vocabularies vocabularies(vocabulary_directory());
  if (!by->tokenizer.empty()) {
    const FaultOr<void> loaded = vocabularies.ensure(by->tokenizer);
    if (!loaded) return faulty(loaded.error());
  }
  pipeline::Counting counting(vocabularies);
  return for_each_input(options, [&](const std::string& file, std::string& body) {
    return count_body(options, *by, counting, file, body);
  });
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
  if (!options.body.empty()) return count_bodies(options);
  return count_texts(options);
}

}  // namespace tollgate::cli
