#include "admin/admin_api.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <coroutine>
#include <utility>

#include "admin/forms.h"
#include "admin/key_wish.h"
#include "admin/new_key.h"
#include "admin/query.h"
#include "config/load.h"
#include "dialects/request.h"

namespace tollgate::admin {

namespace {

constexpr Bytes kBodyBytesMax = 64 << 10;
constexpr std::string_view kPrefix = "/admin/v1/";

}  // namespace

struct AdminApi::Answer {
  int status = 200;
  std::string body;
  std::string_view type = "application/json";
  std::string headers = {};  // Further ones.
};

// Of its own: it is answered while its connection goes on.
struct AdminApi::Question {
  std::string method;
  std::string path;   // Behind kPrefix.
  std::string query;  // As it came.
  Parameters parameters;
  std::string body;
};

namespace {

template <class Answer>
Answer problem(int status, std::string_view title, std::string_view detail) {
  return {status, problem_json(status, title, detail), "application/problem+json"};
}

template <class Answer>
Answer goes() {
  return problem<Answer>(503, "Going", "The gateway stops; ask another one.");
}

}  // namespace

// co_await has a question answered at the desk, and goes on on the loop.
class AdminApi::AtDesk {
 public:
  AtDesk(AdminApi& api, Question question) : api_(api), question_(std::move(question)) {}
  AtDesk(const AtDesk&) = delete;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    ++api_.waiting_;
    api_.parts_.desk.post([this, waiter] {
      answer_ = api_.is_closing() ? goes<Answer>() : api_.answer(question_);
      api_.parts_.loop.post([waiter] { waiter.resume(); });
    });
  }
  Answer await_resume() {
    --api_.waiting_;
    return std::move(answer_);
  }

 private:
  AdminApi& api_;
  const Question question_;
  Answer answer_;
};

namespace {

template <class Answer>
Answer not_found() {
  return problem<Answer>(404, "Not found", "There is nothing at this method and path.");
}

template <class Answer>
Answer store_problem(const Fault& fault) {
  return problem<Answer>(503, "The store is not available", fault.message);
}

// Whoever has the admin token.
storage::Author by_token() {
  storage::Author author;
  author.kind = storage::Author::Kind::kAdminToken;
  return author;
}

bool has_tenant(const config::Config& config, std::string_view name) {
  return std::ranges::binary_search(config.tenants, name, {}, &config::Tenant::name);
}

// Where the page behind `last` is, as RFC 8288 says it.
std::string link_to_next(std::string_view query, const storage::AuditRow& last) {
  std::string same;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (!parameter.starts_with("before=")) same.append(parameter).append("&");
  }
  return fmt::format("link: <{}audit?{}before={}>; rel=\"next\"\r\n", kPrefix, same,
                     storage::cursor_behind(last));
}

}  // namespace

AdminApi::AdminApi(const Parts& parts) : parts_(parts), token_(parts.token) {}
AdminApi::~AdminApi() = default;

bool AdminApi::is_admin(const pipeline::RequestHead& head) const {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = head.header("authorization");
  const std::string& token = token_.reveal();
  if (token.empty()) return false;
  if (given.size() != kScheme.size() + token.size() || !given.starts_with(kScheme)) return false;
  return CRYPTO_memcmp(given.data() + kScheme.size(), token.data(), token.size()) == 0;
}

AdminApi::Answer AdminApi::ready(std::string_view query) const {
  const bool draining = draining_.load(std::memory_order_relaxed);
  const bool recording = parts_.store.trail().healthy();
  const int status = recording && !draining ? 200 : 503;
  if (query != "verbose") {
    return {status, draining ? "draining\n" : recording ? "ok\n" : "not ready\n", "text/plain"};
  }
  return {status,
          fmt::format("configuration: {}\ntrail: {}\n{}", parts_.config.get()->version,
                      recording ? "ok" : parts_.store.trail().unhealthy_because(),
                      draining ? "draining\n" : ""),
          "text/plain"};
}

