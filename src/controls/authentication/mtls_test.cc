// Whose client certificates are, from good and bad ones made here.
#include "controls/authentication/mtls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "controls/authentication/made_certificates_test.h"
#include "controls/authentication/spiffe.h"

namespace tollgate::authentication {
namespace {

using testing::Made;
using testing::Wanted;
using testing::wanted_authority;
using testing::wanted_svid;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};  // 2027.

const Made& example_org() {
  static const Made made(wanted_authority("example.org", "URI:spiffe://example.org"));
  return made;
}
const Made& other_org() {
  static const Made made(wanted_authority("other.org", "URI:spiffe://other.org"));
  return made;
}
const Made& company() {
  static const Made made(wanted_authority("Company CA"));
  return made;
}

ClientCertificate presented(const Made& leaf, const std::vector<const Made*>& chain = {}) {
  std::vector<std::string> parts;
  for (const Made* part : chain) parts.push_back(part->der());
  auto read = read_client_certificate(leaf.der(), parts);
  EXPECT_TRUE(read);
  return read ? *read : ClientCertificate{};
}

MtlsPolicy policy_of(std::string name, const Made& authority) {
  MtlsPolicy made;
  made.name = std::move(name);
  auto trust = TrustBundle::read(authority.pem());
  EXPECT_TRUE(trust);
  if (trust) made.trust = std::move(*trust);
  return made;
}

MtlsPolicy mesh(const Made& authority = example_org(), std::string domain = "example.org") {
  MtlsPolicy made = policy_of("mesh", authority);
  made.named_by = CertificateName::kSpiffeId;
  made.trust_domain = domain;
  made.tenant_by_name = {{"spiffe://" + domain + "/ns/search/*", "search"},
                         {"spiffe://" + domain + "/ns/billing/sa/report", "billing"}};
  made.roles = {"workload"};
  return made;
}

MtlsPolicy plain(CertificateName named_by) {
  MtlsPolicy made = policy_of("company", company());
  made.named_by = named_by;
  made.tenant_by_name = {{"*.search.internal", "search"}, {"report", "billing"}};
  return made;
}

struct Asked {
  Arena arena;
  BundleVerdicts verdicts;
  Expected<std::optional<Identity>> answer;

  template <class... Policies>
  explicit Asked(ClientCertificate asking, WallTime now, Policies... policies)
      : certificate(std::move(asking)) {
    std::vector<MtlsPolicy> all;
    (all.push_back(std::move(policies)), ...);
    kept = std::move(all);
    answer = identify(kept, certificate, verdicts, now, arena);
  }
  std::vector<MtlsPolicy> kept;
  ClientCertificate certificate;

