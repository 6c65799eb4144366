// A YAML document as a tree whose nodes know their line: what the binder reads.
//
// libyaml lexes and parses; this keeps the small part of YAML that a configuration needs and
// says no to the rest, so that what a reader sees is what the program does: one document, no
// anchors, no tags, no key twice in a mapping, every key a plain word. A scalar stays text;
// what it means is decided by the field that it stands in (`on` is never silently true).
//
// Bounds: kTextBytesMax, kDepthMax, kNodesMax. Linear in the text. No I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace tollgate::config {

inline constexpr std::size_t kTextBytesMax = 1 << 20;
inline constexpr int kDepthMax = 32;
inline constexpr int kNodesMax = 100'000;

enum class NodeKind : std::uint8_t { kNothing, kScalar, kMapping, kSequence };

struct Node {
  NodeKind kind = NodeKind::kNothing;
  int line = 0;     // From 1; of the value.
  int column = 0;   // From 1.
  std::string key;  // Where the node is a member of a mapping.
  int key_line = 0;
  int key_column = 0;
  std::string text;     // Of a scalar, after expansion.
  std::string written;  // Of a scalar, as the file has it; may be shown.
  bool broken = false;  // A problem was told; nothing more is said of this value.
  std::vector<Node> children;

  const Node* find(std::string_view name) const;  // The member of that key, or null.
};

// What a message says was found: "a mapping", "nothing", "`30`". Cut at 60 bytes.
std::string describe(const Node& node);

// The tree of `text`, as far as it could be read; appends what is wrong to `problems`.
Node parse_tree(std::string_view text, const std::string& file, std::vector<Problem>& problems);

// The node at a field path such as "routes[0].prompt"; where the path ends early, the deepest
// node on the way. Keys that hold dots are found by trying the longest first.
const Node* find_path(const Node& root, std::string_view path);

}  // namespace tollgate::config
