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

// What is not known of one may keep input for longer, which is dearer.
Checked read_cache_control(Reading& reading, dom::element value, const FieldPath& path) {
  if (value.is_null()) return {};
  const Expected<dom::object> mark = read_object(value, path);
  if (!mark) return std::unexpected(mark.error());
  std::string_view type;
  std::string_view ttl = "5m";
  for (const dom::key_value_pair field : *mark) {
    const FieldPath member{&path, field.key};
    if (field.key != "type" && field.key != "ttl")
      return not_served(member, "is not known of a mark for the cache. Leave it out.");
    const Expected<std::string_view> text = read_string(field.value, member);
    if (!text) return std::unexpected(text.error());
    (field.key == "type" ? type : ttl) = *text;
  }
  if (type != "ephemeral") return wrong_type(FieldPath{&path, "type"}, "`ephemeral`");
  if (ttl != "5m" && ttl != "1h") return wrong_type(FieldPath{&path, "ttl"}, "`5m` or `1h`");
  CacheMarks& marks = reading.request.cache;
  (ttl == "1h" ? marks.has_1h : marks.has_5m) = true;
  if (++marks.count > kCacheMarksMax)
    return wrong_type(path, "one of at most 4 marks for the cache in a request");
  return {};
}

}  // namespace tollgate::dialects
