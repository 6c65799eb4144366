#include "identity/desk.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/hand_executor.h"
#include "config/load.h"
#include "controls/authentication/forged_token_test.h"
#include "identity/testing_web.h"
#include "pipeline/testing.h"

namespace tollgate::identity {
namespace {

using authentication::hs256_token;
using authentication::Identity;
using authentication::SigningKey;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr std::string_view kHeader = R"({"alg":"ES256","kid":"a"})";
constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

std::string claims(std::string_view tenant = "acme") {
  return fmt::format(
      R"({{"iss":"https://login.example.com","aud":"tollgate","exp":1800000300,"sub":"alice",)"
      R"("org":"{}","roles":["engineer"]}})",
      tenant);
}

// A desk of a gateway whose issuer's keys are in a file; nothing is asked over a network.
class World {
 public:
  World() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-desk-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    publish(key);
    config = load("");
  }
  ~World() { std::filesystem::remove_all(folder_); }

  void publish(const SigningKey& published) { write("keys.json", published.jwk()); }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }

  std::shared_ptr<const config::Config> load(std::string_view more_of_jwt,
                                             std::string_view roles = "staff") const {
    return load_jwt(fmt::format(", jwks_file: keys.json{}", more_of_jwt), roles);
  }
  std::shared_ptr<const config::Config> load_jwt(std::string_view more_of_jwt,
                                                 std::string_view roles = "staff") const {
    std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/small.yaml");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::string_view bare = "authentication: { api_keys: {} }\n";
    text.replace(
        text.find(bare), bare.size(),
        fmt::format("authentication:\n"
                    "  jwt:\n"
                    "    - {{ name: corporate, issuer: \"https://login.example.com\", audience: "
                    "tollgate, tenant: org, roles: roles{} }}\n"
                    "  sessions:\n"
                    "    - {{ name: web, cookie: sid, secret: {}, tenant: org }}\n"
                    "    - {{ name: board, cookie: bid, secret: {}, tenant: org, origins: "
                    "[\"https://board.example.com\"] }}\n",
                    more_of_jwt, kSecret, kSecret));
    const std::string_view tenant = "acme: { ";
    text.replace(text.find(tenant), tenant.size(),
                 fmt::format("globex: {{}}\n  acme: {{ roles: [{}], ", roles));
    const config::Loaded loaded =
        config::load_text(text, folder_ + "/t.yaml", config::process_environment());
    EXPECT_NE(loaded.config, nullptr) << format(loaded.problems.front());
    return loaded.config;
  }

  Expected<Identity> ask(const pipeline::Presented& shown, WallTime now = kNow) {
    return run_ready(desk.identify(shown, *config, arena, executor, now));
  }
  Expected<Identity> ask(std::string_view token, WallTime now = kNow) {
    pipeline::Presented shown;
    shown.token = token;
    return ask(shown, now);
  }

  // Of one who is asked about by the loop of the identities.
  Expected<Identity> wait_for(std::string_view token) {
    pipeline::Presented shown;
    shown.token = token;
    const testing::Running<Expected<Identity>> asked(
        desk.identify(shown, *config, arena, executor, kNow));
    while (!asked.done()) {
      if (!executor.run()) std::this_thread::yield();
    }
    return asked.value();
  }

  const SigningKey key = SigningKey::make("P-256");
  const SigningKey other = SigningKey::make("P-256");
  std::shared_ptr<const config::Config> config;
  Identities identities;
  Desk desk{identities};
  Arena arena;
  HandExecutor executor;

 private:
  std::string folder_;
};

Reason reason_of(const Expected<Identity>& verdict) {
  EXPECT_FALSE(verdict);
  return verdict ? Reason::kOverloaded : verdict.error().reason;
}

