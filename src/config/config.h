// The configuration in force: validated, immutable, one version a request from start to end.
//
// Text becomes a Config in load() (config/load.h). What is here is known to be whole: every
// name refers to something, every price is set, every bound is in range.
//
// const is safe from any thread. The one shared_ptr of the program points at a Config.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/certificate_authority.h"
#include "base/money.h"
#include "base/secret.h"
#include "base/service_tier.h"
#include "base/units.h"
#include "controls/administration/policy.h"
#include "controls/alerts/policy.h"
#include "controls/anomalies/anomalies.h"
#include "controls/answers/policy.h"
#include "controls/attempts/policy.h"
#include "controls/audit/audit.h"
#include "controls/authentication/policy.h"
#include "controls/authorization/authorization.h"
#include "controls/content/content.h"
#include "controls/content/own_rules.h"
#include "controls/cost/cost.h"
#include "controls/cost/made.h"
#include "controls/limits/limits.h"
#include "controls/overload/policy.h"
#include "controls/prompts/prompts.h"
#include "controls/tools/tools.h"
#include "dialects/chat_template.h"
#include "dialects/guard.h"
#include "dialects/mcp_methods.h"
#include "dialects/media.h"
#include "dialects/paid_tools.h"
#include "dialects/surface.h"

namespace tollgate::content {
class Rules;
}

namespace tollgate::config {

class McpPins;  // mcp_pins.h

using tollgate::Secret;

// Whether a listener serves callers without a certificate.
enum class ClientCertificates : std::uint8_t { kRequire, kOptional };

struct Tls {
  std::string certificate;  // Path of a PEM chain.
  std::string key;          // Path of a PEM key.
  std::string client_ca;    // Path of a PEM bundle; empty: no caller is asked for a certificate.
  ClientCertificates client_certificates = ClientCertificates::kRequire;
};

// Whether connections begin with what a load balancer says of them.
enum class ProxyProtocol : std::uint8_t { kOff, kRequired };

struct Listener {
  std::string name;
  std::string host;        // "0.0.0.0", "::1"
  std::uint16_t port = 0;  // 0: any free one (tests, demo).
  authorization::Exposure exposure = authorization::Exposure::kPublic;
  std::optional<Tls> tls;
  ProxyProtocol proxy_protocol = ProxyProtocol::kOff;
};

// Who may read /metrics, which names tenants and users.
enum class MetricsAccess : std::uint8_t { kOpen, kAuthenticated };

struct Admin {
  std::string host = "127.0.0.1";
  std::uint16_t port = 9900;
  std::optional<Tls> tls;
  Secret token;  // Empty: made at first start, in `admin.token` beside the ledger, 0600.
  MetricsAccess metrics = MetricsAccess::kOpen;
  administration::Policy policy;
};

// What holds while the store of the rates is out of reach…
enum class RatesOnFault : std::uint8_t { kRefuse, kLocalShare };
// …and while it is not known whether a key was revoked.
enum class KeysOnFault : std::uint8_t { kRefuse, kCached };

struct Store {
  bool in_memory = false;       // ledger: memory
  std::string sqlite_path;      // ledger: sqlite:///path
  Secret postgres_url;          // ledger: postgres://…
  std::string state_directory;  // Never empty, but with ledger: memory.
  Secret redis_url;             // rates: redis://…; empty: memory.
  RatesOnFault rates_on_fault = RatesOnFault::kLocalShare;
  KeysOnFault keys_on_fault = KeysOnFault::kCached;
};

// A URL as it may be shown: without its password.
std::string without_password(const Secret& url);

struct Timeouts {
  Duration connect = std::chrono::seconds(5);
  Duration first_byte = std::chrono::seconds(60);
  Duration between_chunks = std::chrono::seconds(30);
  Duration total = std::chrono::minutes(10);
};

struct Endpoint {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string path_prefix;  // "/v1" or "": no trailing slash.
};

// The header in which an upstream is shown its credential.
enum class CredentialHeader : std::uint8_t { kAuthorization, kXApiKey, kApiKey };

// Where an upstream may be: what is named by a model is the operator's word. Elsewhere nobody is
// sent to services of the cloud's machine, and to internal addresses only where that is asked for.
enum class Addresses : std::uint8_t { kAny, kInternalToo, kPublic };

struct Upstream {
  std::string name;
  std::vector<Endpoint> endpoints;  // At least one.
  dialects::Dialect speaks = dialects::Dialect::kOpenAi;
  Secret credential;                        // Empty: none is sent.
  std::vector<Secret> further_credentials;  // Beside that one, used in turn.
  CredentialHeader credential_header = CredentialHeader::kAuthorization;
  std::string query;  // Behind the path of every request, "api-version=2024-10-21"; may be empty.
  Timeouts timeout;
  std::int64_t concurrent_requests = 1024;     // Over all endpoints; more wait or are refused.
  bool adaptive_concurrency = false;           // Fewer, while it cannot take so many.
  std::optional<overload::QueuePolicy> queue;  // Nothing: what has no place is refused.
  CertificateAuthority certificate_authority;
  Addresses addresses = Addresses::kAny;
  dialects::CapField output_cap_field = dialects::CapField::kBoth;  // Of a chat.
  std::vector<dialects::Surface> surfaces;  // Of conversations, those that it serves, the one that
                                            // others are translated to first. Empty of an MCP
                                            // server alone.
  std::vector<std::string> dropped_fields;  // Of requests that are translated, at their top.
  attempts::BreakerPolicy breaker;          // Of each endpoint with each credential.
  std::optional<attempts::HealthCheck> health_check;  // Nothing: endpoints are not asked.

