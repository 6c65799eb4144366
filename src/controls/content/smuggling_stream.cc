#include "controls/content/smuggling_stream.h"

#include <algorithm>
#include <utility>

namespace tollgate::content {

namespace {

// How far a word is looked back into. Of a longer one what comes first may be out when it is known
// to be of two scripts.
constexpr std::size_t kWordMax = 64;

bool is_of_word(char c) {
  return static_cast<signed char>(c) < 0 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Where the word begins that `text` up to `end` ends with.
std::size_t word_before(std::string_view text, std::size_t end) {
  const std::size_t least = end - std::min(end, kWordMax);
  std::size_t begin = end;
  while (begin > least && is_of_word(text[begin - 1])) --begin;
  while (begin < end && (text[begin] & 0xC0) == 0x80) ++begin;
  return begin;
}

}  // namespace

void SmugglingStream::add(std::string_view piece) {
  const std::size_t out = decided() - begin_;
  const std::size_t from = word_before(line_, line_.size());
  line_ += piece;
  if (suspect_ == kNone) {
    const std::size_t suspect = SmugglingPass::next_suspect(line_, from);
    if (suspect < line_.size()) suspect_ = std::max(out, word_before(line_, suspect));
  }
  // A word may turn out to be of two scripts, up to its end.
  word_ = word_before(line_, line_.size());
  if (SmugglingPass::is_of_one_script(std::string_view(line_).substr(word_))) word_ = line_.size();
  word_ = std::max(word_, out);
}

void SmugglingStream::judge(SmugglingPass::Part which, std::vector<StreamMatch>& found) {
  pass_.go_on(line_, which);
  while (const std::optional<Smuggled> smuggled = pass_.next()) {
    const auto kind = static_cast<std::size_t>(smuggled->kind);
    if (std::exchange(told_[kind], true)) continue;
    const Extent& extent = smuggled->extent;
    found.push_back({smuggling_rules()[kind], {begin_ + extent.begin, begin_ + extent.end}});
  }
  begin_ += line_.size();
  line_.clear();
  suspect_ = kNone;
  word_ = 0;
}

void SmugglingStream::read(std::string_view piece, std::vector<StreamMatch>& found) {
  while (!piece.empty()) {
    const std::size_t feed = piece.find('\n');
    const std::size_t size = feed == std::string_view::npos ? piece.size() : feed + 1;
    add(piece.substr(0, size));
    piece.remove_prefix(size);
    if (feed != std::string_view::npos) judge(SmugglingPass::Part::kOneMore, found);
  }
}

void SmugglingStream::end(std::vector<StreamMatch>& found) {
  judge(SmugglingPass::Part::kLast, found);
}

std::size_t SmugglingStream::decided() const { return begin_ + std::min(word_, suspect_); }

}  // namespace tollgate::content
