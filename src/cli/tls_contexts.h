// The TLS of a configuration's listeners and of its admin address, loaded from their files.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/fault.h"
#include "config/config.h"
#include "net/net.h"

namespace tollgate::cli {

// By the name of the listener.
using TlsContexts = std::map<std::string, std::shared_ptr<const net::ServerTls>>;

inline FaultOr<TlsContexts> load_tls(const config::Config& config) {
  TlsContexts contexts;
  for (const config::Listener& listener : config.listeners) {
    if (!listener.tls) continue;
    FaultOr<std::shared_ptr<const net::ServerTls>> loaded = net::ServerTls::load(*listener.tls);
    if (!loaded) return std::unexpected(loaded.error());
    contexts[listener.name] = std::move(*loaded);
  }
  return contexts;
}

// Null: the admin address speaks plain HTTP.
inline FaultOr<std::shared_ptr<const net::ServerTls>> load_admin_tls(const config::Config& config) {
  if (!config.admin.tls) return nullptr;
  return net::ServerTls::load(*config.admin.tls);
}

}  // namespace tollgate::cli
