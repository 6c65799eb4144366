#include "controls/content/entity_names.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "base/hex.h"
#include "base/utf8.h"
#include "controls/content/characters.h"
#include "controls/content/entities.h"

namespace tollgate::content {

namespace {

using Entities = std::unordered_map<std::string_view, std::string>;

const Entities& entities() {
  static const Entities made = [] {
    Entities all;
    for (std::string_view rest = kEntities; !rest.empty();) {
      const std::string_view entry = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
      const std::size_t equals = entry.find('=');
      std::string& text = all[entry.substr(0, equals)];
      std::uint32_t point = 0;
      for (const char c : entry.substr(equals + 1)) {
        if (c != '+') {
          point = point << 4 | hex(c);
        } else {
          text += utf8(std::exchange(point, 0)).view();
        }
      }
      text += utf8(point).view();
    }
    return all;
  }();
  return made;
}

}  // namespace

const std::string* entity_named(std::string_view name) {
  const auto known = entities().find(name);
  return known == entities().end() ? nullptr : &known->second;
}

void prepare_entities() { (void)entities(); }

}  // namespace tollgate::content
