// Definitions of tools that somebody approved: a file with a line for each, "SHA-256 NAME
// DEFINITION", the definition as canonical JSON (keys sorted), so that a review sees what changed.
//
// What a gateway hears of a server is held against it. A tool whose definition is another now, or
// that nobody approved, is in no list and is not called. A change is known from the moment a list
// with it passed this gateway, whoever asked for that.
//
// Safe from any thread: what was seen is a flag of each pin, and the only thing of a configuration
// that changes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tollgate::config {

class McpPins {
 public:
  struct Pin {
    std::string tool;
    std::string digest;  // 64 hex digits.
    std::string definition;
    // How many listings had begun when it was another; 0: it is what was approved, as far as is
    // known.
    mutable std::atomic<std::uint64_t> changed_in = 0;
  };

  // Adds the line of an approved definition; `definition` is canonical.
  void add(std::string_view tool, std::string_view definition);

  // What stands in `text`, or what is wrong with it and in which line.
  static std::expected<McpPins, std::string> read(std::string_view text);
  std::string write() const;

  const Pin* find(std::string_view tool) const;  // Null: never approved.
  const std::deque<Pin>& pins() const { return pins_; }

  // Whether it may be called, as far as is known.
  bool allows(std::string_view tool) const;
  // A listing of the server's tools begins: its first page has come. Returns which one it is.
  std::uint64_t begin_listing() const;
  // The last that began.
  std::uint64_t listing() const;
  // Whether that is what was approved, on a page of `listing`; keeps whether it is. A tool that is
  // another stays so until a listing that began later has it as it was, whatever the pages say
  // that were asked for before.
  bool saw(std::string_view tool, std::string_view definition, std::uint64_t listing) const;

  McpPins() = default;
  McpPins(McpPins&&) noexcept = default;
  McpPins& operator=(McpPins&&) noexcept = default;

 private:
  std::deque<Pin> pins_;  // A pin stays where it is.
  std::unordered_map<std::string_view, const Pin*> by_tool_;
  std::unique_ptr<std::atomic<std::uint64_t>> listing_ =
      std::make_unique<std::atomic<std::uint64_t>>(1);
};

}  // namespace tollgate::config