Task<void> AdminApi::serve(pipeline::Exchange& exchange) {
  const pipeline::RequestHead& head = exchange.head();
  const std::size_t mark = head.target.find('?');
  const std::string_view path = head.target.substr(0, mark);
  const std::string_view query =
      mark == std::string_view::npos ? std::string_view() : head.target.substr(mark + 1);
  Answer made;
  if (head.method == "GET" && path == "/livez") {
    made = {200, "ok\n", "text/plain"};
  } else if (head.method == "GET" && (path == "/readyz" || path == "/healthz")) {
    made = ready(query);
  } else if (head.method == "GET" && path == "/metrics") {
    made = {200, parts_.metrics.expose(), "text/plain; version=0.0.4; charset=utf-8"};
  } else if (!path.starts_with(kPrefix)) {
    made = not_found<Answer>();
  } else if (!is_admin(head)) {
    made = problem<Answer>(401, "Unauthorized",
                           "The admin API wants the admin token as a Bearer token.");
  } else {
    const Expected<std::string_view> body = co_await exchange.read_body(kBodyBytesMax);
    OrWords<Parameters> parameters = parse_query(query);
    if (!body) {
      made = problem<Answer>(400, "Bad request", body.error().message);
    } else if (!parameters) {
      made = problem<Answer>(400, "Bad request", parameters.error());
    } else if (is_closing()) {
      made = goes<Answer>();
    } else if (waiting_ >= kWaitingMax) {
      made = problem<Answer>(503, "Busy", "Too many questions wait for the store; ask again soon.");
    } else {
      Question question{std::string(head.method), std::string(path.substr(kPrefix.size())),
                        std::string(query), std::move(*parameters), std::string(*body)};
      AtDesk desk(*this, std::move(question));
      made = co_await desk;
    }
  }
  pipeline::ReplyHead reply;
  reply.status = made.status;
  reply.content_type = made.type;
  made.headers += "cache-control: no-store\r\n";
  if (made.status == 401) made.headers += "www-authenticate: Bearer\r\n";
  reply.headers = made.headers;
  co_await exchange.reply(reply, made.body);
}

AdminApi::Answer AdminApi::answer(const Question& question) {
  const bool reads = question.method == "GET";
  if (question.path == "keys") return keys(question);
  constexpr std::string_view kKeys = "keys/";
  if (question.path.starts_with(kKeys)) {
    return one_key(question, std::string_view(question.path).substr(kKeys.size()));
  }
  if (reads && question.path == "spend") return spend(question);
  if (reads && question.path == "audit") return audit(question);
  if (reads && question.path == "gateways") return gateways();
  if (question.method == "POST" && question.path.starts_with("gateways/")) {
    return retire(question.path.substr(std::string_view("gateways/").size()));
  }
  if (reads && question.path == "budgets") {
    return {200, budgets_json(parts_.store.ledger().snapshot(parts_.clock.wall()))};
  }
  if (reads && question.path == "config") {
    return {200, config::effective_json(*parts_.config.get())};
  }
  return not_found<Answer>();
}

AdminApi::Answer AdminApi::keys(const Question& question) {
  if (question.method == "POST") return create_key(question);
  if (question.method != "GET") return not_found<Answer>();
  std::string tenant;
  for (const auto& [name, value] : question.parameters) {
    if (name != "tenant") {
      return problem<Answer>(400, "Bad request", "Only `tenant` is known here.");
    }
    tenant = value;
  }
  const FaultOr<std::vector<authentication::KeyRecord>> found = parts_.store.keys().list(tenant);
  if (!found) return store_problem<Answer>(found.error());
  return {200, keys_json(*found)};
}

