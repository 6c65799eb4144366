#include "controls/content/forms.h"

#include <algorithm>

namespace tollgate::content {

namespace {

// Bytes of each form that are kept from text to text.
constexpr std::size_t kKeptMax = std::size_t{64} << 10;

std::string_view part(std::string_view text, const Extent& extent) {
  return text.substr(extent.begin, extent.end - extent.begin);
}

}  // namespace

void Forms::begin(std::string_view text, bool has_words, Layers layers, Reads reads) {
  trim();
  reads_ = reads;
  layers_asked_ = layers;
  has_words_ = has_words;
  is_too_deep_ = false;
  reading_ = Tags::kLeftOut;
  has_two_readings_ = false;
  enter(0, text, false, false);
}

void Forms::enter(std::size_t number, std::string_view text, bool is_cut_before,
                  bool is_cut_behind) {
  layer_ = number;
  Layer& entered = layer();
  entered.text = text;
  entered.is_cut_before = is_cut_before;
  entered.is_cut_behind = is_cut_behind;
  entered.survey = survey(text, entered.candidates);
  entered.has_tags = false;
  entered.normal.clear();
  entered.normal_windows.clear();
  may_hide_ = entered.survey.may_mix;
  if (entered.survey.has_others || entered.survey.has_escapes) {
    entered.has_tags = rewrite_layer(Form::kNormal, Tags::kLeftOut).has_tags;
    has_two_readings_ = has_two_readings_ || entered.has_tags;
  }
  set(Step::kAsIs);
}

void Forms::set(Step step) {
  step_ = step;
  window_ = 0;
}

Rewritten Forms::rewrite_layer(Form form, Tags tags) {
  Layer& of = layer();
  const bool folds = form == Form::kFolded;
  const Rewritten made = rewrite(of.text, form, tags, reads_, folds ? folded_ : of.normal,
                                 folds ? folded_windows_ : of.normal_windows);
  may_hide_ = may_hide_ || made.may_hide;
  return made;
}

std::optional<Forms::Seen> Forms::next() {
  while (true) {
    const Survey& told_before = layer().survey;
    const bool may_fold =
        has_words_ && (told_before.has_others || told_before.has_escapes || told_before.has_gaps);
    switch (step_) {
      case Step::kAsIs:
        return told(layer().text, {});
      case Step::kNormal:
      case Step::kTags:
        if (window_ < layer().normal_windows.size()) {
          return told(layer().normal, layer().normal_windows);
        }
        if (step_ == Step::kNormal && layer().has_tags) {
          rewrite_layer(Form::kNormal, Tags::kRead);
          set(Step::kTags);
          break;
        }
        if (may_fold) rewrite_layer(Form::kFolded, Tags::kLeftOut);
        set(may_fold ? Step::kFolded : Step::kDecode);
        if (!may_fold) decode();
        break;
      case Step::kFolded:
      case Step::kFoldedTags:
        if (window_ < folded_windows_.size()) return told(folded_, folded_windows_);
        if (step_ == Step::kFolded && layer().has_tags) {
          rewrite_layer(Form::kFolded, Tags::kRead);
          set(Step::kFoldedTags);
          break;
        }
        set(Step::kDecode);
        decode();
        break;
      case Step::kDecode:
        go_deeper();
        break;
      case Step::kDone:
        return std::nullopt;
    }
  }
}

// The next window of a form, or the whole text as it is.
std::optional<Forms::Seen> Forms::told(std::string_view made, std::span<const Window> windows) {
  const Layer& of = layer();
  Seen seen{made};
  seen.is_cut_before = of.is_cut_before;
  seen.is_cut_behind = of.is_cut_behind;
  seen.is_last = true;
  seen.layer = layer_;
  seen.may_hide = may_hide_;
  seen.original = {0, of.text.size()};
  switch (step_) {
    case Step::kNormal:
    case Step::kTags:
      seen.form = Form::kNormal;
      break;
    case Step::kFolded:
    case Step::kFoldedTags:
      seen.form = Form::kFolded;
      break;
    default:
      break;
  }
  const bool reads_tags = step_ == Step::kTags || step_ == Step::kFoldedTags;
  seen.tags = reads_tags ? Tags::kRead : Tags::kLeftOut;
  seen.is_exact = seen.form != Form::kFolded;
  seen.is_words = seen.form != Form::kNormal;
  if (step_ == Step::kAsIs) {
    set(Step::kNormal);
    return seen;
  }
  const Window& window = windows[window_++];
  seen.text = part(made, window.made);
  seen.original = window.original;
  seen.is_last = window_ == windows.size();
  seen.is_cut_before = window.is_cut_before || (of.is_cut_before && window.original.begin == 0);
  seen.is_cut_behind =
      window.is_cut_behind || (of.is_cut_behind && window.original.end == of.text.size());
  return seen;
}

// Finds what is encoded in the layer, in the reading at hand.
void Forms::decode() {
  Layer& of = layer();
  of.next_window = 0;
  of.decoded_windows.clear();
  if (layers_asked_ == Layers::kNone) return;
  if (of.has_tags) rewrite_layer(Form::kNormal, reading_);
  bool may_be_encoded = of.survey.may_be_encoded;
  if (!of.normal.empty()) may_be_encoded = survey(of.normal, of.candidates).may_be_encoded;
  if (!may_be_encoded) return;
  if (layer_ < kLayersMax) {
    decoder_.decode(of.base(), of.candidates, reads_, of.decoded, of.decoded_windows);
  } else {
    is_too_deep_ = is_too_deep_ || decoder_.is_encoded(of.base(), of.candidates);
  }
}

// Into the next window of what was decoded, or back to the layer above.
void Forms::go_deeper() {
  Layer& of = layer();
  if (of.next_window < of.decoded_windows.size()) {
    const Window& window = of.decoded_windows[of.next_window++];
    enter(layer_ + 1, part(of.decoded, window.made),
          window.is_cut_before || (of.is_cut_before && window.original.begin == 0),
          window.is_cut_behind || (of.is_cut_behind && window.original.end == of.base().size()));
    return;
  }
  if (layer_ > 0) {
    --layer_;
    return;
  }
  if (!has_two_readings_ || reading_ == Tags::kRead) {
    set(Step::kDone);
    return;
  }
  reading_ = Tags::kRead;
  decode();
}

void Forms::lead_to_layer(const Seen& seen, std::span<Extent> extents) const {
  if (seen.form == Form::kAsIs || extents.empty()) return;
  content::lead_back(part(layers_[seen.layer].text, seen.original), seen.form, seen.tags, extents);
  for (Extent& extent : extents) {
    extent = {extent.begin + seen.original.begin, extent.end + seen.original.begin};
  }
}

void Forms::lead_back(const Seen& seen, std::span<Extent> extents) {
  if (extents.empty()) return;
  for (std::size_t number = seen.layer; number > 0; --number) {
    const Layer& above = layers_[number - 1];
    decoder_.lead_back(above.base(), above.decoded_windows[above.next_window - 1], extents);
    if (above.normal.empty()) continue;
    content::lead_back(above.text, Form::kNormal, reading_, above.normal_windows, extents);
  }
}

Forms::Edges Forms::edges(const Seen& seen) {
  const std::size_t size = std::min(kCutEdge, seen.text.size());
  std::array<Extent, 2 * kCutEdge> bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = {i, i + 1};
    bytes[size + i] = {seen.text.size() - size + i, seen.text.size() - size + i + 1};
  }
  const std::span<Extent> all = std::span(bytes).first(2 * size);
  Edges found;
  // Of a window of something so long, where it stands there.
  const auto look = [&](const Extent& window, std::size_t length) {
    const auto is_before = [&](const Extent& at) { return at.end <= window.begin + kCutEdge; };
    const auto is_behind = [&](const Extent& at) { return at.begin + kCutEdge >= window.end; };
    const auto count = [](std::span<Extent> some, const auto& is) {
      return static_cast<std::size_t>(std::ranges::count_if(some, is));
    };
    if (window.begin > 0) found.before = std::max(found.before, count(all.first(size), is_before));
    if (window.end < length)
      found.behind = std::max(found.behind, count(all.last(size), is_behind));
  };
  lead_to_layer(seen, all);
  look(seen.original, layers_[seen.layer].text.size());
  for (std::size_t number = seen.layer; number > 0; --number) {
    const Layer& above = layers_[number - 1];
    const Window& window = above.decoded_windows[above.next_window - 1];
    if (!layers_[number].is_cut_before && !layers_[number].is_cut_behind) break;
    // To lead back through so much for each window in it would take for ever. What may match by
    // the cut alone is told then.
    if (window.original.end - window.original.begin > WindowMaker::kWindowMax) break;
    decoder_.lead_back(above.base(), window, all);
    look(window.original, above.base().size());
    if (above.normal.empty()) continue;
    content::lead_back(above.text, Form::kNormal, reading_, above.normal_windows, all);
  }
  return found;
}

void Forms::trim() {
  const auto trim_text = [](std::string& text) {
    if (text.capacity() > kKeptMax) text = {};
  };
  const auto trim_windows = [](std::vector<Window>& windows) {
    if (windows.capacity() * sizeof(Window) > kKeptMax) windows = {};
  };
  for (Layer& each : layers_) {
    trim_text(each.normal);
    trim_text(each.decoded);
    trim_windows(each.normal_windows);
    trim_windows(each.decoded_windows);
    each.candidates.trim(kKeptMax);
  }
  trim_text(folded_);
  trim_windows(folded_windows_);
  decoder_.trim(kKeptMax);
}

}  // namespace tollgate::content