  // An endpoint with a credential is a place; of every endpoint first those with the first one.
  int places() const {
    return static_cast<int>(endpoints.size() * (1 + further_credentials.size()));
  }
  const Secret& credential_at(int place) const {
    const std::size_t which = static_cast<std::size_t>(place) / endpoints.size();
    return which == 0 ? credential : further_credentials[which - 1];
  }
  int endpoint_at(int place) const { return place % static_cast<int>(endpoints.size()); }
};

// The surface by which the upstream is asked what came by `asked`: that itself, or where it does
// not serve that the one to translate to.
dialects::Surface spoken_surface(const Upstream& upstream, dialects::Surface asked);

// What a model is paid by beside tokens, or instead of them.
struct MadePrices {
  cost::ImageFigures image;         // Micro-dollars each.
  cost::ImageFigures image_tokens;  // Output tokens each, at most.
  std::optional<Money> million_characters;
  std::optional<Money> minute;   // Of a recording.
  std::optional<Money> request;  // Of each that is answered, beside its tokens or instead of them.
  // Of each call of a tool that the provider runs, by dialects::PaidTool: beside what else the
  // model is paid by.
  std::array<std::optional<Money>, dialects::kPaidToolCount> tool_call;
  Tokens tool_call_tokens = 0;  // Of input that a call of one adds at most: what it found is read.

