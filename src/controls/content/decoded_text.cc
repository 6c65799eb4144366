#include "controls/content/decoded_text.h"

#include <algorithm>

namespace tollgate::content {

DecodedText::DecodedText(std::string_view text, Reads reads, std::string& decoded,
                         std::vector<Window>& windows)
    : text_(text), reads_(reads), decoded_(decoded), windows_(windows) {
  decoded_.clear();
  windows_.clear();
}

bool DecodedText::put(Extent original, std::string_view becomes, bool stays) {
  if (stays && original.end - original.begin == text_.size()) return true;
  if (!stays) differs(original);
  decoded_ += becomes;
  if (!stays) {
    last_ = original.end;
    made_ = decoded_.size();
    end_.reset();
  }
  return true;
}

void DecodedText::is_free(std::size_t from, std::size_t to) {
  if (reads_ == Reads::kWhole) return;
  free_ = {from, to};
  if (is_open_ && !end_ && to > last_ + kReach) end_ = std::max(from, last_ + kReach);
  if (to < new_ + kReach) return;
  old_ = to - from >= kReach ? to - kReach : new_;
  new_ = to;
}

void DecodedText::end() {
  if (is_open_) close(end_.value_or(text_.size()));
}

void DecodedText::differs(const Extent& original) {
  std::size_t begin = old_;
  if (reads_ == Reads::kWhole) {
    begin = last_;
  } else if (original.begin - free_.begin >= kReach) {
    begin = original.begin - kReach;
  } else if (original.begin >= new_ + kReach) {
    begin = new_;
  }
  begin = std::max(begin, last_);
  while (begin > last_ && (text_[begin] & 0xC0) == 0x80) --begin;
  if (is_open_ && end_ && *end_ <= begin) close(*end_);
  if (is_open_) return;
  is_open_ = true;
  Window made;
  made.original.begin = begin;
  made.made.begin = decoded_.size() - (original.begin - begin);
  made.is_cut_before = begin > 0;
  windows_.push_back(made);
}

void DecodedText::close(std::size_t end) {
  is_open_ = false;
  while (end < text_.size() && (text_[end] & 0xC0) == 0x80) ++end;
  Window& last = windows_.back();
  last.original.end = end;
  last.made.end = made_ + (end - last_);
  last.is_cut_behind = end < text_.size();
}

}  // namespace tollgate::content
