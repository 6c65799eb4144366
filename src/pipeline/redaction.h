// What is masked in a request before it is sent: each match by the name of its rule and a number,
// "[REDACTED:pii.email#1]", the same value by the same number, so that a model can still tell what
// is different from what is the same.
//
// A request is masked by writing its body anew, with the masks, and reading that in place of the
// caller's: what is inspected again, counted, held for, shown to guards and sent is one text, and
// it does not hold what was masked.
//
// The values live with their request, in memory, and are overwritten at its end. One request's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/refusal.h"
#include "config/config.h"
#include "controls/audit/audit.h"
#include "controls/content/scanner.h"
#include "dialects/request.h"
#include "dialects/restoring.h"

namespace tollgate::pipeline {

class Redaction {
 public:
  // Of masks, in all rounds together.
  static constexpr std::size_t kMasksMax = content::Scanner::kMaskedMax;
  // A mask could make a match with what stands beside it; that is masked once more, and a request
  // in which there is still one is refused.
  static constexpr int kRoundsMax = 3;

  struct Value {
    std::string_view rule;  // Of the configuration of the request.
    std::size_t number = 0;
    std::string text;  // As it stood in the request.
    std::string mask;
  };

  Redaction() = default;
  Redaction(const Redaction&) = delete;
  ~Redaction();

  // Masks what `scanner` found to be so in the request that `reader` holds. Refuses with
  // kContentRefused what cannot be masked where it stands, and more than kMasksMax.
  Expected<void> mask(const dialects::RequestReader& reader, const dialects::Request& request,
                      const content::Scanner& scanner, const config::Route& route);

  // Leaves those of the tools out of the request that `reader` holds, as write_without_tools()
  // does.
  void leave_out(const dialects::RequestReader& reader, std::span<const std::size_t> tools);

  // The body to be read instead of the caller's, with RequestReader::kPadding readable bytes
  // behind it; empty: nothing was masked or left out.
  std::string_view body() const { return std::string_view(body_).substr(0, size_); }
  std::span<const Value> values() const { return values_; }
  // The same for whoever restores them in the answer; valid until the next mask().
  std::span<const dialects::Masked> masked() const { return masked_; }

  // What was found before anything was masked: places in the request as it came.
  std::span<const audit::ContentFinding> first_found;

 private:
  void keep(std::string made);
  const Value& value_of(std::string_view rule, std::string_view text);
  void number(const dialects::Request& request, std::span<const content::Finding> parts);

  std::vector<Value> values_;
  std::vector<dialects::Masked> masked_;
  std::size_t written_ = 0;  // The highest number of a mask that the caller wrote.
  std::string body_;         // With its padding.
  std::size_t size_ = 0;
  std::size_t masks_ = 0;
  int rounds_ = 0;
};

}  // namespace tollgate::pipeline
