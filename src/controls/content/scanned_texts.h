// What was found in the texts that were read last: a conversation brings its earlier turns again
// with each request, and only what is new in it has to be read.
//
// A text is known by a tag of 128 bits of it and of all that its verdict depends on: GHASH under a
// secret of the object, which is good as long as tags are told to nobody. Whoever writes two texts
// of n blocks of 16 bytes, without the secret, has a chance of about n in 2^128 that one is taken
// for the other.
//
// No I/O but for the first tag, which asks the system for the secret. One thread. Bounded: the
// newer of two texts that meet in a place stays with the last one before it.
// Source: NIST SP 800-38D; McGrew and Viega, "The Security and Performance of the Galois/Counter
// Mode (GCM) of Operation" (2004), theorem 2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "controls/content/content.h"

struct evp_cipher_ctx_st;

namespace tollgate::content {

class ScannedTexts {
 public:
  // A shorter text is read as fast as it is looked up.
  static constexpr std::size_t kTextBytesMin = 256;
  static constexpr std::size_t kTextsMax = 8192;  // 120 bytes each.
  // One in which more is found is read each time.
  static constexpr std::size_t kMatchesMax = 8;

  struct Match {
    std::uint16_t rule = 0;  // Of the rules that it was read by.
    Action action = Action::kNone;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  struct Found {
    std::size_t count = 0;  // More than kMatchesMax: not all are here.
    std::array<Match, kMatchesMax> matches{};

    void add(const Match& match) {
      if (count < kMatchesMax) matches[count] = match;
      ++count;
    }
  };

  struct Tag {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const Tag&) const = default;
  };

  // Of `text` and what else its verdict depends on. Nothing: there is no secret or no room, and the
  // text has to be read.
  std::optional<Tag> tag(std::string_view context, std::string_view text);

  // What was found in it; null: it is not known. Valid until the next keep() or forget().
  const Found* find(const Tag& tag) const;
  void keep(const Tag& tag, const Found& found);
  // Knows no text any more, and none by its old tag.
  void forget();

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  bool begin();
  static std::size_t home(const Tag& tag) { return (tag.low % (kTextsMax / 2)) * 2; }

  std::unique_ptr<evp_cipher_ctx_st, Free> cipher_;  // Null: there is no secret yet.
  struct Place {
    Tag tag;
    Found found;
  };
  std::vector<Place> places_;
};

}  // namespace tollgate::content