AdminApi::Answer AdminApi::create_key(const Question& question) {
  const WallTime now = parts_.clock.wall();
  const OrWords<KeyWish> wish = read_wish(question.body, now);
  if (!wish) return problem<Answer>(400, "Bad request", wish.error());
  if (!has_tenant(*parts_.config.get(), wish->tenant)) {
    return problem<Answer>(400, "Bad request",
                           fmt::format("No tenant `{}` is configured.", wish->tenant));
  }
  const FaultOr<MadeKey> made = make_key(*wish, parts_.pepper, now);
  if (!made) return store_problem<Answer>(made.error());
  if (FaultOr<void> kept = parts_.store.keys().create(by_token(), made->record); !kept) {
    return store_problem<Answer>(kept.error());
  }
  return {201, key_json(made->record, made->secret)};
}

AdminApi::Answer AdminApi::import_keys(const Question& question) {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const auto keys =
      read_imports(question.body, parts_.pepper, parts_.clock.wall(),
                   [&](std::string_view tenant) { return has_tenant(*config, tenant); });
  if (!keys) return problem<Answer>(400, "Bad request", keys.error());
  const FaultOr<std::size_t> made = parts_.store.keys().import(by_token(), *keys);
  if (!made) return store_problem<Answer>(made.error());
  return {200, import_json(*keys, *made)};
}

AdminApi::Answer AdminApi::one_key(const Question& question, std::string_view rest) {
  const std::size_t slash = rest.find('/');
  const std::string id(rest.substr(0, slash));
  const std::string_view act =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (question.method == "POST" && act == "rotate") return rotate_key(question, id);
  if (question.method == "POST" && id == "import" && act.empty()) return import_keys(question);
  if (question.method == "POST" && act == "expire") {
    const OrWords<std::string> text = read_only_member(question.body, "expires", {});
    if (!text) return problem<Answer>(400, "Bad request", text.error());
    const auto expires = read_expiry(*text, parts_.clock.wall());
    if (!expires) {
      return problem<Answer>(400, "Bad request", fmt::format("`expires` {}", expires.error()));
    }
    const FaultOr<bool> done = parts_.store.keys().expire(by_token(), id, *expires);
    if (!done) return store_problem<Answer>(done.error());
    if (!*done) return problem<Answer>(404, "Not found", "There is no key of this id.");
  } else if (question.method == "POST" && act == "revoke") {
    const FaultOr<bool> done = parts_.store.keys().revoke(by_token(), id, parts_.clock.wall());
    if (!done) return store_problem<Answer>(done.error());
    if (!*done) return problem<Answer>(404, "Not found", "There is no key of this id.");
  } else if (question.method != "GET" || !act.empty()) {
    return not_found<Answer>();
  }
  const FaultOr<std::optional<authentication::KeyRecord>> key = parts_.store.keys().show(id);
  if (!key) return store_problem<Answer>(key.error());
  if (!*key) return problem<Answer>(404, "Not found", "There is no key of this id.");
  return {200, key_json(**key)};
}

AdminApi::Answer AdminApi::rotate_key(const Question& question, const std::string& id) {
  const OrWords<std::string> text = read_only_member(question.body, "overlap", kOverlapUsual);
  if (!text) return problem<Answer>(400, "Bad request", text.error());
  const std::optional<Duration> overlap = parse_span(*text);
  if (!overlap) {
    return problem<Answer>(400, "Bad request", "`overlap` wants a span such as 24h");
  }
  const WallTime now = parts_.clock.wall();
  const FaultOr<MadeKey> made = make_key({}, parts_.pepper, now);
  if (!made) return store_problem<Answer>(made.error());
  const FaultOr<storage::Rotation> done =
      parts_.store.keys().rotate(by_token(), id, made->record, now + *overlap);
  if (!done) return store_problem<Answer>(done.error());
  if (*done == storage::Rotation::kNoSuchKey) {
    return problem<Answer>(404, "Not found", "There is no key of this id.");
  }
  if (*done != storage::Rotation::kDone) {
    return problem<Answer>(409, "Conflict", why_not_rotated(*done));
  }
  const FaultOr<std::optional<authentication::KeyRecord>> fresh =
      parts_.store.keys().show(made->record.id);
  if (!fresh) return store_problem<Answer>(fresh.error());
  return {201, key_json(**fresh, made->secret)};
}

