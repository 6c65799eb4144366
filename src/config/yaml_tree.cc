#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <unordered_map>

namespace tollgate::config {

namespace {

// Owns an event of libyaml.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { clear(); }
  void clear() {
    if (full_) yaml_event_delete(&event_);
    full_ = false;
  }
  bool next(yaml_parser_t& parser) {
    clear();
    full_ = yaml_parser_parse(&parser, &event_) != 0;
    return full_;
  }
  const yaml_event_t& operator*() const { return event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
  bool full_ = false;
};

std::string_view view(const yaml_char_t* text, std::size_t size) {
  return {reinterpret_cast<const char*>(text), size};
}

bool is_nothing(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file, std::vector<Problem>& problems)
      : text_(text), file_(file), problems_(problems) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { yaml_parser_delete(&parser_); }

  Node read() {
    Node root;
    bool seen = false;
    while (step()) {
      switch (event_->type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
          break;
        case YAML_DOCUMENT_START_EVENT:
          if (seen) {
            tell(event_->start_mark, "a second document begins here: the file holds only one");
            return root;
          }
          if (event_->data.document_start.tag_directives.start !=
              event_->data.document_start.tag_directives.end) {
            tell(event_->start_mark, "tag directives are not accepted: remove `%TAG`");
          }
          break;
        case YAML_STREAM_END_EVENT:
          return root;
        default:
          seen = true;
          root = node(0);
      }
    }
    return root;
  }

 private:
  // The next event; false at the end, told as a problem where it is an error.
  bool step() {
    if (stopped_) return false;
    if (event_.next(parser_)) return true;
    stopped_ = true;
    Problem problem;
    problem.file = file_;
    if (parser_.problem_mark.line > 0 || parser_.problem_mark.column > 0 ||
        parser_.error != YAML_READER_ERROR) {
      problem.line = static_cast<int>(parser_.problem_mark.line) + 1;
      problem.column = static_cast<int>(parser_.problem_mark.column) + 1;
    } else {
      const std::size_t end = std::min(parser_.problem_offset, text_.size());
      problem.line = 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + end, '\n'));
      problem.column = 1;
    }
    problem.message = fmt::format(
        "not valid YAML: {}{}{}", parser_.problem != nullptr ? parser_.problem : "out of memory",
        parser_.context != nullptr ? ", " : "", parser_.context != nullptr ? parser_.context : "");
    problems_.push_back(std::move(problem));
    return false;
  }

  void tell(const yaml_mark_t& mark, std::string message) {
    Problem problem;
    problem.file = file_;
    problem.line = static_cast<int>(mark.line) + 1;
    problem.column = static_cast<int>(mark.column) + 1;
    problem.message = std::move(message);
    problems_.push_back(std::move(problem));
  }

  void refuse_decoration(const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr) {
      tell(event_->start_mark,
           "anchors are not accepted: write the value where it is meant, remove `&`");
    }
    if (tag != nullptr) {
      tell(event_->start_mark, "tags are not accepted: the field decides the type, remove `!`");
    }
  }

  // The node that begins with the event at hand.
  Node node(int depth) {
    Node made;
    made.line = static_cast<int>(event_->start_mark.line) + 1;
    made.column = static_cast<int>(event_->start_mark.column) + 1;
    if (++nodes_ > kNodesMax) return stop(made, fmt::format("more than {} values", kNodesMax));
    if (depth > kDepthMax) return stop(made, fmt::format("nested deeper than {}", kDepthMax));
    switch (event_->type) {
      case YAML_ALIAS_EVENT:
        made.broken = true;
        tell(event_->start_mark,
             "aliases are not accepted: write the value where it is meant, remove `*`");
        break;
      case YAML_SCALAR_EVENT:
        scalar(made);
        break;
      case YAML_SEQUENCE_START_EVENT:
        made.kind = NodeKind::kSequence;
        refuse_decoration(event_->data.sequence_start.anchor, event_->data.sequence_start.tag);
        while (step() && event_->type != YAML_SEQUENCE_END_EVENT) {
          made.children.push_back(node(depth + 1));
        }
        break;
      case YAML_MAPPING_START_EVENT:
        made.kind = NodeKind::kMapping;
        refuse_decoration(event_->data.mapping_start.anchor, event_->data.mapping_start.tag);
        members(made, depth);
        break;
      default:
        return stop(made, "not valid YAML");
    }
    return made;
  }

  Node stop(Node& made, const std::string& why) {
    tell(event_->start_mark, why + ": the rest of the file is not read");
    stopped_ = true;
    made.broken = true;
    return std::move(made);
  }

  void scalar(Node& made) {
    const auto& scalar = event_->data.scalar;
    refuse_decoration(scalar.anchor, scalar.tag);
    made.text = view(scalar.value, scalar.length);
    made.written = made.text;
    const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    made.kind = plain && is_nothing(made.text) ? NodeKind::kNothing : NodeKind::kScalar;
  }

  void members(Node& mapping, int depth) {
    std::unordered_map<std::string, int> lines;  // Of each key's first place.
    while (step() && event_->type != YAML_MAPPING_END_EVENT) {
      const yaml_mark_t mark = event_->start_mark;
      const bool named = event_->type == YAML_SCALAR_EVENT;
      const Node key = node(depth + 1);
      if (!step()) return;
      Node value = node(depth + 1);
      if (!named) {
        tell(mark, "a key must be a word");
        continue;
      }
      value.key = key.text;
      value.key_line = key.line;
      value.key_column = key.column;
      const auto [first, fresh] = lines.emplace(key.text, key.line);
      if (!fresh) {
        tell(mark, fmt::format("key `{}` is on line {} already: keep one of the two", key.text,
                               first->second));
        continue;
      }
      mapping.children.push_back(std::move(value));
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::vector<Problem>& problems_;
  yaml_parser_t parser_{};
  Event event_;
  bool stopped_ = false;
  int nodes_ = 0;
};

}  // namespace

