// Listeners that ask for certificates, and callers of OpenSSL alone with good ones and bad ones.
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "controls/authentication/made_certificates_test.h"
#include "net/stream.h"
#include "net/testing.h"
#include "net/tls.h"

namespace tollgate::net::testing {
namespace {

using authentication::testing::Made;
using authentication::testing::Wanted;
using authentication::testing::wanted_authority;

Wanted wanted_caller(std::string name = "alice") {
  Wanted wanted;
  wanted.common_names = {std::move(name)};
  return wanted;
}

struct Shows {
  const Made* certificate = nullptr;
  const Made* between = nullptr;
  int version = TLS1_3_VERSION;
  SSL_SESSION* session = nullptr;
};

class ClientCertificates : public Net {
 protected:
  ClientCertificates() : folder_(::testing::TempDir() + "tollgate_mtls_XXXXXX") {
    CHECK(mkdtemp(folder_.data()) != nullptr);
    const Made server(wanted_caller("server"));
    files_.certificate = file("server.crt", server.pem());
    files_.key = file("server.key", server.key_pem());
  }
  ~ClientCertificates() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::shared_ptr<const ServerTls> tls_for(const std::string& bundle,
                                           config::ClientCertificates certificates) {
    files_.client_ca = file("bundle.pem", bundle);
    files_.client_certificates = certificates;
    auto loaded = ServerTls::load(files_);
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    return loaded ? *loaded : nullptr;
  }

  // One request: who was served ("127.0.0.1 alice"); empty where the connection was ended.
  std::string ask(const Shows& shows, SSL_SESSION** kept = nullptr, bool* reused = nullptr) {
    const auto peer = caller();
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, shows.version);
    SSL_CTX_set_max_proto_version(context, shows.version);
    if (shows.certificate != nullptr) {
      SSL_CTX_use_certificate(context, shows.certificate->certificate());
      SSL_CTX_use_PrivateKey(context, shows.certificate->key());
      if (shows.between != nullptr) {
        X509_up_ref(shows.between->certificate());
        SSL_CTX_add_extra_chain_cert(context, shows.between->certificate());
      }
    }
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, peer->file());
    if (!balancer.empty()) {
      EXPECT_TRUE(until([&] { return listener->connections() == 1; }));
      peer->send(balancer);
      peer->reading = false;
      peer->poll();
    }
    SSL_set_connect_state(ssl);
    if (shows.session != nullptr) SSL_set_session(ssl, shows.session);
    const std::string answer = turn(ssl);
    if (reused != nullptr) *reused = SSL_session_reused(ssl) == 1;
    if (kept != nullptr) *kept = SSL_get1_session(ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return answer;
  }

  std::string folder_;
  config::Tls files_;
  std::string balancer;  // What goes before the handshake.

 private:
  std::string turn(SSL* ssl) {
    constexpr std::string_view kAsk = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    script.askers.clear();
    bool sent = false;
    bool ended = false;
    const auto step = [&](int done) {
      const int error = SSL_get_error(ssl, done);
      ended |= done <= 0 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    };
    char bytes[4096];
    int got = 0;
    EXPECT_TRUE(until([&] {
      if (!SSL_is_init_finished(ssl)) {
        step(SSL_do_handshake(ssl));
        return ended;
      }
      if (!sent) {
        step(SSL_write(ssl, kAsk.data(), static_cast<int>(kAsk.size())));
        sent = true;
      }
      got = SSL_read(ssl, bytes, sizeof bytes);
      step(got);
      return ended || got > 0;
    }));
    return got > 0 && !script.askers.empty() ? script.askers.back() : "";
  }
};

// A caller whose last flight and request leave with one call, when it is told to send.
class AtOnce {
 public:
  AtOnce() : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
  }
  AtOnce(const AtOnce&) = delete;
  ~AtOnce() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  // What it sends after it has received that.
  std::string after(std::string_view received) {
    BIO_write(in_, received.data(), static_cast<int>(received.size()));
    if (!asked_ && SSL_do_handshake(ssl_) == 1) {
      EXPECT_GT(SSL_write(ssl_, kAsk.data(), static_cast<int>(kAsk.size())), 0);
      asked_ = true;
    }
    char* flight = nullptr;
    const long size = BIO_get_mem_data(out_, &flight);
    std::string sends(flight, static_cast<std::size_t>(size));
    (void)BIO_reset(out_);
    return sends;
  }
  bool asked() const { return asked_; }
  bool answered() {
    char bytes[4096];
    return SSL_read(ssl_, bytes, sizeof bytes) > 0;
  }

