#include "config/mcp_pins.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/sha256.h"
#include "dialects/mcp_methods.h"

namespace tollgate::config {

namespace {

constexpr std::size_t kPinsMax = 1024;

std::string digest_of(std::string_view definition) {
  const auto digest = sha256(definition);
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

}  // namespace

void McpPins::add(std::string_view tool, std::string_view definition) {
  Pin& made = pins_.emplace_back();
  made.tool = tool;
  made.definition = definition;
  made.digest = digest_of(definition);
  by_tool_.emplace(made.tool, &made);
}

std::expected<McpPins, std::string> McpPins::read(std::string_view text) {
  McpPins made;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t first = line.find(' ');
    const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    const auto wrong = [&](std::string_view what) {
      return std::unexpected(fmt::format("line {}: {}", number, what));
    };
    if (second == std::string_view::npos) return wrong("expected `SHA-256 NAME DEFINITION`");
    const std::string_view tool = line.substr(first + 1, second - first - 1);
    if (!dialects::is_mcp_name(tool)) return wrong("the name is no tool's");
    if (made.find(tool) != nullptr) return wrong(fmt::format("`{}` is there twice", tool));
    if (made.pins_.size() == kPinsMax) return wrong(fmt::format("more than {} tools", kPinsMax));
    made.add(tool, line.substr(second + 1));
    if (made.pins_.back().digest != line.substr(0, first)) {
      return wrong(
          fmt::format("the definition of `{}` is not the one that was approved (its "
                      "SHA-256 differs): run `tollgate mcp approve` again",
                      tool));
    }
  }
  return made;
}

std::string McpPins::write() const {
  std::string made = "# Approved definitions of tools, by `tollgate mcp approve`.\n";
  for (const Pin& pin : pins_) {
    fmt::format_to(std::back_inserter(made), "{} {} {}\n", pin.digest, pin.tool, pin.definition);
  }
  return made;
}

const McpPins::Pin* McpPins::find(std::string_view tool) const {
  const auto found = by_tool_.find(tool);
  return found == by_tool_.end() ? nullptr : found->second;
}

bool McpPins::allows(std::string_view tool) const {
  const Pin* pin = find(tool);
  return pin != nullptr && pin->changed_in.load(std::memory_order_relaxed) == 0;
}

std::uint64_t McpPins::begin_listing() const {
  return listing_->fetch_add(1, std::memory_order_relaxed) + 1;
}

std::uint64_t McpPins::listing() const { return listing_->load(std::memory_order_relaxed); }

bool McpPins::saw(std::string_view tool, std::string_view definition, std::uint64_t listing) const {
  const Pin* pin = find(tool);
  if (pin == nullptr) return false;
  const bool same = pin->definition == definition;
  std::uint64_t changed_in = pin->changed_in.load(std::memory_order_relaxed);
  if (!same) {
    // Another thread may have seen a later change.
    const std::uint64_t now = this->listing();
    while (changed_in < now &&
           !pin->changed_in.compare_exchange_weak(changed_in, now, std::memory_order_relaxed)) {
    }
  } else if (changed_in != 0 && changed_in < listing) {
    // Unless another thread has seen a change since.
    pin->changed_in.compare_exchange_strong(changed_in, 0, std::memory_order_relaxed);
  }
  return same;
}

}  // namespace tollgate::config