TEST(Desk, KnowsACallerByTheTokenOfAnIssuer) {
  World world;
  const std::string token = es256_token(world.key, kHeader, claims());
  for (int i = 0; i < 2; ++i) {  // Verified, and kept.
    const Expected<Identity> who = world.ask(token);
    ASSERT_TRUE(who) << who.error().message;
    EXPECT_EQ(who->tenant, "acme");
    EXPECT_EQ(who->subject, "alice");
    EXPECT_EQ(who->credential_id, "corporate/alice");
    ASSERT_EQ(who->roles.size(), 2u);
    EXPECT_EQ(who->roles[0], "engineer");
    EXPECT_EQ(who->roles[1], "staff");
  }
  EXPECT_EQ(reason_of(world.ask(token, kNow + std::chrono::hours(1))), Reason::kExpiredCredential);
}

TEST(Desk, RefusesWhatNobodyVouchesFor) {
  World world;
  const std::string rows[] = {
      es256_token(world.other, kHeader, claims()),
      es256_token(world.key, R"({"alg":"ES256","kid":"b"})", claims()),
      es256_token(world.key, R"({"alg":"none"})", claims()),
      es256_token(world.key, kHeader, claims("nobody")),
      es256_token(world.key, kHeader, "{}"),
      "opaque",
      "a.b.c",
      std::string(100'000, 'a'),
  };
  for (const std::string& token : rows) {
    EXPECT_EQ(reason_of(world.ask(token)), Reason::kInvalidCredential) << token.substr(0, 200);
  }
}

TEST(Desk, AVerdictDiesWithTheKeyAndWithTheMeaning) {
  World world;
  const std::string token = es256_token(world.key, kHeader, claims());
  ASSERT_TRUE(world.ask(token));
  world.publish(world.other);
  world.identities.replace(*world.config);
  EXPECT_EQ(reason_of(world.ask(token)), Reason::kInvalidCredential);
  world.publish(world.key);
  world.identities.replace(*world.config);
  ASSERT_TRUE(world.ask(token));
  world.config = world.load(", token_type: access_token");
  world.identities.replace(*world.config);
  EXPECT_EQ(reason_of(world.ask(token)), Reason::kInvalidCredential);
}

// Roles of the tenant are part of what is kept.
TEST(Desk, AnotherRoleOfTheTenantIsSeenAtOnce) {
  World world;
  const std::string token = es256_token(world.key, kHeader, claims());
  ASSERT_TRUE(world.ask(token));
  world.config = world.load("", "intern");
  world.identities.replace(*world.config);
  const Expected<Identity> who = world.ask(token);
  ASSERT_TRUE(who);
  ASSERT_EQ(who->roles.size(), 2u);
  EXPECT_EQ(who->roles[1], "intern");
}

// Neither its key nor its own claims let a token in that a server must vouch for.
TEST(Desk, AskedOfATokenThatNobodyCanTellOfItLetsNobodyIn) {
  for (const std::string_view keys : {"", ", jwks_file: keys.json"}) {
    World world;
    world.write("ours", "token");
    world.config = world.load_jwt(fmt::format(
        "{}, kind: workload, token_review: {{ url: \"https://127.0.0.1\", token_file: ours }}",
        keys));
    world.write("ours", "");  // Who has no token of its own asks nobody.
    world.identities.start(*world.config);
    const std::string token = es256_token(world.key, kHeader, claims());
    EXPECT_EQ(reason_of(world.wait_for(token)), Reason::kStoreUnavailable);
    EXPECT_EQ(reason_of(world.wait_for(token)), Reason::kStoreUnavailable);
    // What rules it out by itself is told without anybody's word.
    const std::string other = es256_token(world.key, kHeader, claims("nobody"));
    EXPECT_EQ(reason_of(world.ask(other)), Reason::kInvalidCredential);
    world.identities.stop();
  }
}

// Whoever makes up the claims of a token that no key proves hears one answer, whatever he tries;
// the record has what was wrong.
TEST(Desk, AnswersMadeUpClaimsAsTheClusterWould) {
  World world;
  world.write("ours", "token");
  world.config = world.load_jwt(
      ", algorithms: [ES256], kind: workload, token_review: { url: \"https://127.0.0.1\", "
      "token_file: ours }");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = claims();
    changed.replace(changed.find(from), from.size(), to);
    return es256_token(world.other, kHeader, changed);
  };
  const std::string unvouched = es256_token(world.other, kHeader, claims());
  world.identities.sources_of(*world.config)
      .reviews.front()
      ->refuse(authentication::digest_of(std::string_view(unvouched)), Reason::kInvalidCredential,
               world.identities.clock().now());
  const auto answer = world.ask(unvouched);
  EXPECT_EQ(reason_of(answer), Reason::kInvalidCredential);
  const std::string rows[] = {
      with("acme", "nobody"),
      with(R"("aud":"tollgate")", R"("aud":"other")"),
      with("1800000300", "17000000"),
      with("alice", ""),
      with("engineer", "a\",7,\"b"),
      hs256_token(kSecret, R"({"alg":"HS256"})", claims()),
      es256_token(world.other, R"({"alg":"ES256","typ":"dpop+jwt"})", claims()),
  };
  for (const std::string& token : rows) {
    const auto said = world.ask(token);
    ASSERT_EQ(reason_of(said), answer.error().reason);
    EXPECT_EQ(said.error().message, answer.error().message);
    EXPECT_EQ(said.error().rule, answer.error().rule);
    EXPECT_EQ(said.error().retry_after, answer.error().retry_after);
    EXPECT_NE(said.error().recorded, answer.error().recorded);
    EXPECT_NE(said.error().recorded.find("corporate"), std::string::npos);
  }
}

