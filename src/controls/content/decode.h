// One layer of encoding taken off a text: what a model would read in it, in its place.
//
// Read are
//   - base64, with either alphabet, with padding or without; hex, in a run, in pairs ("41 4b",
//     "41:4b") or as numbers ("0x41, 0x4b"). Of these only what is long enough to hold something,
//     and of what comes out only what is text: stretches of printable UTF-8, or of UTF-16
//     (encoded_bytes.h). A run that has characters before it which are no part of it is tried from
//     each of its first four;
//   - these over line breaks, where the lines say more in one than the first does
//     alone. Whether they belong together is not known, so each is read alone as well, behind that;
//   - the same in ROT13, base32, and what codes.h names: base64 in short groups, numbers of
//     characters, Morse code, letters one by one, quoted-printable;
//   - percent signs, HTML entities and escapes (escapes.h).
// What else stands in the text stays. So what comes out is no longer than the text but by a few
// entities, and an eighth of what was UTF-16, and can be read again for the next layer.
//
// One thread: a Decoder keeps its memory. Linear in the bytes.
// Source: RFC 4648 (base64, base64url, hex), RFC 2045 (lines).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/content.h"
#include "controls/content/survey.h"
#include "controls/content/windows.h"

namespace tollgate::content {

class Decoder {
 public:
  // Replaces `decoded` by the text with one layer taken off, and `windows` by what has to be read
  // of it; where there was none, both are empty. `candidates` are those of the text.
  void decode(std::string_view text, const Candidates& candidates, Reads reads,
              std::string& decoded, std::vector<Window>& windows);
  // Whether there is a layer.
  bool is_encoded(std::string_view text, const Candidates& candidates);

  // Replaces parts of what a window of `text` reads as, at most Places::kMax, by where they stand
  // in the text, in whole runs.
  void lead_back(std::string_view text, const Window& window, std::span<Extent> extents);

  // Gives back what is more than `bytes`.
  void trim(std::size_t bytes);

  // How many bytes of runs were looked at since it was made: what keeps it linear.
  std::size_t looked_at() const { return looked_at_; }

 private:
  // How long what stands at `at` is, with what it reads as in `read_`; 0 where it is nothing, and
  // there is nothing up to `looked_to_`: nothing is looked at twice.
  std::size_t encoded_at(std::string_view text, std::size_t at);
  std::size_t hex_at(std::string_view text, std::size_t at, std::size_t end);
  bool read_hex(std::string_view digits);
  std::size_t code_around(std::string_view text, std::size_t candidate, std::size_t from,
                          std::size_t& at);
  bool is_sign_at(std::string_view text, std::size_t at);
  void set_apart(std::string_view text, const Extent& piece, bool is_behind_piece);
  std::size_t pairs_at(std::string_view text, std::size_t at);
  std::size_t append_decimal(std::string_view text, const Extent& pairs);
  std::size_t base64_at(std::string_view text, std::size_t at, std::size_t end);
  struct Told {
    std::size_t bytes = 0;  // Of text…
    bool is_most = false;   // …which is most of them…
    bool is_all = false;    // …or all.
  };
  Told read_letters(std::string_view letters);
  std::size_t lines_at(std::string_view text, std::size_t at, std::size_t end, Told alone);
  Told read_lines();
  void join_lines(std::string_view text, std::size_t at, std::size_t end);
  void append_line(std::string_view text, const Extent& line);
  Told read_base64_text(std::string_view letters, std::string& text);
  template <class Put, class Free>
  void each_piece(std::string_view text, const Candidates& candidates, Put put, Free free);

  std::size_t looked_to_ = 0;
  std::size_t groups_looked_to_ = 0;   // The same of groups of base64…
  std::size_t letters_looked_to_ = 0;  // …and of single letters.
  Extent run_;                         // The last run that was looked at…
  bool is_run_of_sign_ = false;        // …and whether a sign stands behind it.
  std::size_t no_base64_to_ = 0;       // No base64 begins up to there.
  std::size_t no_pairs_to_ = 0;        // The same of pairs of hex.
  std::size_t joined_to_ = 0;          // No lines are joined that begin before.
  std::size_t lines_end_ = 0;          // Where those end that were joined last…
  int joins_ = 0;                      // …and how often they were.
  std::size_t looked_at_ = 0;
  bool is_in_run_ = false;     // What is there goes on with what is looked at by itself.
  std::string read_;           // What the piece at hand reads as.
  std::string said_;           // What lines read as, joined and each alone.
  std::string said_of_all_;    // The same of all lines, joined.
  std::vector<Extent> lines_;  // That are joined…
  std::string letters_;        // …without their breaks.
  std::string other_letters_;  // The same, turned…
  std::string turned_;         // …and what they say.
  std::string bytes_;          // Decoded, text or not.
  std::string other_;
  Candidates candidates_;  // Of what is led back.
};

}  // namespace tollgate::content
