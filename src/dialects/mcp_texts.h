// The texts of a message of the Model Context Protocol, each with its place: all that the other
// side, or a model behind it, may read.
//
// Read are strings, numbers and the names of members that the protocol does not know. Arguments and
// structured results are told as one text of their JSON, so that a value stands beside its name.
// Images and recordings are no texts and are left out; a blob may be one, so it is told. A place
// names no member that the protocol does not know (`?`), as such a name may be what must not be
// told.
//
// Internal to dialects, but for the sink. Pure; linear in what is walked.
#pragma once

#include <cstdint>
#include <string_view>

namespace tollgate::dialects {

enum class McpText : std::uint8_t {
  kWhole,      // A text of its own.
  kJson,       // Arguments or a structured result, as JSON…
  kPartOfJson  // …and each string of it, for whoever reads strings alone.
};

class McpTextSink {
 public:
  // Before the texts of a message, or of an entry of a list.
  virtual void begin() = 0;
  virtual void text(std::string_view place, std::string_view text, McpText kind) = 0;
  // Whether what was told since begin() may pass.
  virtual bool passes() = 0;

 protected:
  ~McpTextSink() = default;
};

}  // namespace tollgate::dialects
