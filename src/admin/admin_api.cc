#include "admin/admin_api.h"

#include <fmt/format.h>

#include <utility>

#include "admin/cookie.h"
#include "admin/forms.h"
#include "admin/query.h"
#include "base/check.h"
#include "base/json_writer.h"
#include "controls/administration/grant_form.h"

namespace tollgate::admin {

using administration::Vouched;

namespace {

constexpr Bytes kBodyBytesMax = 64 << 10;
constexpr std::string_view kPrefix = "/admin/v1/";

// What no answer goes without: nothing is kept, framed, sniffed or told to other sites, and no page
// from here loads anything.
constexpr std::string_view kHardened =
    "cache-control: no-store\r\n"
    "x-content-type-options: nosniff\r\n"
    "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
    "referrer-policy: no-referrer\r\n";

// Who somebody is, and what a page must send along where a session vouches for him.
std::string session_json(const administration::Admin& admin, std::string_view session) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("kind", name_of(admin.kind));
  json.member("subject", std::string_view(admin.subject));
  json.member("credential_id", std::string_view(admin.credential_id));
  json.member("role", name_of(admin.grant.role));
  json.key("rights");
  json.begin_array();
  for (int i = 0; i < administration::kRightCount; ++i) {
    const auto right = static_cast<administration::Right>(i);
    if (has(admin.grant.role, right)) json.value(name_of(right));
  }
  json.end_array();
  write_tenants(json, admin.grant);
  write_expires(json, admin.grant);
  if (!session.empty()) json.member("csrf", std::string_view(administration::csrf_of(session)));
  json.end_object();
  return out;
}

}  // namespace

struct AdminApi::Target {
  std::string_view path;
  std::string_view query;  // As it came.
};

AdminApi::AdminApi(const Parts& parts)
    : parts_(parts),
      line_(parts.loop, parts.desk),
      answers_({parts.config, parts.store, parts.pepper, parts.clock}),
      door_({parts.config, parts.store, parts.pepper, parts.clock, parts.loop, parts.door_desk,
             parts.oidc},
            parts.token),
      login_({parts.config, parts.clock, parts.loop, door_, parts.oidc, parts.web}) {}
AdminApi::~AdminApi() = default;

// What a part says of its trouble names paths and addresses, which are no stranger's.
Answer AdminApi::ready(Detail detail) const {
  const bool draining = draining_.load(std::memory_order_relaxed);
  const bool recording = parts_.store.trail().healthy();
  const int status = recording && !draining ? 200 : 503;
  const char* const whole = draining ? "draining\n" : recording ? "ok\n" : "not ready\n";
  switch (detail) {
    case Detail::kWhole:
      return {status, whole, "text/plain"};
    case Detail::kParts:
      return {status,
              fmt::format("configuration: up\ntrail: {}\n{}", recording ? "up" : "down", whole),
              "text/plain"};
    case Detail::kCauses:
      return {status,
              fmt::format("configuration: {}\ntrail: {}\n{}", parts_.config.get()->version,
                          recording ? "ok" : parts_.store.trail().unhealthy_because(), whole),
              "text/plain"};
  }
  CHECK(false);
}

Answer AdminApi::exposition() const {
  return {200, parts_.metrics.expose(), "text/plain; version=0.0.4; charset=utf-8"};
}

Task<void> AdminApi::serve(pipeline::Exchange& exchange) {
  const std::string_view whole = exchange.head().target;
  const std::size_t mark = whole.find('?');
  const Target target{whole.substr(0, mark),
                      mark == std::string_view::npos ? std::string_view() : whole.substr(mark + 1)};
  Answer made = co_await respond(exchange, target);
  made.headers += kHardened;
  pipeline::ReplyHead reply;
  reply.status = made.status;
  reply.content_type = made.type;
  reply.headers = made.headers;
  co_await exchange.reply(reply, made.body);
}

