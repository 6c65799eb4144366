#include <map>

#include "config/load.h"
#include "config/yaml_tree.h"
#include "tokens/vocabulary.h"

namespace tollgate::config {

std::vector<Problem> tokenizer_problems(const Config& config, std::string_view text) {
  std::vector<Problem> ignored;
  const Node root = parse_tree(text, config.file, ignored);
  std::vector<Problem> found;
  std::map<std::string, std::string> judged;  // Several models may have one.
  for (const Model& model : config.models) {
    if (!tokens::names_file(model.tokenizer)) continue;
    const auto [seen, is_new] = judged.try_emplace(model.tokenizer);
    if (is_new) {
      const auto loaded = tokens::Vocabulary::load(model.tokenizer, "");
      if (!loaded) seen->second = loaded.error().message;
    }
    if (seen->second.empty()) continue;
    const std::string field = "models." + model.name + ".tokenizer";
    const Node* const node = find_path(root, field);
    found.push_back({config.file, node->line, node->column, field, seen->second});
  }
  return found;
}

}  // namespace tollgate::config
