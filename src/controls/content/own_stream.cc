#include "controls/content/own_stream.h"

#include <algorithm>
#include <optional>
#include <ranges>
#include <utility>

#include "controls/content/normal_form.h"

namespace tollgate::content {

namespace {

// No escape of a JSON string is longer, a pair of surrogates, each escaped anew many times over.
constexpr std::size_t kEscapeMax = 48;
// More has to be kept only of a text that is nearly all characters that nobody sees, and would be
// scanned as often as it has pieces.
constexpr std::size_t kWindowMax = std::size_t{16} << 10;
// A window that is longer than ordinary text makes one is read when it has grown by a part of it.
constexpr std::size_t kLongWidths = 4;
constexpr std::size_t kLongBytes = 256;
constexpr std::size_t kGrowth = 8;  // An eighth.
// The window is cut where that frees so much.
constexpr std::size_t kCutAt = 1024;

class NoSink final : public NormalSink {
 public:
  void put(Extent, std::string_view, bool) override {}
};

// Without an escape at the end that more text may complete.
std::string_view complete_part(std::string_view text) {
  std::size_t from = text.size() - std::min(text.size(), kEscapeMax);
  if (text.find('\\', from) == std::string_view::npos) return text;
  while (from > 0 && text[from - 1] == '\\') --from;
  NoSink sink;
  return text.substr(0,
                     from + normalise(text.substr(from), Tags::kLeftOut, MoreText::kMayCome, sink));
}

// Places in a text, the first that any of its forms has for them.
struct Marks {
  std::size_t last = 0;     // Where its last character begins: a match ends there or before.
  std::size_t decided = 0;  // As much from its end as a match is wide…
  std::size_t kept = 0;     // …and twice as much.
};

// Where in the text the byte stands that is so many before the end of a form with these windows.
std::size_t place_of(std::size_t from_end, std::string_view text,
                     std::span<const Forms::Seen> windows, const Forms& forms) {
  std::size_t at = text.size();  // What is behind it is passed.
  for (const Forms::Seen& window : windows | std::views::reverse) {
    // What is between two windows stays.
    const std::size_t stays = at - window.original.end;
    if (from_end <= stays) return at - from_end;
    from_end -= stays;
    const std::size_t size = window.text.size();
    if (from_end <= size) {
      Extent place{size - from_end, size - from_end + 1};
      forms.lead_to_layer(window, {&place, 1});
      return place.begin;
    }
    from_end -= size;
    at = window.original.begin;
  }
  return at - std::min(at, from_end);
}

Marks marks_of(std::string_view text, const OwnReading& reading, Forms& forms) {
  Marks marks{text.size(), text.size(), text.size()};
  forms.begin(text, reading.has_words, Layers::kNone);
  std::vector<Forms::Seen> windows;
  while (const std::optional<Forms::Seen> form = forms.next()) {
    // As it came, all of it stays.
    if (form->form != Form::kAsIs) windows.push_back(*form);
    if (!form->is_last) continue;
    const auto before = [&](std::size_t bytes) { return place_of(bytes, text, windows, forms); };
    marks.last = std::min(marks.last, before(1));
    marks.decided = std::min(marks.decided, before(reading.width));
    marks.kept = std::min(marks.kept, before(2 * reading.width));
    windows.clear();
  }
  return marks;
}

}  // namespace

OwnReading reading_of_own(const Rules& rules, std::span<const Action> actions) {
  OwnReading made;
  made.actions.assign(actions.size(), Action::kNone);
  for (std::size_t i = all_rules().size(); i < actions.size(); ++i) {
    if (actions[i] == Action::kNone) continue;
    made.actions[i] = actions[i];
    made.width = std::max(made.width, rules.own(i).width().value_or(OwnRule::kAnswerWidthMax));
    made.has_words = made.has_words || rules.all()[i].reading == Reading::kWords;
  }
  return made;
}

FaultOr<void> OwnStream::read(std::string_view piece, const OwnReader& by,
                              std::vector<StreamMatch>& found) {
  window_ += piece;
  const std::string_view text = complete_part(std::string_view(window_).substr(gone_));
  if (text.size() > kWindowMax) {
    return fault(FaultKind::kBroken, "a text hides more than can be held of it");
  }
  const bool is_long = text.size() > kLongWidths * by.reading.width + kLongBytes;
  if (is_long && text.size() - read_ < text.size() / kGrowth) return {};
  const Marks marks = marks_of(text, by.reading, by.forms);
  if (FaultOr<void> read = scan(text, marks.last, by, found); !read) return read;
  decided_ = std::max(decided_, base_ + marks.decided);
  gone_ += marks.kept;
  base_ += marks.kept;
  read_ = text.size() - marks.kept;
  if (gone_ >= kCutAt) window_.erase(0, std::exchange(gone_, 0));
  std::erase_if(known_, [&](const StreamMatch& match) { return match.extent.end <= base_; });
  return {};
}

FaultOr<void> OwnStream::end(const OwnReader& by, std::vector<StreamMatch>& found) {
  const std::string_view text = std::string_view(window_).substr(gone_);
  FaultOr<void> read = scan(text, text.size(), by, found);
  decided_ = base_ + text.size();
  return read;
}

// What ends behind `last` could be another match, or none, with more behind it.
FaultOr<void> OwnStream::scan(std::string_view text, std::size_t last, const OwnReader& by,
                              std::vector<StreamMatch>& found) {
  FaultOr<void> read = by.scanner.begin(by.rules, by.reading.actions, Layers::kNone);
  if (read) read = by.scanner.read(text);
  if (!read) return read;
  for (const Finding& one : by.scanner.found()) {
    const Extent extent{base_ + one.offset, base_ + one.offset + one.bytes};
    if (one.offset + one.bytes > last || extent.begin < decided_) continue;
    const bool is_known = std::ranges::any_of(known_, [&](const StreamMatch& other) {
      return other.rule == one.rule && other.extent.begin < extent.end &&
             extent.begin < other.extent.end;
    });
    if (is_known) continue;
    known_.push_back({one.rule, extent});
    found.push_back(known_.back());
  }
  return {};
}

}  // namespace tollgate::content
