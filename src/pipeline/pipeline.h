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
#include "controls/alerts/in_force.h"
#include "controls/answers/answers.h"
#include "controls/authentication/trust_bundle.h"
#include "controls/overload/buffered_bytes.h"
#include "controls/overload/insistence.h"
#include "dialects/reply.h"
#include "dialects/request.h"
#include "pipeline/counting.h"
#include "pipeline/forward.h"
#include "pipeline/guards.h"
#include "pipeline/headroom.h"
#include "pipeline/identify.h"
#include "pipeline/mcp_fanout.h"
#include "pipeline/mcp_forward.h"
#include "pipeline/places.h"
#include "pipeline/plan.h"
#include "pipeline/ports.h"
#include "pipeline/request_id.h"
#include "pipeline/strangers.h"
#include "translation/translation.h"

namespace tollgate::pipeline {

class Following;  // reuse.h
struct KeptAsk;   // kept_response.h

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
  anomalies::Anomalies* anomalies = nullptr;    // Null: nobody looks for any.
  attempts::Endpoints* endpoints = nullptr;     // Null: each loop learns of them by itself.
  answers::Answers* answers = nullptr;          // Null: none is given again.
  overload::BufferedBytes* buffered = nullptr;  // Null: what is kept in memory is not counted.
};

struct McpCrowd;  // What a request to one or several MCP servers gathers (mcp_life.h).

class Pipeline final : public Handler, public KeyWatcher {
 public:
  explicit Pipeline(const Services& services);
  ~Pipeline() override;

  Task<void> serve(Exchange& exchange) override;
  void refuse_malformed(const RequestHead& head, std::string_view message, std::string& headers,
                        std::string& out) override;

  // Ends what is at work with that key. Any thread.
  void revoked(std::string_view id) override;

  // From here on callers are held to these answers to alerts. On its own loop, or before that runs.
  void hold_to(std::shared_ptr<const alerts::InForce> answers);

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
  // Once the body is here, where that took its time.
  Task<Expected<void>> identify_again(Life& life);
  Task<Expected<void>> ask_who(Life& life, Shown shown);
  Expected<void> find_routes(Life& life);
  Expected<void> read(Life& life, std::string_view body);
  Expected<Plan> read_and_decide(Life& life, std::string_view body, const Terms& terms,
                                 const Plan* before, std::string& message);
  // The request that was read last, as the upstream of `plan` gets it.
  Expected<void> write_message(Life& life, const Plan& plan, std::string& message);
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
  // Answers to alerts: of who asks; of what is asked, which may be decided anew on other `terms`;
  // and what comes of that.
  Expected<void> check_frozen(Life& life);
  // What a request is decided from, whatever the terms.
  struct Deciding {
    std::string_view body;
    const Facts& facts;
    const Plan* before;
  };
  // Decided, and written anew as often as that asks for.
  Expected<Plan> decide_rewritten(Life& life, const Deciding& deciding, const Terms& terms);
  // `plan`, decided on `terms`, as the answers in force have it.
  Expected<Plan> decide_answered(Life& life, const Deciding& deciding, const Terms& terms,
                                 Plan plan);
  // Refuses a route or model that is frozen.
  Expected<void> check_place(const Life& life, const alerts::Who& who) const;
  static void slow_down(Life& life, const alerts::InForce::Terms& held);
  // The same for what is decided without a model's terms: refuses what is frozen, and takes the
  // limits of who is slowed down.
  Expected<void> hold_to_answers(Life& life, std::string_view route, std::string_view model,
                                 Charges& charges);
  static Expected<Plan> under_answer(Life& life, Expected<Plan> plan);
  void compare(const Plan& plan, const Count& ours, Tokens provider);
  Task<void> serve_models(Life& life);
  static void name_model(Life& life);
  // What is asked of a response that a provider keeps (kept_response.h), from there to the end.
  static void name_kept(Life& life);
  Task<void> serve_kept(Life& life);
  Task<void> serve_kept_held(Life& life, const Facts& facts, const Plan& plan,
                             const std::string& message, Hold& hold);
  struct KeptReply {
    explicit KeptReply(overload::BufferedBytes* buffered) : kept_bytes(buffered) {}

