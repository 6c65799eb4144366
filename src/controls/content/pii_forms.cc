#include "controls/content/pii_forms.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/check.h"
#include "controls/content/identifiers.h"
#include "controls/content/pii.h"

namespace tollgate::content {

PiiForms::PiiForms() : nodes_(1) {
  for (std::size_t kind = 0; kind < pii_kinds().size(); ++kind) {
    for (std::string_view forms = pii_kinds()[kind].forms; !forms.empty();) {
      const std::size_t end = std::min(forms.find('|'), forms.size());
      std::string_view form = forms.substr(0, end);
      forms.remove_prefix(std::min(end + 1, forms.size()));
      const bool needs_word = form.starts_with('!');
      if (needs_word) form.remove_prefix(1);
      add(0, form, {static_cast<std::uint16_t>(kind), needs_word});
    }
  }
}

const PiiForms& PiiForms::get() {
  static const PiiForms forms;
  return forms;
}

std::uint16_t PiiForms::child(std::uint16_t node, std::uint8_t kind) {
  if (nodes_[node].next[kind] == 0) {
    CHECK(nodes_.size() < 0xFFFF);
    nodes_[node].next[kind] = static_cast<std::uint16_t>(nodes_.size());
    nodes_.emplace_back();
  }
  return nodes_[node].next[kind];
}

// What may be either goes both ways.
void PiiForms::add(std::uint16_t node, std::string_view form, Use use) {
  while (!form.empty()) {
    const char c = form.front();
    form.remove_prefix(1);
    std::size_t count = 0;
    while (!form.empty() && is_digit(form.front())) {
      count = count * 10 + static_cast<std::size_t>(digit(form.front()));
      form.remove_prefix(1);
    }
    for (std::size_t i = 0; i < std::max<std::size_t>(count, 1); ++i) {
      if (c == 'x') {
        const std::size_t left = std::max<std::size_t>(count, 1) - i - 1;
        std::string rest(left, 'x');
        rest += form;
        add(child(node, kDigit), rest, use);
        add(child(node, kUpper), rest, use);
        return;
      }
      const std::uint8_t kind = kClasses[static_cast<unsigned char>(c == 'd' ? '0' : c)];
      CHECK(kind != kOther);
      node = child(node, kind);
    }
  }
  nodes_[node].uses.push_back(use);
}

}  // namespace tollgate::content
