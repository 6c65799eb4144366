#include "net/http_parser.h"

// Beast asserts what a peer can make false: the last chunk of an empty body that comes in two
// pieces. What its code does in that case is right.
#define BOOST_DISABLE_ASSERTS
#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>

namespace tollgate::net {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using pipeline::Header;
// Beast's own view type, as its virtual functions take it.
using BeastView = boost::beast::string_view;

constexpr std::size_t kExtensionBytesMax = 64;
// As many as the largest size needs: more are zeros in front, which others may cut off.
constexpr int kSizeDigitsMax = 16;
constexpr std::size_t kTimeoutDigits = 9;  // Of seconds that a peer keeps a connection.

std::string_view view(BeastView text) { return {text.data(), text.size()}; }

// Stops the parser: we keep our own words for why.
error_code stop() { return http::make_error_code(http::error::bad_value); }

// Collects what Beast finds in a head.
template <bool kRequest>
class Collector final : public http::basic_parser<kRequest> {
 public:
  Collector(std::vector<Header>& fields, const HeadLimits& limits, ParsedHead& parsed)
      : fields_(fields), limits_(limits), parsed_(parsed) {
    this->header_limit(static_cast<std::uint32_t>(limits.bytes));
    this->body_limit(boost::none);
  }

  std::string_view complaint;

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version,
                       error_code&) override {
    parsed_.method = view(method);
    parsed_.target = view(target);
    parsed_.minor_version = version % 10;
  }
  void on_response_impl(int status, BeastView, int version, error_code&) override {
    parsed_.status = status;
    parsed_.minor_version = version % 10;
  }
  void on_field_impl(http::field, BeastView name, BeastView value, error_code& error) override {
    if (fields_.size() >= limits_.fields) {
      complaint = "there are more header fields than allowed";
      error = stop();
    } else if (value.size() > limits_.value_bytes) {
      complaint = "a header field is longer than allowed";
      error = stop();
    } else {
      fields_.push_back({view(name), view(value)});
    }
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(BeastView body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  std::vector<Header>& fields_;
  const HeadLimits& limits_;
  ParsedHead& parsed_;
};

// The words for what Beast refused.
std::string_view words(const error_code& error) {
  if (error == http::error::bad_version) return "the version is neither HTTP/1.1 nor HTTP/1.0";
  if (error == http::error::bad_method) return "the method is no token";
  if (error == http::error::bad_target) return "the request target has a forbidden character";
  if (error == http::error::bad_field) return "the name of a header field is no token";
  if (error == http::error::bad_value) return "the value of a header field is not allowed";
  if (error == http::error::bad_content_length || error == http::error::multiple_content_length) {
    return "Content-Length is not one whole number";
  }
  if (error == http::error::bad_transfer_encoding) {
    return "Transfer-Encoding and Content-Length contradict each other";
  }
  if (error == http::error::header_limit) return "the head is longer than allowed";
  return "the head is not HTTP/1.1";
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f'); }

// Whether a comma-separated list has `token`.
bool list_has(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view member = list.substr(0, comma);
    while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) {
      member.remove_prefix(1);
    }
    while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) {
      member.remove_suffix(1);
    }
    if (equal_without_case(member, token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  // 18 digits are more bytes than there are, and always fit.
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// The timeout of "timeout=5, max=100".
std::optional<Duration> timeout_in(std::string_view parameters) {
  constexpr std::string_view kName = "timeout=";
  const std::size_t at = parameters.find(kName);
  if (at == parameters.npos) return std::nullopt;
  std::string_view digits = parameters.substr(at + kName.size());
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  const std::optional<std::uint64_t> seconds = whole_number(digits.substr(0, kTimeoutDigits));
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

// What the fields say about where the message ends and what comes after it.
struct Fields {
  const Header* length = nullptr;
  const Header* coding = nullptr;
  int lengths = 0;
  int codings = 0;
  int hosts = 0;
  bool close = false;
  bool keep_alive = false;
  std::optional<Duration> keep_alive_timeout;
  const Header* expect = nullptr;
  const Header* upgrade = nullptr;
  bool encoded = false;     // The body is said to be compressed.
  bool underscore = false;  // A name has one, and is none of those below.
};

// Coding agents name a session so. Nothing here reads such a field and none is handed on, and with
// a `-` they mean nothing to HTTP or to a proxy.
bool is_of_session(std::string_view name) {
  return equal_without_case(name, "session_id") || equal_without_case(name, "conversation_id");
}

Fields gather(const std::vector<Header>& fields) {
  Fields found;
  for (const Header& field : fields) {
    if (field.name.find('_') != field.name.npos && !is_of_session(field.name)) {
      found.underscore = true;
    }
    switch (field.name.size()) {
      case 4:
        if (equal_without_case(field.name, "host")) ++found.hosts;
        break;
      case 6:
        if (equal_without_case(field.name, "expect")) found.expect = &field;
        break;
      case 7:
        if (equal_without_case(field.name, "upgrade")) found.upgrade = &field;
        break;
      case 10:
        if (equal_without_case(field.name, "connection")) {
          found.close = found.close || list_has(field.value, "close");
          found.keep_alive = found.keep_alive || list_has(field.value, "keep-alive");
        } else if (equal_without_case(field.name, "keep-alive")) {
          found.keep_alive_timeout = timeout_in(field.value);
        }
        break;
      case 14:
        if (equal_without_case(field.name, "content-length")) {
          found.length = &field;
          ++found.lengths;
        }
        break;
      case 16:
        if (equal_without_case(field.name, "content-encoding")) {
          found.encoded = found.encoded || !equal_without_case(field.value, "identity");
        }
        break;
      case 17:
        if (equal_without_case(field.name, "transfer-encoding")) {
          found.coding = &field;
          ++found.codings;
        }
        break;
      default:
        break;
    }
  }
  return found;
}

// The rules that requests and replies share. The complaint, or empty.
std::string_view frame(const Fields& found, ParsedHead& parsed) {
  parsed.keep_alive_timeout = found.keep_alive_timeout;
  parsed.keep_alive = !found.close && (parsed.minor_version == 1 || found.keep_alive);
  if (found.codings > 0) {
    if (found.lengths > 0) return "Transfer-Encoding and Content-Length contradict each other";
    if (parsed.minor_version == 0) return "Transfer-Encoding does not exist in HTTP/1.0";
    if (found.codings > 1 || !equal_without_case(found.coding->value, "chunked")) {
      return "Transfer-Encoding is not exactly one \"chunked\"";
    }
    parsed.framing = Framing::kChunked;
    return {};
  }
  if (found.lengths > 1) return "there is more than one Content-Length";
  if (found.lengths == 1) {
    const std::optional<std::uint64_t> length = whole_number(found.length->value);
    if (!length) return "Content-Length is not one whole number";
    parsed.framing = *length == 0 ? Framing::kNone : Framing::kLength;
    parsed.length = *length;
  }
  return {};
}

template <bool kRequest>
std::string_view run_parser(std::string_view head, const HeadLimits& limits,
                            std::vector<Header>& fields, ParsedHead& parsed) {
  fields.clear();
  if (head.size() > limits.bytes) return "the head is longer than allowed";
  Collector<kRequest> collector(fields, limits, parsed);
  error_code error;
  const std::size_t used = collector.put({head.data(), head.size()}, error);
  if (error) return collector.complaint.empty() ? words(error) : collector.complaint;
  if (used != head.size() || !collector.is_header_done()) return "the head is not HTTP/1.1";
  return {};
}

}  // namespace

bool equal_without_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

HeadScan::State HeadScan::malformed(std::string_view complaint) {
  complaint_ = complaint;
  return State::kMalformed;
}

HeadScan::State HeadScan::scan(std::string_view bytes) {
  while (seen_ < bytes.size()) {
    const char* from = bytes.data() + seen_;
    const void* found = std::memchr(from, '\n', bytes.size() - seen_);
    if (found == nullptr) {
      seen_ = bytes.size();
      break;
    }
    const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    const std::string_view line = bytes.substr(line_, end - line_);
    if (line.empty() || line.back() != '\r') return malformed("a line ends without CR");
    if (std::memchr(line.data(), '\r', line.size() - 1) != nullptr) {
      return malformed("a CR stands inside of a line");
    }
    if (std::memchr(line.data(), '\0', line.size()) != nullptr) {
      return malformed("a NUL stands in the head");
    }
    if (lines_ > 0 && (line[0] == ' ' || line[0] == '\t')) {
      return malformed("a line of the head begins with white space");
    }
    if (lines_ == 0 && line.size() > limits_.line_bytes) {
      return malformed("the first line is longer than allowed");
    }
    seen_ = line_ = end + 1;
    if (line_ > limits_.bytes) return malformed("the head is longer than allowed");
    if (line.size() == 1 && lines_ > 0) return State::kComplete;
    if (line.size() == 1) return malformed("the first line is empty");
    ++lines_;
  }
  if (bytes.size() >= limits_.bytes) return malformed("the head is longer than allowed");
  if (lines_ == 0 && bytes.size() > limits_.line_bytes) {
    return malformed("the first line is longer than allowed");
  }
  return State::kMore;
}

std::string_view parse_request(std::string_view head, const HeadLimits& limits,
                               std::vector<Header>& fields, ParsedHead& parsed) {
  const std::string_view complaint = run_parser<true>(head, limits, fields, parsed);
  if (!complaint.empty()) return complaint;
  const Fields found = gather(fields);
  if (const std::string_view broken = frame(found, parsed); !broken.empty()) return broken;
  // Servers that make variables of the names take `_` and `-` for the same.
  if (found.underscore) return "the name of a header field has an underscore";
  if (found.hosts > 1) return "there is more than one Host";
  if (found.hosts == 0 && parsed.minor_version == 1) return "there is no Host";
  if (parsed.method == "CONNECT") return "CONNECT is not served";
  const bool body = parsed.framing != Framing::kNone;
  if (body && (parsed.method == "GET" || parsed.method == "HEAD")) {
    return "a GET or HEAD has a body";
  }
  if (body && found.encoded) return "Content-Encoding is not accepted: send the body as it is";
  if (found.expect != nullptr) {
    if (!equal_without_case(found.expect->value, "100-continue")) {
      return "Expect is not 100-continue";
    }
    parsed.expects_continue = body && parsed.minor_version == 1;
  }
  // Clients that offer HTTP/2 in the clear by habit go on with HTTP/1.1 when nobody answers.
  if (found.upgrade != nullptr && !equal_without_case(found.upgrade->value, "h2c")) {
    return "Upgrade is not served";
  }
  return {};
}

std::string_view parse_reply(std::string_view head, const HeadLimits& limits, ReplyTo request,
                             std::vector<Header>& fields, ParsedHead& parsed) {
  const std::string_view complaint = run_parser<false>(head, limits, fields, parsed);
  if (!complaint.empty()) return complaint;
  parsed.framing = Framing::kNone;
  const Fields found = gather(fields);
  if (const std::string_view broken = frame(found, parsed); !broken.empty()) return broken;
  const bool never = request == ReplyTo::kHead || parsed.status / 100 == 1 ||
                     parsed.status == 204 || parsed.status == 304;
  if (never) {
    parsed.framing = Framing::kNone;
  } else if (found.lengths == 0 && found.codings == 0) {
    parsed.framing = Framing::kUntilClose;
    parsed.keep_alive = false;
  }
  return {};
}

// Beast decodes chunks behind a head, so it is given one first.
class ChunkDecoder::Parser final : public http::basic_parser<true> {
 public:
  explicit Parser(Trailers trailers) : trailers_(trailers) {
    this->body_limit(boost::none);
    this->eager(true);
    static constexpr std::string_view kHead =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    error_code error;
    this->put({kHead.data(), kHead.size()}, error);
    in_head_ = false;
  }

  Step decode(char* bytes, std::size_t count) {
    out_ = bytes;
    Step step;
    while (step.consumed < count && !this->is_done() && !malformed) {
      error_code error;
      begin_ = bytes + step.consumed;
      const std::size_t used = this->put({begin_, count - step.consumed}, error);
      step.consumed += used;
      if (error == http::error::need_more) break;
      if (error) malformed = true;
    }
    step.decoded = static_cast<std::size_t>(out_ - bytes);
    return step;
  }

  bool malformed = false;

 private:
  void on_request_impl(http::verb, BeastView, BeastView, int, error_code&) override {}
  void on_response_impl(int, BeastView, int, error_code&) override {}
  void on_field_impl(http::field, BeastView, BeastView, error_code& error) override {
    if (!in_head_ && trailers_ == Trailers::kRefused) error = stop();
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(BeastView body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, BeastView extensions, error_code& error) override {
    // Beast tells the size as a number; its digits stand right before the extensions.
    int digits = 0;
    const char* at = extensions.data();
    while (digits <= kSizeDigitsMax && at > begin_ && is_hex_digit(at[-1])) {
      --at;
      ++digits;
    }
    if (digits > kSizeDigitsMax || extensions.size() > kExtensionBytesMax) error = stop();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, error_code&) override {
    std::memmove(out_, body.data(), body.size());
    out_ += body.size();
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Trailers trailers_;
  bool in_head_ = true;
  const char* begin_ = nullptr;  // Of what is being parsed.
  char* out_ = nullptr;
};

ChunkDecoder::ChunkDecoder(Trailers trailers) : parser_(std::make_unique<Parser>(trailers)) {}
ChunkDecoder::~ChunkDecoder() = default;
ChunkDecoder::ChunkDecoder(ChunkDecoder&&) noexcept = default;
ChunkDecoder& ChunkDecoder::operator=(ChunkDecoder&&) noexcept = default;

ChunkDecoder::Step ChunkDecoder::decode(char* bytes, std::size_t count) {
  return parser_->decode(bytes, count);
}
bool ChunkDecoder::done() const { return parser_->is_done(); }
bool ChunkDecoder::malformed() const { return parser_->malformed; }

}  // namespace tollgate::net
