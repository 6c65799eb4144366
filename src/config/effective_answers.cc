#include "config/effective_answers.h"

#include "config/effective_parts.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace json = boost::json;

void put_answers(json::object& route, const answers::Policy& of) {
  if (of.cache) {
    route["cache"] = json::object{
        {"keep", format_duration(of.cache->keep)},
        {"scope", text(choices::answer_scopes()[static_cast<std::size_t>(of.cache->scope)])},
        {"price_per_hit", format_usd(of.cache->price_per_hit)},
        {"coalesce", of.cache->coalesce}};
  }
  if (of.idempotency) {
    route["idempotency"] = json::object{{"keep", format_duration(of.idempotency->keep)}};
  }
}

}  // namespace tollgate::config
