// Client certificates together with other credentials: one actor, or nobody.
#include "pipeline/identify.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "controls/authentication/made_certificates_test.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using authentication::ClientCertificate;
using authentication::CredentialKind;
using authentication::testing::Made;
using authentication::testing::wanted_authority;
using authentication::testing::wanted_svid;

constexpr std::string_view kIndexer = "spiffe://example.org/ns/search/sa/indexer";

const Made& authority() {
  static const Made made(wanted_authority("example.org", "URI:spiffe://example.org"));
  return made;
}

ClientCertificate certificate(const authentication::testing::Wanted& wanted) {
  auto read = authentication::read_client_certificate(Made(wanted, &authority()).der(), {});
  CHECK(read.has_value());
  return std::move(*read);
}

// kSettings for a mesh whose workloads of `search` are acme's, and for an issuer of tokens.
std::string mesh_settings(const std::string& bundle) {
  return settings_with("authentication: { api_keys: {} }",
                       "authentication:\n  api_keys: {}\n"
                       "  jwt: [{ name: corporate, issuer: \"https://login.example.com\", "
                       "audience: tollgate, tenant: "
                       "org }]\n"
                       "  mtls: [{ name: mesh, trust_domain: example.org, bundle: " +
                           bundle +
                           ", tenant_by_spiffe_id: { \"spiffe://example.org/ns/search/*\": acme }, "
                           "roles: [workload] "
                           "}]");
}

// The bundle of the mesh, for as long as it takes to load what names it.
class BundleFile {
 public:
  BundleFile() : folder_((std::filesystem::temp_directory_path() / "tollgate-XXXXXX").string()) {
    CHECK(mkdtemp(folder_.data()) != nullptr);
    std::ofstream(path()) << authority().pem();
  }
  ~BundleFile() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/bundle.pem"; }

 private:
  std::string folder_;
};

class Join : public PipelineTest {
 protected:
  Join() : PipelineTest(mesh_settings(BundleFile().path())) {}

  // What a request is told that shows these; "" where it is served.
  std::string told(const std::string& secret, const ClientCertificate* shown) {
    Ask asked = ask(std::string(kHello));
    asked.headers.clear();
    if (!secret.empty()) asked.headers = {{"Authorization", "Bearer " + secret}};
    asked.certificate = shown;
    answer = world.serve(asked);
    return answer->header("x-tollgate-reason").value_or("");
  }
  // The same where a browser says that it calls for a page.
  std::string told_page(const std::string& secret, std::string origin, std::string method) {
    Ask asked = ask(std::string(kHello));
    asked.headers = {{"Host", "llm.example.com"}, {"Origin", std::move(origin)}};
    if (!secret.empty()) asked.headers.emplace_back("Authorization", "Bearer " + secret);
    if (method == "GET") asked.target = "/v1/models";
    asked.method = std::move(method);
    asked.certificate = &mapped;
    asked.transport = authentication::Transport::kTls;
    answer = world.serve(asked);
    return answer->header("x-tollgate-reason").value_or("");
  }
  // The same with a token that `who` stands behind.
  std::string told_token(const authentication::Identity& who, const ClientCertificate* shown) {
    world.callers.known = who;
    return told("a.b.c", shown);
  }
  const std::string& decision() const {
    return world.trail.records[world.trail.records.size() - 2].written;
  }
  static authentication::Identity token_of(std::string_view tenant, std::string_view subject) {
    authentication::Identity made;
    made.tenant = tenant;
    made.subject = subject;
    made.credential_kind = CredentialKind::kJwt;
    made.credential_id = "corporate/x";
    return made;
  }

  const ClientCertificate mapped = certificate(wanted_svid());
  const ClientCertificate unmapped = certificate(wanted_svid("spiffe://example.org/ns/shop/sa/w"));
  std::unique_ptr<Caller> answer;
};

// A stranger who guesses ids hears the same for one that exists, even of a dead key.
TEST_F(Join, AWrongSecretIsAnsweredAsAnUnknownKey) {
  Arena arena;
  const KeyServices services{world.keys, world.pepper};
  const auto config = world.config.get();
  const auto refusal_of = [&](const std::string& secret) {
    authentication::Identity proven;
    const auto who =
        identify_key(services, *config, secret, IpAddress{}, world.clock.wall(), arena, proven);
    EXPECT_FALSE(who);
    EXPECT_TRUE(proven.credential_id.empty());
    return who ? Refusal{} : who.error();
  };
  std::array<std::uint8_t, 64> random{};
  random.fill(200);
  const std::string nobodys = authentication::make_key(random).secret;
  const Refusal unknown = refusal_of(nobodys);
  EXPECT_EQ(unknown.reason, Reason::kInvalidCredential);
  const std::string secret = world.add_key("acme");
  authentication::KeyRecord& record =
      world.keys.keys.at(std::string(*authentication::read_key(secret)));
  record.digest = world.pepper.digest("another secret");
  for (const bool dead : {false, true}) {
    if (dead) record.revoked = record.expires = world.clock.wall() - std::chrono::hours(1);
    const Refusal wrong = refusal_of(secret);
    EXPECT_EQ(wrong.reason, unknown.reason);
    EXPECT_EQ(wrong.message, unknown.message);
    EXPECT_EQ(wrong.rule, unknown.rule);
    EXPECT_EQ(wrong.param, unknown.param);
    EXPECT_EQ(wrong.retry_after, unknown.retry_after);
  }
}

