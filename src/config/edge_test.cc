// What a file says of client certificates and of proxies.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"
#include "controls/authentication/made_certificates_test.h"

namespace tollgate::config {
namespace {

using authentication::CertificateName;
using authentication::testing::Made;
using authentication::testing::wanted_authority;
using authentication::testing::wanted_svid;

class EdgeConfig : public ::testing::Test {
 protected:
  EdgeConfig() : folder_(::testing::TempDir() + "tollgate_edge_XXXXXX") {
    CHECK(mkdtemp(folder_.data()) != nullptr);
    const Made authority(wanted_authority("CA"));
    const Made leaf(wanted_svid(), &authority);
    write("ca.pem", authority.pem());
    write("other.pem", Made(wanted_authority("other")).pem());
    write("leaf.pem", leaf.pem());
    write("leaf.key", leaf.key_pem());
  }
  ~EdgeConfig() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }

  // `tls` and what follows on the listener, the entries of mtls, and edge.
  Loaded load(std::string_view listener, std::string_view mtls = "", std::string_view edge = "") {
    std::string text =
        "listeners:\n"
        "  mesh: { address: \"127.0.0.1:0\"" +
        std::string(listener) + " }\n";
    text += "authentication: { api_keys: {}, mtls: [" + std::string(mtls) + "] }\n";
    text += "edge: {" + std::string(edge) +
            "}\n"
            "upstreams: { vllm: { url: \"http://127.0.0.1:1/v1\", speaks: openai } }\n"
            "models:\n"
            "  small: { upstream: vllm, price_per_million: { input: 0.05, output: 0.10 } }\n"
            "tenants: { search: {}, billing: {} }\n"
            "routes:\n"
            "  - name: chat\n"
            "    path: /v1/chat/completions\n"
            "    models: [small]\n"
            "    allow: [{ tenants: [search], credentials: [mtls] }]\n";
    return load_text(text, folder_ + "/t.yaml", [](const std::string&) { return std::nullopt; });
  }

  // Every problem as "field: message", without the folder.
  std::string told(const Loaded& loaded) const {
    std::string all;
    for (const Problem& problem : loaded.problems) {
      all += problem.field + ": " + problem.message + "\n";
    }
    for (std::size_t at; (at = all.find(folder_ + "/")) != std::string::npos;) {
      all.erase(at, folder_.size() + 1);
    }
    return all;
  }

