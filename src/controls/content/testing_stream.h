// Scanning a text in pieces, for the tests of this folder: with what could be handed on at each
// step held against what was found.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "controls/content/stream_scanner.h"
#include "controls/content/testing_scan.h"

namespace tollgate::content::testing {

struct Streamed {
  std::vector<StreamMatch> found;
  std::size_t held_most = 0;  // Bytes that waited at once.
  bool is_sound = true;       // No byte of a match was decided before the match was known.
};

// The packs that are read in streams.
inline constexpr Pack kStreamPacks[] = {Pack::kSecrets, Pack::kPii, Pack::kSpecialTokens};

// Cuts between characters only.
inline Streamed scan_pieces(const std::vector<std::string_view>& pieces,
                            std::span<const Pack> packs = kSecretsPack) {
  Streamed made;
  const std::vector<Action> actions = all_refuse(packs);
  StreamScanner scanner(reads_of(actions));
  std::size_t gone = 0;
  const auto take = [&](std::size_t known) {
    for (std::size_t i = known; i < made.found.size(); ++i) {
      if (made.found[i].extent.begin < gone) made.is_sound = false;
    }
    CHECK(scanner.decided() >= gone && scanner.decided() <= scanner.size());
    gone = scanner.decided();
    made.held_most = std::max(made.held_most, scanner.size() - gone);
  };
  for (const std::string_view piece : pieces) {
    const std::size_t known = made.found.size();
    scanner.read(piece, made.found);
    take(known);
  }
  const std::size_t known = made.found.size();
  scanner.end(made.found);
  take(known);
  CHECK(gone == scanner.size());
  return made;
}

inline bool is_inside_character(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// In pieces of `step` bytes at the least.
inline std::vector<std::string_view> cut(std::string_view text, std::size_t step) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    std::size_t end = std::min(step, text.size());
    while (is_inside_character(text, end)) ++end;
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return pieces;
}

// Whether a scanner of the whole text finds the same, if in another order.
inline bool is_as_whole(std::string_view text, const Streamed& streamed,
                        std::span<const Pack> packs = kSecretsPack) {
  const std::vector<Finding> whole = findings_in({text}, packs, Layers::kNone);
  if (whole.size() == Scanner::kFindingsMax) return streamed.found.size() >= whole.size();
  const auto has = [&](const Finding& finding) {
    return std::ranges::any_of(streamed.found, [&](const StreamMatch& match) {
      return match.rule == finding.rule && match.extent.begin < finding.offset + finding.bytes &&
             finding.offset < match.extent.end;
    });
  };
  return std::ranges::all_of(whole, has) && streamed.found.empty() == whole.empty();
}

}  // namespace tollgate::content::testing
