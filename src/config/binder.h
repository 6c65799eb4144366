// Holds a tree to the tables of shape.h, and reads values out of what passed.
//
// expand() puts the environment into the scalars, check_shape() tells every value that its
// table does not allow and reads the files of secrets; after both, a View gives each field its
// value: what was written where that is sound, else the table's fallback. So the rest of the
// loader goes on past mistakes and all of them are told at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/money.h"
#include "config/load.h"
#include "config/shape.h"
#include "config/yaml_tree.h"

namespace tollgate::config {

// Where problems are told. Borrows all of it.
struct Report {
  const std::string& file;
  std::vector<Problem>& problems;
  void tell(const Node& node, std::string field, std::string message);
  void tell_at_key(const Node& node, std::string field, std::string message);
};

// `path` seen from the folder of `file`.
std::string beside(const std::string& file, std::string_view path);

// Replaces ${NAME} and ${NAME:-default} in every scalar, once: what a variable holds is not
// expanded again. "$${" stands for "${".
void expand(Node& root, const Environment& environment, Report& report);

void check_shape(Node& root, const Section& section, Report& report);

// The first of `${…}` in `text`, or npos.
std::size_t find_variable(std::string_view text);

// A mapping that was checked against `section`. Borrows the tree. Asking for a key that the
// section does not have is a bug.
class View {
 public:
  View(const Node* node, const Section& section, std::string path)
      : node_(node), section_(&section), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string path(std::string_view key) const;
  const std::string& name() const;               // The key under which it stands in a map.
  const Node* node() const { return node_; }     // Null where it is not written.
  bool has(std::string_view key) const;          // Written, sound or not.
  const Node* node(std::string_view key) const;  // Null where it is not written.

  View section(std::string_view key) const;            // Of what is not written: all fallbacks.
  std::vector<View> each(std::string_view key) const;  // Members of a map, items of a list.

  std::string text(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;  // One text is a list of it.
  // What a kTextMap holds, in the order of the file.
  std::vector<std::pair<std::string, std::string>> pairs(std::string_view key) const;
  // The same of one whose values are kTexts.
  std::vector<std::pair<std::string, std::vector<std::string>>> lists(std::string_view key) const;
  std::int64_t count(std::string_view key) const;
  Duration duration(std::string_view key) const;
  Bytes bytes(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::optional<Money> money(std::string_view key) const;
  std::optional<Price> price(std::string_view key) const;

  // The enumerator whose place is that of the value in the field's names.
  template <class E>
  E choice(std::string_view key, E otherwise) const {
    const int place = place_of(key);
    return place < 0 ? otherwise : static_cast<E>(place);
  }

 private:
  const Field& field(std::string_view key) const;
  std::string value(std::string_view key) const;
  int place_of(std::string_view key) const;

  const Node* node_;
  const Section* section_;
  std::string path_;
};

}  // namespace tollgate::config
