// A form of multipart/form-data, read so strictly that no two readers can take it for two forms.
//
// It begins with its boundary and ends with it: nothing stands before or behind. The boundary comes
// nowhere in the bytes of a part, as a part of a longer text neither, so that what is written anew
// with it is framed alike by every reader. A part has a `Content-Disposition` with a name in
// quotation marks, may have a file name and a `Content-Type`, and no other header.
//
// Sources: RFC 7578, RFC 2046 section 5.1. Pure. At most a boundary's length of steps a byte.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"

namespace tollgate::dialects {

struct FormPart {
  std::string_view name;
  bool is_file = false;  // It has a file name.
  std::string_view bytes;
};

class Form {
 public:
  static constexpr std::size_t kPartsMax = 32;
  static constexpr std::size_t kHeaderBytesMax = 1024;  // Of a part.
  static constexpr std::size_t kBoundaryBytesMax = 70;

  // `content_type` is the header of that name. Refuses with kInvalidRequest. What parts() tells
  // borrows `body`; boundary() is a copy.
  Expected<void> read(std::string_view content_type, std::string_view body);

  std::span<const FormPart> parts() const { return parts_; }
  std::string_view boundary() const { return boundary_; }

 private:
  std::string boundary_;
  std::vector<FormPart> parts_;
};

// What is sent of a part: its head, and behind the last part the end.
struct FormFile {
  std::string_view name;  // "audio.wav"
  std::string_view type;  // "audio/wav"
};
void append_form_value(std::string_view boundary, std::string_view name, std::string_view value,
                       std::string& out);
void append_form_file(std::string_view boundary, std::string_view name, const FormFile& file,
                      std::string_view bytes, std::string& out);
void append_form_end(std::string_view boundary, std::string& out);

}  // namespace tollgate::dialects
