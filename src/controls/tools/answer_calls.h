// The calls of tools in an answer, held to what was offered and may be used, before the caller has
// them.
//
// A call of a tool that was not offered, or that may not be used, ends the answer, and so does one
// that is told in a way that two clients could read as two calls. Arguments are looked at once they
// are whole; where they are held to a schema nothing of the call may go on before that.
//
// Pure. One answer's; its memory is bounded by kArgumentsBytesMax and the policy's `calls`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/refusal.h"
#include "controls/tools/schema.h"
#include "controls/tools/tools.h"

namespace tollgate::tools {

// What the model was told of.
struct Offered {
  Tool tool;
  std::string_view definition;  // Its JSON.
};

// A piece of a call: its place is that of a choice and of a call in it.
struct Piece {
  // Of a call that is told once more, at whatever place.
  static constexpr std::int64_t kAnyPlace = -2;

  std::int64_t choice = 0;
  std::int64_t index = 0;
  std::string_view type = {};       // Empty: not in this piece.
  std::string_view name = {};       // The same.
  std::string_view arguments = {};  // What comes next of them…
  bool is_again = false;            // …or all, of which pieces may have come before.
};

enum class End : std::uint8_t {
  kComplete,
  kCut,  // The last call may be a part of one.
};

class AnswerCalls {
 public:
  // Of all calls of an answer together.
  static constexpr std::size_t kArgumentsBytesMax = std::size_t{1} << 20;

  // Borrows all.
  AnswerCalls(const Scope& scope, std::span<const Offered> offered);

  void piece(const Piece& piece);
  void unreadable();
  void ended(std::int64_t choice, End end);
  // Nothing more comes.
  void finish();
  // More waits for a call to be whole than may wait.
  void give_up();

  // Whether something has come of which nothing may go on yet.
  bool holds() const { return holds_ > 0; }
  // Why the answer ends before the piece that was told last; never where the route only observes.
  const std::optional<Refusal>& refusal() const { return refusal_; }

  // The names of the tools that were called, each once, and of those that may not be.
  std::span<const std::string> called() const { return called_; }
  std::span<const std::string> refused() const { return refused_; }
  // Rules that would have refused.
  std::span<const std::string> observed() const { return observed_; }

 private:
  struct Call {
    std::int64_t choice = 0;
    std::int64_t index = 0;
    std::string name;
    std::string arguments;
    const Offered* offered = nullptr;
    bool is_text = false;  // And no JSON.
    bool is_held = false;
    bool is_ended = false;
  };

  Call* call_at(const Piece& piece);
  bool is_known(const Piece& piece) const;
  void take_arguments(Call& call, const Piece& piece);
  void take_name(Call& call, const Piece& piece);
  std::optional<std::string> mistake_of(const Call& call);
  const std::expected<Schema, std::string>& schema_of(const Offered& offered);
  void judge(Call& call, End end);
  const Offered* offered_named(std::string_view name) const;
  bool is_own(const Tool& tool) const;
  void refuse(std::string_view name, std::string rule, std::string message);
  void refuse_figure(std::string_view name, std::string_view figure, std::string message);

  const Scope& scope_;
  const std::span<const Offered> offered_;
  std::vector<Call> calls_;
  std::size_t last_ = 0;  // The call of the last piece: the next is mostly of the same.
  // By the place of what was offered: compiled once, however often it is called.
  std::vector<std::pair<const Offered*, std::expected<Schema, std::string>>> schemas_;
  std::vector<std::int64_t> ended_;
  // Choices that ended before any call of theirs was told, and whether there are more than that.
  std::vector<std::int64_t> ended_without_;
  bool many_ended_without_ = false;
  std::size_t arguments_bytes_ = 0;
  std::size_t holds_ = 0;  // So many calls are held.
  std::optional<Refusal> refusal_;
  std::vector<std::string> called_, refused_, observed_;
};

}  // namespace tollgate::tools
