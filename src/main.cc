// The command line: words to options, nothing else. Each command lives in cli/.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>

#include "cli/commands.h"
#include "cli/completion.h"
#include "config/scalars.h"

namespace tollgate {
namespace {

// What the parsed command does; set by the subcommand that was named.
using Chosen = std::function<int()>;

void config_option(CLI::App& app, std::string& config) {
  app.add_option("-c,--config", config, "The configuration file")
      ->type_name("FILE")
      ->capture_default_str();
}

CLI::App* command(CLI::App& app, const char* name, const char* says) {
  CLI::App* made = app.add_subcommand(name, says);
  made->fallthrough(false);
  return made;
}

void add_serving(CLI::App& app, Chosen& chosen) {
  static cli::ServeOptions serve;
  CLI::App* sub = command(app, "serve", "Run the gateway");
  config_option(*sub, serve.config);
  sub->callback([&] { chosen = [] { return cli::serve(serve); }; });

  static cli::RunOptions run;
  sub = command(app, "run", "Run without a file: providers from the environment, loopback only");
  sub->add_option("--state", run.state, "Directory of the ledger and the keys")->type_name("DIR");
  sub->add_option("--port", run.port, "Port of the gateway")->capture_default_str();
  sub->add_option("--admin-port", run.admin_port, "Port of the admin address")
      ->capture_default_str();
  sub->callback([&] { chosen = [] { return cli::run(run); }; });

  static cli::InitOptions init;
  sub = command(app, "init", "Write the commented configuration that `run` would run");
  sub->add_option("file", init.file, "Where to write it")->type_name("FILE")->capture_default_str();
  sub->callback([&] { chosen = [] { return cli::init(init); }; });

  static cli::DemoOptions demo;
  sub = command(app, "demo", "The gateway before a built-in model, nothing to configure");
  sub->add_flag("--attack", demo.attack, "Play the abuses that it stops, then end with a table");
  sub->add_option("--port", demo.port, "Port of the gateway")->capture_default_str();
  sub->add_option("--admin-port", demo.admin_port, "Port of the admin address")
      ->capture_default_str();
  sub->add_option("--state", demo.state, "Directory of keys.json, tollgate.yaml and the ledger")
      ->type_name("DIR");
  sub->callback([&] { chosen = [] { return cli::demo(demo); }; });

  static cli::MockModelOptions mock;
  sub = command(app, "mock-model", "The built-in model server alone");
  sub->add_option("--listen", mock.listen, "HOST:PORT; port 0 is any free one")
      ->capture_default_str();
  sub->add_option("--tokens-per-second", mock.tokens_per_second, "0 is as fast as it goes")
      ->capture_default_str();
  sub->add_option("--usage", mock.usage, "Whether it reports usage: on or off")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  sub->add_option("--fail", mock.fail,
                  "never, 500, 429, 401, silent, cut, garbage, lie-low, "
                  "lie-high or overrun")
      ->capture_default_str();
  sub->callback([&] { chosen = [] { return cli::mock_model(mock); }; });
}

void add_checking(CLI::App& app, Chosen& chosen) {
  static cli::CheckOptions check;
  CLI::App* sub = command(app, "check", "Validate a configuration and report what is weak in it");
  config_option(*sub, check.config);
  sub->add_option("--format", check.format, "text, json or sarif")
      ->check(CLI::IsMember({"text", "json", "sarif"}))
      ->capture_default_str();
  sub->add_flag("--json", [](std::int64_t) { check.format = "json"; }, "As --format json");
  sub->add_flag("--strict", check.strict, "Notes fail the check, too");
  sub->callback([&] { chosen = [] { return cli::check(check); }; });

  static cli::ExplainOptions explain;
  sub = command(app, "explain", "What would be decided on a request, step by step; sends nothing");
  config_option(*sub, explain.config);
  sub->add_option(
         "--as", explain.as,
         "Who asks: a key or its id, a token, its claims as JSON, 'cookie: NAME=VALUE', or "
         "anonymous; - reads it from the standard input")
      ->type_name("WHO");
  sub->add_flag("--ask", explain.ask,
                "Ask issuers, introspection endpoints and session stores, as a gateway does");
  sub->add_option("--address", explain.address, "From which address")->type_name("IP");
  sub->add_option("--certificate,--cert", explain.certificate,
                  "PEM of the client certificate shown, and what comes with it")
      ->type_name("FILE");
  sub->add_option("--path", explain.path, "Where it is sent")->capture_default_str();
  sub->add_flag("--internal", explain.internal, "On an internal listener");
  sub->add_flag("--json", explain.json, "Print JSON");
  sub->add_option("request", explain.request, "File with the body; - is the standard input")
      ->type_name("FILE")
      ->required();
  sub->callback([&] { chosen = [] { return cli::explain(explain); }; });

  sub = command(app, "schema", "Print the JSON Schema of the configuration");
  sub->callback([&] { chosen = [] { return cli::schema(); }; });

  static cli::CountOptions count;
  sub = command(app, "count", "Count tokens exactly, one whole number a line");
  sub->add_option("--tokenizer", count.tokenizer, "o200k_base, cl100k_base, …")
      ->capture_default_str();
  sub->add_option("files", count.files, "Files; - or none is the standard input")
      ->type_name("FILE");
  CLI::Option* const body =
      sub->add_option("--body", count.body,
                      "Files are request bodies, counted as the gateway would: chat, messages, "
                      "completions, embeddings");
  sub->add_option("--chat-template", count.chat_template,
                  "Of bodies: openai, llama3_1, qwen2_5, …; else that of the tokenizer's models")
      ->needs(body);
  CLI::Option* const config =
      sub->add_option("-c,--config", count.config, "Of bodies: the configuration of --model");
  sub->add_option("--model", count.model, "Of bodies: counted as this model's")
      ->needs(body)
      ->needs(config);
  sub->add_flag("--ids", count.ids, "Print the ids, for checking");
  sub->add_flag("--json", count.json, "Print JSON");
  sub->callback([&] { chosen = [] { return cli::count(count); }; });
}

void add_key_action(CLI::App& keys, Chosen& chosen, cli::KeysOptions& options, const char* name,
                    const char* says, cli::KeysOptions::Action action) {
  using Action = cli::KeysOptions::Action;
  CLI::App* sub = command(keys, name, says);
  config_option(*sub, options.config);
  sub->add_flag("--json", options.json, "Print JSON");
  if (action == Action::kCreate) {
    sub->add_option("--tenant", options.tenant, "The tenant it belongs to")->required();
    sub->add_option("--user", options.user, "The user within the tenant");
    sub->add_option("--role", options.roles, "A role; may be given several times");
    sub->add_option("--name", options.name, "A label");
    sub->add_option("--expires", options.expires, "When it ends: 90d, 12h, 2027-01-31");
    sub->add_option("--route", options.routes, "A route it is for; without, all of the tenant's");
    sub->add_option("--model", options.models, "A model it is for; may be given several times");
    sub->add_option("--tool", options.tools, "A tool it may offer to the model; search_* too");
    sub->add_option("--address", options.addresses, "Where it is used from: 10.0.0.0/8");
  } else if (action == Action::kList) {
    sub->add_option("--tenant", options.tenant, "Only the keys of this tenant");
    sub->add_option("--user", options.user, "Only the keys of this user");
    sub->add_option("--state", options.state, "Only the keys that are so")
        ->check(CLI::IsMember({"active", "expired", "revoked"}));
  } else if (action == Action::kImport) {
    sub->add_option("file", options.file, "JSON lines; - is the standard input")
        ->type_name("FILE")
        ->required();
  } else {
    sub->add_option("id", options.id, "The key's id")->required();
  }
  if (action == Action::kExpire) {
    sub->add_option("--expires", options.expires, "When it ends: 90d, 2027-01-31, never")
        ->required();
  }
  if (action == Action::kRotate) {
    sub->add_option("--overlap", options.overlap, "How long the old key still works")
        ->capture_default_str();
  }
  sub->callback([&options, &chosen, action] {
    options.action = action;
    chosen = [&options] { return cli::keys(options); };
  });
}

void add_keys(CLI::App& app, Chosen& chosen) {
  using Action = cli::KeysOptions::Action;
  static cli::KeysOptions options;
  CLI::App* keys = command(app, "keys", "Tenant API keys");
  keys->require_subcommand(1);
  add_key_action(*keys, chosen, options, "create", "Make a key; its secret is shown once",
                 Action::kCreate);
  add_key_action(*keys, chosen, options, "list", "List the keys", Action::kList);
  add_key_action(*keys, chosen, options, "show", "Show one key, without its secret", Action::kShow);
  add_key_action(*keys, chosen, options, "revoke", "Refuse a key from now on", Action::kRevoke);
  add_key_action(*keys, chosen, options, "rotate", "Make a new secret; the old one runs out",
                 Action::kRotate);
  add_key_action(*keys, chosen, options, "expire", "Say when a key ends", Action::kExpire);
  add_key_action(*keys, chosen, options, "import", "Take keys over by their SHA-256",
                 Action::kImport);
}

void add_admin(CLI::App& app, Chosen& chosen) {
  using Action = cli::AdminOptions::Action;
  static cli::AdminOptions options;
  CLI::App* admin = command(app, "admin", "Tokens of those who administer");
  admin->require_subcommand(1);
  const auto add = [&](const char* name, const char* says, Action action) {
    CLI::App* made = command(*admin, name, says);
    config_option(*made, options.config);
    made->add_flag("--json", options.json, "Print JSON");
    made->callback([&chosen, action] {
      options.action = action;
      chosen = [] { return cli::admin_tokens(options); };
    });
    return made;
  };
  CLI::App* create =
      add("create", "Make an admin token; its secret is shown once", Action::kCreate);
  create->add_option("--name", options.name, "Who it is for")->required();
  create->add_option("--role", options.role, "viewer, auditor, operator or owner")
      ->check(CLI::IsMember({"viewer", "auditor", "operator", "owner"}))
      ->required();
  create->add_option("--tenant", options.tenants,
                     "Bound to this tenant; may be given several times");
  create->add_option("--expires", options.expires, "When it ends: 90d, 12h, 2027-01-31");
  add("list", "List the admin tokens of the store", Action::kList);
  CLI::App* revoke = add("revoke", "Refuse an admin token from now on", Action::kRevoke);
  revoke->add_option("id", options.id, "The token's id")->required();
  revoke->add_flag("--with-made", options.with_made,
                   "Those that it made, and those that they made, too");
}

void add_gateways(CLI::App& app, Chosen& chosen) {
  using Action = cli::GatewaysOptions::Action;
  static cli::GatewaysOptions options;
  CLI::App* gateways = command(app, "gateways", "The gateways that share the store");
  gateways->require_subcommand(1);
  const auto add = [&](const char* name, const char* says, Action action) {
    CLI::App* made = command(*gateways, name, says);
    config_option(*made, options.config);
    made->add_flag("--json", options.json, "Print JSON");
    made->callback([&chosen, action] {
      options.action = action;
      chosen = [] { return cli::gateways(options); };
    });
    return made;
  };
  add("list", "Who is alive, what each has leased, left open and recorded", Action::kList);
  CLI::App* retire =
      add("retire", "End one that never comes back: its name, its leases, its open requests",
          Action::kRetire);
  retire->add_option("name", options.name, "The gateway, as `gateways list` names it")->required();
  retire->add_flag("--yes", options.yes, "Do not ask");
}

void add_alerts(CLI::App& app, Chosen& chosen) {
  using Action = cli::AlertsOptions::Action;
  static cli::AlertsOptions options;
  CLI::App* alerts = command(app, "alerts", "What is done about callers after alerts");
  alerts->require_subcommand(1);
  const auto add = [&](const char* name, const char* says, Action action) {
    CLI::App* made = command(*alerts, name, says);
    config_option(*made, options.config);
    made->add_flag("--json", options.json, "Print JSON");
    made->callback([&chosen, action] {
      options.action = action;
      chosen = [] { return cli::alerts(options); };
    });
    return made;
  };
  add("list", "What is in force: who is slowed down, capped, downgraded or frozen", Action::kList);
  add("release", "End it, at every gateway within a second", Action::kRelease)
      ->add_option("id", options.id, "As `alerts list` names it")
      ->required();
}

void add_mcp(CLI::App& app, Chosen& chosen) {
  using Action = cli::McpOptions::Action;
  static cli::McpOptions options;
  CLI::App* mcp = command(app, "mcp", "Tools of MCP servers against what was approved of them");
  mcp->require_subcommand(1);
  const auto add = [&](const char* name, const char* says, Action action) {
    CLI::App* made = command(*mcp, name, says);
    config_option(*made, options.config);
    made->add_flag("--json", options.json, "Print JSON");
    made->add_option("route", options.route,
                     "The route that the server is behind; ROUTE/SERVER of several")
        ->required();
    made->callback([&chosen, action] {
      options.action = action;
      chosen = [] { return cli::mcp(options); };
    });
    return made;
  };
  add("diff", "What is new, changed or gone; exit code 1 where anything is", Action::kDiff);
  CLI::App* approve =
      add("approve", "Write into the route's `pins` what the tools are now", Action::kApprove);
  approve->add_option("--tool", options.tools, "Only this tool; all that differ without");
}

void add_prices(CLI::App& app, Chosen& chosen) {
  static cli::PricesOptions options;
  CLI::App* prices = command(app, "prices", "What models cost, against what providers publish");
  prices->require_subcommand(1);
  CLI::App* check =
      command(*prices, "check", "What can hardly be meant; exit code 1 where there is anything");
  config_option(*check, options.config);
  check->add_option("FILE", options.table, "A file of prices, instead of the configuration");
  check->add_flag("--json", options.json, "Print JSON");
  check->callback([&chosen] { chosen = [] { return cli::prices(options); }; });
  static cli::WhatIfOptions what;
  CLI::App* what_if = command(*prices, "what-if",
                              "What recorded requests would have cost at other prices; exit code 1 "
                              "where some have none there");
  config_option(*what_if, what.config);
  what_if->add_option("--prices", what.prices, "The file of prices")->required();
  what_if->add_option("--since", what.since,
                      "A duration back from now (24h) or a date (2026-11-01)");
  what_if->add_option("--until", what.until, "The same, and before");
  what_if->add_option("--tenant", what.tenant, "Of this tenant only");
  what_if->add_option("--model", what.model, "Of this model only");
  what_if->add_option("--as-of", what.as_of, "At the prices of this date, not those of each day");
  what_if->add_option("--format", what.format, "table, json or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}));
  what_if->callback([&chosen] { chosen = [] { return cli::what_if(what); }; });
}

// What --adjust books.
void add_late_usage(CLI::App& sub, CLI::Option& adjust, cli::SpendOptions& spend) {
  const char* const tokens = "Tokens that the request used in all, with --adjust";
  CLI::Option* input = sub.add_option("--input", spend.input, tokens)->needs(&adjust);
  sub.add_option("--cached-input", spend.cached_input, tokens)->needs(&adjust);
  CLI::Option* output = sub.add_option("--output", spend.output, tokens)->needs(&adjust);
  const char* const of_input = "Of --input, where it is not what was settled";
  const char* const of_output = "Of --output, where it is not what was settled";
  sub.add_option("--audio-input", spend.audio_input, of_input)->needs(&adjust);
  sub.add_option("--image-input", spend.image_input, of_input)->needs(&adjust);
  sub.add_option("--cache-write-5m", spend.cache_write_5m, of_input)->needs(&adjust);
  sub.add_option("--cache-write-1h", spend.cache_write_1h, of_input)->needs(&adjust);
  sub.add_option("--reasoning", spend.reasoning, of_output)->needs(&adjust);
  sub.add_option("--audio-output", spend.audio_output, of_output)->needs(&adjust);
  sub.add_option("--service-tier", spend.service_tier, "That served it, with --adjust")
      ->check(CLI::IsMember({"default", "flex", "priority"}))
      ->needs(&adjust);
  CLI::Option* because =
      sub.add_option("--because", spend.because, "Where the usage is from, with --adjust");
  adjust.needs(input)->needs(output)->needs(because->needs(&adjust));
}

void add_books(CLI::App& app, Chosen& chosen) {
  static cli::SpendOptions spend;
  CLI::App* sub = command(app, "spend", "What was used and what it cost");
  config_option(*sub, spend.config);
  sub->add_option("--by", spend.by, "total, tenant, user, key, route, model, tool, hour or day")
      ->check(CLI::IsMember(
          {"total", "tenant", "user", "key", "route", "model", "tool", "hour", "day"}))
      ->capture_default_str();
  sub->add_option("--since", spend.since, "A duration back from now (24h) or a date (2026-11-01)");
  sub->add_option("--until", spend.until, "The same");
  sub->add_option("--tenant", spend.tenant, "Only this tenant");
  sub->add_option("--format", spend.format, "table, json or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str();
  sub->add_flag("--json", [](std::int64_t) { spend.format = "json"; }, "As --format json");
  sub->add_flag("--reconcile", spend.reconcile,
                "Held, settled and booked by model, and what was counted against what the provider "
                "reported; exit 1 where books and trail differ");
  sub->add_flag("--forecast", spend.forecast,
                "When each budget will be spent, at the pace of the last day");
  sub->add_flag("--chargeback", spend.chargeback,
                "CSV by day, tenant, user, key, route and model, for those who charge it on");
  CLI::Option* invoice = sub->add_option(
      "--invoice", spend.invoice,
      "A provider's CSV with columns model, day and usd, against the books of the models that it "
      "names; exit 1 where they differ by more than a cent");
  sub->add_option("--upstream", spend.upstream,
                  "Of whom the invoice is: with --invoice, all its models are compared")
      ->needs(invoice);
  CLI::Option* adjust = sub->add_option(
      "--adjust", spend.adjust,
      "A request that is settled and whose usage came late: book the difference, at the prices "
      "that it was held at");
  add_late_usage(*sub, *adjust, spend);
  sub->callback([&] { chosen = [] { return cli::spend(spend); }; });
}

void add_audit(CLI::App& app, Chosen& chosen) {
  static cli::AuditOptions options;
  CLI::App* audit = command(app, "audit", "The trail of decisions and of changes");
  audit->require_subcommand(1);
  using Action = cli::AuditOptions::Action;
  const auto add = [&](const char* name, const char* says, Action action) {
    CLI::App* made = command(*audit, name, says);
    config_option(*made, options.config);
    made->add_flag("--json", options.json, "Print JSON lines");
    if (action == Action::kContent) {
      made->add_option("--tenant", options.tenant, "Only this tenant");
      made->add_option("--route", options.route, "Only this route");
      made->add_option("--since", options.since, "A duration back from now, or a date; 24h");
      made->add_option("--until", options.until, "The same");
    } else if (action != Action::kVerify) {
      made->add_option("--tenant", options.tenant, "Only this tenant");
      made->add_option("--user", options.user, "Only this user");
      made->add_option("--code", options.code, "Only this reason, rate_limited for instance");
      made->add_option("--outcome", options.outcome, "allowed, refused, downgraded or cut")
          ->check(CLI::IsMember({"allowed", "refused", "downgraded", "cut"}));
      made->add_option("--route", options.route, "Only this route");
      made->add_option("--model", options.model, "Only this model, as asked or served");
      made->add_option("--id", options.id, "Only this request");
      made->add_option("--phase", options.phase, "decision, outcome or change")
          ->check(CLI::IsMember({"decision", "outcome", "change"}));
      made->add_option("--actor", options.actor, "Only by this subject or credential");
      made->add_option("--action", options.action_name, "Only this kind of change, key.revoke");
      made->add_option("--object", options.object, "Only changes of this key, gateway or request");
      made->add_option("--since", options.since, "A duration back from now, or a date");
      made->add_option("--until", options.until, "The same");
      made->add_option("--limit", options.limit, "Records at most")->capture_default_str();
    }
    if (action == Action::kQuery) {
      made->add_option("--before", options.before, "The page behind it, as the last one told");
    }
    if (action == Action::kTail) {
      made->add_flag("-f,--follow", options.follow, "Go on as records come");
    }
    made->callback([&chosen, action] {
      options.action = action;
      chosen = [] { return cli::audit(options); };
    });
  };
  add("tail", "The newest records, in the order of time", Action::kTail);
  add("query", "Records by what they say, newest first", Action::kQuery);
  add("content", "What content policies did, and what they would do if enforced", Action::kContent);
  add("verify", "Prove the trail untouched, or name the first broken record", Action::kVerify);
}

void add_about(CLI::App& app, Chosen& chosen) {
  static std::string shell;
  CLI::App* sub = command(app, "completion", "Print the completion script of a shell");
  sub->add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->callback([&] { chosen = [&app] { return cli::completion(app, shell); }; });

  static bool json = false;
  sub = command(app, "version", "Print the version");
  sub->add_flag("--json", json, "Print JSON");
  sub->callback([&] { chosen = [] { return cli::version(json); }; });
}

// The first word that should name a command and names none; -1: all do.
int unknown_command(const CLI::App& app, int argc, char** argv, const CLI::App** within) {
  *within = &app;
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const auto commands = (*within)->get_subcommands(nullptr);
    if (commands.empty()) return -1;
    const auto next = std::ranges::find(commands, argv[i], &CLI::App::get_name);
    if (next == commands.end()) return i;
    *within = *next;
  }
  return -1;
}

int tell_unknown(const CLI::App& within, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* sub : within.get_subcommands(nullptr)) names.push_back(sub->get_name());
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::optional<std::string_view> near = config::nearest(word, known);
  return cli::wrong_use(
      fmt::format("there is no command `{}`{}; `tollgate --help` lists all", word,
                  near ? fmt::format("; did you mean `{}`?", *near) : std::string()));
}

int main_of(int argc, char** argv) {
  CLI::App app("The security and cost boundary in front of model endpoints.", "tollgate");
  app.require_subcommand(1);
  app.set_version_flag("--version", "tollgate " TOLLGATE_VERSION, "Print the version");
  Chosen chosen;
  add_serving(app, chosen);
  add_checking(app, chosen);
  add_keys(app, chosen);
  add_admin(app, chosen);
  add_gateways(app, chosen);
  add_alerts(app, chosen);
  add_mcp(app, chosen);
  add_prices(app, chosen);
  add_books(app, chosen);
  add_audit(app, chosen);
  add_about(app, chosen);
  const CLI::App* within = nullptr;
  if (const int at = unknown_command(app, argc, argv, &within); at > 0) {
    return tell_unknown(*within, argv[at]);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // Prints help, or the version.
    return cli::wrong_use(fmt::format("{}; --help behind a command explains it", error.what()));
  }
  return chosen();
}

// What was printed is part of what was asked for: a full disk must not look like success.
int finish(int code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good()) return code;
  std::fputs("tollgate: cannot write the output\n", stderr);
  return cli::kRuntimeFault;
}

}  // namespace
}  // namespace tollgate

int main(int argc, char** argv) {
  try {
    return tollgate::finish(tollgate::main_of(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tollgate: %s\n", error.what());
  } catch (...) {
    std::fputs("tollgate: an unknown failure\n", stderr);
  }
  return tollgate::cli::kRuntimeFault;
}
