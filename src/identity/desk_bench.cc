// What a caller with a token costs at the desk: found again, and verified anew.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/hand_executor.h"
#include "config/load.h"
#include "controls/authentication/forged_token_test.h"
#include "controls/authentication/made_certificates_test.h"
#include "identity/desk.h"
#include "pipeline/identify.h"

namespace tollgate::identity {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

constexpr std::string_view kConfig = R"(
authentication:
  jwt:
    - { name: corporate, issuer: "https://login.example.com", audience: tollgate, tenant: org,
        roles: roles, jwks_file: keys.json }
upstreams: { vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai } }
models: { small: { upstream: vllm, price_per_million: { input: 0.05, output: 0.10 } } }
tenants: { acme: { roles: [staff] } }
routes: [{ name: chat, path: /v1/chat/completions, models: [small], allow: [{ tenants: [acme] }] }]
)";

// Claims that make a token of about 1 KiB.
std::string token_of(const authentication::SigningKey& key, std::int64_t number) {
  return es256_token(
      key, R"({"alg":"ES256","kid":"a"})",
      fmt::format(R"({{"iss":"https://login.example.com","aud":["tollgate","account"],)"
                  R"("exp":1800000300,"sub":"alice","org":"acme","roles":["engineer"],)"
                  R"("jti":"{}","name":"{}"}})",
                  number, std::string(450, 'a')));
}

class World {
 public:
  World() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-desk-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    std::ofstream(folder_ + "/keys.json") << key.jwk();
    config = config::load_text(kConfig, folder_ + "/t.yaml", config::process_environment()).config;
    CHECK(config != nullptr);
  }
  ~World() { std::filesystem::remove_all(folder_); }

  std::shared_ptr<const config::Config> load(std::string_view text, const std::string& file,
                                             std::string_view content) const {
    std::ofstream(folder_ + "/" + file) << content;
    auto made = config::load_text(text, folder_ + "/t.yaml", config::process_environment()).config;
    CHECK(made != nullptr);
    return made;
  }

  void ask(std::string_view token) {
    arena.reset();
    pipeline::Presented shown;
    shown.token = token;
    const auto who = run_ready(desk.identify(shown, *config, arena, executor, kNow));
    CHECK(who && who->tenant == "acme");
  }

  const authentication::SigningKey key = authentication::SigningKey::make("P-256");
  std::shared_ptr<const config::Config> config;
  Identities identities;
  Desk desk{identities};
  Arena arena;
  HandExecutor executor;

 private:
  std::string folder_;
};

void cached(benchmark::State& state) {
  World world;
  const std::string token = token_of(world.key, 0);
  for (auto _ : state) world.ask(token);
  state.counters["token_bytes"] = static_cast<double>(token.size());
}
BENCHMARK(cached);

void verified(benchmark::State& state) {
  World world;
  std::vector<std::string> tokens;
  for (std::int64_t i = 0; i < 20'000; ++i) tokens.push_back(token_of(world.key, i));
  std::size_t next = 0;
  for (auto _ : state) world.ask(tokens[next++ % tokens.size()]);
}
BENCHMARK(verified)->Iterations(20'000);

constexpr std::string_view kMesh = R"(
authentication:
  mtls:
    - name: mesh
      trust_domain: example.org
      bundle: bundle.pem
      tenant_by_spiffe_id:
        "spiffe://example.org/ns/billing/*": acme
        "spiffe://example.org/ns/shop/*/sa/*": acme
        "spiffe://example.org/ns/search/*": acme
      roles: [workload]
upstreams: { vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai } }
models: { small: { upstream: vllm, price_per_million: { input: 0.05, output: 0.10 } } }
tenants: { acme: { roles: [staff] } }
routes: [{ name: chat, path: /v1/chat/completions, models: [small], allow: [{ tenants: [acme] }] }]
)";

enum class Asks : std::uint8_t { kAnew, kOnItsConnection };

// A request over a connection that has proven a certificate.
void certified(benchmark::State& state, Asks asks) {
  const World world;
  const authentication::testing::Made authority(
      authentication::testing::wanted_authority("example.org", "URI:spiffe://example.org"));
  const authentication::testing::Made leaf(authentication::testing::wanted_svid(), &authority);
  const auto config = world.load(kMesh, "bundle.pem", authority.pem());
  const auto certificate = authentication::read_client_certificate(leaf.der(), {});
  CHECK(certificate.has_value());
  authentication::BundleVerdicts verdicts;
  authentication::KeptCertificate kept;
  pipeline::RequestHead head;
  head.certificate = &*certificate;
  if (asks == Asks::kOnItsConnection) head.kept = &kept;
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    const auto who = pipeline::identify_certificate(head, *config, verdicts, kNow, arena);
    CHECK(who && *who && (*who)->tenant == "acme");
  }
}
BENCHMARK_CAPTURE(certified, anew, Asks::kAnew);
BENCHMARK_CAPTURE(certified, on_its_connection, Asks::kOnItsConnection);

}  // namespace
}  // namespace tollgate::identity