const Node* Node::find(std::string_view name) const {
  if (kind != NodeKind::kMapping) return nullptr;
  for (const Node& child : children) {
    if (child.key == name) return &child;
  }
  return nullptr;
}

std::string describe(const Node& node) {
  constexpr std::size_t kShownMax = 60;
  switch (node.kind) {
    case NodeKind::kNothing:
      return "nothing";
    case NodeKind::kMapping:
      return "a mapping";
    case NodeKind::kSequence:
      return "a list";
    case NodeKind::kScalar:
      break;
  }
  if (node.written.size() <= kShownMax) return fmt::format("`{}`", node.written);
  std::size_t cut = kShownMax;
  while (cut > 0 && (node.written[cut] & 0xC0) == 0x80) --cut;
  return fmt::format("`{}…`", node.written.substr(0, cut));
}

Node parse_tree(std::string_view text, const std::string& file, std::vector<Problem>& problems) {
  if (text.size() > kTextBytesMax) {
    problems.push_back({file, 1, 1, "", "the file is larger than 1 MiB"});
    return {};
  }
  return Reader(text, file, problems).read();
}

const Node* find_path(const Node& root, std::string_view path) {
  const Node* at = &root;
  while (!path.empty()) {
    const Node* next = nullptr;
    std::size_t taken = 0;
    if (path.front() == '[') {
      std::size_t index = 0;
      taken = 1;
      while (taken < path.size() && path[taken] >= '0' && path[taken] <= '9' && index < kNodesMax) {
        index = index * 10 + static_cast<std::size_t>(path[taken++] - '0');
      }
      ++taken;
      if (at->kind == NodeKind::kSequence && index < at->children.size()) {
        next = &at->children[index];
      }
    } else {
      for (const Node& child : at->children) {
        const std::size_t size = child.key.size();
        const bool whole =
            size == path.size() || (size < path.size() && (path[size] == '.' || path[size] == '['));
        if (size >= taken && whole && path.starts_with(child.key)) {
          next = &child;
          taken = size;
        }
      }
    }
    if (next == nullptr) return at;
    at = next;
    path.remove_prefix(std::min(taken, path.size()));
    if (path.starts_with('.')) path.remove_prefix(1);
  }
  return at;
}

}  // namespace tollgate::config
