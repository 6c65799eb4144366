#include "dialects/sealed_response.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "dialects/json_strict.h"
#include "dialects/reply.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view kPrefix = "resp_";
constexpr std::size_t kIdBytesMax = 256;

std::unexpected<Fault> broken(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("The upstream's response {}.", what));
}

// What a response has for an id; of other JSON there is none.
std::string_view id_of(dom::object response) {
  std::string_view id;
  return response.at_key("id").get(id) == simdjson::SUCCESS ? id : std::string_view();
}

// Where `id` stands as a string of JSON of its own, from `at` on.
std::size_t find_id(std::string_view raw, std::string_view id, std::size_t at) {
  for (at = raw.find(id, at); at != std::string_view::npos; at = raw.find(id, at + id.size())) {
    const std::size_t end = at + id.size();
    const bool is_begun = at > 0 && raw[at - 1] == '"' && (at == 1 || raw[at - 2] != '\\');
    if (is_begun && end < raw.size() && raw[end] == '"') return at;
  }
  return at;
}

}  // namespace

bool is_response_id(std::string_view id) {
  return id.size() > kPrefix.size() && id.size() <= kIdBytesMax && id.starts_with(kPrefix) &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

FaultOr<void> SealedResponse::learn(std::string_view id, std::string_view raw) {
  if (!id_.empty() && id != id_) return broken("has another id than before");
  if (!is_response_id(id)) return broken("is to be kept, and has no id");
  if (find_id(raw, id, 0) == std::string_view::npos) return broken("has an id with escapes");
  if (!id_.empty()) return {};
  id_ = id;
  name_ = terms_.names->name_of(id);
  return {};
}

// Each of the two by itself: one may be the beginning of the other, never both at one place.
void SealedResponse::write(std::string_view raw, std::string& out) const {
  std::size_t at = 0;
  const auto next = [&](std::string_view id) {
    return id.empty() ? std::string_view::npos : find_id(raw, id, at);
  };
  std::size_t own = next(id_);
  std::size_t previous = next(terms_.previous);
  while (own != std::string_view::npos || previous != std::string_view::npos) {
    const bool is_own = own <= previous;
    const std::size_t found = is_own ? own : previous;
    out += raw.substr(at, found - at);
    out += is_own ? std::string_view(name_) : terms_.previous_name;
    at = found + (is_own ? id_ : terms_.previous).size();
    if (own == found) own = next(id_);
    if (previous == found) previous = next(terms_.previous);
  }
  out += raw.substr(at);
}

FaultOr<void> SealedResponse::whole(std::string_view body, std::string& out) {
  if (terms_.names != nullptr) {
    dom::parser parser(StrictJson::kCapacityMax);
    dom::object response;
    // What is no response is for its reader to refuse.
    if (parser.parse(body.data(), body.size(), true).get(response) == simdjson::SUCCESS) {
      if (FaultOr<void> learned = learn(id_of(response), body); !learned) return learned;
    }
  }
  write(body, out);
  return {};
}

FaultOr<void> SealedResponse::feed(std::string_view piece, std::string& out) {
  events_.append(piece);
  for (;;) {
    if (events_.trailing_lf()) out.push_back('\n');
    const std::optional<SseEvent> event = events_.next();
    if (!event) break;
    // Most events are of the texts alone.
    const bool holds_it = event->data.find("\"response\"") != std::string_view::npos;
    if (!holds_it) {
      out += event->raw;
      continue;
    }
    dom::parser parser;
    dom::object told;
    dom::object response;
    if (terms_.names != nullptr &&
        parser.parse(event->data.data(), event->data.size(), true).get(told) == simdjson::SUCCESS &&
        told.at_key("response").get(response) == simdjson::SUCCESS) {
      if (FaultOr<void> learned = learn(id_of(response), event->raw); !learned) return learned;
    }
    write(event->raw, out);
  }
  if (std::cmp_greater(events_.pending(), StreamReader::kEventBytesMax))
    return broken("has an event that is too long");
  return {};
}

}  // namespace tollgate::dialects
