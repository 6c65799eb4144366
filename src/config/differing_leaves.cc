#include "config/differing_leaves.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "base/json_writer.h"

namespace tollgate::config {

namespace {

namespace json = boost::json;

// By their paths, as JSON.
using Leaves = std::map<std::string, std::string>;

bool is_plain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

std::string member_path(const std::string& path, std::string_view name) {
  if (!is_plain(name)) return path + "[" + json::serialize(json::string(name)) + "]";
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string element_path(const std::string& path, std::string_view name) {
  return path + "[" + (is_plain(name) ? std::string(name) : json::serialize(json::string(name))) +
         "]";
}

// The names of the objects of a list; empty where some object has none, or the name of another.
std::vector<std::string> names_of(const json::array& list) {
  std::vector<std::string> names;
  for (const json::value& element : list) {
    const json::object* object = element.if_object();
    const json::value* name = object == nullptr ? nullptr : object->if_contains("name");
    if (name == nullptr || !name->is_string()) return {};
    names.emplace_back(name->get_string());
  }
  std::vector<std::string> sorted = names;
  std::ranges::sort(sorted);
  return std::ranges::adjacent_find(sorted) == sorted.end() ? names : std::vector<std::string>();
}

// As deep as the parser lets a text be.
void collect(const std::string& path, const json::value& value, Leaves& leaves) {
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    for (const json::key_value_pair& member : *object) {
      collect(member_path(path, member.key()), member.value(), leaves);
    }
    return;
  }
  const json::array* list = value.if_array();
  const std::vector<std::string> names =
      list == nullptr ? std::vector<std::string>() : names_of(*list);
  if (names.empty()) {
    leaves[path] = json::serialize(value);
    return;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    collect(element_path(path, names[i]), (*list)[i], leaves);
  }
}

Leaves leaves_of(std::string_view text) {
  Leaves leaves;
  boost::system::error_code error;
  json::value read = json::parse(text, error);
  if (error || !read.is_object()) return leaves;
  read.get_object().erase("version");
  if (!read.get_object().empty()) collect({}, read, leaves);
  return leaves;
}

}  // namespace

std::vector<DifferingLeaf> differing_leaves(std::string_view before, std::string_view after) {
  Leaves was = leaves_of(before);
  std::vector<DifferingLeaf> differing;
  for (auto& [path, value] : leaves_of(after)) {
    const auto old = was.find(path);
    if (old == was.end()) {
      differing.push_back({path, {}, value});
      continue;
    }
    if (old->second != value) differing.push_back({path, old->second, value});
    was.erase(old);
  }
  for (auto& [path, value] : was) differing.push_back({path, value, {}});
  std::ranges::sort(differing, {}, &DifferingLeaf::path);
  return differing;
}

std::string differing_leaves_json(std::string_view before, std::string_view after) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const DifferingLeaf& leaf : differing_leaves(before, after)) {
    json.begin_object();
    json.member("path", std::string_view(leaf.path));
    if (!leaf.before.empty()) {
      json.key("before");
      json.raw(leaf.before);
    }
    if (!leaf.after.empty()) {
      json.key("after");
      json.raw(leaf.after);
    }
    json.end_object();
  }
  json.end_array();
  return out;
}

}  // namespace tollgate::config
