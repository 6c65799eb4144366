// Reads what is encoded in a text that comes in pieces: base64 and hex, as far as they have come.
//
// A run of their characters is decoded from its beginning, byte by byte, and what comes out is read
// by a StreamScanner, which says how much of that is decided; so of a run no more waits than what
// could still become a match within it, and of ordinary text the word that it ends with. Of UTF-16
// (of ASCII, of either order) the zeros are left out. A run goes on behind a line break, and what
// the next line is set in with; as whether it does is not known, each of its lines of at least
// kRunMin is read alone as well. Where a control character comes out the rest of the run, or of the
// line, is no text, and is not read on.
//
// Not read is what is encoded twice, begins within a run, or is in lines of less than kRunMin. A
// run of which more than 1,024 lines wait ends there.
// Whole texts are read by this too, so that the verdict is the same.
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
  // A run or a line of it, read in one of the two ways.
  struct Decoding {
    Decoding(const StreamReads& reads, std::size_t bits_a_character, std::size_t from)
        : scanner(reads), bits(bits_a_character), first(from) {}

    StreamScanner scanner;
    const std::size_t bits;
    const std::size_t first;  // Of the characters of the run.
    std::string text;         // That the scanner has not read yet.
    std::uint32_t value = 0;  // Of characters that make no byte yet…
    std::size_t pending = 0;  // …so many bits.
    bool is_text = true;      // And goes on.
    std::size_t bytes = 0;    // That came out…
    std::size_t letters = 0;  // …and letters of the text that is read.
    // Of UTF-16: its first zero, and how many letters came before it.
    bool is_wide = false;
    std::size_t zero = 0;
    std::size_t narrow = 0;

    // The byte that a letter is; of the one behind the last, what comes next.
    std::size_t byte_of(std::size_t letter) const {
      return !is_wide || letter < narrow ? letter : zero + 1 + 2 * (letter - narrow);
    }
  };
  // A line of a run.
  struct Line {
    std::size_t character = 0;  // Of the run, that it begins with…
    std::size_t at = 0;         // …and where that stands.
  };
  enum class Break : std::uint8_t { kNone, kReturn, kLine };
  bool goes_on(char c, std::vector<StreamMatch>& found);
  bool has_place_for_line(std::vector<StreamMatch>& found);
  std::size_t place_of(std::size_t character) const;
  std::size_t decided_characters() const;
  void forget_lines();
  std::array<std::optional<Decoding>*, 4> all() {
    return {&base64_, &hex_, &line_base64_, &line_hex_};
  }
  bool is_first_line() const { return line_ == run_; }
  void begin_line();
  void begin(std::optional<Decoding>& decoding, std::size_t bits);
  void put(char c, std::vector<StreamMatch>& found);
  void put(std::optional<Decoding>& decoding, char c);
  void scan_all(std::vector<StreamMatch>& found);
  void end_line(std::vector<StreamMatch>& found);
  void scan(std::optional<Decoding>& decoding, std::vector<StreamMatch>& found);
  void end_decoding(std::optional<Decoding>& decoding, std::vector<StreamMatch>& found);
  void end_run(std::vector<StreamMatch>& found);
  void tell(const Decoding& decoding, std::size_t known, std::vector<StreamMatch>& found);

  const StreamReads reads_;
  std::size_t size_ = 0;
  std::size_t run_ = 0;         // Characters of the run that the text ends with.
  std::size_t line_ = 0;        // The same of its last line.
  std::vector<Line> lines_;     // Of it; the first that is not decided yet, and those behind it.
  Break break_ = Break::kNone;  // Behind it, so far…
  std::size_t set_in_ = 0;      // …and what the next line is set in with.
  bool may_be_hex_ = false;     // The line…
  std::array<char, kRunMin> beginning_{};  // …which begins so.
  // From kRunMin characters on, what is joined from the first line on…
  std::optional<Decoding> base64_;
  std::optional<Decoding> hex_;
  // …and each further line alone.
  std::optional<Decoding> line_base64_;
  std::optional<Decoding> line_hex_;
  std::vector<StreamMatch> told_;  // The last of them.
};

}  // namespace tollgate::content
