// TLS 1.2 and 1.3 by OpenSSL: contexts, and the words for what went wrong.
#pragma once

#include <memory>
#include <string>

#include "base/certificate_authority.h"
#include "base/fault.h"
#include "controls/authentication/client_certificate.h"
#include "net/net.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace tollgate::net {

struct FreeTls {
  void operator()(ssl_ctx_st* context) const;
  void operator()(ssl_session_st* session) const;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, FreeTls>;
using TlsSession = std::unique_ptr<ssl_session_st, FreeTls>;

struct ServerTls::State {
  TlsContext context;
};

// A new connection's TLS, ready for the handshake; the Stream owns it then. Null: no memory.
ssl_st* accept_tls(const ServerTls& tls);

// The certificate that the caller has proven in a completed handshake; null: none. A Fault for one
// that cannot be read.
FaultOr<std::unique_ptr<const authentication::ClientCertificate>> proven_certificate(
    const ssl_st& ssl);

// What is trusted upstream: the system's authorities, or those of a PEM text.
FaultOr<TlsContext> client_tls(const CertificateAuthority& authority);

// TLS to `host`, whose certificate must name it. `session` (or null) is resumed; a new one that
// the peer gives is put there.
ssl_st* connect_tls(ssl_ctx_st& context, const std::string& host, TlsSession& session);

// Why the last step of this thread's TLS failed, for the operator; with the verdict on the
// peer's certificate where there is one.
std::string tls_words(const ssl_st* ssl);

}  // namespace tollgate::net
