#include "config/posture_memory.h"

#include <fmt/format.h>

#include "config/scalars.h"
#include "controls/overload/buffered_bytes.h"

namespace tollgate::config {

std::vector<Weakness> weaknesses_of_memory(const Config& config, const Written& written) {
  std::vector<Weakness> found;
  const Bytes most = config.edge.buffered_bytes_max;
  // A body is there twice: as it came, and as it is written for the upstream.
  const Bytes body_max = overload::BufferedBytes::tenant_max(most) / 2;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    if (route.surface == dialects::Surface::kModels || route.prompt.body <= body_max) continue;
    const std::string owner = fmt::format("routes[{}]", i);
    std::string field = owner;
    if (written(owner, "prompt")) field += ".prompt";
    if (field != owner && written(field, "body")) field += ".body";
    found.push_back({"body-beyond-memory", field,
                     fmt::format("Route `{}` lets in bodies of {}, and of edge.buffered_bytes_max "
                                 "({}) a request of more than {} can never have what it takes: it "
                                 "is refused.",
                                 route.name, format_bytes(route.prompt.body), format_bytes(most),
                                 format_bytes(body_max)),
                     "a smaller `prompt.body`, or a larger `edge.buffered_bytes_max`"});
  }
  if (config.edge.reply_bytes_max > most) {
    found.push_back({"reply-beyond-memory",
                     written("edge", "reply_bytes_max") ? "edge.reply_bytes_max" : "edge",
                     fmt::format("Answers of up to {} are let in, and all that is in memory may be "
                                 "{}: larger ones break off.",
                                 format_bytes(config.edge.reply_bytes_max), format_bytes(most)),
                     "a smaller `reply_bytes_max`, or a larger `buffered_bytes_max`"});
  }
  return found;
}

}  // namespace tollgate::config