// What is kept is kept for the whole of a token.
TEST(Desk, ATokenThatBeginsLikeAnotherIsItsOwn) {
  World world;
  const std::string filler(200, 'a');
  const auto token = [&](std::string_view tenant) {
    return es256_token(
        world.key, kHeader,
        fmt::format(R"({{"iss":"https://login.example.com","aud":"tollgate","exp":1800000300,)"
                    R"("sub":"alice","x":"{}","org":"{}"}})",
                    filler, tenant));
  };
  const std::string first = token("acme");
  const std::string second = token("globex");
  ASSERT_EQ(first.substr(0, 300), second.substr(0, 300));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(world.ask(first)->tenant, "acme");
    EXPECT_EQ(world.ask(second)->tenant, "globex");
  }
  // The same claims under another signature are nobody's.
  const std::string forged = first.substr(0, first.rfind('.')) + second.substr(second.rfind('.'));
  EXPECT_EQ(reason_of(world.ask(forged)), Reason::kInvalidCredential);
}

// The issuer may not have shown the key yet: that passes later, and is no guess.
TEST(Desk, TellsWhenAKeyThatIsNotKnownMayBe) {
  World world;
  const SigningKey unknown = SigningKey::make("P-256");
  const auto of_unknown =
      world.ask(es256_token(unknown, R"({"alg":"ES256","kid":"not-shown-yet"})", claims()));
  EXPECT_EQ(reason_of(of_unknown), Reason::kInvalidCredential);
  EXPECT_EQ(of_unknown.error().retry_after, Issuer::kCooldown);
  // Who signs with another key than he names is told nothing of the kind.
  const auto forged = world.ask(es256_token(unknown, kHeader, claims()));
  EXPECT_EQ(reason_of(forged), Reason::kInvalidCredential);
  EXPECT_FALSE(forged.error().retry_after);
}

// Tokens of keys that nobody knows, one after the other without end: good ones are verified between
// them, known before and new, and wait for nobody.
TEST(Desk, VerifiesGoodTokensWhileUnknownKeysFlood) {
  World world;
  const SigningKey unknown = SigningKey::make("P-256");
  const std::string known = es256_token(world.key, kHeader, claims());
  ASSERT_TRUE(world.ask(known));
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(i);
    for (int flood = 0; flood < 5; ++flood) {
      const std::string header =
          fmt::format(R"({{"alg":"ES256","kid":"made-up-{}-{}"}})", i, flood);
      EXPECT_EQ(reason_of(world.ask(es256_token(unknown, header, claims()))),
                Reason::kInvalidCredential);
    }
    // ask() wants its answer at once: nobody is asked on the way.
    EXPECT_TRUE(world.ask(known));
    std::string others = claims();
    others.replace(others.find("alice"), 5, fmt::format("alice-{}", i));
    const Expected<Identity> fresh = world.ask(es256_token(world.key, kHeader, others));
    ASSERT_TRUE(fresh) << fresh.error().message;
    EXPECT_EQ(fresh->tenant, "acme");
  }
}