  std::string folder_;
};

constexpr std::string_view kTls =
    ", tls: { certificate: leaf.pem, key: leaf.key, client_ca: ca.pem }";
constexpr std::string_view kMesh =
    "{ name: mesh, trust_domain: example.org, tenant_by_spiffe_id: { "
    "\"spiffe://example.org/ns/search/*\": search }, roles: [workload] }";

TEST_F(EdgeConfig, TakesAMesh) {
  const Loaded loaded = load(kTls, kMesh);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Tls& tls = *loaded.config->listeners[0].tls;
  EXPECT_EQ(tls.client_ca, folder_ + "/ca.pem");
  EXPECT_EQ(tls.client_certificates, ClientCertificates::kRequire);
  ASSERT_EQ(loaded.config->authentication.mtls.size(), 1u);
  const authentication::MtlsPolicy& made = loaded.config->authentication.mtls[0];
  EXPECT_EQ(made.named_by, CertificateName::kSpiffeId);
  EXPECT_EQ(made.bundle, folder_ + "/ca.pem");  // The listener's, where it can only be that.
  ASSERT_NE(made.trust, nullptr);
  EXPECT_EQ(made.tenant_by_name[0].tenant, "search");
  const std::string shown = effective_json(*loaded.config);
  for (const char* part : {"\"client_certificates\":\"require\"",
                           "\"trust_domain\":\"example.org\"", "\"roles\":[\"workload\"]"}) {
    EXPECT_NE(shown.find(part), std::string::npos) << part << " in " << shown;
  }
}

TEST_F(EdgeConfig, TakesNamesOfAnAuthority) {
  const Loaded loaded = load(
      ", tls: { certificate: leaf.pem, key: leaf.key, client_ca: ca.pem, "
      "client_certificates: optional }",
      "{ name: a, bundle: ca.pem, tenant: search }, { name: b, subject: dns_name, bundle: "
      "other.pem, tenant_by_subject: { \"*.billing\": billing } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->listeners[0].tls->client_certificates, ClientCertificates::kOptional);
  EXPECT_EQ(loaded.config->authentication.mtls[0].named_by, CertificateName::kCommonName);
  EXPECT_EQ(loaded.config->authentication.mtls[1].named_by, CertificateName::kDnsName);
}

TEST_F(EdgeConfig, RefusesMistakesAboutCertificates) {
  struct Row {
    std::string listener;
    std::string mtls;
    std::string_view told;
  };
  const std::string tls(kTls);
  const std::string mesh(kMesh);
  for (const Row& row : std::vector<Row>{
           {", tls: { certificate: leaf.pem, key: leaf.key, client_ca: none.pem }", "",
            "listeners.mesh.tls.client_ca: `none.pem` cannot be read\n"},
           {", tls: { certificate: leaf.pem, key: leaf.key, client_ca: leaf.pem }", "",
            "listeners.mesh.tls.client_ca: `leaf.pem` cannot be used: its certificate 1 is not "
            "that of an authority: a caller's own certificate has no place in a bundle\n"},
           {", tls: { certificate: leaf.pem, key: leaf.key, client_certificates: optional }", "",
            "listeners.mesh.tls.client_certificates: without `client_ca` no certificate is asked "
            "for\n"},
           {"", mesh,
            "authentication.mtls[0]: `bundle` is missing: only the listeners' one `client_ca` can "
            "stand for it, and only for one entry\n"},
           {tls, "{ name: a, bundle: leaf.key, tenant: search }",
            "authentication.mtls[0].bundle: `leaf.key` cannot be used: it holds no PEM "
            "certificate\n"},
           {tls, "{ name: a, tenant: nobody }",
            "authentication.mtls[0].tenant: there is no tenant `nobody`\n"},
           {tls, "{ name: a }",
            "authentication.mtls[0]: `tenant`: Exactly one of `tenant` and `tenant_by_subject` "
            "says whose the certificates are.\n"},
           {tls, "{ name: a, trust_domain: Example.org, tenant: search }",
            "authentication.mtls[0].trust_domain: It is no trust domain: `example.org`, without a "
            "scheme.\n"},
           {tls, "{ name: a, trust_domain: example.org, subject: dns_name, tenant: search }",
            "authentication.mtls[0].subject: with `trust_domain` the SPIFFE ID names the holder\n"},
           {tls,
            "{ name: a, bundle: ca.pem, tenant: search }, { name: b, bundle: ca.pem, tenant: "
            "billing }",
            "authentication.mtls[1].tenant: One certificate could be meant by `a` as well as by "
            "`b`: give each names of its own, or write one entry.\n"},
           {tls, "{ name: a, bundle: ca.pem, tenant: search }, " + mesh,
            "authentication.mtls[1]: `bundle` is missing: only the listeners' one `client_ca` can "
            "stand for it, and only for one entry\n"},
       }) {
    SCOPED_TRACE(row.told);
    const Loaded loaded = load(row.listener, row.mtls);
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_EQ(told(loaded), row.told);
  }
}

TEST_F(EdgeConfig, TakesProxies) {
  const Loaded loaded = load(", proxy_protocol: required", "",
                             "trusted_proxies: [10.0.0.0/8, \"2001:db8::/32\", 192.0.2.1], "
                             "forwarded_header: forwarded");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->listeners[0].proxy_protocol, ProxyProtocol::kRequired);
  EXPECT_EQ(loaded.config->edge.forwarded_header, ForwardedHeader::kForwarded);
  ASSERT_EQ(loaded.config->edge.trusted_proxies.size(), 3u);
  const std::string shown = effective_json(*loaded.config);
  for (const char* part :
       {"[\"10.0.0.0/8\",\"2001:db8::/32\",\"192.0.2.1\"]", "\"proxy_protocol\":\"required\""}) {
    EXPECT_NE(shown.find(part), std::string::npos) << part << " in " << shown;
  }
}

TEST_F(EdgeConfig, BelievesNotEverybody) {
  for (const char* everybody : {"\"*\"", "0.0.0.0/0", "\"::/0\"", "\"::ffff:0:0/96\""}) {
    EXPECT_EQ(told(load("", "", "trusted_proxies: [10.0.0.1, " + std::string(everybody) + "]")),
              "edge.trusted_proxies[1]: everybody could then say who they are: list your own "
              "proxies\n")
        << everybody;
  }
  EXPECT_EQ(told(load("", "", "trusted_proxies: [10.0.0.1/8]")),
            "edge.trusted_proxies[0]: expected an address or a range such as `10.0.0.0/8`, without "
            "bits beyond its prefix, found `10.0.0.1/8`\n");
  EXPECT_EQ(told(load(", proxy_protocol: required")),
            "listeners.mesh.proxy_protocol: nobody is believed: list your load balancers in "
            "`edge.trusted_proxies`\n");
}

}  // namespace
}  // namespace tollgate::config