FaultOr<storage::Database*> AdminApi::reader() {
  if (reader_ == nullptr) {
    FaultOr<std::unique_ptr<storage::Database>> opened = parts_.store.reader();
    if (!opened) return std::unexpected(opened.error());
    reader_ = std::move(*opened);
  }
  return reader_.get();
}

AdminApi::Answer AdminApi::spend(const Question& question) {
  const OrWords<storage::SpendQuery> query = spend_query(question.parameters, parts_.clock.wall());
  if (!query) return problem<Answer>(400, "Bad request", query.error());
  if (FaultOr<void> settled = parts_.store.trail().flush(); !settled) {
    return store_problem<Answer>(settled.error());
  }
  const FaultOr<storage::Database*> database = reader();
  if (!database) return store_problem<Answer>(database.error());
  const FaultOr<std::vector<storage::SpendRow>> rows = storage::query_spend(**database, *query);
  if (!rows) return store_problem<Answer>(rows.error());
  return {200, spend_json(query->by, *rows)};
}

AdminApi::Answer AdminApi::gateways() {
  const FaultOr<storage::Database*> database = reader();
  if (!database) return store_problem<Answer>(database.error());
  const FaultOr<std::vector<storage::GatewayStanding>> found =
      storage::list_gateways(**database, parts_.store.gateway());
  if (!found) return store_problem<Answer>(found.error());
  return {200, gateways_json(*found)};
}

AdminApi::Answer AdminApi::retire(std::string_view rest) {
  constexpr std::string_view kRetire = "/retire";
  if (!rest.ends_with(kRetire)) return not_found<Answer>();
  const std::string name(rest.substr(0, rest.size() - kRetire.size()));
  if (name == parts_.store.gateway()) {
    return problem<Answer>(409, "Conflict", "This gateway is at work.");
  }
  const FaultOr<storage::Database*> database = reader();
  if (!database) return store_problem<Answer>(database.error());
  const FaultOr<storage::Retirement> done = storage::retire_gateway(**database, by_token(), name);
  if (!done) return store_problem<Answer>(done.error());
  switch (done->refused) {
    case storage::Retirement::Refused::kUnknown:
      return problem<Answer>(404, "Not found", done->because);
    case storage::Retirement::Refused::kAlive:
      return problem<Answer>(409, "Conflict", done->because);
    case storage::Retirement::Refused::kNo:
      break;
  }
  return {200, retirement_json(*done)};
}

AdminApi::Answer AdminApi::audit(const Question& question) {
  const OrWords<AuditQuestion> asked = audit_question(question.parameters, parts_.clock.wall());
  if (!asked) return problem<Answer>(400, "Bad request", asked.error());
  if (FaultOr<void> settled = parts_.store.trail().flush(); !settled) {
    return store_problem<Answer>(settled.error());
  }
  const FaultOr<storage::Database*> database = reader();
  if (!database) return store_problem<Answer>(database.error());
  const FaultOr<std::vector<storage::AuditRow>> rows =
      storage::query_audit(**database, asked->query, asked->limit, asked->before);
  if (!rows) return store_problem<Answer>(rows.error());
  std::string body = "[";
  for (const storage::AuditRow& row : *rows) {
    if (body.size() > 1) body += ',';
    body += row.record;
  }
  body += ']';
  Answer page{200, std::move(body)};
  if (std::cmp_equal(rows->size(), asked->limit)) {
    page.headers = link_to_next(question.query, rows->back());
  }
  return page;
}

void AdminApi::refuse_malformed(const pipeline::RequestHead&, std::string_view message,
                                std::string&, std::string& out) {
  out += problem_json(400, "Bad request", message);
}

}  // namespace tollgate::admin