TEST(Desk, KeepsTheGoodKeysOfAFileThatIsBroken) {
  World world;
  const std::string token = es256_token(world.key, kHeader, claims());
  ASSERT_TRUE(world.ask(token));
  world.publish(SigningKey::make("P-521"));  // Not of an algorithm that is allowed.
  world.identities.replace(*world.config);
  EXPECT_TRUE(world.ask(token));
}

// Whoever maps claims anew asks no issuer for what is known.
TEST(Identities, AnotherMappingGoesOnWithTheSameKeys) {
  World world;
  const auto of = [&](const config::Config& config) {
    return world.identities.sources_of(config).issuers.front();
  };
  const auto first = of(*world.config);
  EXPECT_EQ(of(*world.load(", token_type: access_token, tenants: [acme]")), first);
  EXPECT_NE(of(*world.load(", algorithms: [ES256]")), first);
  EXPECT_NE(of(*world.load_jwt(", jwks_url: \"https://login.example.com/keys\"")), first);
}

TEST(Identities, ForgetWhomNobodyNamesAnyMore) {
  World world;
  world.identities.start(*world.config);
  const std::weak_ptr<Issuer> first = world.identities.sources_of(*world.config).issuers.front();
  (void)world.ask("a.b.c");  // The desk holds on to it…
  const auto next = world.load(", algorithms: [ES256]");
  world.identities.replace(*next);
  EXPECT_FALSE(first.expired());
  world.config = next;
  (void)world.ask("a.b.c");  // …until it is of another configuration.
  while (!first.expired()) std::this_thread::yield();
  EXPECT_EQ(world.identities.keys().size(), 1u);
}

// A request that has waited is of a configuration that is over. Whom that alone names is there for
// it, and not in force again; a reload back to it finds them with what is in their files now.
TEST(Identities, AreNotInForceAgainForARequestThatHasWaited) {
  World world;
  const auto first = world.config;
  const auto next = world.load(", algorithms: [ES256]");
  const auto in_force = [&] {
    double known = 0;
    for (const Identities::Count& each : world.identities.counts()) known += each.value;
    return std::pair(world.identities.keys().size(), known);
  };
  world.identities.start(*first);
  const std::weak_ptr<Issuer> dropped = world.identities.sources_of(*first).issuers.front();
  world.identities.replace(*next);
  while (!dropped.expired()) std::this_thread::yield();

  const std::shared_ptr<Issuer> waited = world.identities.sources_of(*first).issuers.front();
  ASSERT_EQ(world.identities.keys().size(), 1u);
  const std::shared_ptr<Issuer> named = world.identities.sources_of(*next).issuers.front();
  EXPECT_NE(waited, named);
  const auto counted = in_force();
  waited->read_file();
  EXPECT_EQ(in_force(), counted);

  world.publish(world.other);
  world.identities.replace(*first);
  EXPECT_EQ(world.identities.sources_of(*first).issuers.front(), waited);
  EXPECT_TRUE(world.ask(es256_token(world.other, kHeader, claims())));
  EXPECT_FALSE(world.ask(es256_token(world.key, kHeader, claims())));
  EXPECT_EQ(world.identities.keys().size(), 1u);
  world.identities.stop();
}

// Takes connections and says nothing.
class Silent {
 public:
  Silent() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
  }
  ~Silent() { ::close(socket_); }
  int port() const { return port_; }

 private:
  int socket_;
  int port_ = 0;
};

