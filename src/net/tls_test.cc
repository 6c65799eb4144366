// TLS on both sides at once: the pool calls a listener of ours with certificates made here.
#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "net/testing.h"

namespace tollgate::net::testing {
namespace {

// A certificate that signs itself, for `names`, and its key, as files.
struct Certificate {
  explicit Certificate(const std::string& names) {
    folder = ::testing::TempDir() + "tollgate_tls_XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    files.certificate = folder + "/server.crt";
    files.key = folder + "/server.key";
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    X509_NAME* name = X509_get_subject_name(made);
    const auto* text = reinterpret_cast<const unsigned char*>("tollgate test");
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(made, name);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(made, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(made, key, EVP_sha256());
    std::FILE* file = std::fopen(files.certificate.c_str(), "w");
    PEM_write_X509(file, made);
    std::fclose(file);
    file = std::fopen(files.key.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(made);
    EVP_PKEY_free(key);
  }
  ~Certificate() { std::filesystem::remove_all(folder); }

  std::string folder;
  config::Tls files;
};

class TlsNet : public Net {
 protected:
  // A listener with TLS as the upstream of the plain one that callers use.
  void listen_behind(const config::Tls& files) {
    FaultOr<std::shared_ptr<const ServerTls>> tls = ServerTls::load(files);
    ASSERT_TRUE(tls) << tls.error().message;
    ListenerOptions options;
    options.name = "behind";
    options.host = "127.0.0.1";
    options.tls = *tls;
    behind_tls = *tls;
    FaultOr<std::unique_ptr<Listener>> opened = Listener::open(loop, options, behind_script);
    ASSERT_TRUE(opened);
    behind = std::move(*opened);
    script.upstream.endpoints[0].port = behind->port();
    script.upstream.endpoints[0].tls = true;
    trust(files);
    listen({});
  }
  void trust(const config::Tls& files) {
    script.upstream.certificate_authority = *read_certificate_authority(files.certificate);
  }
  ~TlsNet() override {
    pool.reset();
    if (!behind) return;
    bool drained = false;
    behind->drain([&drained] { drained = true; });
    behind->cut();
    EXPECT_TRUE(until([&drained] { return drained; }));
  }

  Script behind_script;
  std::shared_ptr<const ServerTls> behind_tls;
  std::unique_ptr<Listener> behind;
};

constexpr std::string_view kAsk = "POST /proxy HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nq";

TEST_F(TlsNet, ForwardsOverTlsOnOneKeptConnection) {
  const Certificate certificate("DNS:localhost,IP:127.0.0.1");
  listen_behind(certificate.files);
  const auto peer = caller();
  for (int i = 0; i < 3; ++i) {
    peer->received.clear();
    peer->send(kAsk);
    ASSERT_TRUE(until_received(*peer, "\r\n\r\nnone")) << peer->received;
  }
  EXPECT_EQ(behind->connections(), 1);
  EXPECT_EQ(behind_script.served, 3);
}

// A connection that was kept and a session that could be resumed are of the authority that was
// trusted when they were made.
TEST_F(TlsNet, TrustsAnAuthorityNoLongerThanTheConfigurationSays) {
  const Certificate certificate("IP:127.0.0.1");
  const Certificate other("IP:127.0.0.1");
  listen_behind(certificate.files);
  const auto peer = caller();
  const auto ask = [&](std::string_view answer) {
    peer->received.clear();
    peer->send(kAsk);
    EXPECT_TRUE(until_received(*peer, answer)) << peer->received;
  };
  ask("\r\n\r\nnone");
  std::filesystem::copy(other.files.certificate, certificate.files.certificate,
                        std::filesystem::copy_options::overwrite_existing);
  ask("\r\n\r\nnone");  // The file is in force with the next configuration.
  trust(certificate.files);
  ask("certificate was not accepted");
  EXPECT_EQ(behind_script.served, 2);
}

// What a kept set of authorities would never see.
TEST_F(TlsNet, TakesANewAuthorityFromTheSamePath) {
  const Certificate certificate("IP:127.0.0.1");
  const Certificate other("IP:127.0.0.1");
  listen_behind(certificate.files);
  const std::string path = certificate.folder + "/authority.pem";
  const auto trust_copy_of = [&](const Certificate& which) {
    std::filesystem::copy(which.files.certificate, path,
                          std::filesystem::copy_options::overwrite_existing);
    script.upstream.certificate_authority = *read_certificate_authority(path);
  };
  const auto peer = caller();
  trust_copy_of(other);
  peer->send(kAsk);
  ASSERT_TRUE(until_received(*peer, "certificate was not accepted")) << peer->received;
  trust_copy_of(certificate);
  peer->received.clear();
  peer->send(kAsk);
  ASSERT_TRUE(until_received(*peer, "\r\n\r\nnone")) << peer->received;
}

TEST_F(TlsNet, ResumesItsSessionWithAnUpstream) {
  const Certificate certificate("IP:127.0.0.1");
  listen_behind(certificate.files);
  const auto peer = caller();
  for (int i = 0; i < 2; ++i) {
    peer->received.clear();
    peer->send(kAsk);
    ASSERT_TRUE(until_received(*peer, "\r\n\r\nnone")) << peer->received;
    EXPECT_EQ(SSL_CTX_sess_hits(behind_tls->state().context.get()), i);
    // A connection that waits for long is ended.
    pass(std::chrono::seconds(31));
    EXPECT_EQ(pool->connections(), 0);
  }
}

TEST_F(TlsNet, StreamsOverTls) {
  const Certificate certificate("DNS:localhost");
  listen_behind(certificate.files);
  script.upstream.endpoints[0].host = "localhost";
  const auto peer = caller();
  peer->send("GET /proxy-stream HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(until_received(*peer, "\r\n0\r\n\r\n"));
  EXPECT_FALSE(script.fault);
}

TEST_F(TlsNet, RefusesAnUpstreamThatIsNotWhoItShouldBe) {
  const Certificate certificate("DNS:other.example,IP:127.0.0.9");
  listen_behind(certificate.files);
  const auto peer = caller();
  peer->send(kAsk);
  ASSERT_TRUE(until_received(*peer, "502"));
  EXPECT_EQ(script.fault->kind, FaultKind::kUnreachable);
  EXPECT_NE(script.fault->message.find("certificate was not accepted"), std::string::npos)
      << script.fault->message;
  EXPECT_EQ(behind_script.served, 0);
}

TEST_F(TlsNet, EndsAHandshakeThatDoesNotCome) {
  const Certificate certificate("IP:127.0.0.1");
  listen_behind(certificate.files);
  const auto peer = Peer::connect(behind->port());
  peer->send("\x16\x03\x01");
  ASSERT_TRUE(until([&] {
    peer->poll();
    return behind->connections() == 1;
  }));
  pass(std::chrono::seconds(11));
  EXPECT_TRUE(until_closed(*peer));
  const auto plain = Peer::connect(behind->port());
  plain->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(until_closed(*plain));
  EXPECT_EQ(behind_script.served + behind_script.malformed, 0);
}

TEST(ServerTls, SaysWhichFileCannotBeUsed) {
  const Certificate one("IP:127.0.0.1");
  const Certificate other("IP:127.0.0.1");
  config::Tls files = one.files;
  files.key = other.files.key;
  const auto wrong = ServerTls::load(files);
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find(files.key), std::string::npos);
  files.certificate = "/nowhere.crt";
  const auto absent = ServerTls::load(files);
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().message.find("/nowhere.crt"), std::string::npos);
}

// A client of OpenSSL alone, turned with the loop. Whether it was let in, and its session.
struct Client {
  Client(std::uint16_t port, int version, SSL_SESSION* session, const char* alpn)
      : peer(Peer::connect(port)), context(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_min_proto_version(context, version);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, peer->file());
    SSL_set_connect_state(ssl);
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn),
                        static_cast<unsigned>(std::strlen(alpn)));
    if (session != nullptr) SSL_set_session(ssl, session);
  }
  ~Client() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  std::unique_ptr<Peer> peer;
  SSL_CTX* context;
  SSL* ssl = nullptr;
};

