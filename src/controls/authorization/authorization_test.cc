#include "controls/authorization/authorization.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

namespace tollgate::authorization {
namespace {

using authentication::CredentialKind;
using authentication::Identity;

constexpr std::string_view kPath = "/v1/chat/completions";
constexpr Target kPublicPost{.exposure = Exposure::kPublic, .method = "POST", .path = kPath};
constexpr Target kInternalPost{.exposure = Exposure::kInternal, .method = "POST", .path = kPath};

constexpr std::string_view kEngineer[] = {"reader", "engineer"};
constexpr Identity kAcmeEngineer{.tenant = "acme", .subject = "ann", .roles = kEngineer};
constexpr Identity kSearch{.tenant = "search"};
constexpr Identity kNobody{};

Policy route(std::vector<std::string> models, std::vector<Allow> allow) {
  Policy made;
  made.path = kPath;
  made.models = std::move(models);
  made.allow = std::move(allow);
  return made;
}

// Where choose() ends: a route's index, or minus one and the reason.
struct Verdict {
  int route = -1;
  bool observed = false;
  std::optional<Reason> reason;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};
Verdict ask(const std::vector<Policy>& table, const Target& target, std::string_view model,
            const Identity& caller) {
  std::vector<const Policy*> routes;
  for (const Policy& each : table) routes.push_back(&each);
  const Expected<Choice> choice = choose(routes, target, model, caller);
  if (!choice) return {.reason = choice.error().reason};
  return {.route = choice->route, .observed = choice->observed};
}

TEST(Allow, NeedsEveryScopeThatALineNames) {
  const Policy one = route({"small"}, {{.tenants = {"acme"}, .scopes = {"chat", "fast"}}});
  constexpr std::string_view kBoth[] = {"openid", "fast", "chat"};
  constexpr std::string_view kHalf[] = {"openid", "chat"};
  Identity caller = kAcmeEngineer;
  EXPECT_FALSE(allows(one, caller));  // As of a key.
  caller.scopes = kHalf;
  EXPECT_FALSE(allows(one, caller));
  caller.scopes = kBoth;
  EXPECT_TRUE(allows(one, caller));
  caller.tenant = "globex";
  EXPECT_FALSE(allows(one, caller));
}

TEST(CanonicalPath, GivesOneFormAndCutsTheQueryOff) {
  const struct {
    std::string_view target, path;
  } cases[] = {
      {"/", "/"},
      {"/v1/chat/completions", "/v1/chat/completions"},
      {"/v1/chat/completions?api-version=2&x=%2f..//", "/v1/chat/completions"},
      {"/v1/%63hat/%43ompletions", "/v1/chat/Completions"},
      {"/v1/models/", "/v1/models/"},
      {"/v1/models/gpt-4o%3Amini", "/v1/models/gpt-4o:mini"},
      {"/a.b/..c/d../...", "/a.b/..c/d../..."},
      {"/x?", "/x"},
  };
  for (const auto& [target, path] : cases) {
    SCOPED_TRACE(target);
    Arena arena;
    const auto canonical = canonical_path(target, arena);
    ASSERT_TRUE(canonical) << canonical.error().message;
    EXPECT_EQ(*canonical, path);
  }
}

std::vector<std::string> ambiguous_targets() {
  return {"",
          "*",
          "v1/chat",
          "http://host/v1",
          "host:443",
          "?x",
          "#",
          "/v1#fragment",
          "/v1?x#fragment",
          "/v1?x=\x01",
          "/v1?x= y",
          "/v1?\xc3\xa9",
          "/v1%2fchat",
          "/v1%2Fchat",
          "/v1%5cchat",
          "/v1%5Cchat",
          "/v1\\chat",
          "/v1%00",
          std::string("/v1\0", 4),
          "/v1%3f",
          "/v1%23",
          "/v1%25",
          "/v1%252f",
          "/v1%20",
          "/v1%0d%0a",
          ".",
          "/.",
          "/..",
          "/./",
          "/../",
          "/v1/..",
          "/v1/.",
          "/v1/../admin",
          "/v1/./chat",
          "/v1/%2e%2e/admin",
          "/v1/.%2e/admin",
          "/v1/%2E./admin",
          "/v1/%2e",
          "//",
          "//v1",
          "/v1//chat",
          "/v1//",
          "//host/v1",
          "/v1/%",
          "/v1/%4",
          "/v1/%g1",
          "/v1/%1g",
          "/v1/%-1",
          "/v1/% 1",
          "/v1/%%41",
          "/v1/\x7f",
          "/v1/\x1f",
          "/v1/ chat",
          "/v1/\t",
          "/v1/\r\nx: y",
          "/v1/\"",
          "/v1/<x>",
          "/v1/\xc3\xa9",
          "/v1/%c3%a9",
          "/v1/%c0%af",
          "/v1/\xff",
          "/v1/%ff",
          "/v1/%ed%a0%80",
          "/" + std::string(4096, 'a'),
          "/" + std::string(1 << 20, '%')};
}

TEST(CanonicalPath, RefusesWhatCouldMeanTwoThings) {
  for (const std::string& target : ambiguous_targets()) {
    SCOPED_TRACE(target.substr(0, 60));
    Arena arena;
    const auto canonical = canonical_path(target, arena);
    ASSERT_FALSE(canonical);
    EXPECT_EQ(canonical.error().reason, Reason::kInvalidRequest);
    EXPECT_LT(canonical.error().message.size(), 120u);
  }
}

TEST(CanonicalPath, TakesFourKibibytesAndNoMore) {
  Arena arena;
  EXPECT_TRUE(canonical_path("/" + std::string(4095, 'a'), arena));
  EXPECT_FALSE(canonical_path("/" + std::string(4096, 'a'), arena));
}

TEST(CanonicalPath, LivesInTheTargetOrInTheArena) {
  Arena arena;
  const std::string target = "/v1/chat";
  EXPECT_EQ(canonical_path(target, arena)->data(), target.data());
  const std::string_view path = [&] {
    const std::string escaped = "/v1/%63hat";
    return *canonical_path(escaped, arena);
  }();
  EXPECT_EQ(path, "/v1/chat");
}

TEST(Allows, AsksForAllThatALineNames) {
  const Policy whole = route(
      {}, {{.tenants = {"acme"}, .roles = {"engineer"}, .credentials = {CredentialKind::kApiKey}}});
  EXPECT_TRUE(allows(whole, kAcmeEngineer));
  EXPECT_FALSE(allows(whole, kSearch));
  constexpr Identity kWithoutRole{.tenant = "acme"};
  EXPECT_FALSE(allows(whole, kWithoutRole));
  constexpr std::string_view kOther[] = {"Engineer", "engineer2", "engine", ""};
  EXPECT_FALSE(allows(whole, Identity{.tenant = "acme", .roles = kOther}));
  EXPECT_FALSE(allows(whole, Identity{.tenant = "Acme", .roles = kEngineer}));
  EXPECT_FALSE(allows(whole, kNobody));
}

TEST(Allows, LetsOneLineBeEnoughAndNoLineBeNobody) {
  const Policy two = route({}, {{.tenants = {"acme"}}, {.tenants = {"search"}}});
  EXPECT_TRUE(allows(two, kSearch));
  EXPECT_TRUE(allows(route({}, {{.tenants = {"acme", "search"}}}), kSearch));
  EXPECT_TRUE(allows(route({}, {{.roles = {"admin", "engineer"}}}), kAcmeEngineer));
  EXPECT_FALSE(allows(route({}, {}), kAcmeEngineer));
}

// Nothing but `anonymous` lets in a caller without a credential: no open line, no observing.
TEST(Allows, LetsNobodyInWithoutACredentialUnlessItSaysSo) {
  constexpr Identity kAnonymous{.tenant = "anonymous",
                                .credential_kind = CredentialKind::kAnonymous};
  Policy open = route({"small"}, {{}, {.tenants = {"anonymous"}}});
  EXPECT_FALSE(allows(open, kAnonymous));
  EXPECT_TRUE(allows(open, kAcmeEngineer));
  open.mode = Mode::kObserve;
  EXPECT_FALSE(lets_in(open, kPublicPost, kAnonymous));
  const Verdict refused{.reason = Reason::kRouteNotAllowed};
  EXPECT_EQ(ask({open}, kPublicPost, "small", kAnonymous), refused);
  open.mode = Mode::kEnforce;
  open.anonymous = true;
  EXPECT_TRUE(lets_in(open, kPublicPost, kAnonymous));
  EXPECT_EQ(ask({open}, kPublicPost, "small", kAnonymous).route, 0);
  // It lets in nobody else.
  Policy theirs = route({"small"}, {});
  theirs.anonymous = true;
  EXPECT_FALSE(allows(theirs, kAcmeEngineer));
}

TEST(Choose, GivesTheRouteOfTheModelAndTheCaller) {
  const std::vector<Policy> table{
      route({"small"}, {{.tenants = {"acme"}}}),
      route({"large"}, {{.tenants = {"acme"}, .roles = {"engineer"}}}),
      route({"small"}, {{.tenants = {"search"}}}),
  };
  EXPECT_EQ(ask(table, kPublicPost, "small", kAcmeEngineer).route, 0);
  EXPECT_EQ(ask(table, kPublicPost, "large", kAcmeEngineer).route, 1);
  EXPECT_EQ(ask(table, kPublicPost, "small", kSearch).route, 2);
}

TEST(Choose, RefusesUnknownPathMethodAndExposureWithOneAnswer) {
  std::vector<Policy> table{route({"small"}, {{}})};
  table[0].exposure = Exposure::kInternal;
  const Verdict not_found{.reason = Reason::kNotFound};
  EXPECT_EQ(ask(table, kPublicPost, "small", kSearch), not_found);
  EXPECT_EQ(ask(table, kInternalPost, "small", kSearch).route, 0);
  for (const Target& target : {
           Target{Exposure::kInternal, "GET", kPath},
           Target{Exposure::kInternal, "post", kPath},
           Target{Exposure::kInternal, "POST", "/v1/chat"},
           Target{Exposure::kInternal, "POST", "/v1/chat/completions/"},
           Target{Exposure::kInternal, "POST", "/V1/chat/completions"},
           Target{Exposure::kInternal, "", ""},
       }) {
    EXPECT_EQ(ask(table, target, "small", kSearch), not_found) << target.method << target.path;
  }
  EXPECT_EQ(ask({}, kPublicPost, "small", kSearch), not_found);
}

TEST(Choose, RefusesACallerWhomNoRouteAtThePathAllows) {
  const std::vector<Policy> table{route({"small"}, {{.tenants = {"acme"}}}), route({"small"}, {})};
  EXPECT_EQ(ask(table, kPublicPost, "small", kSearch), Verdict{.reason = Reason::kRouteNotAllowed});
  EXPECT_EQ(ask(table, kPublicPost, "none", kSearch), Verdict{.reason = Reason::kRouteNotAllowed});
}

TEST(Choose, HidesAModelExactlyAsIfItWereAbsent) {
  const Policy mine = route({"small"}, {{.tenants = {"search"}}});
  const Policy theirs = route({"secret"}, {{.tenants = {"acme"}}});
  const Policy* both[] = {&mine, &theirs};
  const Policy* alone[] = {&mine};
  const auto hidden = choose(both, kPublicPost, "secret", kSearch);
  const auto absent = choose(alone, kPublicPost, "secret", kSearch);
  ASSERT_FALSE(hidden);
  ASSERT_FALSE(absent);
  EXPECT_EQ(hidden.error().reason, Reason::kModelNotFound);
  EXPECT_EQ(hidden.error().reason, absent.error().reason);
  EXPECT_EQ(hidden.error().message, absent.error().message);
  EXPECT_EQ(hidden.error().rule, absent.error().rule);
  EXPECT_EQ(hidden.error().param, absent.error().param);
}

TEST(Choose, TakesModelNamesLiterally) {
  const std::vector<Policy> table{route({"small", "*"}, {{}})};
  for (const std::string_view model : {"", "Small", "small ", "smal", "small*"}) {
    EXPECT_EQ(ask(table, kPublicPost, model, kSearch), Verdict{.reason = Reason::kModelNotFound});
  }
}

TEST(Choose, QuotesALongModelShortlyAndBetweenCharacters) {
  const Policy only = route({"small"}, {{}});
  const Policy* routes[] = {&only};
  std::string model = "x";
  for (int i = 0; i < 10'000; ++i) model += "\xc3\xa9";
  const auto choice = choose(routes, kPublicPost, model, kSearch);
  ASSERT_FALSE(choice);
  EXPECT_LT(choice.error().message.size(), 250u);
  EXPECT_NE(choice.error().message.find("\xc3\xa9`"), std::string::npos);
}

TEST(Choose, ObservesInsteadOfRefusingTheCaller) {
  std::vector<Policy> table{route({"small"}, {{.tenants = {"acme"}}})};
  table[0].mode = Mode::kObserve;
  EXPECT_EQ(ask(table, kPublicPost, "small", kSearch), (Verdict{.route = 0, .observed = true}));
  EXPECT_EQ(ask(table, kPublicPost, "small", kAcmeEngineer), Verdict{.route = 0});
  EXPECT_EQ(ask(table, kPublicPost, "none", kSearch), Verdict{.reason = Reason::kModelNotFound});
  table.push_back(route({"small"}, {{.tenants = {"search"}}}));
  EXPECT_EQ(ask(table, kPublicPost, "small", kSearch), Verdict{.route = 1});
}

TEST(FirstAt, FindsWhatExistsOnTheListener) {
  Policy internal = route({}, {});
  internal.exposure = Exposure::kInternal;
  const Policy open = route({}, {});
  const Policy* routes[] = {&internal, &open};
  EXPECT_EQ(first_at(routes, kPublicPost), 1);
  EXPECT_EQ(first_at(routes, kInternalPost), 0);
  EXPECT_EQ(first_at(routes, {Exposure::kPublic, "GET", kPath}), -1);
}

TEST(Choose, SaysWhoIsLetInBeforeTheModelIsKnown) {
  Allow line;
  line.tenants = {"acme"};
  Policy closed = route({"small"}, {line});
  authentication::Identity caller;
  caller.tenant = "acme";
  EXPECT_TRUE(lets_in(closed, kPublicPost, caller));
  EXPECT_FALSE(lets_in(closed, {Exposure::kPublic, "GET", kPath}, caller));
  EXPECT_FALSE(lets_in(closed, {Exposure::kPublic, "POST", "/other"}, caller));
  closed.exposure = Exposure::kInternal;
  EXPECT_FALSE(lets_in(closed, kPublicPost, caller));
  EXPECT_TRUE(lets_in(closed, kInternalPost, caller));
  caller.tenant = "globex";
  EXPECT_FALSE(lets_in(closed, kInternalPost, caller));
  const Policy* routes[] = {&closed};
  const Expected<Choice> choice = choose(routes, kInternalPost, "small", caller);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().message, refuse_caller().message);
  closed.mode = Mode::kObserve;
  EXPECT_TRUE(lets_in(closed, kInternalPost, caller));
}

// ---- For any table ------------------------------------------------------------------------

constexpr std::string_view kTenants[] = {"acme", "search", "ops"};
constexpr std::string_view kRoles[] = {"engineer", "researcher"};
constexpr std::string_view kModels[] = {"small", "large", "none"};
constexpr std::string_view kPaths[] = {"/a", "/b"};

template <class List>
auto pick(const List& list, std::mt19937_64& random) {
  return list[random() % std::size(list)];
}

Allow any_line(std::mt19937_64& random) {
  Allow line;
  while (random() % 2 != 0) line.tenants.emplace_back(pick(kTenants, random));
  while (random() % 3 == 0) line.roles.emplace_back(pick(kRoles, random));
  if (random() % 4 == 0) line.credentials.push_back(CredentialKind::kApiKey);
  return line;
}

std::vector<Policy> any_table(std::mt19937_64& random) {
  std::vector<Policy> table(random() % 5);
  for (Policy& each : table) {
    each.path = pick(kPaths, random);
    if (random() % 4 == 0) each.exposure = Exposure::kInternal;
    if (random() % 6 == 0) each.mode = Mode::kObserve;
    while (random() % 3 != 0) each.models.emplace_back(pick(kModels, random));
    while (random() % 3 != 0) each.allow.push_back(any_line(random));
  }
  return table;
}

// Makes the table stricter in one way that an operator could.
void deny_more(std::vector<Policy>& table, std::mt19937_64& random) {
  if (table.empty() || random() % 5 == 0) {
    Policy closed;
    closed.path = pick(kPaths, random);
    closed.models = {"small", "large", "none"};
    const auto place = static_cast<std::ptrdiff_t>(random() % (table.size() + 1));
    table.insert(table.begin() + place, closed);
    return;
  }
  Policy& route = table[random() % table.size()];
  Allow* line = route.allow.empty() ? nullptr : &route.allow[random() % route.allow.size()];
  switch (random() % 6) {
    case 0:
      route.mode = Mode::kEnforce;
      break;
    case 1:
      route.exposure = Exposure::kInternal;
      break;
    case 2:
      if (!route.models.empty()) route.models.pop_back();
      break;
    case 3:
      if (line != nullptr) route.allow.pop_back();
      break;
    case 4:
      // The last one must stay: a line that names no tenant means any.
      if (line != nullptr && line->tenants.size() > 1) line->tenants.pop_back();
      break;
    default:
      if (line != nullptr && line->roles.empty()) line->roles = {"researcher"};
  }
}

// Whatever the table: a denial added never admits anyone, and whoever passes may pass.
TEST(Choose, AdmitsNoMoreAfterAnyDenial) {
  std::mt19937_64 random{15};
  int lost = 0;
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    const std::vector<Policy> before = any_table(random);
    std::vector<Policy> after = before;
    deny_more(after, random);

    const std::string_view roles[] = {pick(kRoles, random)};
    Identity caller{.tenant = pick(kTenants, random)};
    if (random() % 2 != 0) caller.roles = roles;
    const Target target{random() % 2 != 0 ? Exposure::kPublic : Exposure::kInternal, "POST",
                        pick(kPaths, random)};
    const std::string_view model = pick(kModels, random);

    const Verdict first = ask(before, target, model, caller);
    const Verdict second = ask(after, target, model, caller);
    if (second.route >= 0) {
      ASSERT_GE(first.route, 0);
      ASSERT_LE(first.observed, second.observed);
      const Policy& through = after[static_cast<std::size_t>(second.route)];
      ASSERT_EQ(through.path, target.path);
      ASSERT_TRUE(serves(through, model));
      ASSERT_NE(allows(through, caller), second.observed);
      ASSERT_TRUE(!second.observed || through.mode == Mode::kObserve);
      ASSERT_TRUE(target.exposure == Exposure::kInternal || through.exposure == Exposure::kPublic);
    }
    lost += first.route >= 0 && second.route < 0;
  }
  EXPECT_GT(lost, 100);
}

TEST(NamedAccess, IsWhatAllMayUseAndTheCallersRolesAndTenantBesideIt) {
  NamedAccess access;
  access.allow = {"search"};
  access.by_role = {{"admin", {"delete_*"}}, {"engineer", {"build"}}, {"writer", {"print"}}};
  access.by_tenant = {{"acme", {"export"}}, {"globex", {"import"}}};
  const std::vector<std::string_view> roles{"writer", "admin", "nobody"};
  authentication::Identity caller;
  caller.tenant = "globex";
  caller.roles = roles;
  for (const std::string_view name : {"search", "delete_all", "print", "import"}) {
    EXPECT_TRUE(allows_name(access, name, caller)) << name;
  }
  for (const std::string_view name : {"", "build", "export", "delete", "searching"}) {
    EXPECT_FALSE(allows_name(access, name, caller)) << name;
  }
  caller.tenant = "glob";
  caller.roles = {};
  EXPECT_TRUE(allows_name(access, "search", caller));
  EXPECT_FALSE(allows_name(access, "import", caller));
}

}  // namespace
}  // namespace tollgate::authorization
