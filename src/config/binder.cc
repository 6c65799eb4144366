#include "config/binder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/check.h"
#include "config/scalars.h"
#include "controls/cost/time_zone.h"
#include "tokens/vocabulary.h"

namespace tollgate::config {

namespace {

constexpr std::size_t kSecretBytesMax = 64 << 10;
constexpr std::size_t kMembersMax = 4096;  // Of upstreams, models, tenants…

std::string joined(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string quoted(const std::vector<std::string_view>& names) {
  std::string list;
  for (const std::string_view name : names) {
    if (!list.empty()) list += ", ";
    list += fmt::format("`{}`", name);
  }
  return list;
}

// "; did you mean `x`?", or the whole list where nothing is near.
std::string hint(std::string_view text, const std::vector<std::string_view>& known) {
  if (const auto near = nearest(text, known)) return fmt::format("; did you mean `{}`?", *near);
  return fmt::format("; known here: {}", quoted(known));
}

std::vector<std::string_view> keys_of(const Section& section) {
  std::vector<std::string_view> keys;
  for (const Field& field : section.fields) {
    if (field.kind != Kind::kNotServed) keys.push_back(field.key);
  }
  return keys;
}

std::string not_served(std::string_view what, std::string_view because = {}) {
  return fmt::format(
      "`{}` is not served by this version of tollgate{}{}: remove it (no control is accepted and "
      "then not applied)",
      what, because.empty() ? "" : ", as ", because);
}

bool is_later(const Field& field, std::string_view text) {
  if (field.later == nullptr) return false;
  return std::ranges::any_of(field.later(), [&](std::string_view name) {
    return name.ends_with("://") ? text.starts_with(name) : text == name;
  });
}

bool within(const Field& field, std::optional<std::int64_t> value) {
  return value && *value >= field.min && *value <= field.max;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_url_of(std::string_view text, std::string_view scheme) {
  return text.starts_with(scheme) && text.size() > scheme.size() && !has_control(text);
}

bool fits(const Field& field, std::string_view text) {
  switch (field.kind) {
    case Kind::kText:
    case Kind::kFile:
      return !text.empty() && !has_control(text);
    case Kind::kSecret:
      return !has_control(text);
    case Kind::kName:
      return is_name(text);
    case Kind::kModelName:
      return is_model_name(text);
    case Kind::kRoutePath:
      return is_canonical_path(text);
    case Kind::kLedger:
      return text == "memory" || is_url_of(text, "postgres://") ||
             is_url_of(text, "postgresql://") ||
             (is_url_of(text, "sqlite://") && !text.ends_with('/'));
    case Kind::kRateStore:
      return text == "memory" || is_url_of(text, "redis://") || is_url_of(text, "rediss://");
    case Kind::kCount:
      return within(field, parse_count(text));
    case Kind::kDuration: {
      const auto duration = parse_duration(text);
      return duration && within(field, duration->count());
    }
    case Kind::kBytes:
      return within(field, parse_bytes(text));
    case Kind::kMoney:
      return parse_money(text).has_value();
    case Kind::kPrice:
      return parse_price_per_million(text).has_value();
    case Kind::kShare:
      return parse_share(text).has_value();
    case Kind::kFlag:
      return text == "true" || text == "false";
    case Kind::kAddress:
      return parse_host_port(text).has_value();
    case Kind::kUrl:
      return parse_url(text).has_value();
    case Kind::kTimeZone:
      return cost::TimeZone::named(text).has_value();
    case Kind::kTokenizer:
      if (tokens::names_file(text)) return !has_control(text);
      return std::ranges::count(field.names(), text) != 0;
    case Kind::kChoice:
      return std::ranges::count(field.names(), text) != 0;
    case Kind::kSection:
    case Kind::kMap:
    case Kind::kList:
    case Kind::kTexts:
    case Kind::kTextMap:
    case Kind::kNotServed:
      break;
  }
  return false;
}

// The field that a value of a map of texts is held to.
Field value_of(const Field& map) {
  Field value;
  value.kind = map.of;
  value.max = kTextsOfMapMax;
  return value;
}

// The field that an item of a list is held to.
Field item_of(const Field& list) {
  Field item = list;
  item.kind = list.of;
  item.min = item.max = 0;
  return item;
}

class Checker {
 public:
  explicit Checker(Report& report) : report_(report) {}

  void section(Node& node, const Section& section, const std::string& path) {
    if (!expect(node, NodeKind::kMapping, path)) return;
    for (Node& child : node.children) {
      const Field* field = section.find(child.key);
      if (field == nullptr) {
        report_.tell_at_key(
            child, path,
            fmt::format("unknown key `{}`{}", child.key, hint(child.key, keys_of(section))));
        continue;
      }
      value(child, *field, joined(path, child.key));
    }
    for (const Field& field : section.fields) {
      if (field.need == Need::kRequired && node.find(field.key) == nullptr) {
        report_.tell(node, path,
                     fmt::format("`{}` is missing: expected {}. {}", field.key, expectation(field),
                                 field.doc));
      }
    }
  }

 private:
  void value(Node& node, const Field& field, const std::string& path) {
    switch (field.kind) {
      case Kind::kNotServed:
        report_.tell_at_key(node, path, not_served(field.key));
        node.broken = true;
        return;
      case Kind::kSection:
        return section(node, *field.section, path);
      case Kind::kMap:
        return map(node, field, path);
      case Kind::kList:
        return list(node, field, path);
      case Kind::kTexts:
        return texts(node, field, path);
      case Kind::kTextMap:
        return text_map(node, field, path);
      case Kind::kChoice:
        if (field.section != nullptr && node.kind == NodeKind::kMapping) {
          return one_of(node, field, path);
        }
        return scalar(node, field, path);
      default:
        return scalar(node, field, path);
    }
  }

  void map(Node& node, const Field& field, const std::string& path) {
    if (!expect(node, NodeKind::kMapping, path)) return;
    if (node.children.size() > kMembersMax) {
      return refuse(node, path, fmt::format("more than {} names", kMembersMax));
    }
    const auto size = static_cast<std::int64_t>(node.children.size());
    if (field.max > 0 && size > field.max) {
      report_.tell(node, path, fmt::format("expected {}, found {}", expectation(field), size));
    }
    for (Node& child : node.children) {
      if (field.keys != nullptr) {
        const auto known = field.keys();
        if (std::ranges::count(known, child.key) == 0) {
          report_.tell_at_key(
              child, path,
              is_later(field, child.key)
                  ? not_served(child.key, field.later_because)
                  : fmt::format("unknown key `{}`{}", child.key, hint(child.key, known)));
          continue;
        }
      } else if (!(field.key_kind == Kind::kModelName ? is_model_name(child.key)
                                                      : is_name(child.key))) {
        Field name;
        name.kind = field.key_kind;
        report_.tell_at_key(
            child, path,
            fmt::format("`{}` cannot be a name here: expected {}", child.key, expectation(name)));
        child.broken = true;
        continue;
      }
      section(child, *field.section, joined(path, child.key));
    }
  }

  void one_of(Node& node, const Field& field, const std::string& path) {
    if (node.broken) return;
    section(node, *field.section, path);
    if (node.children.size() == 1) return;
    refuse(node, path,
           fmt::format("expected {}, found {} keys", expectation(field), node.children.size()));
  }

  void list(Node& node, const Field& field, const std::string& path) {
    if (!expect(node, NodeKind::kSequence, path)) return;
    const auto size = static_cast<std::int64_t>(node.children.size());
    if (size < field.min || size > field.max) {
      report_.tell(node, path, fmt::format("expected {}, found {}", expectation(field), size));
    }
    const Field item = item_of(field);
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      value(node.children[i], item, fmt::format("{}[{}]", path, i));
    }
  }

  void texts(Node& node, const Field& field, const std::string& path) {
    if (node.kind != NodeKind::kScalar) {
      Field several = field;
      several.kind = Kind::kList;
      several.min = 1;
      return list(node, several, path);
    }
    Field one;
    scalar(node, one, path);
  }

  void text_map(Node& node, const Field& field, const std::string& path) {
    if (!expect(node, NodeKind::kMapping, path)) return;
    const auto size = static_cast<std::int64_t>(node.children.size());
    if (size < 1 || size > field.max) {
      return refuse(node, path, fmt::format("expected {}, found {}", expectation(field), size));
    }
    for (Node& child : node.children) value(child, value_of(field), joined(path, child.key));
  }

  void scalar(Node& node, const Field& field, const std::string& path) {
    if (node.broken) return;
    if (node.kind != NodeKind::kScalar) {
      refuse(node, path, fmt::format("expected {}, found {}", expectation(field), describe(node)));
      return;
    }
    if (is_later(field, node.text)) {
      return refuse(node, path, not_served(node.text, field.later_because));
    }
    if (field.kind == Kind::kSecret) read_secret(node, path);
    if (node.broken || fits(field, node.text)) return;
    std::string message =
        fmt::format("expected {}, found {}", expectation(field), found(node, field));
    if (field.kind == Kind::kChoice || field.kind == Kind::kTokenizer) {
      if (const auto near = nearest(node.text, field.names())) {
        message += fmt::format("; did you mean `{}`?", *near);
      }
    } else if (field.kind == Kind::kTimeZone) {
      const std::vector<std::string_view> near = nearest_time_zones(node.text);
      if (!near.empty()) message += fmt::format("; near that: {}", quoted(near));
    }
    refuse(node, path, std::move(message));
  }

  static std::string found(const Node& node, const Field& field) {
    if (field.kind == Kind::kSecret) return "control characters in it";
    const bool is_store = field.kind == Kind::kLedger || field.kind == Kind::kRateStore;
    // Its password is not repeated.
    if (is_store && node.text.find('@') != std::string::npos) return "another URL";
    if (field.kind == Kind::kUrl && node.text.find('@') != std::string::npos) {
      return "a URL that carries a user; write a `credential` instead";
    }
    if (node.written == node.text) return describe(node);
    return fmt::format("what {} stands for", describe(node));
  }

  void refuse(Node& node, const std::string& path, std::string message) {
    report_.tell(node, path, std::move(message));
    node.broken = true;
  }

  void read_secret(Node& node, const std::string& path) {
    if (!node.written.starts_with("file:")) return;
    const std::string name = beside(report_.file, std::string_view(node.text).substr(5));
    std::ifstream in(name, std::ios::binary);
    std::string bytes;
    if (in) {
      bytes.resize(kSecretBytesMax + 1);
      in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      bytes.resize(static_cast<std::size_t>(in.gcount()));
    }
    while (bytes.ends_with('\n') || bytes.ends_with('\r')) bytes.pop_back();
    if (bytes.empty() || bytes.size() > kSecretBytesMax) {
      return refuse(node, path,
                    fmt::format("the secret's file `{}` cannot be read, is empty or is larger "
                                "than 64 KiB: name a readable file after `file:`",
                                name));
    }
    node.text = std::move(bytes);
  }

  bool expect(Node& node, NodeKind kind, const std::string& path) {
    if (node.broken) return false;
    if (node.kind == kind) return true;
    const bool mapping = kind == NodeKind::kMapping;
    std::string message =
        fmt::format("expected a {}, found {}", mapping ? "mapping" : "list", describe(node));
    if (node.kind == NodeKind::kNothing) {
      message += fmt::format("; write `{}` for an empty one", mapping ? "{}" : "[]");
    }
    refuse(node, path, std::move(message));
    return false;
  }

  Report& report_;
};

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 256 && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

// The text with its variables filled in, or what is wrong.
std::expected<std::string, std::string> expanded(std::string_view text,
                                                 const Environment& environment) {
  std::string made;
  while (!text.empty()) {
    const std::size_t at = text.find("${");
    if (at == std::string_view::npos) break;
    if (at > 0 && text[at - 1] == '$') {
      made.append(text.substr(0, at - 1)).append("${");
      text.remove_prefix(at + 2);
      continue;
    }
    made.append(text.substr(0, at));
    text.remove_prefix(at + 2);
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos) return std::unexpected("`${` has no `}`");
    const std::string_view inside = text.substr(0, close);
    const std::size_t dash = inside.find(":-");
    const std::string name(inside.substr(0, dash));
    if (!is_variable_name(name)) {
      return std::unexpected(fmt::format(
          "`${{{}}}` names no variable: expected `${{NAME}}` or `${{NAME:-default}}`", inside));
    }
    const std::optional<std::string> set = environment(name);
    if (dash != std::string_view::npos) {
      made.append(set && !set->empty() ? *set : std::string(inside.substr(dash + 2)));
    } else if (set) {
      made.append(*set);
    } else {
      return std::unexpected(fmt::format(
          "the environment variable `{}` is not set: set it, or write `${{{}:-default}}`", name,
          name));
    }
    text.remove_prefix(close + 1);
  }
  return made.append(text);
}

void expand_node(Node& node, const std::string& path, const Environment& environment,
                 Report& report) {
  if (node.kind == NodeKind::kScalar && node.text.find("${") != std::string::npos) {
    auto made = expanded(node.text, environment);
    if (made) {
      node.text = std::move(*made);
    } else {
      report.tell(node, path, made.error());
      node.broken = true;
    }
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    Node& child = node.children[i];
    expand_node(
        child,
        node.kind == NodeKind::kMapping ? joined(path, child.key) : fmt::format("{}[{}]", path, i),
        environment, report);
  }
}

}  // namespace

void Report::tell(const Node& node, std::string field, std::string message) {
  problems.push_back({file, node.line, node.column, std::move(field), std::move(message)});
}

void Report::tell_at_key(const Node& node, std::string field, std::string message) {
  problems.push_back({file, node.key_line, node.key_column, std::move(field), std::move(message)});
}

std::string beside(const std::string& file, std::string_view path) {
  const std::size_t slash = file.rfind('/');
  if (path.starts_with('/') || slash == std::string::npos) return std::string(path);
  return file.substr(0, slash + 1).append(path);
}

void expand(Node& root, const Environment& environment, Report& report) {
  expand_node(root, "", environment, report);
}

void check_shape(Node& root, const Section& section, Report& report) {
  Checker(report).section(root, section, "");
}

std::size_t find_variable(std::string_view text) {
  std::size_t at = text.find("${");
  while (at != std::string_view::npos && at > 0 && text[at - 1] == '$') {
    at = text.find("${", at + 2);
  }
  return at;
}

std::string View::path(std::string_view key) const { return joined(path_, key); }

const std::string& View::name() const { return node_->key; }

const Field& View::field(std::string_view key) const {
  const Field* field = section_->find(key);
  CHECK(field != nullptr);
  return *field;
}

const Node* View::node(std::string_view key) const {
  field(key);
  return node_ == nullptr ? nullptr : node_->find(key);
}

bool View::has(std::string_view key) const { return node(key) != nullptr; }

View View::section(std::string_view key) const {
  const Node* found = node(key);
  const bool sound = found != nullptr && !found->broken && found->kind == NodeKind::kMapping;
  return View(sound ? found : nullptr, *field(key).section, path(key));
}

std::vector<View> View::each(std::string_view key) const {
  std::vector<View> views;
  const Field& said = field(key);
  const Node* found = node(key);
  if (found == nullptr || found->broken) return views;
  for (std::size_t i = 0; i < found->children.size(); ++i) {
    const Node& child = found->children[i];
    const bool map = said.kind == Kind::kMap;
    if (found->kind != (map ? NodeKind::kMapping : NodeKind::kSequence)) break;
    if (child.broken || child.kind != NodeKind::kMapping) {
      if (map) continue;  // An item of a list keeps its place, so that paths stay true.
    }
    if (map && said.keys != nullptr && std::ranges::count(said.keys(), child.key) == 0) continue;
    views.emplace_back(&child, *said.section,
                       map ? joined(path(key), child.key) : fmt::format("{}[{}]", path(key), i));
  }
  return views;
}

std::string View::value(std::string_view key) const {
  const Field& said = field(key);
  const Node* found = node(key);
  const bool sound = found != nullptr && !found->broken && found->kind == NodeKind::kScalar &&
                     fits(said, found->text);
  return sound ? found->text : std::string(said.fallback);
}

std::string View::text(std::string_view key) const { return value(key); }

namespace {

std::vector<std::string> texts_in(const Node& found, const Field& field) {
  std::vector<std::string> made;
  const Field item = item_of(field);
  if (found.kind == NodeKind::kScalar && !found.broken && fits(item, found.text)) {
    made.push_back(found.text);
  }
  if (found.kind != NodeKind::kSequence) return made;
  for (const Node& child : found.children) {
    if (!child.broken && child.kind == NodeKind::kScalar && fits(item, child.text)) {
      made.push_back(child.text);
    }
  }
  return made;
}

}  // namespace

std::vector<std::string> View::texts(std::string_view key) const {
  const Node* found = node(key);
  return found == nullptr ? std::vector<std::string>() : texts_in(*found, field(key));
}

std::vector<std::pair<std::string, std::string>> View::pairs(std::string_view key) const {
  std::vector<std::pair<std::string, std::string>> made;
  const Field item = value_of(field(key));
  const Node* found = node(key);
  if (found == nullptr || found->broken || found->kind != NodeKind::kMapping) return made;
  for (const Node& child : found->children) {
    if (child.broken || child.kind != NodeKind::kScalar || !fits(item, child.text)) continue;
    made.emplace_back(child.key, child.text);
  }
  return made;
}

std::vector<std::pair<std::string, std::vector<std::string>>> View::lists(
    std::string_view key) const {
  std::vector<std::pair<std::string, std::vector<std::string>>> made;
  const Node* found = node(key);
  if (found == nullptr || found->broken || found->kind != NodeKind::kMapping) return made;
  for (const Node& child : found->children) {
    if (!child.broken) made.emplace_back(child.key, texts_in(child, value_of(field(key))));
  }
  return made;
}

std::int64_t View::count(std::string_view key) const { return parse_count(value(key)).value_or(0); }
Duration View::duration(std::string_view key) const {
  return parse_duration(value(key)).value_or(Duration{});
}
Bytes View::bytes(std::string_view key) const { return parse_bytes(value(key)).value_or(0); }
bool View::flag(std::string_view key) const { return value(key) == "true"; }
std::optional<Money> View::money(std::string_view key) const { return parse_money(value(key)); }
std::optional<Price> View::price(std::string_view key) const {
  return parse_price_per_million(value(key));
}

int View::place_of(std::string_view key) const {
  const auto names = field(key).names();
  const auto found = std::ranges::find(names, value(key));
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

}  // namespace tollgate::config
