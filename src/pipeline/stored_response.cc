#include "pipeline/stored_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <span>

#include "controls/authentication/base64url.h"
#include "controls/tools/tools.h"
#include "dialects/surface.h"
#include "pipeline/conversation.h"
#include "pipeline/hold_prices.h"

namespace tollgate::pipeline {

namespace {

constexpr std::string_view kPrefix = "resp_";
constexpr std::size_t kSealBytes = 24;  // Of the digest that seals an id.
constexpr std::size_t kSealedBytesMax = 1024;

// One text for each owner and response: no part of it can be taken for another.
std::string digest_of(const authentication::Pepper& pepper, const ResponseOwner& owner,
                      std::string_view told) {
  const authentication::Identity& caller = owner.caller;
  const std::string_view who = caller.subject.empty() ? caller.credential_id : caller.subject;
  std::string text = "tollgate stored response";
  for (const std::string_view part :
       {std::string_view(owner.route.name), std::string_view(owner.route.stored_responses),
        std::string_view(owner.upstream.name), std::string_view(owner.model.name),
        std::string_view(owner.model.upstream_name), caller.tenant, caller.verifier,
        std::string_view(caller.subject.empty() ? "credential" : "subject"), who, told}) {
    fmt::format_to(std::back_inserter(text), "\n{}:{}", part.size(), part);
  }
  const authentication::Digest digest = pepper.digest(text);
  const auto first = std::span(digest).first(kSealBytes);
  return {first.begin(), first.end()};
}

// Whatever differs takes as long.
bool is_same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned differs = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differs |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return differs == 0;
}

std::unexpected<Refusal> refuse_kept(const Plan& plan, std::string_view field,
                                     std::string_view why) {
  return refuse(Reason::kUnsupportedParameter,
                fmt::format("routes.{}.stored_responses", plan.route->name),
                fmt::format("'{}' {}", field, why), std::string(field));
}

// What is kept is input of whatever goes on from it, at the price of text and within its bound.
Expected<void> check_size(const Facts& facts, const Plan& plan, std::string_view field) {
  const dialects::Request& request = facts.request;
  if (!request.recordings.empty()) {
    return refuse_kept(plan, field,
                       "is not served with a recording, whose price is another each time it is "
                       "read: leave it out, or send a transcript.");
  }
  // Another model of the route may go on from a conversation, and from a response its own.
  const bool is_dearer =
      request.is_turn ? keeps_dearer_images(facts.config, plan) : has_dearer_images(*plan.model);
  if (!request.images.empty() && is_dearer) {
    return refuse_kept(plan, field,
                       "is not served with an image where images cost more than text: what goes on "
                       "from it reads the image again, and nobody need say that it did. Leave it "
                       "out.");
  }
  if (request.is_tool_in_input) {
    return refuse_kept(plan, field,
                       "is not served with tools that an item of the input offers: what goes on "
                       "from it would offer them again without saying so. Offer them by 'tools'.");
  }
  const auto runs_elsewhere = [](const dialects::Tool& tool) {
    return !tools::goes_by_name({tool.type, tool.name});
  };
  if (std::ranges::any_of(request.tools, runs_elsewhere)) {
    return refuse_kept(plan, field,
                       "is not served with tools that the provider runs: what they put into the "
                       "conversation is not counted here. Leave it out.");
  }
  return {};
}

}  // namespace

std::string seal_response(const authentication::Pepper& pepper, const ResponseOwner& owner,
                          const StoredResponse& response) {
  const std::string told = fmt::format("{}.{}", response.tokens, response.id);
  const std::string sealed = digest_of(pepper, owner, told) + told;
  return std::string(kPrefix) + authentication::encode_base64url(authentication::bytes_of(sealed));
}

std::optional<StoredResponse> open_response(const authentication::Pepper& pepper,
                                            const ResponseOwner& owner, std::string_view sealed) {
  if (!sealed.starts_with(kPrefix) || sealed.size() > kSealedBytesMax) return std::nullopt;
  std::string opened;
  if (authentication::decode_base64url(sealed.substr(kPrefix.size()), opened) !=
          authentication::Decoded::kWell ||
      opened.size() <= kSealBytes) {
    return std::nullopt;
  }
  const std::string_view told = std::string_view(opened).substr(kSealBytes);
  if (!is_same(std::string_view(opened).substr(0, kSealBytes), digest_of(pepper, owner, told))) {
    return std::nullopt;
  }
  // From here on it is as it was written.
  StoredResponse made;
  const char* const begin = told.data();
  const char* const end = begin + told.size();
  const auto [dot, error] = std::from_chars(begin, end, made.tokens);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  made.id.assign(dot + 1, end);
  return made;
}

Expected<void> check_stored(const Facts& facts, const Terms& terms, Plan& plan, Arena& arena) {
  const dialects::Request& request = facts.request;
  const bool goes_on = !request.previous_response.empty();
  if (!request.store && !goes_on) return {};
  const bool is_turn = goes_on && request.is_turn;
  const std::string_view field = is_turn   ? "conversation"
                                 : goes_on ? "previous_response_id"
                                           : "store";
  if (plan.route->stored_responses.empty()) {
    return refuse_kept(plan, field,
                       "is not served here: no response is kept with the provider. Send the "
                       "conversation itself, with `store: false`.");
  }
  if (config::spoken_surface(*plan.upstream, dialects::Surface::kResponses) !=
      dialects::Surface::kResponses) {
    return refuse_kept(plan, field,
                       "cannot be carried over: the model is asked by another API, which keeps "
                       "nothing. Send the conversation itself, with `store: false`.");
  }
  if (!terms.model.empty() && terms.model != request.model) {
    return refuse_kept(plan, field, "is not served by another model than the one asked.");
  }
  if (request.store || is_turn) {
    const std::string_view kept = is_turn ? field : "store";
    if (Expected<void> known = check_size(facts, plan, kept); !known) return known;
  }
  plan.kept.store = request.store;
  if (!goes_on) return {};
  if (is_turn) return check_turn(facts, plan, arena);
  std::optional<StoredResponse> opened;
  if (facts.pepper != nullptr) {
    opened = open_response(*facts.pepper, {*plan.route, *plan.upstream, *plan.model, facts.caller},
                           request.previous_response);
  }
  if (!opened) {
    return refuse(Reason::kNotFound, fmt::format("routes.{}.stored_responses", plan.route->name),
                  "There is no response of this id that can be gone on from here: it has to be one "
                  "that was made with `store: true`, for the same caller, on this route and by "
                  "this model.",
                  "previous_response_id");
  }
  plan.kept.previous = arena.copy(opened->id);
  plan.kept.previous_sealed = arena.copy(request.previous_response);
  plan.kept.previous_tokens = opened->tokens;
  return {};
}

std::string seal_response(const authentication::Pepper& pepper,
                          const authentication::Identity& caller, const Plan& plan,
                          std::string_view id) {
  const Tokens tokens = std::min(plan.input.held() + plan.output_cap_total, kTokensMax);
  return seal_response(pepper, {*plan.route, *plan.upstream, *plan.model, caller},
                       {.id = std::string(id), .tokens = tokens});
}

}  // namespace tollgate::pipeline
