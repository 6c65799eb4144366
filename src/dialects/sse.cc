#include "dialects/sse.h"

#include <simdjson.h>

#include <cstring>

namespace tollgate::dialects {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
// Memory kept from stream to stream.
constexpr std::size_t kKeptMax = std::size_t{64} << 10;

bool ends_line(char c) { return (c == '\n') | (c == '\r'); }

// Blocks are looked at without a branch a byte, which compiles to vector code.
std::size_t find_line_end(const char* bytes, std::size_t at, std::size_t size) {
  constexpr std::size_t kBlock = 32;
  for (; at + kBlock <= size; at += kBlock) {
    unsigned char any = 0;
    for (std::size_t i = 0; i < kBlock; ++i) any |= ends_line(bytes[at + i]) ? 1 : 0;
    if (any != 0) break;
  }
  while (at < size && !ends_line(bytes[at])) ++at;
  return at;
}

}  // namespace

void SseSplitter::clear() {
  if (buffer_.size() > kKeptMax) buffer_ = {};
  if (joined_.capacity() > kKeptMax) joined_ = {};
  size_ = event_ = line_ = scan_ = 0;
  after_cr_ = false;
  stream_begin_ = true;
  data_lines_ = 0;
  type_.clear();
  id_.clear();
  retry_.clear();
}

void SseSplitter::append(std::string_view piece) {
  if (event_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + event_, size_ - event_);
    size_ -= event_;
    line_ -= event_;
    scan_ -= event_;
    event_ = 0;
  }
  const std::size_t needed = size_ + piece.size() + simdjson::SIMDJSON_PADDING;
  if (buffer_.size() < needed) buffer_.resize(needed + needed / 2);
  if (!piece.empty()) std::memcpy(buffer_.data() + size_, piece.data(), piece.size());
  size_ += piece.size();
}

bool SseSplitter::trailing_lf() {
  if (!after_cr_ || line_ != event_ || line_ == size_) return false;
  after_cr_ = false;
  if (buffer_[line_] != '\n') return false;
  event_ = line_ = scan_ = line_ + 1;
  return true;
}

std::optional<SseEvent> SseSplitter::next() {
  if (line_ == event_) {
    data_lines_ = 0;
    type_.clear();
    id_.clear();
    retry_.clear();
  }
  for (;;) {
    if (after_cr_ && line_ < size_) {
      after_cr_ = false;
      if (buffer_[line_] == '\n') scan_ = ++line_;
    }
    const std::size_t end = find_line_end(buffer_.data(), scan_, size_);
    scan_ = end;
    if (end == size_) return std::nullopt;
    after_cr_ = buffer_[end] == '\r';
    const bool blank = end == line_;
    if (!blank) read_line(end);
    stream_begin_ = false;
    scan_ = line_ = end + 1;
    if (blank) break;
  }

  SseEvent event{.raw = {buffer_.data() + event_, line_ - event_},
                 .type = type_,
                 .data = {},
                 .id = id_,
                 .retry = retry_};
  if (data_lines_ == 1) {
    event.data = {buffer_.data() + event_ + data_begin_, data_size_};
  } else if (data_lines_ > 1) {
    const std::size_t size = joined_.size();
    joined_.resize(size + simdjson::SIMDJSON_PADDING);
    event.data = std::string_view(joined_).substr(0, size);
  }
  event_ = line_;
  return event;
}

void SseSplitter::read_line(std::size_t end) {
  std::string_view line(buffer_.data() + line_, end - line_);
  if (stream_begin_ && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);

  if (field == "event") {
    type_ = value;
  } else if (field == "data") {
    if (++data_lines_ == 1) {
      data_begin_ = static_cast<std::size_t>(value.data() - buffer_.data()) - event_;
      data_size_ = value.size();
      if (value.empty()) data_begin_ = line_ - event_;
      return;
    }
    if (data_lines_ == 2) joined_.assign(buffer_.data() + event_ + data_begin_, data_size_);
    joined_.push_back('\n');
    joined_ += value;
  } else if (field == "id") {
    id_ = value;
  } else if (field == "retry") {
    retry_ = value;
  }
}

}  // namespace tollgate::dialects
