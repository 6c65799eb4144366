// The life of a request, top to bottom.
//
//   listener → identify → decide → hold → forward (meter, filter) → settle → record
//
// serve() always runs to its end: a caller that leaves is an outcome, not a cancellation, else
// nobody would settle. One Pipeline belongs to one loop; what it borrows is shared by all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/current.h"
#include "controls/authentication/trust_bundle.h"
#include "dialects/reply.h"
#include "dialects/request.h"
#include "pipeline/counting.h"
#include "pipeline/forward.h"
#include "pipeline/guards.h"
#include "pipeline/headroom.h"
#include "pipeline/identify.h"
#include "pipeline/mcp_forward.h"
#include "pipeline/plan.h"
#include "pipeline/ports.h"
#include "pipeline/request_id.h"
#include "pipeline/strangers.h"

namespace tollgate::pipeline {

// All outlive the pipeline.
struct Services {
  const config::Current& config;
  const Clock& clock;
  KeyStore& keys;
  const authentication::Pepper& pepper;
  Callers& callers;
  Ledger& ledger;
  Trail& trail;
  Upstreams& upstreams;
  Meter& meter;
  const Vocabularies& vocabularies;
  Executor& executor;  // Of the pipeline's own loop.
  const Outages& outages;
  authentication::Failures& failures;
  tokens::CountErrors* count_errors =
      nullptr;  // Null: nothing is learned from what providers report.
  anomalies::Anomalies* anomalies = nullptr;  // Null: nobody looks for any.
};

class Pipeline final : public Handler, public KeyWatcher {
 public:
  explicit Pipeline(const Services& services);
  ~Pipeline() override;

  Task<void> serve(Exchange& exchange) override;
  void refuse_malformed(const RequestHead& head, std::string_view message, std::string& headers,
                        std::string& out) override;

  // Ends what is at work with that key. Any thread.
  void revoked(std::string_view id) override;

  // Puts on record what is counted and not told yet. After the last request, before the trail ends.
  void close();

 private:
  struct Life;  // What one request gathers on its way.
  class HeldRequest;

  // Whether a browser only asks if a page may call, which is no request either. What a page does
  // call, it may read the answer of.
  bool is_only_asked(Life& life);
  Task<void> answer_alive(Exchange& exchange);
  // Whether it was a question where tokens for an MCP server are; then it is answered.
  Task<bool> answer_mcp_metadata(Exchange& exchange);
  Task<void> answer_preflight(Life& life);
  void open_record(Life& life);
  Task<Expected<void>> identify(Life& life);
  Task<Expected<void>> ask_who(Life& life, Shown shown);
  Expected<void> find_routes(Life& life);
  Expected<void> read(Life& life, std::string_view body);
  Expected<Plan> read_and_decide(Life& life, std::string_view body, const Terms& terms,
                                 const Plan* before, std::string& message);
  // Masks what was found in the request that was decided last, or leaves out the tools that it may
  // not offer, and reads it anew.
  Expected<void> rewrite(Life& life, std::string_view body, const Plan& plan);
  static void tell_rewritten(Life& life, bool passes);
  static void count_tools(Life& life);
  // The hold is of what `plan` and `message` then are.
  Task<Expected<Hold, Shortfall>> afford(Life& life, std::string_view body, Plan& plan,
                                         std::string& message);
  // What the budgets that `refused` say of such a request, each in turn. The hold is of what
  // `plan` and `message` then are; where nothing fits they stay, and so does the refusal.
  Task<Expected<Hold, Shortfall>> hold_otherwise(Life& life, std::string_view body,
                                                 const Shortfall& refused, Plan& plan,
                                                 std::string& message);
  // Whether a request that would pass is like its caller; once, whatever is decided anew.
  Expected<void> watch(Life& life, const Plan& plan);
  void learn_end(Life& life);
  void compare(const Plan& plan, const Count& ours, Tokens provider);
  Task<void> serve_models(Life& life);
  static void name_model(Life& life);
  // The same for an MCP server: from the body to the end.
  Task<void> serve_mcp(Life& life);
  Task<Expected<void>> read_mcp(Life& life, const config::Route& route, McpTurn& turn,
                                std::string& message);
  Expected<void> read_mcp_message(Life& life, const config::Route& route, std::string_view body,
                                  McpTurn& turn, std::string& written);
  Expected<void> open_mcp_stream(Life& life, const config::Route& route, McpTurn& turn);
  Task<void> serve_mcp_held(Life& life, const config::Route& route, const McpTurn& turn,
                            const std::string& message, const Charges& charges, Hold& hold);
  static void observe(Life& life, std::string_view rule);
  class HeldMcpRequest;
  Task<Expected<Hold, Shortfall>> hold(Life& life, const Charges& charges);
  void find_headroom(Life& life);
  Task<void> serve_held(Life& life, std::string_view body, const Plan& plan,
                        const std::string& message, Hold& hold);
  // Whether the route's guards let it go on; else it is settled and answered.
  Task<bool> pass_guards(Life& life, std::string_view body, const Plan& plan, Hold& hold,
                         const Booking& booking);
  // Makes ready to ask about the answer, where the route asks for it.
  void begin_answer_guards(Life& life, std::string_view body, const Plan& plan,
                           std::optional<AnswerGuards>& guards);
  void tell_of_guards(Life& life, const AnswerGuards& guards);
  Task<void> refuse_request(Life& life, const Refusal& refusal);
  // Whether the trail took it.
  bool append(const Life& life, audit::Phase phase, Money held = {});
  void close_record(Life& life);
  // Both phases of what is of no request of a caller.
  void record_nobody(audit::Record& record, std::string_view rule, std::string_view message);
  // Whether what it is answered is only counted, as it costs its caller next to nothing.
  bool leaves_unrecorded(const Life& life);
  // How many answers have no record, where that is to be told now.
  void tell_of_strangers(Instant now);
  void tell_of(const std::vector<Strangers::Untold>& all);

  Services services_;
  const std::uint64_t fingerprint_key_;
  Counting counting_;
  content::Scanner scanner_;
  Headroom headroom_;
  dialects::RequestReader reader_;
  std::uint64_t reads_ = 0;  // What the reader holds is of the last of them.
  Forwarder forwarder_;
  dialects::McpReader mcp_reader_;
  McpForwarder mcp_forwarder_;
  Guards guards_;
  RequestIds ids_;
  authentication::BundleVerdicts verdicts_;
  BufferPool buffers_;
  Strangers strangers_;
  Life* at_work_ = nullptr;  // All that is, a list.
  std::uint64_t turn_ = 0;   // Endpoints of an upstream take turns.
};

}  // namespace tollgate::pipeline