TEST(Desk, WhoeverLeavesWaitsForNobody) {
  World world;
  const Silent server;
  world.write("ours", "token");
  world.config =
      world.load_jwt(fmt::format(", jwks_file: keys.json, kind: workload, token_review: {{ url: "
                                 "\"https://127.0.0.1:{}\", token_file: ours }}",
                                 server.port()));
  world.identities.start(*world.config);
  pipeline::testing::Story story;
  pipeline::testing::Caller caller({}, story);
  const std::string token = es256_token(world.key, kHeader, claims());
  pipeline::Presented shown;
  shown.token = token;
  shown.exchange = &caller;
  const testing::Running<Expected<Identity>> asked(
      world.desk.identify(shown, *world.config, world.arena, world.executor, kNow));
  EXPECT_FALSE(world.executor.run());
  caller.leave();
  world.executor.run();
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(reason_of(asked.value()), Reason::kStoreUnavailable);
  world.identities.stop();
}

TEST(Desk, ASessionNeedsAPageOfOurOwn) {
  World world;
  const std::string cookie =
      hs256_token(kSecret, R"({"alg":"HS256"})",
                  R"({"iat":1799999990,"exp":1800000300,"sub":"alice","org":"acme"})");
  const std::string cookies = "theme=dark; sid=" + cookie;
  pipeline::Presented shown;
  shown.cookies = cookies;
  shown.origin = {"POST", "llm.example.com", "https://llm.example.com", "same-origin"};
  for (int i = 0; i < 2; ++i) {
    const Expected<Identity> who = world.ask(shown);
    ASSERT_TRUE(who) << who.error().message;
    EXPECT_EQ(who->credential_kind, authentication::CredentialKind::kSession);
  }
  shown.origin.origin = "https://evil.example.com";
  EXPECT_EQ(reason_of(world.ask(shown)), Reason::kRouteNotAllowed);
}

// A browser sends the cookies of both applications along, whichever page calls.
TEST(Desk, OfSeveralSessionsThatOfThePageCounts) {
  World world;
  const auto cookie_of = [](std::string_view subject) {
    return hs256_token(
        kSecret, R"({"alg":"HS256"})",
        fmt::format(R"({{"iat":1799999990,"exp":1800000300,"sub":"{}","org":"acme"}})", subject));
  };
  const std::string both = "sid=" + cookie_of("alice") + "; bid=" + cookie_of("bob");
  const std::string forged = "sid=forged; bid=" + cookie_of("bob");
  const struct {
    std::string_view cookies, origin, subject;
  } rows[] = {
      {both, "https://llm.example.com", "alice"},
      {both, "https://board.example.com", "bob"},
      {forged, "https://board.example.com", "bob"},
  };
  pipeline::Presented shown;
  for (const auto& row : rows) {
    shown.cookies = row.cookies;
    shown.origin = {"POST", "llm.example.com", row.origin, ""};
    const Expected<Identity> who = world.ask(shown);
    ASSERT_TRUE(who) << who.error().message;
    EXPECT_EQ(who->subject, row.subject);
  }
  shown.cookies = both;
  shown.origin.origin = "https://evil.example.com";
  EXPECT_EQ(reason_of(world.ask(shown)), Reason::kRouteNotAllowed);
  // Where the browser names no page each is held to be meant, and they are two.
  shown.origin = {"GET", "llm.example.com", "", ""};
  EXPECT_EQ(reason_of(world.ask(shown)), Reason::kCredentialConflict);
}

TEST(Desk, AllThatIsShownNamesOneActor) {
  World world;
  const std::string cookie =
      hs256_token(kSecret, R"({"alg":"HS256"})",
                  R"({"iat":1799999990,"exp":1800000300,"sub":"alice","org":"globex"})");
  const std::string cookies = "sid=" + cookie;
  const std::string token = es256_token(world.key, kHeader, claims());
  pipeline::Presented shown;
  shown.token = token;
  shown.cookies = cookies;
  shown.origin = {"GET", "", "", ""};
  EXPECT_EQ(reason_of(world.ask(shown)), Reason::kCredentialConflict);
  const std::string same = es256_token(world.key, kHeader, claims("globex"));
  shown.token = same;
  EXPECT_TRUE(world.ask(shown));
  // What fails is not passed over for what holds.
  const std::string broken = "sid=" + cookie + "x";
  shown.cookies = broken;
  EXPECT_EQ(reason_of(world.ask(shown)), Reason::kInvalidCredential);
}

}  // namespace
}  // namespace tollgate::identity
