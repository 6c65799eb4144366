#include "config/shape.h"

#include <algorithm>

#include "config/choices.h"
#include "config/shape_admin.h"
#include "config/shape_alerts.h"
#include "config/shape_allowances.h"
#include "config/shape_anomalies.h"
#include "config/shape_answers.h"
#include "config/shape_attempts.h"
#include "config/shape_authentication.h"
#include "config/shape_content.h"
#include "config/shape_guards.h"
#include "config/shape_mcp.h"
#include "config/shape_prices.h"
#include "config/shape_prompt.h"
#include "config/shape_tls.h"
#include "config/shape_tools.h"
#include "config/shape_units.h"
#include "config/shape_upstream.h"

namespace tollgate::config {

namespace {

constexpr Field kListenerFields[] = {
    {.key = "address",
     .kind = Kind::kAddress,
     .doc = "Where to listen. Port 0 takes any free one.",
     .need = kRequired},
    {.key = "exposure",
     .kind = Kind::kChoice,
     .doc = "Routes marked `internal` do not exist on a `public` listener.",
     .fallback = "public",
     .names = choices::exposures},
    {.key = "tls",
     .kind = Kind::kSection,
     .doc = "Without it the listener speaks plain HTTP.",
     .section = &kTls},
    {.key = "proxy_protocol",
     .kind = Kind::kChoice,
     .doc = "`required`: every connection begins with a PROXY protocol header, version 1 or 2, of "
            "one of `edge.trusted_proxies`, before TLS; all others are closed.",
     .fallback = "off",
     .names = choices::proxy_protocols},
};
constexpr Section kListener{"listener", "An address on which callers are served.", kListenerFields};

constexpr Field kOnFaultFields[] = {
    {.key = "money",
     .kind = Kind::kChoice,
     .doc = "When the ledger cannot be asked: requests are held on what this gateway has leased of "
            "their budgets, and refused beyond it.",
     .fallback = "refuse",
     .names = choices::money_faults},
    {.key = "rates",
     .kind = Kind::kChoice,
     .doc = "When Redis cannot be asked: `local_share` holds requests to each limit divided by the "
            "gateways that were alive, at least 1; `refuse` refuses them.",
     .fallback = "local_share",
     .names = choices::rate_faults},
    {.key = "keys",
     .kind = Kind::kChoice,
     .doc =
         "When the ledger has not been read for a second, so that a revoked key may not be known "
         "here: `cached` goes on with the keys as they are known; `refuse` refuses every request "
         "with a key.",
     .fallback = "cached",
     .names = choices::key_faults},
};
constexpr Section kOnFault{"on_fault", "What holds while a store is out of reach.", kOnFaultFields};

constexpr Field kStoreFields[] = {
    {.key = "ledger",
     .kind = Kind::kLedger,
     .doc = "Keys, budgets, spend and audit: `sqlite:///absolute/path` or `sqlite://relative/path` "
            "for one gateway, `postgres://user:password@host/database` for several, or `memory`, "
            "which forgets at the end.",
     .fallback = "sqlite://tollgate.db"},
    {.key = "rates",
     .kind = Kind::kRateStore,
     .doc = "Request, token and concurrency limits: `memory` for each gateway by itself, "
            "`redis://user:password@host:6379/0` or `rediss://…` (TLS) for all gateways together. "
            "`rediss://…?sslrootcert=/ca.pem` trusts a certificate authority of your own, "
            "`&sslcert=/own.pem&sslkey=/own.key` shows a certificate; in a `postgres://` URL they "
            "are written the same.",
     .fallback = "memory"},
    {.key = "state_directory",
     .kind = Kind::kFile,
     .doc = "What is this gateway's own: its name, and with `postgres://` its journal. No two "
            "gateways share it, and it must outlive a restart. Not written: the folder of a "
            "`sqlite://` file; with `postgres://`, /var/lib/tollgate."},
    {.key = "on_fault",
     .kind = Kind::kSection,
     .doc = "What holds while a store is out of reach.",
     .section = &kOnFault},
};
constexpr Section kStore{"store", "Where what must be remembered is kept.", kStoreFields};

constexpr Field kModelFields[] = {
    {.key = "upstream",
     .kind = Kind::kName,
     .doc = "The upstream that serves it.",
     .need = kRequired},
    {.key = "name",
     .kind = Kind::kModelName,
     .doc = "What the upstream calls it. Not written: as here."},
    {.key = "tokenizer",
     .kind = Kind::kTokenizer,
     .doc = "Counts exactly. Not written: an upper bound, a token a byte.",
     .names = choices::vocabularies},
    {.key = "chat_template",
     .kind = Kind::kChoice,
     .doc = "What stands around messages and tools, counted with them. Not written: that of the "
            "`tokenizer`'s models; `largest`, a bound, for a path and for none.",
     .names = choices::chat_templates},
    {.key = "images",
     .kind = Kind::kChoice,
     .doc = "Images may be sent to it, and cost what the provider of this model publishes "
            "(docs/tokens.md). Not written: a request with an image is refused.",
     .names = choices::image_formulas},
    {.key = "audio",
     .kind = Kind::kChoice,
     .doc = "The same of recordings, by their length.",
     .names = choices::audio_formulas},
    {.key = "context_tokens",
     .kind = Kind::kCount,
     .doc = "Input and output together, at most. 0: not known.",
     .fallback = "0",
     .max = std::int64_t{1} << 40},
    {.key = "reasoning",
     .kind = Kind::kFlag,
     .doc = "The model makes output that nobody sees (reasoning): a stream that is cut before "
            "its usage is charged what was held.",
     .fallback = "false"},
    kPricesOfModel,
    kPricePerMillion,
    kPricePerImage,
    kTokensPerImage,
    kPricePerMillionCharacters,
    kPricePerMinute,
    kPricePerRequest,
    kPricePerToolCall,
    kInputTokensPerToolCall,
    kFallback,
    kFallbackOn,
    kFallbackAfter,
    kDowngrades,
};
constexpr Section kModel{"model", "A model that callers may ask for by this name.", kModelFields};

constexpr Field kTenantFields[] = {
    {.key = "roles",
     .kind = Kind::kList,
     .doc = "Roles that every caller of the tenant has.",
     .max = 64,
     .of = Kind::kName},
    {.key = "grantable_roles",
     .kind = Kind::kList,
     .doc = "Roles that administrators who are bound to tenants may give its keys. Not written: "
            "none. Those who are bound to none may give any.",
     .max = 64,
     .of = Kind::kName},
    kWeight,
    {.key = "keys_max",
     .kind = Kind::kCount,
     .doc = "How many of its API keys may be in force at once.",
     .fallback = "10000",
     .max = 1'000'000},
    {.key = "budget", .kind = Kind::kSection, .doc = "Of this tenant alone.", .section = &kBudget},
    {.key = "limits",
     .kind = Kind::kSection,
     .doc = "Instead of the figures of `limits.tenant_id`; narrower unless `widen`.",
     .section = &kLimits},
    {.key = "widen",
     .kind = Kind::kFlag,
     .doc = "Whether `limits` here may be wider than the default.",
     .fallback = "false"},
    {.key = "tools",
     .kind = Kind::kSection,
     .doc = "Which tools its callers may use of those that a route allows.",
     .section = &kTenantTools},
};
constexpr Section kTenant{"tenant", "Who is accountable for requests and pays for them.",
                          kTenantFields};

constexpr Field kAllowFields[] = {
    {.key = "tenants",
     .kind = Kind::kList,
     .doc = "Any of these. Not written: any tenant.",
     .min = 1,
     .max = 1024,
     .of = Kind::kName},
    {.key = "roles",
     .kind = Kind::kList,
     .doc = "At least one of these. Not written: any.",
     .min = 1,
     .max = 64,
     .of = Kind::kName},
    {.key = "credentials",
     .kind = Kind::kList,
     .doc = "Proven by any of these kinds. Not written: any kind.",
     .min = 1,
     .max = 8,
     .names = choices::credential_kinds,
     .of = Kind::kChoice},
    {.key = "scopes",
     .kind = Kind::kList,
     .doc = "All of these, which a token must have been given for. Keys and certificates have "
            "none. Not written: none is needed.",
     .min = 1,
     .max = 64,
     .of = Kind::kText},
};
constexpr Section kAllow{"allow", "One line of who may use a route: all that it names must hold.",
                         kAllowFields};

constexpr Field kRouteFields[] = {
    {.key = "name",
     .kind = Kind::kName,
     .doc = "Names it in rules, metrics and records.",
     .need = kRequired},
    {.key = "path", .kind = Kind::kRoutePath, .doc = "The one canonical path.", .need = kRequired},
    {.key = "method",
     .kind = Kind::kChoice,
     .doc = "Not written: `GET` for the surface `models`, else `POST`.",
     .names = choices::methods},
    {.key = "surface",
     .kind = Kind::kChoice,
     .doc = "The API served there. A standard path implies it.",
     .names = choices::surfaces,
     .later = choices::later_surfaces},
    {.key = "exposure",
     .kind = Kind::kChoice,
     .doc = "An `internal` route exists on internal listeners only.",
     .fallback = "public",
     .names = choices::exposures},
    kServiceTiersOfRoute,
    {.key = "models",
     .kind = Kind::kList,
     .doc = "Models that it serves. Required, but for the surface `models`.",
     .max = 1024,
     .of = Kind::kModelName},
    {.key = "allow",
     .kind = Kind::kList,
     .doc = "Who may use it: any line that holds lets pass. Not written: nobody.",
     .max = 256,
     .section = &kAllow,
     .of = Kind::kSection},
    {.key = "anonymous",
     .kind = Kind::kFlag,
     .doc = "Lets callers without a credential in, as the tenant `anonymous`: it must be among "
            "`tenants`, and the route must have a limit on `client_ip`.",
     .fallback = "false"},
    kMode,
    {.key = "prompt",
     .kind = Kind::kSection,
     .doc = "How large a request may be.",
     .section = &kPrompt},
    {.key = "tools",
     .kind = Kind::kSection,
     .doc = "Which tools a model may be offered and may call.",
     .section = &kTools},
    {.key = "limits",
     .kind = Kind::kMap,
     .doc = "By scope, for this route alone, beside the others.",
     .section = &kLimits,
     .keys = choices::scopes},
    {.key = "content",
     .kind = Kind::kSection,
     .doc = "What may not stand in the texts of a request.",
     .section = &kContent},
    kRequestGuards,
    kResponseGuards,
    {.key = "stored_responses",
     .kind = Kind::kFlag,
     .doc = "Of the surface `responses`: `store: true`, `previous_response_id` and `conversation` "
            "are served. The provider keeps such answers and conversations; whoever asked, and "
            "nobody else, may go on from them. See [surfaces](surfaces.md#stored-responses).",
     .fallback = "false"},
    kPriority,
    {.key = "anomalies",
     .kind = Kind::kSection,
     .doc = "What is done about requests that are unlike their caller. Not written: nobody looks.",
     .section = &kAnomalies},
    kRouteCache,
    kRouteIdempotency,
    kRouteMcp,
};
constexpr Section kRoute{"route",
                         "A door: a path, the models behind it and who may use them. Deny is "
                         "the default.",
                         kRouteFields};

constexpr Field kAuditFields[] = {
    {.key = "content",
     .kind = Kind::kChoice,
     .doc = "What of a prompt is recorded.",
     .fallback = "none",
     .names = choices::contents,
     .later = choices::later_contents},
    {.key = "keep",
     .kind = Kind::kDuration,
     .doc = "How long records are kept.",
     .fallback = "400d",
     .min = kHour,
     .max = 36'500 * kDay},
    {.key = "queue",
     .kind = Kind::kBytes,
     .doc = "Records that may wait for the store; when full, requests are refused.",
     .fallback = "64MiB",
     .min = 64 * kKiB,
     .max = 4096 * kMiB},
    {.key = "survives",
     .kind = Kind::kChoice,
     .doc = "What a decision survives by the time its request is forwarded: `kill`, the end of the "
            "process at any moment; `power_loss`, that of the machine, for which forwarding waits "
            "until the decision is on the disk. Outcomes and bookings survive a kill either way.",
     .fallback = "kill",
     .names = choices::survivals},
};
constexpr Section kAudit{"audit", "The trail: one record a request, refused ones too.",
                         kAuditFields};

constexpr Field wait(std::string_view key, std::string_view doc, std::string_view fallback) {
  return {.key = key,
          .kind = Kind::kDuration,
          .doc = doc,
          .fallback = fallback,
          .min = kMs,
          .max = kHour};
}
constexpr Field kEdgeFields[] = {
    {.key = "header_bytes_max",
     .kind = Kind::kBytes,
     .doc = "A request's head.",
     .fallback = "32KiB",
     .min = kKiB,
     .max = kMiB},
    {.key = "headers_max",
     .kind = Kind::kCount,
     .doc = "Lines in a head.",
     .fallback = "100",
     .min = 8,
     .max = 1000},
    wait("header_timeout", "From the first byte of a head to its last.", "10s"),
    wait("handshake_timeout", "A TLS handshake.", "10s"),
    wait("body_timeout", "A body, plus a second for each 16 KiB.", "60s"),
    wait("idle_timeout", "Between two requests of a connection.", "60s"),
    wait("stalled_reply_timeout",
         "A caller that does not read its reply. Of a whole one, plus a second for each 16 KiB.",
         "30s"),
    {.key = "connections_max",
     .kind = Kind::kCount,
     .doc = "Of each listener, over all workers.",
     .fallback = "10000",
     .min = 1,
     .max = 1'000'000},
    {.key = "connections_per_address",
     .kind = Kind::kCount,
     .doc = "Of each address (a /64 of IPv6), over all listeners and workers; further ones are "
            "closed. The `trusted_proxies` have no such limit.",
     .fallback = "256",
     .min = 1,
     .max = 1'000'000},
    {.key = "reply_bytes_max",
     .kind = Kind::kBytes,
     .doc = "A whole reply of an upstream.",
     .fallback = "32MiB",
     .min = kKiB,
     .max = 1024 * kMiB},
    {.key = "buffered_bytes_max",
     .kind = Kind::kBytes,
     .doc = "Of all requests and answers that are in memory at once, those that wait and those "
            "that are kept to be given again among them. Requests may take three quarters of it, "
            "those of one tenant three quarters of that, and a quarter of that while others take "
            "the rest: what has no room is refused.",
     .fallback = "1GiB",
     .min = kMiB,
     .max = 1024 * 1024 * kMiB},
    wait("drain_timeout", "From SIGTERM to the end of the last stream.", "30s"),
    {.key = "workers",
     .kind = Kind::kCount,
     .doc = "Event loops; 0 is one a core.",
     .fallback = "0",
     .max = 256},
    {.key = "trusted_proxies",
     .kind = Kind::kList,
     .doc = "Addresses and ranges (`10.0.0.0/8`) of your own proxies: whom they say they ask for "
            "is the caller's address, for limits and records. What others say is ignored.",
     .max = 256,
     .of = Kind::kText},
    {.key = "forwarded_header",
     .kind = Kind::kChoice,
     .doc =
         "The header in which they say so: `X-Forwarded-For`, or `Forwarded` (RFC 7239). It must "
         "be one that they write themselves; the other is ignored.",
     .fallback = "x_forwarded_for",
     .names = choices::forwarded_headers},
};
constexpr Section kEdge{"edge", "What a connection may do.", kEdgeFields};

constexpr Field kRootFields[] = {
    {.key = "listeners",
     .kind = Kind::kMap,
     .doc = "By name. Not written: one, `local`, at 127.0.0.1:8080.",
     .section = &kListener},
    {.key = "admin", .kind = Kind::kSection, .doc = "The operator's side.", .section = &kAdmin},
    {.key = "store", .kind = Kind::kSection, .doc = "Where things are kept.", .section = &kStore},
    {.key = "authentication",
     .kind = Kind::kSection,
     .doc = "Which credentials are accepted.",
     .section = &kAuthentication},
    {.key = "upstreams",
     .kind = Kind::kMap,
     .doc = "Model servers, by name.",
     .need = kRequired,
     .section = &kUpstream},
    {.key = "retries",
     .kind = Kind::kSection,
     .doc = "How often a request is tried again.",
     .section = &kRetries},
    {.key = "guards",
     .kind = Kind::kMap,
     .doc = "Services that judge what is asked or answered, by name.",
     .section = &kGuard},
    {.key = "content",
     .kind = Kind::kSection,
     .doc = "Rules of your own about texts.",
     .section = &kContentRules},
    {.key = "models",
     .kind = Kind::kMap,
     .doc = "Models, by the name that callers use.",
     .need = kRequired,
     .section = &kModel,
     .key_kind = Kind::kModelName},
    kPriceTable,
    kPricesFile,
    {.key = "tenants", .kind = Kind::kMap, .doc = "Tenants, by name.", .section = &kTenant},
    {.key = "limits",
     .kind = Kind::kMap,
     .doc = "By scope; every distinct value has its own allowance.",
     .section = &kLimits,
     .keys = choices::scopes},
    {.key = "budgets",
     .kind = Kind::kMap,
     .doc = "By scope; every distinct value has its own budget.",
     .later = choices::later_budget_scopes,
     .later_because = "the books do not keep addresses yet",
     .section = &kBudget,
     .keys = choices::budget_scopes},
    {.key = "time_zone",
     .kind = Kind::kTimeZone,
     .doc = "Whose midnight begins the windows of budgets that do not say their own.",
     .fallback = "UTC"},
    {.key = "routes",
     .kind = Kind::kList,
     .doc = "The doors.",
     .need = kRequired,
     .min = 1,
     .max = 1024,
     .section = &kRoute,
     .of = Kind::kSection},
    {.key = "audit", .kind = Kind::kSection, .doc = "The trail.", .section = &kAudit},
    {.key = "edge", .kind = Kind::kSection, .doc = "What a connection may do.", .section = &kEdge},
    {.key = "alerts",
     .kind = Kind::kList,
     .doc = "What is told to whom, and done about it.",
     .max = 64,
     .section = &kAlert,
     .of = Kind::kSection},
    {.key = "notify", .kind = Kind::kMap, .doc = "Where alerts go, by name.", .section = &kTarget},
    {.key = "telemetry", .kind = Kind::kNotServed, .doc = "Traces."},
};
constexpr Section kRoot{"tollgate.yaml", "The whole file.", kRootFields};

void gather(const Section& section, std::vector<const Section*>& seen) {
  if (std::ranges::find(seen, &section) != seen.end()) return;
  seen.push_back(&section);
  for (const Field& field : section.fields) {
    if (field.section != nullptr) gather(*field.section, seen);
  }
}

}  // namespace

const Field* Section::find(std::string_view key) const {
  const auto found = std::ranges::find(fields, key, &Field::key);
  return found == fields.end() ? nullptr : &*found;
}

const Section& root_section() { return kRoot; }

std::vector<const Section*> all_sections() {
  std::vector<const Section*> seen;
  gather(kRoot, seen);
  return seen;
}

}  // namespace tollgate::config
