#include "net/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string_view>

#include "controls/authentication/trust_bundle.h"

namespace tollgate::net {

namespace {

// Forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr std::string_view kSessionContext = "tollgate";
// What a caller may send of certificates.
constexpr long kClientChainBytesMax = 64 << 10;

std::string last_error() {
  const unsigned long error = ERR_peek_last_error();
  if (error == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : fmt::format("error {:#x}", error);
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in,
                unsigned int in_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length, kAlpn.data(), kAlpn.size(), in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Where the sessions of a connection go: the index of a TlsSession* in the SSL.
int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* slot = static_cast<TlsSession*>(SSL_get_ex_data(ssl, session_index()));
  if (slot == nullptr) return 0;
  slot->reset(session);
  return 1;  // The reference is ours.
}

bool harden(SSL_CTX* context) {
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_read_ahead(context, 1);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1;
}

// The certificates of a PEM text, one at the least, and none that is broken.
bool trust(X509_STORE& store, const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  int count = 0;
  while (X509* const read = PEM_read_bio_X509_AUX(text.get(), nullptr, nullptr, nullptr)) {
    const bool added = X509_STORE_add_cert(&store, read) == 1;
    X509_free(read);
    if (!added) return false;
    ++count;
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (count > 0 && ended) ERR_clear_error();
  return count > 0 && ended;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// Callers prove a certificate of the bundle's, or are let in without where that is allowed.
FaultOr<void> ask_for_certificates(SSL_CTX* context, const config::Tls& files) {
  std::ifstream in(files.client_ca, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto bundle = authentication::TrustBundle::read(text);
  if (!in || !bundle) {
    return fault(FaultKind::kBroken,
                 fmt::format("the bundle {} cannot be used: {}", files.client_ca,
                             bundle ? "it cannot be read" : bundle.error()));
  }
  SSL_CTX_set1_verify_cert_store(context, (*bundle)->store());
  X509_VERIFY_PARAM_set1(SSL_CTX_get0_param(context), X509_STORE_get0_param((*bundle)->store()));
  // Their names, so that a caller with several certificates knows which to show.
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files.client_ca.c_str()));
  const bool required = files.client_certificates == config::ClientCertificates::kRequire;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  SSL_CTX_set_max_cert_list(context, kClientChainBytesMax);
  // A ticket would hold the certificate without its chain, as an older bundle saw it.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  return {};
}

std::string der_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  if (size < 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace

void FreeTls::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void FreeTls::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }

ServerTls::ServerTls(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerTls::~ServerTls() = default;

FaultOr<std::shared_ptr<const ServerTls>> ServerTls::load(const config::Tls& files) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context || !harden(context.get())) {
    return fault(FaultKind::kBroken, fmt::format("TLS cannot be set up: {}", last_error()));
  }
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    return fault(FaultKind::kBroken,
                 fmt::format("the certificate {} cannot be used: {}; it must be a PEM chain, the "
                             "server's own certificate first",
                             files.certificate, last_error()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fault(FaultKind::kBroken,
                 fmt::format("the key {} cannot be used: {}; it must be a PEM key without a "
                             "passphrase that belongs to {}",
                             files.key, last_error(), files.certificate));
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    return fault(FaultKind::kBroken, fmt::format("the key {} does not belong to the certificate {}",
                                                 files.key, files.certificate));
  }
  SSL_CTX_set_alpn_select_cb(context.get(), choose_alpn, nullptr);
  SSL_CTX_set_session_id_context(context.get(),
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 static_cast<unsigned int>(kSessionContext.size()));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_SERVER);
  SSL_CTX_set_num_tickets(context.get(), 1);
  if (!files.client_ca.empty()) {
    if (FaultOr<void> asked = ask_for_certificates(context.get(), files); !asked) {
      return std::unexpected(asked.error());
    }
  }
  auto state = std::make_unique<State>();
  state->context = std::move(context);
  return std::shared_ptr<const ServerTls>(new ServerTls(std::move(state)));
}

ssl_st* accept_tls(const ServerTls& tls) {
  SSL* ssl = SSL_new(tls.state().context.get());
  if (ssl != nullptr) SSL_set_accept_state(ssl);
  return ssl;
}

FaultOr<std::unique_ptr<const authentication::ClientCertificate>> proven_certificate(
    const ssl_st& ssl) {
  X509* const leaf = SSL_get0_peer_certificate(&ssl);
  if (leaf == nullptr) return nullptr;
  std::vector<std::string> chain;
  const STACK_OF(X509)* presented = SSL_get_peer_cert_chain(&ssl);
  for (int i = 0; i < sk_X509_num(presented); ++i) {
    chain.push_back(der_of(sk_X509_value(presented, i)));
  }
  auto read = authentication::read_client_certificate(der_of(leaf), chain);
  if (!read) return fault(FaultKind::kBroken, "the caller's certificate cannot be read");
  return std::make_unique<const authentication::ClientCertificate>(std::move(*read));
}

FaultOr<TlsContext> client_tls(const CertificateAuthority& authority) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_client_method()));
  if (!context || !harden(context.get())) {
    return fault(FaultKind::kBroken, fmt::format("TLS cannot be set up: {}", last_error()));
  }
  if (authority.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (!trust(*SSL_CTX_get_cert_store(context.get()), authority.pem)) {
    return fault(FaultKind::kBroken, fmt::format("the certificate authority {} cannot be used: {}",
                                                 authority.path, last_error()));
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context.get(), kAlpn.data(), kAlpn.size());
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), keep_session);
  return context;
}

ssl_st* connect_tls(ssl_ctx_st& context, const std::string& host, TlsSession& session) {
  SSL* ssl = SSL_new(&context);
  if (ssl == nullptr) return nullptr;
  SSL_set_connect_state(ssl);
  SSL_set_ex_data(ssl, session_index(), &session);
  const bool named = is_address(host)
                         ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
                         : SSL_set1_host(ssl, host.c_str()) == 1 &&
                               SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!named) {
    SSL_free(ssl);
    return nullptr;
  }
  if (session) SSL_set_session(ssl, session.get());
  return ssl;
}

std::string tls_words(const ssl_st* ssl) {
  const long verdict = SSL_get_verify_result(ssl);
  if (verdict != X509_V_OK) {
    return fmt::format("the certificate was not accepted: {}",
                       X509_verify_cert_error_string(verdict));
  }
  return last_error();
}

}  // namespace tollgate::net
