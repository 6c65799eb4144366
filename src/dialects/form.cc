#include "dialects/form.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace tollgate::dialects {

namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kNameBytesMax = 64;

std::unexpected<Refusal> broken(std::string_view what, std::string_view do_this) {
  return refuse(Reason::kInvalidRequest, "request", fmt::format("The form {}: {}", what, do_this));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_same(std::string_view text, std::string_view lowered) {
  return std::ranges::equal(text, lowered, {}, lower);
}

// Takes `start`, whatever its case, off the begin of `text`.
bool take(std::string_view& text, std::string_view start) {
  if (!is_same(text.substr(0, start.size()), start)) return false;
  text.remove_prefix(start.size());
  return true;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

bool is_boundary_sign(char c) {
  // Not those at which some readers end it where it is not in quotation marks, nor any that does.
  constexpr std::string_view kSigns = "+_-.";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kSigns.find(c) != std::string_view::npos;
}

std::optional<std::string_view> read_boundary(std::string_view type) {
  if (!take(type, "multipart/form-data")) return std::nullopt;
  skip_blanks(type);
  if (!take(type, ";")) return std::nullopt;
  skip_blanks(type);
  if (!take(type, "boundary=")) return std::nullopt;
  if (type.size() >= 2 && type.front() == '"' && type.back() == '"')
    type = type.substr(1, type.size() - 2);
  if (type.empty() || type.size() > Form::kBoundaryBytesMax) return std::nullopt;
  if (!std::ranges::all_of(type, is_boundary_sign)) return std::nullopt;
  return type;
}

// A text in quotation marks, without any sign that readers take for the begin of an escape.
std::optional<std::string_view> take_quoted(std::string_view& text) {
  if (text.empty() || text.front() != '"') return std::nullopt;
  const std::size_t end = text.find('"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view quoted = text.substr(1, end - 1);
  const bool is_plain = std::ranges::all_of(quoted, [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != '\\' && c != 0x7F;
  });
  if (!is_plain) return std::nullopt;
  text.remove_prefix(end + 1);
  return quoted;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '[' || c == ']';
  });
}

// form-data; name="file"; filename="speech.mp3"
bool read_disposition(std::string_view value, FormPart& part) {
  if (!take(value, "form-data")) return false;
  while (!value.empty()) {
    skip_blanks(value);
    if (!take(value, ";")) return false;
    skip_blanks(value);
    const bool is_name_given = take(value, "name=");
    if (!is_name_given && !take(value, "filename=")) return false;
    const std::optional<std::string_view> quoted = take_quoted(value);
    if (!quoted) return false;
    if (is_name_given) {
      if (!part.name.empty() || !is_name(*quoted)) return false;
      part.name = *quoted;
    } else {
      if (part.is_file) return false;
      part.is_file = true;
    }
    skip_blanks(value);
  }
  return !part.name.empty();
}

Expected<void> read_head(std::string_view head, FormPart& part) {
  bool has_type = false;
  while (!head.empty()) {
    const std::size_t end = std::min(head.find(kLineEnd), head.size());
    std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(head.size(), end + kLineEnd.size()));
    if (line.find_first_of("\r\n") != std::string_view::npos)
      return broken("has a header with a bare line end", "end its lines with CR LF.");
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(std::min(line.size(), colon + 1));
    skip_blanks(value);
    if (is_same(name, "content-type")) {
      if (std::exchange(has_type, true)) return broken("says a type twice", "say it once.");
    } else if (!is_same(name, "content-disposition")) {
      return broken("has a header in a part that is not known here",
                    "send 'Content-Disposition' and 'Content-Type' alone.");
    } else if (!part.name.empty() || !read_disposition(value, part)) {
      return broken("has a 'Content-Disposition' that is not understood",
                    "write it once, as form-data; name=\"file\"; filename=\"speech.mp3\".");
    }
  }
  if (part.name.empty())
    return broken("has a part without a name", "give it a 'Content-Disposition'.");
  return {};
}

}  // namespace

Expected<void> Form::read(std::string_view content_type, std::string_view body) {
  parts_.clear();
  const std::optional<std::string_view> boundary = read_boundary(content_type);
  if (!boundary) {
    return broken("cannot be read",
                  "its 'Content-Type' has to be multipart/form-data with a boundary of letters, "
                  "digits and signs, at most 70, and nothing else.");
  }
  boundary_ = *boundary;
  const std::string delimiter = "--" + boundary_;
  if (!body.starts_with(delimiter))
    return broken("does not begin with its boundary", "send nothing before its first part.");
  body.remove_prefix(delimiter.size());
  while (body.starts_with(kLineEnd)) {
    if (parts_.size() == kPartsMax) return broken("has too many parts", "send 32 at most.");
    body.remove_prefix(kLineEnd.size());
    const std::size_t head_end = body.substr(0, kHeaderBytesMax).find(kHeadEnd);
    if (head_end == std::string_view::npos)
      return broken("has a part whose headers do not end", "send 1024 bytes of them at most.");
    FormPart part;
    if (Expected<void> head = read_head(body.substr(0, head_end), part); !head) return head;
    body.remove_prefix(head_end + kHeadEnd.size());
    const std::size_t end = body.find(delimiter);
    if (end == std::string_view::npos) return broken("is cut", "end it with its boundary.");
    if (!body.substr(0, end).ends_with(kLineEnd))
      return broken("has its boundary within a part", "choose one that comes in none of them.");
    part.bytes = body.substr(0, end - kLineEnd.size());
    body.remove_prefix(end + delimiter.size());
    parts_.push_back(part);
  }
  if (body != "--" && body != "--\r\n")
    return broken("does not end behind its last part", "end it with its boundary and two dashes.");
  return {};
}

namespace {

void append_head(std::string_view boundary, std::string_view name, std::string& out) {
  out += "--";
  out += boundary;
  out += "\r\nContent-Disposition: form-data; name=\"";
  out += name;
  out += '"';
}

}  // namespace

void append_form_value(std::string_view boundary, std::string_view name, std::string_view value,
                       std::string& out) {
  append_head(boundary, name, out);
  out += kHeadEnd;
  out += value;
  out += kLineEnd;
}

void append_form_file(std::string_view boundary, std::string_view name, const FormFile& file,
                      std::string_view bytes, std::string& out) {
  append_head(boundary, name, out);
  out += "; filename=\"";
  out += file.name;
  out += "\"\r\nContent-Type: ";
  out += file.type;
  out += kHeadEnd;
  out += bytes;
  out += kLineEnd;
}

void append_form_end(std::string_view boundary, std::string& out) {
  out += "--";
  out += boundary;
  out += "--\r\n";
}

}  // namespace tollgate::dialects
