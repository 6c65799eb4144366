// The commands of the program: each is a function of its options that returns an exit code.
//
// src/main.cc turns the command line into these options; a file of this folder per command does
// the work. Output goes to stdout, problems to stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"

namespace tollgate::cli {

// Exit codes, promised by the contract.
inline constexpr int kDone = 0;
inline constexpr int kFindings = 1;  // Or a check that failed.
inline constexpr int kWrongUse = 2;  // Or an invalid configuration.
inline constexpr int kRuntimeFault = 3;

// Tells the fault on stderr; kRuntimeFault.
int faulty(const Fault& fault);
// Tells what was wrong with the command on stderr; kWrongUse.
int wrong_use(std::string_view message);

struct ServeOptions {
  std::string config = "tollgate.yaml";
};
int serve(const ServeOptions& options);

struct RunOptions {
  std::string state;  // Directory; empty: ~/.local/state/tollgate.
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 9900;
};
int run(const RunOptions& options);

struct InitOptions {
  std::string file = "tollgate.yaml";
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 9900;
};
int init(const InitOptions& options);

struct DemoOptions {
  bool attack = false;
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 9900;
  std::string state;  // Directory; empty: a temporary one.
};
int demo(const DemoOptions& options);

struct MockModelOptions {
  std::string listen = "127.0.0.1:8081";
  std::int64_t tokens_per_second = 0;
  std::string usage = "on";
  std::string fail = "never";
};
int mock_model(const MockModelOptions& options);

struct CheckOptions {
  std::string config = "tollgate.yaml";
  std::string format = "text";  // text, json, sarif
  bool strict = false;          // Notes fail it, too.
};
int check(const CheckOptions& options);

int schema();

struct PricesOptions {
  std::string config = "tollgate.yaml";
  std::string table;  // A file of prices alone, instead.
  bool json = false;
};
// What models cost, held against what providers publish; kFindings where something is off by far.
int prices(const PricesOptions& options);

struct WhatIfOptions {
  std::string config = "tollgate.yaml";
  std::string prices;  // A file of prices.
  std::string since;   // A duration back from now, or a date.
  std::string until;
  std::string tenant;
  std::string model;
  std::string as_of;             // A date whose prices hold for all; empty: each its own.
  std::string format = "table";  // table, json, csv
};
// What recorded requests would have cost at other prices; kFindings where some have none there.
int what_if(const WhatIfOptions& options);

struct ExplainOptions {
  std::string config = "tollgate.yaml";
  std::string as;           // A key or its id, a token, claims as JSON, `cookie: …`, `anonymous`;
                            // "-": the first line of the standard input is it.
  std::string address;      // From where; empty: from where they may.
  std::string certificate;  // PEM file of the one that the connection proves; empty: none.
  std::string request;      // A file with the body; "-" is the standard input.
  std::string path = "/v1/chat/completions";
  bool internal = false;  // Asked on an internal listener.
  bool ask = false;       // Issuers, introspection endpoints and stores of sessions, too.
  bool json = false;
};
int explain(const ExplainOptions& options);

struct KeysOptions {
  enum class Action { kCreate, kList, kShow, kRevoke, kRotate, kExpire, kImport };
  Action action = Action::kList;
  std::string config = "tollgate.yaml";
  std::string id;
  std::string tenant;
  std::string user;
  std::vector<std::string> roles;
  std::string name;
  std::vector<std::string> routes;  // What it is for at most, as are the next three.
  std::vector<std::string> models;
  std::vector<std::string> tools;
  std::vector<std::string> addresses;
  std::string state;            // active, expired, revoked; empty: any.
  std::string file;             // Of an import.
  std::string expires;          // A duration from now, "90d", a date, a moment or "never".
  std::string overlap = "24h";  // How long a rotated key still works.
  bool json = false;
};
int keys(const KeysOptions& options);

struct AdminOptions {
  enum class Action { kCreate, kList, kRevoke } action = Action::kList;
  std::string config = "tollgate.yaml";
  std::string id;
  std::string name;
  std::string role;
  std::vector<std::string> tenants;
  std::string expires;     // As of keys.
  bool with_made = false;  // Revokes what the token made, too.
  bool json = false;
};
int admin_tokens(const AdminOptions& options);

struct GatewaysOptions {
  enum class Action { kList, kRetire } action = Action::kList;
  std::string config = "tollgate.yaml";
  std::string name;
  bool yes = false;  // Nobody is asked.
  bool json = false;
};
int gateways(const GatewaysOptions& options);

struct AlertsOptions {
  enum class Action { kList, kRelease } action = Action::kList;
  std::string config = "tollgate.yaml";
  std::string id;
  bool json = false;
};
int alerts(const AlertsOptions& options);

struct McpOptions {
  enum class Action { kDiff, kApprove } action = Action::kDiff;
  std::string config = "tollgate.yaml";
  std::string route;
  std::vector<std::string> tools;  // To approve; empty: all.
  bool json = false;
};
int mcp(const McpOptions& options);

struct SpendOptions {
  std::string config = "tollgate.yaml";
  std::string by = "tenant";
  std::string since;  // A duration back from now, or a date.
  std::string until;
  std::string tenant;
  std::string format = "table";  // table, json, csv
  bool reconcile = false;        // The books against the trail and the provider, instead.
  bool forecast = false;         // When each budget will be spent, instead.
  bool chargeback = false;       // All that the books tell apart, by day, as CSV, instead.
  std::string invoice;           // A provider's CSV to hold against the books, instead…
  std::string upstream;          // …and of whom it is; empty: of whose models it names.
  std::string adjust;            // A request whose usage came late, and all that it used, instead.
  std::int64_t input = 0;
  std::int64_t cached_input = 0;
  std::int64_t output = 0;
  std::optional<std::int64_t> audio_input;  // Nothing, as in the next: as it was settled.
  std::optional<std::int64_t> image_input;
  std::optional<std::int64_t> cache_write_5m;
  std::optional<std::int64_t> cache_write_1h;
  std::optional<std::int64_t> reasoning;
  std::optional<std::int64_t> audio_output;
  std::string service_tier;  // Empty: as it was settled.
  std::string because;
};
int spend(const SpendOptions& options);

struct AuditOptions {
  enum class Action { kTail, kQuery, kContent, kVerify } action = Action::kQuery;
  std::string config = "tollgate.yaml";
  std::string tenant;
  std::string user;
  std::string code;
  std::string outcome;
  std::string route;
  std::string model;
  std::string id;
  std::string phase;
  std::string actor;
  std::string action_name;  // Of a change, as the next.
  std::string object;
  std::string since;
  std::string until;
  std::string before;
  std::int64_t limit = 100;
  bool follow = false;
  bool json = false;
};
int audit(const AuditOptions& options);

struct CountOptions {
  std::string tokenizer = "o200k_base";
  std::vector<std::string> files;  // Empty, or "-": standard input.
  std::string body;                // The surface that they are bodies for; empty: they are texts.
  std::string chat_template;       // Of bodies; empty: that of the tokenizer's models.
  std::string config;              // With `model`, whose tokenizer and template are taken.
  std::string model;
  bool ids = false;
  bool json = false;
};
int count(const CountOptions& options);

int version(bool json);

}  // namespace tollgate::cli
