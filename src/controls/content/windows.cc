#include "controls/content/windows.h"

#include <algorithm>
#include <array>

#include "controls/content/identifiers.h"

namespace tollgate::content {

namespace {

// More than any secret has.
constexpr std::size_t kOverlap = std::size_t{12} << 10;

// What secrets are made of: none is cut.
constexpr std::array<bool, 256> kIsOfWord = [] {
  std::array<bool, 256> is{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789+/-_=.~")) {
    is[static_cast<unsigned char>(c)] = true;
  }
  return is;
}();
bool is_of_word(char c) { return kIsOfWord[static_cast<unsigned char>(c)]; }

bool is_inside_character(char c) { return (c & 0xC0) == 0x80; }

}  // namespace

WindowMaker::WindowMaker(std::string_view text, Reads reads, std::vector<Window>& windows)
    : text_(text), reads_(reads), windows_(windows) {
  windows_.clear();
}

void WindowMaker::differs(const Extent& original, std::size_t made) {
  if (reads_ == Reads::kWhole) {
    if (!is_open_) open({});
    return;
  }
  const std::size_t stayed = original.begin - behind_.original;
  std::size_t floor = behind_.original;
  if (is_open_ && stayed > 2 * kReach) {
    const std::size_t most = original.begin - kReach;
    // What is longer than any secret is cut though it has no end.
    std::size_t last = std::min(most, behind_.original + kReach + kOverlap);
    while (last < most && is_inside_character(text_[last])) ++last;
    const std::size_t end = word_end(behind_.original + kReach, last);
    if (end < most) {
      close(end);
      floor = end;
    }
  }
  if (!is_open_) {
    const std::size_t first = original.begin - std::min(original.begin, kReach + kOverlap);
    std::size_t least = std::max(floor, first);
    while (least > floor && is_inside_character(text_[least])) --least;
    const std::size_t begin =
        stayed <= kReach ? floor : word_begin(std::max(original.begin - kReach, least), least);
    open({begin, made - (original.begin - begin)});
    return;
  }
  const std::size_t size = made - windows_.back().made.begin;
  if (size > kWindowMax - kOverlap && !overlap_) overlap_ = {original.begin, made};
  // Nothing that the next one begins within is longer than the overlap.
  if (size <= kWindowMax || made - overlap_->made < kOverlap) return;
  windows_.back().is_cut_behind = true;
  windows_.back().original.end = original.begin;
  windows_.back().made.end = made;
  open(*overlap_);
}

void WindowMaker::put(std::size_t original_end, std::size_t made_end) {
  behind_ = {original_end, made_end};
}

void WindowMaker::end() {
  if (!is_open_) return;
  const std::size_t size = text_.size();
  const std::size_t from = behind_.original + kReach;
  close(reads_ == Reads::kWindows && from < size ? word_end(from, size) : size);
}

void WindowMaker::open(Point begin) {
  is_open_ = true;
  overlap_.reset();
  Window made;
  made.original = {begin.original, begin.original};
  made.made = {begin.made, begin.made};
  made.is_cut_before = begin.original > 0;
  windows_.push_back(made);
}

void WindowMaker::close(std::size_t end) {
  is_open_ = false;
  Window& last = windows_.back();
  last.original.end = end;
  last.made.end = behind_.made + (end - behind_.original);
  last.is_cut_behind = end < text_.size();
}

std::size_t WindowMaker::word_end(std::size_t at, std::size_t end) const {
  while (at < end && !is_between_words(at)) ++at;
  return at;
}

std::size_t WindowMaker::word_begin(std::size_t at, std::size_t begin) const {
  while (at > begin && !is_between_words(at)) --at;
  return at;
}

// White space is all before it, so that it is as long in the window as in the form.
bool WindowMaker::is_between_words(std::size_t at) const {
  return !is_of_word(text_[at - 1]) && !is_inside_character(text_[at]) && !is_space(text_[at]);
}

const Window* window_at(std::span<const Window> windows, std::size_t made) {
  const auto behind = std::ranges::upper_bound(
      windows, made, {}, [](const Window& window) { return window.made.end; });
  return behind != windows.end() && behind->made.begin <= made ? &*behind : nullptr;
}

}  // namespace tollgate::content
