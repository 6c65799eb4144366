#include "controls/content/pattern_machine.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/check.h"
#include "controls/content/identifiers.h"

namespace tollgate::content {

namespace {

using Set = std::bitset<256>;

// Steps that read nothing, and at most one that reads a character.
struct Node {
  std::vector<std::size_t> free;
  Set on;
  std::size_t to = 0;
};

// All patterns as one graph from its node 0.
class Graph {
 public:
  Graph() : nodes_(1) {}

  // Returns where the pattern ends.
  std::size_t add(std::string_view pattern) {
    const std::size_t from = made();
    nodes_[0].free.push_back(from);
    std::string_view rest = pattern;
    const std::size_t end = alternatives(rest, from);
    CHECK(rest.empty());
    return end;
  }
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  std::size_t made() {
    nodes_.emplace_back();
    return nodes_.size() - 1;
  }
  static bool skip(std::string_view& rest, std::string_view what) {
    if (!rest.starts_with(what)) return false;
    rest.remove_prefix(what.size());
    return true;
  }

  std::size_t alternatives(std::string_view& rest, std::size_t from) {
    const std::size_t end = made();
    do {
      const std::size_t begin = made();
      nodes_[from].free.push_back(begin);
      const std::size_t last = sequence(rest, begin);
      nodes_[last].free.push_back(end);
    } while (skip(rest, "|"));
    return end;
  }

  std::size_t sequence(std::string_view& rest, std::size_t from) {
    while (!rest.empty() && rest.front() != '|' && rest.front() != ')') {
      const std::string_view atom_begin = rest;
      std::size_t end = atom(rest, from);
      const auto [least, most] = repeats(rest);
      std::vector<std::size_t> may_end;
      if (least == 0) may_end.push_back(from);
      for (int i = 1; i < most; ++i) {
        if (i >= least) may_end.push_back(end);
        std::string_view again = atom_begin;
        end = atom(again, end);
      }
      for (const std::size_t early : may_end) nodes_[early].free.push_back(end);
      from = end;
    }
    return from;
  }

  struct Times {
    int least = 1;
    int most = 1;
  };
  static Times repeats(std::string_view& rest) {
    if (skip(rest, "?")) return {0, 1};
    if (!skip(rest, "{")) return {};
    Times times;
    times.least = number(rest);
    CHECK(skip(rest, ","));
    times.most = number(rest);
    CHECK(skip(rest, "}") && times.most >= 1);
    return times;
  }
  static int number(std::string_view& rest) {
    int value = 0;
    for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
      value = 10 * value + digit(rest.front());
    }
    return value;
  }

  std::size_t atom(std::string_view& rest, std::size_t from) {
    // A node of its own, as what repeats may lead back to no other atom.
    const std::size_t begin = made();
    nodes_[from].free.push_back(begin);
    if (skip(rest, "(?:")) {
      const std::size_t end = alternatives(rest, begin);
      CHECK(skip(rest, ")"));
      return end;
    }
    const Set on = characters(rest);
    const std::size_t end = made();
    nodes_[begin].on = on;
    nodes_[begin].to = end;
    return end;
  }

  static Set characters(std::string_view& rest) {
    Set on;
    if (!skip(rest, "[")) {
      add_one(rest, on);
      return on;
    }
    while (!skip(rest, "]")) {
      const unsigned char first = add_one(rest, on);
      if (rest.size() < 2 || rest[0] != '-' || rest[1] == ']') continue;
      rest.remove_prefix(1);
      const unsigned char last = add_one(rest, on);
      for (unsigned c = first; c <= last; ++c) on.set(c);
    }
    return on;
  }

  static unsigned char add_one(std::string_view& rest, Set& on) {
    const bool is_escaped = skip(rest, "\\");
    CHECK(!rest.empty());
    const char c = rest.front();
    rest.remove_prefix(1);
    if (is_escaped && c == 's') {
      for (const char space : {' ', '\t', '\n', '\v', '\f', '\r'}) {
        on.set(static_cast<unsigned char>(space));
      }
      return ' ';
    }
    const bool is_letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    CHECK(!is_escaped || c == 'n' || !is_letter);
    const auto byte = static_cast<unsigned char>(is_escaped && c == 'n' ? '\n' : c);
    on.set(byte);
    return byte;
  }

  std::vector<Node> nodes_;
};

using Nodes = std::vector<std::size_t>;  // In order, each once.

Nodes closed(const Graph& graph, Nodes nodes) {
  std::vector<bool> is_in(graph.nodes().size());
  for (const std::size_t node : nodes) is_in[node] = true;
  for (std::size_t done = 0; done < nodes.size(); ++done) {
    for (const std::size_t next : graph.nodes()[nodes[done]].free) {
      if (is_in[next]) continue;
      is_in[next] = true;
      nodes.push_back(next);
    }
  }
  std::ranges::sort(nodes);
  return nodes;
}

}  // namespace

PatternMachine::PatternMachine(std::span<const Pattern> patterns) {
  Graph graph;
  std::map<std::size_t, std::uint16_t> ends;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    ends[graph.add(patterns[i].expression)] = static_cast<std::uint16_t>(i);
  }

  // Characters that every node reads alike are one class.
  std::map<std::vector<bool>, std::uint8_t> classes;
  std::vector<unsigned char> of_class;
  for (int c = 0; c < 256; ++c) {
    std::vector<bool> read;
    for (const Node& node : graph.nodes())
      read.push_back(node.on.test(static_cast<std::size_t>(c)));
    const auto [known, is_new] = classes.emplace(read, static_cast<std::uint8_t>(classes.size()));
    if (is_new) of_class.push_back(static_cast<unsigned char>(c));
    class_of_[static_cast<std::size_t>(c)] = known->second;
  }
  classes_ = of_class.size();

  std::map<Nodes, State> states{{Nodes(), kDead}};
  std::vector<Nodes> queue{{}, closed(graph, {0})};
  states[queue[kStart]] = kStart;
  for (std::size_t state = 0; state < queue.size(); ++state) {
    ended_.emplace_back();
    for (const std::size_t node : queue[state]) {
      if (const auto end = ends.find(node); end != ends.end()) ended_[state].push_back(end->second);
    }
    for (const unsigned char c : of_class) {
      Nodes reached;
      for (const std::size_t node : queue[state]) {
        const Node& one = graph.nodes()[node];
        if (one.on.test(c)) reached.push_back(one.to);
      }
      reached = closed(graph, std::move(reached));
      const auto [known, is_new] = states.emplace(reached, static_cast<State>(queue.size()));
      if (is_new) queue.push_back(std::move(reached));
      next_.push_back(known->second);
    }
    CHECK(queue.size() < std::numeric_limits<State>::max());
  }
}

const PatternMachine& PatternMachine::of_special_tokens() {
  static const PatternMachine made(tollgate::content::special_tokens());
  return made;
}

}  // namespace tollgate::content
