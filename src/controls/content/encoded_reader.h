// Reads what is encoded in a text that comes in pieces: base64 and hex, as far as they have come.
//
// A run of their characters is decoded from its beginning, byte by byte, and what comes out is read
// by a StreamScanner, which says how much of that is decided; so of a run no more waits than what
// could still become a match within it, and of ordinary text the word that it ends with. Where a
// control character comes out the rest of the run is no text, and is not read on.
//
// Not read is what is encoded twice, begins within a run, or goes on behind a line break. Whole
// texts are read by this too, so that the verdict is the same.
//
// One thread. Linear in the bytes, however they are cut.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/content.h"
#include "controls/content/stream_scanner.h"

namespace tollgate::content {

class EncodedReader {
 public:
  // Fewer characters hold nothing that is looked for.
  static constexpr std::size_t kRunMin = 16;

  explicit EncodedReader(const StreamReads& reads) : reads_(reads) {}

  // As StreamScanner's. A match is told at what is encoded.
  void read(std::string_view piece, std::vector<StreamMatch>& found);
  void end(std::vector<StreamMatch>& found);
  std::size_t decided() const;
  std::size_t memory() const;

 private:
  // A run, read in one of the two ways.
  struct Decoding {
    Decoding(const StreamReads& reads, std::size_t bits_a_character)
        : scanner(reads), bits(bits_a_character) {}

    StreamScanner scanner;
    const std::size_t bits;
    std::string text;         // That the scanner has not read yet.
    std::uint32_t value = 0;  // Of characters that make no byte yet…
    std::size_t pending = 0;  // …so many bits.
    bool is_text = true;      // And goes on.
  };
  void begin_run(std::vector<StreamMatch>& found);
  void put(std::optional<Decoding>& decoding, char c);
  void scan(std::optional<Decoding>& decoding, std::vector<StreamMatch>& found);
  void end_decoding(std::optional<Decoding>& decoding, std::vector<StreamMatch>& found);
  void end_run(std::vector<StreamMatch>& found);
  void tell(const Decoding& decoding, std::size_t known, std::vector<StreamMatch>& found) const;

  const StreamReads reads_;
  std::size_t size_ = 0;
  std::size_t run_ = 0;  // Characters of the run that the text ends with.
  std::size_t run_begin_ = 0;
  bool may_be_hex_ = false;
  std::array<char, kRunMin> beginning_{};
  std::optional<Decoding> base64_;  // From kRunMin characters on.
  std::optional<Decoding> hex_;
};

}  // namespace tollgate::content