  static constexpr std::string_view kAsk = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  BIO* in_ = BIO_new(BIO_s_mem());
  BIO* out_ = BIO_new(BIO_s_mem());
  bool asked_ = false;
};

TEST_F(ClientCertificates, ARequestThatCameWithTheLastFlightIsServedAtOnce) {
  const Made authority(wanted_authority("CA"));
  listen({}, tls_for(authority.pem(), config::ClientCertificates::kOptional));
  const auto peer = caller();
  AtOnce asking;
  std::size_t sends = 0;
  EXPECT_TRUE(until([&] {
    const std::string flight = asking.after(std::exchange(peer->received, {}));
    sends += flight.empty() ? 0 : 1;
    peer->send(flight);
    peer->poll();
    return asking.answered();
  }));
  EXPECT_EQ(sends, 2u);  // The hello; then all the rest.
  EXPECT_EQ(script.askers.size(), 1u);
}

// OpenSSL reads the request along with the end of the handshake. Where it does so before the loop
// has told of it, the socket tells of nothing more: nobody may wait for it.
TEST_F(ClientCertificates, WhatWasReadAheadIsReadableWithoutAWordOfTheSocket) {
  const Made authority(wanted_authority("CA"));
  const auto tls = tls_for(authority.pem(), config::ClientCertificates::kOptional);
  int files[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, files), 0);
  Peer peer(files[1]);
  Stream stream(loop.state());
  stream.adopt(files[0]);
  stream.adopt_tls(accept_tls(*tls));
  AtOnce asking;
  // The loop is never turned.
  for (int flight = 0; flight < 2; ++flight) {
    peer.send(asking.after(std::exchange(peer.received, {})));
    peer.poll();
    const Attempt attempt = stream.handshake();
    EXPECT_EQ(attempt.result, flight == 0 ? Attempt::Result::kWaitRead : Attempt::Result::kDone);
    peer.poll();
  }
  EXPECT_TRUE(asking.asked());
  EXPECT_TRUE(stream.ready(Side::kRead));
  char bytes[4096];
  const Attempt read = stream.read(bytes);
  ASSERT_EQ(read.result, Attempt::Result::kDone);
  EXPECT_EQ(std::string_view(bytes, read.bytes), AtOnce::kAsk);
}

constexpr auto kRequire = config::ClientCertificates::kRequire;
constexpr auto kOptional = config::ClientCertificates::kOptional;

TEST_F(ClientCertificates, LetInWhomTheBundleVouchesFor) {
  const Made authority(wanted_authority("CA"));
  const Made other(wanted_authority("other CA"));
  const Made between(wanted_authority("between"), &authority);
  const Made alice(wanted_caller(), &authority);
  const Made nested(wanted_caller("nested"), &between);
  const Made stranger(wanted_caller("stranger"), &other);
  const Made alone(wanted_caller("alone"));
  Wanted late = wanted_caller("late");
  late.until = "20200101000000Z";
  const Made expired(late, &authority);
  Wanted for_servers = wanted_caller("server");
  for_servers.purposes = "serverAuth";
  const Made server(for_servers, &authority);

  struct Row {
    const char* what;
    Shows shows;
    const char* required;
    const char* optional;
  };
  for (const config::ClientCertificates mode : {kRequire, kOptional}) {
    listener.reset();
    listen({}, tls_for(authority.pem(), mode));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      for (Row row : std::initializer_list<Row>{
               {"good", {&alice}, "127.0.0.1 alice", "127.0.0.1 alice"},
               {"with a chain", {&nested, &between}, "127.0.0.1 nested", "127.0.0.1 nested"},
               {"without its chain", {&nested}, "", ""},
               {"none", {}, "", "127.0.0.1"},
               {"of another authority", {&stranger}, "", ""},
               {"of nobody", {&alone}, "", ""},
               {"expired", {&expired}, "", ""},
               {"of a server", {&server}, "", ""},
           }) {
        SCOPED_TRACE(row.what);
        row.shows.version = version;
        EXPECT_EQ(ask(row.shows), mode == kRequire ? row.required : row.optional);
      }
    }
  }
}