  bool empty() const {
    return image.empty() && image_tokens.empty() && !million_characters && !minute && !request;
  }
};

// All that a model costs, from a moment on.
struct PriceList {
  WallTime from{};  // The epoch: it always was.
  cost::Prices prices;
  bool has_token_prices = true;  // Else `prices` are 0, and it serves nothing that is paid so.
  MadePrices made;
  std::string price_version;  // "2.50/1.25/10.00": the prices themselves, as records name them.
};

// It is its first list of prices itself; those after that are `later`.
struct Model : PriceList {
  std::string name;
  int upstream = -1;          // Index into upstreams.
  std::string upstream_name;  // What the upstream calls it; as `name` unless said.
  std::string tokenizer;      // Known vocabulary or the path of a file of one, or empty: an upper
                              // bound by bytes.
  dialects::ChatTemplate chat_template{};  // What stands around its messages.
  dialects::MediaFormulas media;  // What may be sent to it beside text, and what that costs.
  Tokens context_tokens = 0;      // 0: not said.
  bool reasoning = false;         // Makes output that nobody sees.
  std::string price_entry;        // Of the table `prices`; empty: its prices are its own.
  std::vector<PriceList> later;   // Ascending by `from`.
  attempts::Fallback fallback;    // Who steps in when it fails…
  std::vector<attempts::Downgrade> downgrades;  // …and instead of it, the first that holds.
};

// The prices in force at that moment. The first list also holds before it begins.
const PriceList& prices_at(const Model& model, WallTime now);

enum class OnGuardMatch : std::uint8_t { kRefuse, kFlag };
enum class OnGuardFailure : std::uint8_t { kRefuse, kPass };

// A service that judges the texts of a request before it goes on.
struct Guard {
  std::string name;
  dialects::GuardKind kind{};
  int upstream = -1;  // Index into upstreams.
  std::string path;   // Behind the upstream's URL.
  std::string model;  // As the service names it; empty: none.
  std::string language;
  dialects::GuardThreshold threshold;
  OnGuardMatch on_match = OnGuardMatch::kRefuse;
  OnGuardFailure on_failure = OnGuardFailure::kRefuse;
  Mode mode = Mode::kEnforce;
  Money price_per_request;
  std::optional<cost::Prices> prices;  // Beside that, by tokens.
  Bytes section = 2 << 10;             // Of a streamed answer, judged at a time.
  Duration cache{};                    // How long a verdict holds.
  std::string rule;                    // "guards.NAME"
};

struct Tenant {
  std::string name;
  std::vector<std::string> roles;            // Roles that every caller of the tenant has.
  std::vector<std::string> grantable_roles;  // Those that who is bound to it may give its keys.
  std::int64_t keys_max = 10'000;            // API keys in force at once.
  std::int64_t weight = 1;  // Of its share of an upstream that is saturated, beside others.
  std::vector<limits::Policy> limits;  // Instead of the default of the same scope and figure.
  std::optional<cost::Policy> budget;
  tools::TenantPolicy tools;
};

// Before the path of a route: where its metadata as a protected resource is (RFC 9728, 3.1).
inline constexpr std::string_view kMcpMetadataPath = "/.well-known/oauth-protected-resource";

// Of several MCP servers behind one endpoint.
inline constexpr std::size_t kMcpServersMax = 16;
inline constexpr std::size_t kMcpToolBytesMax = 64;  // Of a tool's name, as models take it.
bool is_mcp_server_name(std::string_view name);      // 1 to 32 of a-z, 0-9 and -.
// Whether models can be told of a tool by its name behind that of the server.
bool is_mcp_tool_of(std::string_view server, std::string_view tool);

// What calls of one MCP tool may take, beside the limits of the route, and cost.
struct McpToolLimits {
  std::string tool;
  std::vector<limits::Policy> limits;   // "routes.NAME.mcp.tool_limits.TOOL.…"
  std::optional<Money> price_per_call;  // Instead of the server's.
};

// An MCP server behind a route, and what of it callers see and use. Or several: then each has all
// of that itself, and this says who may call.
struct Mcp {
  std::string name;          // Of one of several: what its tools and prompts begin with.
  std::vector<Mcp> servers;  // Behind the one endpoint, as they are written; none: this is it.
  Upstream upstream;         // Named "mcp:ROUTE", or "mcp:ROUTE/NAME"; of several, this is none.
  authorization::NamedAccess tools;
  authorization::NamedAccess prompts;
  authorization::NamedAccess resources;  // By address, or by template.
  dialects::McpServerRequests server_requests;
  Mode mode = Mode::kEnforce;           // Of the three.
  std::vector<std::string> origins;     // Pages that may call; none: no page.
  std::vector<std::string> hosts;       // That `Host` may say; none: any, but on loopback.
  Bytes answer = 4 << 20;               // A message of the server.
  std::shared_ptr<const McpPins> pins;  // Approved definitions of tools; null: none are needed.
  std::string pins_file;
  // Instead of the upstream's own, by tenant.
  std::vector<std::pair<std::string, Secret>> credentials;
  // By "TENANT/USER"; where there are any, nobody else is let through.
  std::vector<std::pair<std::string, Secret>> user_credentials;
  std::vector<McpToolLimits> tool_limits;
  Money price_per_call;
  std::string metadata;   // JSON of RFC 9728; empty: callers are not told where tokens are.
  std::string challenge;  // To those without a good one: "Bearer resource_metadata=…".
  std::string rule;       // "routes.NAME.mcp", or "routes.NAME.mcp.servers.NAME"
};

struct Route {
  std::string name;
  dialects::Surface surface{};
  authorization::Policy access;
  std::vector<int> models;  // Indices into models, in the order of access.models.
  prompts::Policy prompt;
  tools::Policy tools;
  content::Policy content;
  std::vector<int> guards;                     // Indices into guards, in the order of asking…
  std::vector<int> response_guards;            // …about the answer.
  std::optional<anomalies::Policy> anomalies;  // Nothing: nobody looks.
  overload::Priority priority = overload::Priority::kNormal;
  std::vector<limits::Policy> limits;  // Of this route only; the rule is "routes.NAME.limits.…".
  std::optional<Mcp> mcp;              // Of the surface kMcp, and of no other.
  // Of the surface kResponses: answers may be kept by the provider and gone on from. A digest of
  // what texts are held to here; empty: none is kept.
  std::string stored_responses;
  answers::Policy answers;     // That are given again.
  ServiceTiers service_tiers;  // That callers may ask for, beside the usual one.
};

// The header in which trusted proxies say for whom they ask.
enum class ForwardedHeader : std::uint8_t { kXForwardedFor, kForwarded };

// What the edge allows a connection to do, by name; the defaults are those of hardening.
struct Edge {
  Bytes header_bytes_max = 32 << 10;
  int headers_max = 100;
  Duration header_timeout = std::chrono::seconds(10);
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(60);  // Plus a second for each 16 KiB.
  Duration idle_timeout = std::chrono::seconds(60);
  Duration stalled_reply_timeout = std::chrono::seconds(30);
  int connections_max = 10'000;                       // A listener, over all workers.
  int connections_per_address = 256;                  // Over all; of proxies that are trusted none.
  Bytes reply_bytes_max = 32 << 20;                   // A whole reply of an upstream.
  Bytes buffered_bytes_max = Bytes{1} << 30;          // Of all requests and answers at once.
  Duration drain_timeout = std::chrono::seconds(30);  // SIGTERM to the end of the last stream.
  int workers = 0;                                    // Event loops; 0: one a core.
  std::vector<AddressRange> trusted_proxies;          // Whose word on addresses is believed.
  ForwardedHeader forwarded_header = ForwardedHeader::kXForwardedFor;
};

struct Config {
  // First 12 hex digits of the SHA-256 of the text, and of that of its table of prices.
  std::string version;
  std::string prices_file;     // Of that, or empty…
  std::string prices_version;  // …as well.
  std::string file;            // Where it came from.
  std::vector<Listener> listeners;
  Admin admin;
  Store store;
  authentication::Policy authentication;
  std::vector<Upstream> upstreams;
  attempts::RetryPolicy retries;
  std::vector<Guard> guards;
  std::vector<Model> models;
  std::vector<Tenant> tenants;         // By name.
  std::vector<limits::Policy> limits;  // Top-level: apply to every request.
  std::vector<cost::Policy> budgets;   // Top-level; each distinct subject has its own.
  std::vector<Route> routes;
  std::vector<const authorization::Policy*> access;  // Of each route, for authorization.
  content::OwnRules own_rules;
  std::shared_ptr<const content::Rules> content_rules;  // Null where no route inspects.
  audit::Policy audit;
  alerts::Policy alerts;
  Edge edge;

  Config() = default;
  Config(const Config&) = delete;  // `access` points into `routes`.
  Config& operator=(const Config&) = delete;
};

}  // namespace tollgate::config
