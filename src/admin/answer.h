// What is answered at the admin address: a status, a body, further head lines.
//
// Pure. Errors are RFC 9457 problem+json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "base/refusal.h"
#include "controls/administration/administration.h"

namespace tollgate::admin {

// Why whoever asked was turned away.
struct Denial {
  Reason reason{};
  std::string_view right = {};  // That he lacks, by its name; empty: that was not it.
};

struct Answer {
  int status = 200;
  std::string body;
  std::string_view type = "application/json";
  std::string headers = {};  // Each with its line end.
  // Nothing: he was let in, whatever came of it. Else it is counted and on record, wherever the
  // answer was made.
  std::optional<Denial> denial = std::nullopt;
};

Answer problem(int status, std::string_view title, std::string_view detail);
Answer bad_request(std::string_view detail);
Answer not_found();
// 503; 401 where it is that whoever asks is let in no longer.
Answer store_problem(const Fault& fault);
Answer going();  // The gateway stops.
Answer busy();   // Too many wait.

// A denial: 403, with the right that lacks as the member `right`, where it is one.
Answer forbidden(const administration::Lack& lack);
Answer forbidden(administration::Right right);
// Of what belongs to all tenants, for one who is bound to some.
Answer forbidden_to_bound();

// A denial, too: whoever is not let in, with what helps him and tells an attacker nothing.
Answer refused(const Refusal& refusal);

}  // namespace tollgate::admin