// A session would bring back a certificate as it was proven once, without its chain.
TEST_F(ClientCertificates, AreProvenAnewByEachConnection) {
  const Made authority(wanted_authority("CA"));
  const Made alice(wanted_caller(), &authority);
  listen({}, tls_for(authority.pem(), kRequire));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_SESSION* session = nullptr;
    EXPECT_EQ(ask({&alice, nullptr, version}, &session), "127.0.0.1 alice");
    bool reused = true;
    EXPECT_EQ(ask({&alice, nullptr, version, session}, nullptr, &reused), "127.0.0.1 alice");
    EXPECT_FALSE(reused);
    EXPECT_EQ(ask({nullptr, nullptr, version, session}), "");
    SSL_SESSION_free(session);
  }
}

// A session of a time when nobody was asked for a certificate is worth nothing now.
TEST_F(ClientCertificates, AreAskedForAfterAReload) {
  const Made authority(wanted_authority("CA"));
  const Made other(wanted_authority("other CA"));
  const Made alice(wanted_caller(), &authority);
  const Made bob(wanted_caller("bob"), &other);
  files_.client_ca.clear();
  auto plain = ServerTls::load(files_);
  ASSERT_TRUE(plain);
  listen({}, *plain);
  SSL_SESSION* session = nullptr;
  EXPECT_EQ(ask({}, &session), "127.0.0.1");
  listener->replace(tls_for(authority.pem(), kRequire), config::ProxyProtocol::kOff, {});
  EXPECT_EQ(ask({nullptr, nullptr, TLS1_3_VERSION, session}), "");
  SSL_SESSION_free(session);
  EXPECT_EQ(ask({&alice}), "127.0.0.1 alice");
  EXPECT_EQ(ask({&bob}), "");
  listener->replace(tls_for(other.pem(), kRequire), config::ProxyProtocol::kOff, {});
  EXPECT_EQ(ask({&alice}), "");
  EXPECT_EQ(ask({&bob}), "127.0.0.1 bob");
}

TEST_F(ClientCertificates, ComeAfterTheHeaderOfABalancer) {
  const Made authority(wanted_authority("CA"));
  const Made alice(wanted_caller(), &authority);
  config::Edge edge;
  edge.trusted_proxies = {*read_address_range("127.0.0.0/8")};
  listen(edge, tls_for(authority.pem(), kRequire), config::ProxyProtocol::kRequired);
  const std::string_view header = "PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n";
  EXPECT_EQ(ask({&alice}), "");
  balancer = header;
  EXPECT_EQ(ask({&alice}), "192.0.2.1 alice");
}

TEST_F(ClientCertificates, NeedABundleThatCanBeRead) {
  const Made leaf(wanted_caller());
  files_.client_ca = file("bundle.pem", leaf.pem());
  const auto no_authority = ServerTls::load(files_);
  ASSERT_FALSE(no_authority);
  EXPECT_TRUE(no_authority.error().message.contains("not that of an authority"));
  files_.client_ca = folder_ + "/absent.pem";
  const auto absent = ServerTls::load(files_);
  ASSERT_FALSE(absent);
  EXPECT_TRUE(absent.error().message.contains("absent.pem"));
}

}  // namespace
}  // namespace tollgate::net::testing
