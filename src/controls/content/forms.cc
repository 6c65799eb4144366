#include "controls/content/forms.h"

namespace tollgate::content {

namespace {

// Bytes of each form that are kept from text to text.
constexpr std::size_t kKeptMax = std::size_t{64} << 10;

}  // namespace

void Forms::begin(std::string_view text, bool has_words, Layers layers) {
  trim();
  layers_ = layers;
  text_ = text;
  has_words_ = has_words;
  is_too_deep_ = false;
  reading_ = Tags::kLeftOut;
  enter(0);
  has_two_readings_ = has_tags_;
}

std::optional<Forms::Seen> Forms::next() {
  while (step_ != Step::kDone) {
    const std::string_view text = layer_text(layer_);
    std::string& normal = normal_[layer_];
    switch (step_) {
      case Step::kAsIs:
        step_ = Step::kNormal;
        return seen(Form::kAsIs, Tags::kLeftOut, text);
      case Step::kNormal:
        step_ = has_tags_ ? Step::kTags : Step::kFolded;
        is_rewritten_[layer_] =
            may_rewrite_ && rewrite(text, Form::kNormal, Tags::kLeftOut, normal);
        if (is_rewritten_[layer_]) return seen(Form::kNormal, Tags::kLeftOut, normal);
        break;
      case Step::kTags:
        step_ = Step::kFolded;
        is_rewritten_[layer_] = rewrite(text, Form::kNormal, Tags::kRead, normal);
        if (is_rewritten_[layer_]) return seen(Form::kNormal, Tags::kRead, normal);
        break;
      case Step::kFolded:
        step_ = has_tags_ && has_words_ ? Step::kFoldedTags : Step::kDecode;
        if (is_folded_) return seen(Form::kFolded, Tags::kLeftOut, folded_);
        break;
      case Step::kFoldedTags:
        step_ = Step::kDecode;
        if (rewrite(text, Form::kFolded, Tags::kRead, folded_)) {
          return seen(Form::kFolded, Tags::kRead, folded_);
        }
        break;
      case Step::kDecode:
        if (!decode()) step_ = Step::kDone;
        break;
      case Step::kDone:
        break;
    }
  }
  return std::nullopt;
}

void Forms::enter(std::size_t layer) {
  layer_ = layer;
  const std::string_view text = layer_text(layer);
  survey_ = survey(text);
  traits_ = survey_.has_others ? traits_of(text) : Traits{};
  may_rewrite_ = survey_.has_escapes || traits_.may_rewrite;
  has_tags_ = may_rewrite_ && has_tags(text);
  is_folded_ = has_words_ && (survey_.has_escapes || survey_.has_spaces || traits_.may_fold) &&
               rewrite(text, Form::kFolded, Tags::kLeftOut, folded_);
  step_ = Step::kAsIs;
}

// Goes on to the next layer, or begins the second reading; false: there is none.
bool Forms::decode() {
  if (layers_ == Layers::kNone) return false;
  if (has_tags_) {
    is_rewritten_[layer_] = rewrite(layer_text(layer_), Form::kNormal, reading_, normal_[layer_]);
  }
  const bool is_last = layer_ == kLayersMax;
  std::string& decoded = is_last ? folded_ : decoded_[layer_];
  const std::string_view from = base(layer_);
  const Survey of = is_rewritten_[layer_] ? survey(from) : survey_;
  if (may_be_encoded(from, of) && decoder_.decode(from, decoded)) {
    if (!is_last) {
      enter(layer_ + 1);
      return true;
    }
    is_too_deep_ = true;
  }
  if (!has_two_readings_ || reading_ == Tags::kRead) return false;
  reading_ = Tags::kRead;
  enter(0);
  step_ = Step::kDecode;
  return true;
}

std::optional<Forms::Seen> Forms::seen(Form form, Tags tags, std::string_view text) const {
  Seen made{text};
  made.form = form;
  made.tags = tags;
  made.layer = layer_;
  made.may_hide = traits_.may_hide;
  made.is_exact = form != Form::kFolded;
  made.is_words = form == Form::kFolded || (form == Form::kAsIs && !is_folded_);
  return made;
}

void Forms::lead_back(const Seen& seen, std::span<Extent> extents) {
  if (extents.empty()) return;
  content::lead_back(layer_text(seen.layer), seen.form, seen.tags, extents);
  for (std::size_t layer = seen.layer; layer > 0; --layer) {
    decoder_.lead_back(base(layer - 1), extents);
    if (is_rewritten_[layer - 1]) {
      content::lead_back(layer_text(layer - 1), Form::kNormal, reading_, extents);
    }
  }
}

void Forms::trim() {
  for (std::string& text : decoded_) {
    if (text.capacity() > kKeptMax) text = {};
  }
  for (std::string& text : normal_) {
    if (text.capacity() > kKeptMax) text = {};
  }
  if (folded_.capacity() > kKeptMax) folded_ = {};
  decoder_.trim(kKeptMax);
}

}  // namespace tollgate::content