  bool names_nobody() const { return answer && !*answer; }
  std::string tenant() const { return answer && *answer ? std::string((*answer)->tenant) : ""; }
  std::optional<Reason> refused() const {
    return answer ? std::nullopt : std::optional(answer.error().reason);
  }
};

TEST(Mtls, TiesAWorkloadToItsTenant) {
  const Made leaf(wanted_svid(), &example_org());
  const Asked asked(presented(leaf), kNow, mesh());
  ASSERT_EQ(asked.tenant(), "search");
  const Identity& identity = **asked.answer;
  EXPECT_EQ(identity.subject, "spiffe://example.org/ns/search/sa/indexer");
  EXPECT_EQ(identity.credential_kind, CredentialKind::kMtls);
  EXPECT_EQ(name_of(identity.credential_kind), "mtls");
  EXPECT_EQ(identity.credential_id, "mesh/spiffe://example.org/ns/search/sa/indexer");
  EXPECT_EQ(identity.verifier, "mesh");
  ASSERT_EQ(identity.roles.size(), 1u);
  EXPECT_EQ(identity.roles[0], "workload");
  EXPECT_EQ(identity.expires, WallTime(std::chrono::seconds(3'786'912'000)));  // 2090.
}

TEST(Mtls, TakesWhatAnAuthorityBetweenSigned) {
  const Made between(wanted_authority("between", "URI:spiffe://example.org"), &example_org());
  const Made leaf(wanted_svid(), &between);
  EXPECT_EQ(Asked(presented(leaf, {&between}), kNow, mesh()).tenant(), "search");
  EXPECT_EQ(Asked(presented(leaf), kNow, mesh()).refused(), Reason::kInvalidCredential);
  // An authority that names a workload signs nobody (X509-SVID 3.2).
  const Made workload(wanted_authority("w", "URI:spiffe://example.org/ns/x"), &example_org());
  const Made signed_by_it(wanted_svid(), &workload);
  EXPECT_EQ(Asked(presented(signed_by_it, {&workload}), kNow, mesh()).refused(),
            Reason::kInvalidCredential);
}

// A record tells so much of a name, and two that it cannot tell apart are one actor too few.
TEST(Mtls, RefusesANameThatIsLongerThanARecordTells) {
  const std::string id = "spiffe://example.org/ns/search/";
  const std::string longest = id + std::string(256 - id.size(), 'a');
  const Made leaf(wanted_svid(longest), &example_org());
  EXPECT_EQ(Asked(presented(leaf), kNow, mesh()).tenant(), "search");
  const Made longer(wanted_svid(longest + "a"), &example_org());
  EXPECT_EQ(Asked(presented(longer), kNow, mesh()).refused(), Reason::kInvalidCredential);
}

// Each rule of the standard, broken alone.
TEST(Mtls, RefusesAnSvidThatBreaksARule) {
  const std::string id = "spiffe://example.org/ns/search/sa/indexer";
  struct Row {
    const char* rule;
    void (*spoil)(Wanted&);
  };
  for (const Row& row : std::initializer_list<Row>{
           {"one URI", [](Wanted& w) { w.names += ",URI:spiffe://example.org/ns/search/sa/b"; }},
           {"one URI of any kind", [](Wanted& w) { w.names += ",URI:https://example.org/"; }},
           {"no port", [](Wanted& w) { w.names = "URI:spiffe://example.org:8443/ns/search/x"; }},
           {"no query", [](Wanted& w) { w.names += "?x=1"; }},
           {"no fragment", [](Wanted& w) { w.names += "#x"; }},
           {"no escapes", [](Wanted& w) { w.names += "%2f"; }},
           {"no empty segment", [](Wanted& w) { w.names += "//x"; }},
           {"no dot segment", [](Wanted& w) { w.names += "/../x"; }},
           {"no slash at the end", [](Wanted& w) { w.names += "/"; }},
           {"at most 2048 bytes", [](Wanted& w) { w.names += "/" + std::string(2048, 'a'); }},
           {"no authority", [](Wanted& w) { w.constraints = "critical,CA:TRUE"; }},
           {"a key usage", [](Wanted& w) { w.use = ""; }},
           {"a critical key usage", [](Wanted& w) { w.use = "digitalSignature"; }},
           {"digitalSignature", [](Wanted& w) { w.use = "critical,keyAgreement"; }},
           {"no keyCertSign", [](Wanted& w) { w.use = "critical,digitalSignature,keyCertSign"; }},
           {"no cRLSign", [](Wanted& w) { w.use = "critical,digitalSignature,cRLSign"; }},
           {"clientAuth", [](Wanted& w) { w.purposes = "serverAuth"; }},
           {"serverAuth", [](Wanted& w) { w.purposes = "clientAuth"; }},
       }) {
    SCOPED_TRACE(row.rule);
    Wanted wanted = wanted_svid(id);
    row.spoil(wanted);
    const Made leaf(wanted, &example_org());
    MtlsPolicy policy = mesh();
    policy.tenant_by_name.clear();
    policy.tenant = "search";
    const Asked asked(presented(leaf), kNow, std::move(policy));
    EXPECT_EQ(asked.refused(), Reason::kInvalidCredential);
    if (!asked.answer) {
      EXPECT_EQ(asked.answer.error().rule, "authentication.mtls.mesh");
      EXPECT_TRUE(asked.answer.error().message.contains("is no X.509-SVID: "));
    }
  }
}

TEST(Mtls, ASpiffeIdWithoutAPathNamesNoWorkload) {
  for (const char* id : {"spiffe://example.org", "spiffe://example.org/", "SPIFFE://example.org/a",
                         "spiffe://Example.org/a"}) {
    SCOPED_TRACE(id);
    const Made leaf(wanted_svid(id), &example_org());
    MtlsPolicy one = mesh();
    one.tenant_by_name.clear();
    one.tenant = "search";
    EXPECT_EQ(Asked(presented(leaf), kNow, std::move(one)).refused(), Reason::kInvalidCredential);
  }
}

TEST(Mtls, ATrustDomainIsVouchedForByItsOwnBundleAlone) {
  const Made forged(wanted_svid(), &other_org());
  const Asked asked(presented(forged), kNow, mesh(), mesh(other_org(), "other.org"));
  EXPECT_EQ(asked.refused(), Reason::kInvalidCredential);
  const Made theirs(wanted_svid("spiffe://other.org/ns/search/sa/x"), &other_org());
  EXPECT_EQ(Asked(presented(theirs), kNow, mesh(), mesh(other_org(), "other.org")).tenant(),
            "search");
}

TEST(Mtls, WhomNoPolicyMapsIsNobody) {
  const Made unmapped(wanted_svid("spiffe://example.org/ns/shop/sa/x"), &example_org());
  EXPECT_TRUE(Asked(presented(unmapped), kNow, mesh()).names_nobody());
  const Made elsewhere(wanted_svid("spiffe://third.org/ns/search/sa/x"), &example_org());
  EXPECT_TRUE(Asked(presented(elsewhere), kNow, mesh()).names_nobody());
  const Made longer(wanted_svid("spiffe://example.org.evil/ns/search/sa/x"), &example_org());
  EXPECT_TRUE(Asked(presented(longer), kNow, mesh()).names_nobody());
  EXPECT_TRUE(Asked(presented(unmapped), kNow).names_nobody());
}

TEST(Mtls, NamesByTheSubjectOfPlainCertificates) {
  struct Row {
    const char* what;
    CertificateName named_by;
    std::vector<std::string> common_names;
    std::string names;
    std::string tenant;
  };
  using enum CertificateName;
  for (const Row& row : std::vector<Row>{
           {"its common name", kCommonName, {"report"}, "", "billing"},
           {"a part of it", kCommonName, {"reports"}, "", ""},
           {"two common names", kCommonName, {"report", "other"}, "", ""},
           {"none", kCommonName, {}, "DNS:report", ""},
           {"a name with a NUL", kCommonName, {std::string("report\0x", 8)}, "", ""},
           {"a DNS name", kDnsName, {"x"}, "DNS:a.search.internal", "search"},
           {"in any case", kDnsName, {"x"}, "DNS:A.Search.Internal", "search"},
           {"beside others", kDnsName, {"x"}, "DNS:y.example,DNS:a.search.internal", "search"},
           {"a wildcard", kDnsName, {"x"}, "DNS:*.search.internal", ""},
           {"only the common name", kDnsName, {"report"}, "", ""},
       }) {
    SCOPED_TRACE(row.what);
    Wanted wanted;
    wanted.common_names = row.common_names;
    wanted.names = row.names;
    const Made leaf(wanted, &company());
    const Asked asked(presented(leaf), kNow, plain(row.named_by));
    ASSERT_TRUE(asked.answer);
    EXPECT_EQ(asked.tenant(), row.tenant);
  }
}

TEST(Mtls, RefusesPlainCertificatesThatAreNoCallers) {
  Wanted wanted;
  wanted.common_names = {"report"};
  Wanted authority = wanted_authority("report");
  authority.use = "critical,digitalSignature,keyCertSign";
  const Made leaf(authority, &company());
  EXPECT_EQ(Asked(presented(leaf), kNow, plain(CertificateName::kCommonName)).refused(),
            Reason::kInvalidCredential);
  wanted.names = "DNS:a.search.internal,DNS:report";
  const Made several(wanted, &company());
  EXPECT_EQ(Asked(presented(several), kNow, plain(CertificateName::kDnsName)).refused(),
            Reason::kInvalidCredential);
  // Another bundle's names are not this policy's.
  const Made stranger(wanted, &other_org());
  EXPECT_TRUE(Asked(presented(stranger), kNow, plain(CertificateName::kCommonName)).names_nobody());
}

TEST(Mtls, RefusesACertificateThatIsMappedTwice) {
  Wanted wanted = wanted_svid();
  wanted.common_names = {"report"};
  const Made leaf(wanted, &example_org());
  MtlsPolicy by_name = policy_of("company", example_org());
  by_name.tenant = "billing";
  EXPECT_EQ(Asked(presented(leaf), kNow, mesh(), std::move(by_name)).refused(),
            Reason::kInvalidCredential);
}

TEST(Mtls, ACertificateEndsWhileItsConnectionLives) {
  Wanted wanted = wanted_svid();
  wanted.from = "20270101000000Z";
  wanted.until = "20270201000000Z";
  wanted.common_names = {"report"};
  const WallTime begins{std::chrono::seconds(1'798'761'600)};
  const WallTime ends{std::chrono::seconds(1'801'440'000)};
  const Made svid(wanted, &example_org());
  const Made named(wanted, &company());
  for (const bool spiffe : {true, false}) {
    SCOPED_TRACE(spiffe);
    const ClientCertificate shown = presented(spiffe ? svid : named);
    const auto at = [&](WallTime now) {
      return spiffe ? Asked(shown, now, mesh())
                    : Asked(shown, now, plain(CertificateName::kCommonName));
    };
    EXPECT_EQ(at(begins - Duration(1)).refused(), Reason::kInvalidCredential);
    EXPECT_NE(at(begins).tenant(), "");
    EXPECT_NE(at(ends - Duration(1)).tenant(), "");
    EXPECT_EQ(at(ends).refused(), Reason::kExpiredCredential);
  }
}

TEST(ClientCertificate, ReadsWhatItHolds) {
  Wanted wanted = wanted_svid();
  wanted.common_names = {"Indexer 1"};
  wanted.names += ",DNS:indexer.search";
  const Made leaf(wanted, &example_org());
  const ClientCertificate read = presented(leaf, {&example_org()});
  unsigned char digest[32];
  unsigned int size = 0;
  X509_digest(leaf.certificate(), EVP_sha256(), digest, &size);
  EXPECT_TRUE(std::equal(read.digest.begin(), read.digest.end(), digest));
  EXPECT_EQ(read.common_name, "Indexer 1");
  EXPECT_EQ(read.dns_names, std::vector<std::string>{"indexer.search"});
  EXPECT_NE(read.presented, presented(leaf).presented);
  EXPECT_EQ(read.digest, presented(leaf).digest);
}

TEST(ClientCertificate, ReadsNothingElse) {
  const Made leaf(wanted_svid(), &example_org());
  const std::string der = leaf.der();
  EXPECT_FALSE(read_client_certificate("", {}));
  EXPECT_FALSE(read_client_certificate(der + "x", {}));
  EXPECT_FALSE(read_client_certificate(std::string_view(der).substr(0, der.size() - 1), {}));
  const std::vector<std::string> junk{"x"};
  EXPECT_FALSE(read_client_certificate(der, junk));
  const std::vector<std::string> long_chain(kChainMax + 1, der);
  EXPECT_FALSE(read_client_certificate(der, long_chain));
}

// Whatever bytes are changed: it is read or not, and whom it names is vouched for by nobody.
TEST(ClientCertificate, AChangedOneIsNobodysForAnyChange) {
  std::mt19937_64 random{5};
  const Made leaf(wanted_svid(), &example_org());
  const std::string der = leaf.der();
  for (int step = 0; step < 600; ++step) {
    SCOPED_TRACE(step);
    std::string changed = der;
    changed[random() % changed.size()] ^= static_cast<char>(1 + random() % 255);
    const auto read = read_client_certificate(changed, {});
    if (!read) continue;
    EXPECT_EQ(Asked(*read, kNow, mesh()).tenant(), "");
  }
}

TEST(TrustBundle, HoldsAuthoritiesAlone) {
  const Made leaf(wanted_svid(), &example_org());
  const std::string good = example_org().pem();
  struct Row {
    std::string pem;
    std::string_view words;
  };
  for (const Row& row : std::vector<Row>{
           {"", "no PEM certificate"},
           {"no PEM", "no PEM certificate"},
           {leaf.key_pem(), "no PEM certificate"},
           {leaf.pem(), "certificate 1 is not that of an authority"},
           {good + leaf.pem(), "certificate 2 is not that of an authority"},
           {good + good.substr(0, good.size() / 2), "certificate 2 is not well-formed"},
           {std::string(TrustBundle::kBytesMax + 1, '\n'), "more than 4 MiB"},
       }) {
    SCOPED_TRACE(row.words);
    const auto read = TrustBundle::read(row.pem);
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().find(row.words), std::string::npos) << read.error();
  }
  EXPECT_TRUE(TrustBundle::read(good + "# a remark\n" + other_org().pem()));
}

TEST(TrustBundle, AnAuthorityBetweenIsAnAnchorWhereItIsListed) {
  const Made between(wanted_authority("between"), &company());
  const Made leaf(Wanted{.common_names = {"report"}}, &between);
  EXPECT_TRUE((*TrustBundle::read(between.pem()))->vouches_for(presented(leaf), kNow));
  EXPECT_FALSE((*TrustBundle::read(other_org().pem()))->vouches_for(presented(leaf), kNow));
}

TEST(BundleVerdicts, AreOfOneBundleAndOneMinute) {
  const Made leaf(wanted_svid(), &example_org());
  const ClientCertificate shown = presented(leaf);
  const auto ours = *TrustBundle::read(example_org().pem());
  const auto theirs = *TrustBundle::read(other_org().pem());
  BundleVerdicts verdicts;
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(verdicts.vouches(*ours, shown, kNow));
    EXPECT_FALSE(verdicts.vouches(*theirs, shown, kNow));
  }
  // The time of its chain is looked at anew.
  const WallTime over{std::chrono::seconds(4'000'000'000)};
  EXPECT_FALSE(verdicts.vouches(*ours, shown, over));
}

// Whatever a connection asks when, and of which configuration: what is kept says the same.
TEST(KeptCertificate, SaysTheSameForAnyHistory) {
  std::mt19937_64 random{17};
  Wanted short_lived = wanted_svid();
  short_lived.until = "20270115080040Z";  // 40 s after kNow.
  const Made leaf(short_lived, &example_org());
  const ClientCertificate certificate = presented(leaf);
  // Its tenant, another one, nobody's, of a bundle that does not vouch, mapped twice.
  std::vector<std::vector<MtlsPolicy>> configurations(5);
  configurations[0].push_back(mesh());
  configurations[1].push_back(plain(CertificateName::kDnsName));
  configurations[1].push_back(mesh());
  configurations[1].back().tenant_by_name = {{"spiffe://example.org/*/*/*/*", "billing"}};
  configurations[1].back().roles = {"a", "b"};
  configurations[2].push_back(plain(CertificateName::kDnsName));
  configurations[3].push_back(mesh(other_org()));
  configurations[4].push_back(mesh());
  configurations[4].push_back(mesh());
  configurations[4].back().name = "again";
  KeptCertificate kept;
  BundleVerdicts verdicts;
  std::size_t at = 0;
  WallTime now = kNow;
  int somebody = 0;
  for (int step = 0; step < 1'500; ++step) {
    SCOPED_TRACE(step);
    if (random() % 8 == 0) at = random() % configurations.size();
    now += Duration(static_cast<std::int64_t>(random() % 100'000));
    if (random() % 200 == 0) now -= std::chrono::seconds(random() % 3);
    Digest stamp{};
    stamp[0] = static_cast<std::uint8_t>(at);
    Arena arena;
    BundleVerdicts fresh;
    const auto by_kept =
        kept.identify(configurations[at], stamp, certificate, verdicts, now, arena);
    const auto anew = identify(configurations[at], certificate, fresh, now, arena);
    ASSERT_EQ(by_kept.has_value(), anew.has_value());
    if (!anew) {
      EXPECT_EQ(by_kept.error().reason, anew.error().reason);
      continue;
    }
    ASSERT_EQ(by_kept->has_value(), anew->has_value());
    if (!*anew) continue;
    ++somebody;
    const Identity& a = **by_kept;
    const Identity& b = **anew;
    EXPECT_EQ(a.tenant, b.tenant);
    EXPECT_EQ(a.subject, b.subject);
    EXPECT_EQ(a.credential_kind, b.credential_kind);
    EXPECT_EQ(a.credential_id, b.credential_id);
    EXPECT_EQ(a.verifier, b.verifier);
    EXPECT_TRUE(std::ranges::equal(a.roles, b.roles));
    EXPECT_EQ(a.expires, b.expires);
  }
  EXPECT_GT(somebody, 100);
  EXPECT_GT(now, certificate.not_after);
}

TEST(MtlsPolicy, RefusesWhatCannotBeMeant) {
  struct Row {
    const char* field;
    void (*spoil)(MtlsPolicy&);
  };
  EXPECT_TRUE(check(mesh()).empty());
  for (const Row& row : std::initializer_list<Row>{
           {"name", [](MtlsPolicy& p) { p.name.clear(); }},
           {"trust_domain", [](MtlsPolicy& p) { p.trust_domain = "Example.org"; }},
           {"trust_domain", [](MtlsPolicy& p) { p.trust_domain = "spiffe://example.org"; }},
           {"tenant", [](MtlsPolicy& p) { p.tenant = "search"; }},
           {"tenant", [](MtlsPolicy& p) { p.tenant_by_name.clear(); }},
           {"tenant_by_spiffe_id", [](MtlsPolicy& p) { p.tenant_by_name[0].pattern = "*"; }},
           {"tenant_by_spiffe_id",
            [](MtlsPolicy& p) { p.tenant_by_name[0].pattern = "spiffe://other.org/*"; }},
           {"tenant_by_spiffe_id",
            [](MtlsPolicy& p) { p.tenant_by_name[0].pattern = "spiffe://example.org*"; }},
           {"tenant_by_spiffe_id",
            [](MtlsPolicy& p) { p.tenant_by_name[1].pattern = "spiffe://example.org/ns/*/sa/x"; }},
       }) {
    SCOPED_TRACE(row.field);
    MtlsPolicy policy = mesh();
    row.spoil(policy);
    const auto found = check(policy);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].field, row.field);
  }
}

TEST(MtlsPolicy, EverythingThatDecidesIsInTheDigest) {
  const Digest first = digest_of(mesh());
  EXPECT_EQ(digest_of(mesh()), first);
  EXPECT_NE(digest_of(mesh(other_org())), first);
  for (void (*change)(MtlsPolicy&) : std::initializer_list<void (*)(MtlsPolicy&)>{
           [](MtlsPolicy& p) { p.name = "other"; },
           [](MtlsPolicy& p) { p.trust_domain = "other.org"; },
           [](MtlsPolicy& p) { p.named_by = CertificateName::kDnsName; },
           [](MtlsPolicy& p) { p.tenant_by_name[0].tenant = "billing"; },
           [](MtlsPolicy& p) { p.tenant_by_name.pop_back(); },
           [](MtlsPolicy& p) { p.roles.clear(); },
           [](MtlsPolicy& p) { p.tenant = "search"; },
       }) {
    MtlsPolicy other = mesh();
    change(other);
    EXPECT_NE(digest_of(other), first);
  }
}

TEST(MtlsPolicy, RefusesTwoForOneCertificate) {
  const auto mistakes = [](MtlsPolicy a, MtlsPolicy b) {
    std::vector<MtlsPolicy> both;
    both.push_back(std::move(a));
    both.push_back(std::move(b));
    return check(std::span<const MtlsPolicy>(both)).size();
  };
  const auto named = [](MtlsPolicy policy, std::string name) {
    policy.name = std::move(name);
    return policy;
  };
  EXPECT_EQ(mistakes(mesh(), mesh()), 1u);
  EXPECT_EQ(mistakes(mesh(), named(mesh(), "again")), 1u);
  EXPECT_EQ(mistakes(mesh(), named(mesh(other_org(), "other.org"), "other")), 0u);
  using enum CertificateName;
  EXPECT_EQ(mistakes(plain(kCommonName), named(plain(kDnsName), "b")), 0u);
  EXPECT_EQ(mistakes(plain(kCommonName), named(plain(kCommonName), "b")), 1u);
  MtlsPolicy other_bundle = policy_of("b", other_org());
  other_bundle.tenant = "search";
  EXPECT_EQ(mistakes(plain(kCommonName), std::move(other_bundle)), 0u);
}

}  // namespace
}  // namespace tollgate::authentication