TEST_F(Join, ACertificateAloneIsItsActor) {
  EXPECT_EQ(told("", &mapped), "");
  EXPECT_NE(decision().find(R"("credential_kind":"mtls")"), std::string::npos);
  EXPECT_NE(decision().find(R"("subject":"spiffe://example.org/ns/search/sa/indexer")"),
            std::string::npos);
  EXPECT_NE(decision().find(R"("workload")"), std::string::npos);
  EXPECT_EQ(told("", &unmapped), "missing_credential");
  EXPECT_EQ(told("", nullptr), "missing_credential");
}

// A browser shows its certificate for whatever page, a key only for one that knows it.
TEST_F(Join, ACertificateAloneIsForPagesOfItsOwnHost) {
  for (const std::string method : {"POST", "GET"}) {
    EXPECT_EQ(told_page("", "https://llm.example.com", method), "");
    EXPECT_EQ(told_page("", "https://evil.com", method), "route_not_allowed");
    EXPECT_EQ(told_page("", "null", method), "route_not_allowed");
  }
  EXPECT_EQ(told_page(world.add_key("acme"), "https://evil.com", "POST"), "");
  // Nobody's certificate is as good as none.
  Ask asked = ask(std::string(kHello));
  asked.headers = {{"Host", "llm.example.com"}, {"Origin", "https://evil.com"}};
  asked.certificate = &unmapped;
  EXPECT_EQ(world.serve(asked)->header("x-tollgate-reason"), "missing_credential");
  // Two pages are nobody's.
  asked.headers = {{"Host", "a"}, {"Origin", "https://a"}, {"Origin", "https://evil.com"}};
  asked.certificate = &mapped;
  EXPECT_EQ(world.serve(asked)->header("x-tollgate-reason"), "route_not_allowed");
}

TEST_F(Join, TheSameActorMayShowSeveral) {
  // What the headers name is recorded, and what the certificate would add is not.
  EXPECT_EQ(told(world.add_key("acme"), &mapped), "");
  EXPECT_NE(decision().find(R"("credential_kind":"api_key")"), std::string::npos);
  EXPECT_EQ(decision().find(R"("workload")"), std::string::npos);
  EXPECT_EQ(told(world.add_key("acme", std::string(kIndexer)), &mapped), "");
  EXPECT_EQ(told_token(token_of("acme", kIndexer), &mapped), "");
  EXPECT_EQ(told_token(token_of("acme", ""), &mapped), "");
  // A certificate that nobody maps says nothing.
  EXPECT_EQ(told(world.add_key("globex"), &unmapped), "");
  EXPECT_EQ(told_token(token_of("globex", "alice"), &unmapped), "");
}

TEST_F(Join, TwoActorsAreRefused) {
  EXPECT_EQ(told(world.add_key("globex"), &mapped), "credential_conflict");
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(told(world.add_key("acme", "ada"), &mapped), "credential_conflict");
  EXPECT_EQ(told_token(token_of("globex", kIndexer), &mapped), "credential_conflict");
  EXPECT_EQ(told_token(token_of("acme", "alice"), &mapped), "credential_conflict");
}

TEST_F(Join, WhatFailsIsNotPassedOverForWhatHolds) {
  authentication::testing::Wanted wanted = wanted_svid();
  wanted.use = "digitalSignature";  // Not critical.
  const ClientCertificate broken = certificate(wanted);
  EXPECT_EQ(told(world.add_key("acme"), &broken), "invalid_credential");
  EXPECT_EQ(told_token(token_of("acme", kIndexer), &broken), "invalid_credential");
  world.callers.known.reset();
  EXPECT_EQ(told("tg_live_nonsense", &mapped), "invalid_credential");
  EXPECT_EQ(told("a.b.c", &mapped), "invalid_credential");
}

TEST_F(Join, ABoundTokenIsItsHoldersAlone) {
  authentication::Identity bound = token_of("acme", "alice");
  bound.certificate = unmapped.digest;
  EXPECT_EQ(told_token(bound, &unmapped), "");
  EXPECT_EQ(told_token(bound, nullptr), "invalid_credential");
  EXPECT_EQ(answer->status, 401);
  bound.subject = kIndexer;
  EXPECT_EQ(told_token(bound, &mapped), "invalid_credential");
  bound.certificate = mapped.digest;
  EXPECT_EQ(told_token(bound, &mapped), "");
  // What a token is bound to proves it, whoever else it may be mapped to.
  bound.subject = "alice";
  EXPECT_EQ(told_token(bound, &mapped), "");
  EXPECT_NE(decision().find(R"("subject":"alice")"), std::string::npos);
  authentication::testing::Wanted wanted = wanted_svid();
  wanted.use = "digitalSignature";
  const ClientCertificate broken = certificate(wanted);
  bound.certificate = broken.digest;
  EXPECT_EQ(told_token(bound, &broken), "invalid_credential");
}

}  // namespace
}  // namespace tollgate::pipeline::testing
