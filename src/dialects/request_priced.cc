// What of a request changes the price of its tokens: the tier that it asks for, and what it has the
// provider's cache keep.
#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

// Which of them is served, and at what price, is for others to say.
Checked read_service_tier(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> tier = read_string(value, path);
  if (!tier) return std::unexpected(tier.error());
  const Surface surface = reading.request.surface;
  const bool anthropic = dialect_of(surface) == Dialect::kAnthropic;
  const bool is_usual = *tier == "auto" || *tier == (anthropic ? "standard_only" : "default");
  const bool is_other = (*tier == "flex" || *tier == "priority") &&
                        (surface == Surface::kChatCompletions || surface == Surface::kResponses);
  if (!is_usual && !is_other)
    return not_served(path, "asks for a tier that is priced in another way.");
  reading.request.service_tier = *tier;
  return {};
}

void append_tier(const Reading& reading, const Edits& edits, std::string& out) {
  const bool anthropic = dialect_of(reading.request.surface) == Dialect::kAnthropic;
  const std::string_view usual = anthropic ? "standard_only" : "default";
  append_json_string(edits.service_tier.empty() ? usual : edits.service_tier, out);
}

namespace {

// The lifetime of a mark is noted as far as it is known.
Checked read_mark(CacheMarks& marks, dom::element value, const FieldPath& path) {
  const Expected<dom::object> mark = read_object(value, path);
  if (!mark) return std::unexpected(mark.error());
  dom::element type;
  dom::element ttl;
  std::string_view lifetime = "5m";
  const FieldPath ttl_path{&path, "ttl"};
  if (mark->at_key("ttl").get(ttl) == simdjson::SUCCESS) {
    const Expected<std::string_view> text = read_string(ttl, ttl_path);
    if (!text) return std::unexpected(text.error());
    lifetime = *text;
  }
  if (lifetime != "5m" && lifetime != "1h") return wrong_type(ttl_path, "`5m` or `1h`");
  (lifetime == "1h" ? marks.has_1h : marks.has_5m) = true;
  std::string_view word;
  (void)(*mark)["type"].get(word);
  if (word != "ephemeral") return wrong_type(FieldPath{&path, "type"}, "`ephemeral`");
  for (const dom::key_value_pair field : *mark) {
    if (field.key == "type" || field.key == "ttl") continue;
    return not_served(FieldPath{&path, field.key},
                      "is not known of a mark for the cache. Leave it out.");
  }
  if (marks.count > kCacheMarksMax)
    return wrong_type(path, "one of at most 4 marks for the cache in a request");
  return {};
}

}  // namespace

void refuse_marks(Reading& reading, Refusal why) {
  if (reading.unknown_mark) return;
  reading.unknown_mark = std::move(why);
  reading.request.cache.refusal = &*reading.unknown_mark;
}

void read_cache_control(Reading& reading, dom::element value, const FieldPath& path) {
  if (value.is_null()) return;
  CacheMarks& marks = reading.request.cache;
  ++marks.count;
  if (Checked known = read_mark(marks, value, path); !known)
    refuse_marks(reading, std::move(known).error());
}

}  // namespace tollgate::dialects