TEST_F(TlsNet, ResumesSessionsOfBothVersions) {
  const Certificate certificate("IP:127.0.0.1");
  listen_behind(certificate.files);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    SSL_SESSION* session = nullptr;
    for (const bool again : {false, true}) {
      Client client(behind->port(), version, session, "\x08http/1.1");
      ASSERT_TRUE(until([&] { return SSL_do_handshake(client.ssl) == 1; }));
      EXPECT_EQ(SSL_session_reused(client.ssl), again ? 1 : 0);
      const std::string_view ask = "GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
      ASSERT_EQ(SSL_write(client.ssl, ask.data(), static_cast<int>(ask.size())),
                static_cast<int>(ask.size()));
      char bytes[4096];
      int got = 0;
      ASSERT_TRUE(until([&] { return (got = SSL_read(client.ssl, bytes, sizeof bytes)) > 0; }));
      EXPECT_TRUE(std::string_view(bytes, static_cast<std::size_t>(got)).ends_with("none"));
      SSL_SESSION_free(session);
      session = SSL_get1_session(client.ssl);
      SSL_shutdown(client.ssl);
    }
    SSL_SESSION_free(session);
  }
  for (const auto& [version, alpn] :
       {std::pair(TLS1_1_VERSION, "\x08http/1.1"), std::pair(TLS1_3_VERSION, "\x02h2")}) {
    Client client(behind->port(), version, nullptr, alpn);
    bool failed = false;
    ASSERT_TRUE(until([&] {
      const int done = SSL_do_handshake(client.ssl);
      const int error = SSL_get_error(client.ssl, done);
      failed = done != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
      return failed || done == 1;
    }));
    EXPECT_TRUE(failed);
  }
}

}  // namespace
}  // namespace tollgate::net::testing
