// The texts that are tokens wherever they stand: a server takes them out of a text before
// anything else, so what is around them is counted as texts of their own. The longest of those
// that begin first.
//
// No I/O. Const is safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokens/tokenizer_json.h"
#include "tokens/trie.h"

namespace tollgate::tokens {

class AddedTokens {
 public:
  AddedTokens() = default;
  // Of distinct texts.
  explicit AddedTokens(std::span<const AddedToken> tokens);

  bool empty() const { return ids_.empty(); }

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint32_t id = 0;
  };
  // The first at or behind `from`.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

  // From where on what follows the text could make a token, or another one, of its end.
  std::size_t unfinished(std::string_view text) const;

 private:
  // Beyond this every byte is looked at: to seek each of several to the end of the text, again and
  // again, is quadratic in a text that has but one of them.
  static constexpr std::size_t kFirstBytesSought = 1;

  std::size_t next_begin(std::string_view text, std::size_t from) const;

  Trie trie_;
  std::array<bool, 256> begins_{};
  std::string first_bytes_;
  std::vector<std::uint32_t> ids_;
  std::size_t bytes_max_ = 0;
};

}  // namespace tollgate::tokens