// Under every name, as whoever watches over it knows it by names of its own. Nothing: whoever asks
// shows who he is and would know more.
std::optional<Answer> AdminApi::health(const pipeline::RequestHead& head,
                                       const Target& target) const {
  if (head.method != "GET") return std::nullopt;
  if (target.path == "/livez") return Answer{200, "ok\n", "text/plain"};
  if (target.path != "/readyz" && target.path != "/healthz") return std::nullopt;
  if (target.query != "verbose") return ready(Detail::kWhole);
  const Expected<Shown> shown = door_.read(head);
  if (shown && shown->bearer.empty() && shown->session.empty()) return ready(Detail::kParts);
  return std::nullopt;
}

// What anybody may see.
std::optional<Answer> AdminApi::open(const pipeline::RequestHead& head,
                                     const Target& target) const {
  if (std::optional<Answer> made = health(head, target)) return made;
  if (!is_own_host(door_.names(), head.header("host"))) {
    return problem(421, "Misdirected request",
                   "This address is not reached by that name. `admin.hosts` lists further names.");
  }
  if (head.method == "GET" && target.path == "/metrics" &&
      parts_.config.get()->admin.metrics == config::MetricsAccess::kOpen) {
    return exposition();
  }
  return std::nullopt;
}

Task<Answer> AdminApi::respond(pipeline::Exchange& exchange, const Target& target) {
  const pipeline::RequestHead& head = exchange.head();
  if (std::optional<Answer> made = open(head, target)) co_return std::move(*made);
  if (head.method == "GET" && target.path == "/admin/login") {
    co_return co_await login_.begin(exchange, target.query);
  }
  if (head.method == "GET" && target.path == "/admin/callback") {
    co_return co_await login_.finish(exchange, target.query);
  }
  if (head.method == "GET" && target.path == "/metrics") {
    co_return co_await administer(exchange, target, "metrics");
  }
  if (head.method == "GET" && (target.path == "/readyz" || target.path == "/healthz")) {
    co_return co_await administer(exchange, target, "readyz");
  }
  if (!target.path.starts_with(kPrefix)) co_return not_found();
  co_return co_await administer(exchange, target, target.path.substr(kPrefix.size()));
}

// Whoever is turned away, by whichever step, is counted and on record.
Task<Answer> AdminApi::administer(pipeline::Exchange& exchange, const Target& target,
                                  std::string_view path) {
  const pipeline::RequestHead& head = exchange.head();
  const std::optional<Match> match = find_endpoint(head.method, path);
  Asker asker;
  Answer made = co_await admit(exchange, target, match, asker);
  if (made.denial) {
    door_.turn_away({.from = head.client_ip,
                     .asked = asked_of(match),
                     .id = match ? match->id : std::string_view(),
                     .admin = asker.known ? &asker.known->proven.admin : nullptr,
                     .credential_id = asker.credential_id,
                     .reason = made.denial->reason,
                     .right = made.denial->right});
  }
  co_return made;
}

// The order of the steps is the policy: nothing runs below one that did not let the request
// through.
Task<Answer> AdminApi::admit(pipeline::Exchange& exchange, const Target& target,
                             const std::optional<Match>& match, Asker& asker) {
  const pipeline::RequestHead& head = exchange.head();

  // Who asks?
  const Expected<Shown> shown = door_.read(head);
  if (!shown) co_return refused(shown.error());
  asker.credential_id = administration::read_token(shown->bearer).value_or("");
  Expected<Known> known = co_await door_.identify(exchange, *shown);
  if (!known) co_return refused(known.error());
  asker.known = std::move(*known);

  // May they ask this, from there?
  if (!match) co_return not_found();
  if (const Expected<void> ours = check_call(head, *asker.known); !ours) {
    co_return refused(ours.error());
  }
  const administration::Admin& admin = asker.known->proven.admin;
  if (match->row->right && !has(admin.grant.role, *match->row->right)) {
    co_return forbidden(*match->row->right);
  }
  if (match->row->reach == Reach::kWhole && admin.grant.is_bound()) {
    co_return forbidden_to_bound();
  }
  // From here on whoever asks has the right to it; what he sees is bound to his tenants.

  const Endpoint endpoint = match->row->endpoint;
  if (endpoint == Endpoint::kMetrics) co_return exposition();
  if (endpoint == Endpoint::kReadiness) co_return ready(Detail::kCauses);
  if (endpoint == Endpoint::kShowSession || endpoint == Endpoint::kBeginSession ||
      endpoint == Endpoint::kEndSession) {
    co_return co_await session(exchange, endpoint, *asker.known, *shown);
  }
  co_return co_await ask(exchange, *match, target, asker.known->proven);
}