    std::optional<Refusal> refusal;
    int status = 0;  // 0: none came.
    Duration queued{};
    Duration waited{};
    std::string body;
    overload::BufferedBytes::Share kept_bytes;  // Of it.
    bool is_gone = false;                       // The caller is.
    bool unsent = false;                        // There was no place for it.
    bool sent = false;                          // A byte of it was.
    bool is_locked = false;                     // The provider is at work on the conversation.
  };
  // Texts and metadata that are to be kept with the provider of `plan`: decided as a request with
  // them is, and `written` as that provider gets them.
  Expected<void> decide_kept_body(Life& life, const KeptAsk& ask, const Plan& plan,
                                  std::string_view body, std::string& written);
  // Refuses what is written for a conversation where no answer of the route may hold it.
  Expected<void> decide_told_again(Life& life, const config::Route& route,
                                   std::string_view written);
  Task<std::optional<attempts::Failure>> read_kept_reply(Life& life, const Plan& plan,
                                                         UpstreamCall& call, KeptReply& reply);
  Task<void> fetch_kept(Life& life, const Plan& plan, const std::string& message, KeptReply& reply);
  static void tell_kept(Life& life, const AnswerVerdict& verdict);
  // The same for an MCP server: from the body to the end.
  Task<void> serve_mcp(Life& life);
  Task<Expected<void>> read_mcp(Life& life, const config::Route& route, McpCrowd& crowd,
                                std::string& message);
  Task<Expected<std::string_view>> read_mcp_body(Life& life, const config::Route& route);
  Expected<dialects::McpMessage> understand_mcp(Life& life, const config::Mcp& endpoint,
                                                std::string_view body, McpTurn& turn);
  Expected<void> read_mcp_message(Life& life, const config::Route& route, std::string_view body,
                                  McpTurn& turn, std::string& written);
  Expected<void> check_mcp_message(Life& life, const config::Route& route,
                                   const config::Mcp& server, const dialects::McpMessage& message);
  Expected<void> inspect_mcp(Life& life, const config::Route& route);
  Expected<void> open_mcp_stream(Life& life, const config::Route& route, McpTurn& turn);
  // Behind the event that `Last-Event-ID` names, where there is one.
  Expected<void> resume_mcp(Life& life, const config::Route& route, McpTurn& turn);
  Task<void> serve_mcp_held(Life& life, const config::Route& route, const config::Mcp& server,
                            const McpTurn& turn, const std::string& message, const Charges& charges,
                            Hold& hold);
  // Several servers behind one endpoint.
  Task<Expected<void>> read_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd,
                                      std::string& message);
  Expected<void> open_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd);
  Expected<void> send_to_one(Life& life, const config::Route& route,
                             const dialects::McpMessage& asked, McpCrowd& crowd,
                             std::string& written);
  Expected<void> resume_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd,
                                  std::string& message);
  static Expected<void> turn_to(Life& life, const config::Mcp& server, McpCrowd& crowd);
  void send_to_all(Life& life, const config::Route& route, McpCrowd& crowd);
  Task<void> serve_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd,
                             const Charges& charges, Hold& hold);
  std::optional<Refusal> answer_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd,
                                          std::string& headers, std::string& body);
  static void tell_of_mcp_crowd(Life& life, const McpCrowd& crowd);
  static Refusal tell_mcp_refusal(Life& life, dialects::McpRefusal& refused);
  static void write_mcp_headers(const Life& life, std::string& headers);
  static void settle_mcp(Life& life, const config::Route& route, const Charges& charges, Hold& hold,
                         bool never_left);
  // Whether the decision to let it leave is on record.
  Task<bool> record_mcp(Life& life, const Hold& hold, Money held);
  static void observe(Life& life, std::string_view rule);
  class HeldMcpRequest;
  Task<Expected<Hold, Shortfall>> hold(Life& life, const Charges& charges);
  void find_headroom(Life& life);

  // Whether it was answered by what was answered before, or refused (reuse.h).
  Task<bool> answer_again(Life& life, std::string_view body, const Plan& plan,
                          std::string_view message);
  struct Asked;
  Task<bool> answer_as_before(Life& life, const Plan& plan, const Asked& asked);
  // The answer of the request that it follows; nothing: its own caller needs none any more.
  Task<std::optional<answers::Shared>> follow(Life& life, Following& leader);
  Task<void> give_again(Life& life, const Plan& plan, answers::Shared given, std::string_view from);
  static bool may_be_cached(const Life& life, const Plan& plan);
  answers::Key cache_key(const Life& life, const Plan& plan, std::string_view message);
  // To whom the answer is given: the caller, noted where it may be kept…
  Exchange& note_reply(Life& life, const Plan& plan, std::string_view message);
  // …as it is then.
  void keep_reply(Life& life, const Plan& plan, const Forwarded& result);

  // Where the request goes (life.place).
  void choose_place(Life& life, const Plan& plan);
  // As asked, or as the model's rules have it: by a cheaper model, or by one that is there.
  Expected<void> keep_written(Life& life, std::string_view message);
  Expected<Plan> decide_first(Life& life, std::string_view body, std::string& message);
  // Another model serves, for that reason.
  static void serve_instead(Life& life, const Terms& terms, std::string_view code);
  // Decided anew for another model; nothing: not for this caller, here, or now.
  std::optional<Plan> decide_for(Life& life, std::string_view body, const Terms& terms,
                                 const Plan* before, std::string& message);
  // The first line of its model's downgrades that holds, where one does before it is held…
  Expected<Plan> downgrade(Life& life, std::string_view body, Plan plan, std::string& message);
  // …and of those that ask how much of a budget is used, once it is.
  Task<Expected<Hold, Shortfall>> downgrade_held(Life& life, std::string_view body, Plan& plan,
                                                 std::string& message, Hold hold);
  // Who steps in for `model`, which failed so; the plan, message and hold are of what then serves.
  std::optional<Plan> fall_back(Life& life, std::string_view body, const config::Model& model,
                                attempts::Failure failure, std::string& message);
  // Attempt by attempt, until one answers or no further one may be made.
  Task<void> serve_held(Life& life, std::string_view body, Plan plan, std::string& message,
                        Hold hold);
  // One; its failure where another may follow, and then the caller has nothing yet.
  struct Tried;
  Task<Tried> attempt(Life& life, std::string_view body, const Plan& plan,
                      const std::string& message, Hold& hold);
  Refusal unavailable_now(const Life& life, const Plan& plan);
  Task<attempts::Endpoint*> take_place(Life& life, const Plan& plan, Hold& hold,
                                       const Booking& booking);
  void give_back(Hold& hold, const Plan& plan, const Booking& booking);
  Task<bool> put_on_record(Life& life, const Plan& plan, Hold& hold, const Booking& booking);
  Task<bool> attempt_anew(Life& life, std::string_view body, const Tried& tried, Plan& plan,
                          std::string& message, Hold& hold);
  static std::vector<Terms> others_of(Life& life, const Plan& plan, const Tried& tried);
  Task<Expected<Hold, Shortfall>> hold_anew(Life& life, Plan& plan);
  void begin_attempt(Life& life, std::string_view id, const audit::Record& failed);
  // Whether the route's guards let it go on; else it is settled and answered.
  Task<bool> pass_guards(Life& life, std::string_view body, const Plan& plan, Hold& hold,
                         const Booking& booking);
  // Makes ready to ask about the answer, where the route asks for it.
  void begin_answer_guards(Life& life, std::string_view body, const Plan& plan, Exchange& caller,
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
  translation::RequestTranslator translator_;
  std::uint64_t reads_ = 0;  // What the reader holds is of the last of them.
  Forwarder forwarder_;
  dialects::McpReader mcp_reader_;
  McpForwarder mcp_forwarder_;
  McpFanout mcp_fanout_;
  Guards guards_;
  Places places_;
  RequestIds ids_;
  authentication::BundleVerdicts verdicts_;
  BufferPool buffers_;
  Strangers strangers_;
  std::shared_ptr<const alerts::InForce> answers_;  // Null: none.
  overload::Insistence insistence_;
  Life* at_work_ = nullptr;  // All that is, a list.
  std::uint64_t turn_ = 0;   // Endpoints of an upstream take turns.
};

}  // namespace tollgate::pipeline
