// Names of tools, and sets of them as an operator writes one: exact names, a prefix or an ending
// with a `*`, and the types of tools that a provider has of its own.
//
// Names are compared byte for byte, and only those that look like what they are can be compared at
// all (is_name): nothing that is invisible, or of another script, or merely alike.
//
// const is safe from any thread. No I/O.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace tollgate::tools {

// What a request offers to the model, or an answer calls.
struct Tool {
  std::string_view type;  // "function", "custom", or a provider's own: "web_search_20250305".
  std::string_view name;  // A provider's own may have none.
};

// A tool that the caller runs, and so goes by its name; any other goes by its type.
bool goes_by_name(const Tool& tool);

// 1 to 128 letters, digits, `_`, `-` and `.`: what every provider takes for a name, and `.`.
bool is_name(std::string_view name);

// The family that a provider's type is of: "web_search" for web_search_20250305 and
// web_search_preview; empty: it is not known to this version.
std::string_view family_of(std::string_view type);
std::vector<std::string_view> families();

// Whether one entry of an allow list, as below, lets the tool in.
bool lets_in(std::string_view entry, const Tool& tool);

class NameSet {
 public:
  NameSet() = default;
  // Of entries in which there is no mistake:
  //   `get_weather`      a tool of that name
  //   `search_*` `*_ro`  names that begin or end so
  //   `*`                every name
  //   `type:web_search`  every version of a provider's own tool of that family; with a version,
  //                      that one alone, also of a family that is not known
  // Allowed, a name never lets in a provider's own tool; denied, it keeps out that of which it is
  // the whole type or the family as well.
  explicit NameSet(std::vector<std::string> entries);

  // What is wrong with an entry, for the operator; empty: nothing.
  static std::string mistake_in(std::string_view entry);

  bool has_name(std::string_view name) const;
  bool has_type(std::string_view type) const;  // As `type:`.
  // For an allow list: a provider's own tool acts and costs by itself, so no name lets one in.
  bool lets_in(const Tool& tool) const;
  // For a deny list: by whatever the tool is called, its name, its type or its family.
  bool keeps_out(const Tool& tool) const;

  // By what the set names a tool of that name or type: itself, or its family; empty: by neither.
  std::string_view named(std::string_view name) const;

  bool empty() const { return entries_.empty(); }
  const std::vector<std::string>& entries() const { return entries_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Texts = std::unordered_set<std::string, Hash, std::equal_to<>>;

  std::vector<std::string> entries_;
  Texts exact_;
  Texts types_;  // Families and whole types.
  // Sorted, none a prefix of another: the one before a name is the only one it can begin with.
  std::vector<std::string> prefixes_;
  std::vector<std::string> endings_;  // The same, read backwards.
  bool all_ = false;
};

}  // namespace tollgate::tools