// What a page of others could have sent is refused, whatever it shows.
Expected<void> AdminApi::check_call(const pipeline::RequestHead& head, const Known& known) const {
  const administration::CallSigns call{head.method, head.header("host"), head.header("origin"),
                                       head.header("sec-fetch-site")};
  if (Expected<void> ours = check_origin(door_.names(), call, known.vouched); !ours) return ours;
  if (known.vouched == Vouched::kByHeader || head.method == "GET") return {};
  if (administration::is_csrf_of(known.session, head.header("x-tollgate-csrf"))) return {};
  return refuse(Reason::kRouteNotAllowed, "admin",
                "What changes something by a session must bear `x-tollgate-csrf`, as "
                "/admin/v1/session tells it.");
}

Task<Answer> AdminApi::ask(pipeline::Exchange& exchange, const Match& match, const Target& target,
                           const administration::Proven& proven) {
  const Expected<std::string_view> body = co_await exchange.read_body(kBodyBytesMax);
  if (!body) co_return bad_request(body.error().message);
  OrWords<Parameters> parameters = parse_query(target.query);
  if (!parameters) co_return bad_request(parameters.error());
  if (line_.is_closing()) co_return going();
  if (line_.is_full()) co_return busy();
  const Question question{
      .endpoint = match.row->endpoint,
      .id = std::string(match.id),
      .query = std::string(target.query),
      .parameters = std::move(*parameters),
      .body = std::string(*body),
      .admin = proven.admin,
      .source = proven.source,
      .stamp = proven.stamp,
      .from = exchange.head().client_ip,
  };
  const std::function<Answer()> work = [this, &question] { return answers_.answer(question); };
  DeskLine::Turn<Answer> turn(line_, work, going());
  co_return co_await turn;
}

Task<Answer> AdminApi::session(pipeline::Exchange& exchange, Endpoint endpoint, const Known& known,
                               const Shown& shown) {
  const administration::Admin& admin = known.proven.admin;
  const IpAddress from = exchange.head().client_ip;
  if (endpoint == Endpoint::kShowSession) {
    co_return Answer{200, session_json(admin, known.session)};
  }
  const std::string name = door_.session_cookie_name();
  const bool secure = is_secure(door_.names());
  if (endpoint == Endpoint::kEndSession) {
    if (known.session.empty()) co_return bad_request("There is no session: no cookie was shown.");
    door_.end_session(known, from);
    Answer ended{200, "{}"};
    ended.headers = end_cookie({.name = name, .secure = secure});
    co_return ended;
  }
  if (known.vouched != Vouched::kByHeader) {
    co_return bad_request("A session begins with a Bearer token, or at /admin/login.");
  }
  std::string before(shown.session);
  const Expected<std::string> id =
      co_await door_.begin_session(known.proven, from, std::move(before));
  if (!id) co_return refused(id.error());
  Answer begun{201, session_json(admin, *id)};
  begun.headers = set_cookie({.name = name, .value = *id, .secure = secure});
  co_return begun;
}

void AdminApi::refuse_malformed(const pipeline::RequestHead&, std::string_view message,
                                std::string& headers, std::string& out) {
  headers += kHardened;
  out += bad_request(message).body;
}

}  // namespace tollgate::admin
