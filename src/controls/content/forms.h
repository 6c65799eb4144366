// A text in all the forms in which a model could read it, one after the other.
//
// They are the text as it came, its normal form (for rules that know each byte) and its folded one
// (for rules on words), both of normal_form.h; then the same of what comes out where one layer of
// encoding is taken off (decode.h), up to kLayersMax layers. Text in tags is a case for itself: it
// is left out in one reading and read in another.
//
// Of all but the text as it came only the windows are told (windows.h): the parts around what
// differs. So plain text is one form, and to find that out is one fast look (survey.h). What is
// decoded in a window is a text of its own, with forms and windows of its own.
//
// The windows of a layer are about as long as the text at most, and there are at most kLayersMax
// of them in each of the two readings, so all of it is linear in the bytes. What has more layers
// was not read to its end: is_too_deep().
//
// Positions are kept: lead_back() leads from any form back into the text.
//
// Texts in ROT13 and those that are written backwards are for whoever looks for words (rot13.h):
// each form may be one.
//
// One thread: a Forms keeps its memory, up to a bound, so that the steady state allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/characters.h"
#include "controls/content/content.h"
#include "controls/content/decode.h"
#include "controls/content/normal_form.h"
#include "controls/content/survey.h"
#include "controls/content/windows.h"

namespace tollgate::content {

// Whether encodings are taken off.
enum class Layers : std::uint8_t { kAll, kNone };

class Forms {
 public:
  static constexpr std::size_t kLayersMax = 3;

  struct Seen {
    std::string_view text;  // Of a window.
    bool is_exact = false;  // For rules that read so…
    bool is_words = false;  // …or so.
    bool may_hide = false;  // Some character could hide something.
    // It is a part of something longer.
    bool is_cut_before = false;
    bool is_cut_behind = false;
    bool is_last = false;  // Of the windows of this form.
    Form form = Form::kAsIs;
    Tags tags = Tags::kLeftOut;
    std::size_t layer = 0;  // Of what was decoded; 0: the text as it came.
    Extent original;        // The window, in the text of the layer.
  };

  // Begins with `text`, which lives until the last next(). Folds only where `has_words`.
  void begin(std::string_view text, bool has_words, Layers layers = Layers::kAll,
             Reads reads = Reads::kWindows);
  // The next form; borrowed until the next call. None: that was all.
  std::optional<Seen> next();
  // After all: there was one layer more.
  bool is_too_deep() const { return is_too_deep_; }

  // How many bytes at either end of the window that next() told last may match by a cut alone:
  // those that lie within kCutEdge of it, where it was made. A form may be shorter than what it is
  // of. Goes over the window of each layer that was cut.
  struct Edges {
    std::size_t before = 0;
    std::size_t behind = 0;
  };
  Edges edges(const Seen& seen);

  // Replaces parts of the window that next() told last, at most Places::kMax, by where they stand
  // in its layer, with whatever was left out inside them…
  void lead_to_layer(const Seen& seen, std::span<Extent> extents) const;
  // …and such parts of the layer of a form whose last window next() told last, by where they stand
  // in the text; of an encoded run, all of it. Goes over the window of each layer.
  void lead_back(const Seen& seen, std::span<Extent> extents);

 private:
  enum class Step : std::uint8_t { kAsIs, kNormal, kTags, kFolded, kFoldedTags, kDecode, kDone };
  // A text that was decoded, or that came.
  struct Layer {
    std::string_view text;
    bool is_cut_before = false;
    bool is_cut_behind = false;
    bool has_tags = false;
    Survey survey;
    Candidates candidates;  // Of the text, or, once it is rewritten and decoded, of that.
    std::string normal;     // In the reading at hand; empty where that does not differ.
    std::vector<Window> normal_windows;
    std::string decoded;  // What is encoded in it.
    std::vector<Window> decoded_windows;
    std::size_t next_window = 0;

    std::string_view base() const { return normal.empty() ? text : std::string_view(normal); }
  };

  Layer& layer() { return layers_[layer_]; }
  void enter(std::size_t layer, std::string_view text, bool is_cut_before, bool is_cut_behind);
  void set(Step step);
  std::optional<Seen> told(std::string_view made, std::span<const Window> windows);
  Rewritten rewrite_layer(Form form, Tags tags);
  void decode();
  void go_deeper();
  void trim();

  bool has_words_ = false;
  Layers layers_asked_ = Layers::kAll;
  Reads reads_ = Reads::kWindows;
  bool is_too_deep_ = false;
  bool may_hide_ = false;
  bool has_two_readings_ = false;  // Some layer has tags.
  std::array<Layer, kLayersMax + 1> layers_;
  std::size_t layer_ = 0;
  Step step_ = Step::kDone;
  std::size_t window_ = 0;         // Of the form at hand.
  Tags reading_ = Tags::kLeftOut;  // In which what is above was decoded.
  std::string folded_;
  std::vector<Window> folded_windows_;
  Decoder decoder_;
};

}  // namespace tollgate::content
