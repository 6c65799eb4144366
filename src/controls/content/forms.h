// A text in all the forms in which a model could read it, one after the other.
//
// They are the text as it came, its normal form (for rules that know each byte) and its folded one
// (for rules on words), both of normal_form.h; then the same of what comes out where one layer of
// encoding is taken off (decode.h), up to kLayersMax layers. Forms that would be the same are left
// out, so plain text has one, and to find that out is one fast look (survey.h). Text in tags is a
// case for itself: it is left out in one reading and read in another.
//
// Each layer is about as long as the text at most, and there are at most kLayersMax of them in each
// of the two readings, so all of it is linear in the bytes. What has more layers was not read to
// its end: is_too_deep().
//
// Positions are kept: lead_back() leads from any form back into the text.
//
// Not read are texts put backwards and ROT13: they are letters like others, so each would be one
// more pass over all texts, while a rule can have its words in these ways, too.
//
// One thread: a Forms keeps its memory, up to a bound, so that the steady state allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controls/content/characters.h"
#include "controls/content/content.h"
#include "controls/content/decode.h"
#include "controls/content/normal_form.h"
#include "controls/content/survey.h"

namespace tollgate::content {

// Whether encodings are taken off.
enum class Layers : std::uint8_t { kAll, kNone };

class Forms {
 public:
  static constexpr std::size_t kLayersMax = 3;

  struct Seen {
    std::string_view text;
    bool is_exact = false;  // For rules that read so…
    bool is_words = false;  // …or so.
    bool may_hide = false;  // Some character could hide something.
    Form form = Form::kAsIs;
    Tags tags = Tags::kLeftOut;
    std::size_t layer = 0;  // Of what was decoded; 0: the text as it came.
  };

  // Begins with `text`, which lives until the last next(). Folds only where `has_words`.
  void begin(std::string_view text, bool has_words, Layers layers = Layers::kAll);
  // The next form; borrowed until the next call. None: that was all.
  std::optional<Seen> next();
  // After all: there was one layer more.
  bool is_too_deep() const { return is_too_deep_; }

  // Replaces parts of the form that next() told last, at most Places::kMax, by where they stand in
  // the text, with whatever was left out inside them; of an encoded run, all of it. One pass a
  // layer for all of them.
  void lead_back(const Seen& seen, std::span<Extent> extents);

 private:
  enum class Step : std::uint8_t { kAsIs, kNormal, kTags, kFolded, kFoldedTags, kDecode, kDone };

  std::string_view layer_text(std::size_t layer) const {
    return layer == 0 ? text_ : std::string_view(decoded_[layer - 1]);
  }
  // What the layer above was decoded from.
  std::string_view base(std::size_t layer) const {
    return is_rewritten_[layer] ? std::string_view(normal_[layer]) : layer_text(layer);
  }
  void enter(std::size_t layer);
  bool decode();
  std::optional<Seen> seen(Form form, Tags tags, std::string_view text) const;
  void trim();

  std::string_view text_;
  bool has_words_ = false;
  Layers layers_ = Layers::kAll;
  bool has_tags_ = false;     // The layer.
  bool is_folded_ = false;    // It has a folded form, which was made.
  bool may_rewrite_ = false;  // It may have a normal one.
  Survey survey_;             // Of it…
  Traits traits_;             // …and of its characters beyond ASCII.
  bool is_too_deep_ = false;
  bool has_two_readings_ = false;  // The text has tags.
  std::size_t layer_ = 0;
  Step step_ = Step::kDone;
  Tags reading_ = Tags::kLeftOut;  // In which what is above was decoded.
  std::array<std::string, kLayersMax> decoded_;
  std::array<std::string, kLayersMax + 1> normal_;
  std::array<bool, kLayersMax + 1> is_rewritten_{};
  std::string folded_;
  Decoder decoder_;
};

}  // namespace tollgate::content
