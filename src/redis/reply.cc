#include "redis/reply.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tollgate::redis {

namespace {

std::optional<std::int64_t> number_in(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

Reply of_kind(Reply::Kind kind, std::string_view text = {}) {
  Reply made;
  made.kind = kind;
  made.text = text;
  return made;
}

}  // namespace

bool Reply::is_error(std::string_view code) const {
  return kind == Kind::kError && text.starts_with(code) &&
         (text.size() == code.size() || text[code.size()] == ' ');
}

std::optional<std::int64_t> Reply::number() const {
  if (kind == Kind::kInteger) return integer;
  return kind == Kind::kText ? number_in(text) : std::nullopt;
}

FaultOr<std::optional<Reply>> ReplyReader::next() {
  while (!broken_ && !done_) {
    const std::size_t before = at_;
    const Step step = read();
    bytes_ += at_ - before;
    if (step == Step::kMalformed || bytes_ > kReplyBytesMax) broken_ = true;
    if (step == Step::kMore) break;
  }
  if (broken_) {
    return fault(FaultKind::kBroken,
                 "what came is no reply of Redis (or one beyond all bounds); is another server at "
                 "this address?");
  }
  // Moves what is left to the front when that is cheap for what was read.
  if (at_ > buffer_.size() / 2) {
    buffer_.erase(0, at_);
    scanned_ -= std::min(scanned_, at_);
    at_ = 0;
  }
  if (!done_) return std::optional<Reply>();
  bytes_ = values_ = 0;
  return std::exchange(done_, {});
}

ReplyReader::Step ReplyReader::read() {
  if (bulk_left_ >= 0) return read_bulk();
  std::string_view line;
  if (const Step step = read_line(line); step != Step::kValue) return step;
  if (line.empty() || ++values_ > kValuesMax) return Step::kMalformed;
  return read_typed(line.front(), line.substr(1));
}

ReplyReader::Step ReplyReader::read_line(std::string_view& line) {
  scanned_ = std::max(scanned_, at_);
  const std::size_t end = buffer_.find('\r', scanned_);
  const std::size_t seen = std::min(end, buffer_.size());
  if (seen - at_ > kLineBytesMax) return Step::kMalformed;
  scanned_ = seen;
  if (end == std::string::npos || end + 1 == buffer_.size()) return Step::kMore;
  if (buffer_[end + 1] != '\n') return Step::kMalformed;
  line = std::string_view(buffer_).substr(at_, end - at_);
  at_ = end + 2;
  return Step::kValue;
}

ReplyReader::Step ReplyReader::read_bulk() {
  const auto length = static_cast<std::size_t>(bulk_left_);
  if (buffer_.size() - at_ < length + 2) return Step::kMore;
  if (buffer_.compare(at_ + length, 2, "\r\n") != 0) return Step::kMalformed;
  std::string_view text = std::string_view(buffer_).substr(at_, length);
  if (bulk_type_ == '=') {  // "txt:" or "mkd:" goes before the text.
    if (length < 4) return Step::kMalformed;
    text.remove_prefix(4);
  }
  Reply value = of_kind(bulk_type_ == '!' ? Reply::Kind::kError : Reply::Kind::kText, text);
  at_ += length + 2;
  bulk_left_ = -1;
  close(std::move(value));
  return Step::kValue;
}

ReplyReader::Step ReplyReader::read_typed(char type, std::string_view rest) {
  using Kind = Reply::Kind;
  switch (type) {
    case '+':
    case ',':
    case '(':
      close(of_kind(Kind::kText, rest));
      return Step::kValue;
    case '-':
      close(of_kind(Kind::kError, rest));
      return Step::kValue;
    case '_':
      if (!rest.empty()) return Step::kMalformed;
      close({});
      return Step::kValue;
    case '#': {
      if (rest != "t" && rest != "f") return Step::kMalformed;
      Reply value = of_kind(Kind::kInteger);
      value.integer = rest == "t" ? 1 : 0;
      close(std::move(value));
      return Step::kValue;
    }
    default:
      break;
  }
  const std::optional<std::int64_t> count = number_in(rest);
  if (!count) return Step::kMalformed;
  if (type == ':') {
    Reply value = of_kind(Kind::kInteger);
    value.integer = *count;
    close(std::move(value));
    return Step::kValue;
  }
  // RESP2 writes null as a length of -1.
  if (*count == -1 && (type == '$' || type == '*')) {
    close({});
    return Step::kValue;
  }
  if (*count < 0) return Step::kMalformed;
  if (type == '$' || type == '!' || type == '=') {
    if (*count > static_cast<std::int64_t>(kReplyBytesMax)) return Step::kMalformed;
    bulk_left_ = *count;
    bulk_type_ = type;
    return Step::kValue;
  }
  return open_list(type, *count);
}

ReplyReader::Step ReplyReader::open_list(char type, std::int64_t count) {
  if (std::string_view("*~>%|").find(type) == std::string_view::npos) return Step::kMalformed;
  if (count > static_cast<std::int64_t>(kValuesMax) || open_.size() == kDepthMax)
    return Step::kMalformed;
  Open list;
  list.list.kind = type == '>' ? Reply::Kind::kPush : Reply::Kind::kList;
  list.left = type == '%' || type == '|' ? count * 2 : count;
  list.attribute = type == '|';
  if (list.left > 0) {
    open_.push_back(std::move(list));
  } else if (!list.attribute) {
    close(std::move(list.list));
  }
  return Step::kValue;
}

// Puts a value where it belongs, and closes the lists that it completes.
void ReplyReader::close(Reply value) {
  while (!open_.empty()) {
    Open& within = open_.back();
    within.list.items.push_back(std::move(value));
    if (--within.left > 0) return;
    const bool kept = !within.attribute;
    value = std::move(within.list);
    open_.pop_back();
    if (!kept) return;
  }
  done_ = std::move(value);
}

}  // namespace tollgate::redis
