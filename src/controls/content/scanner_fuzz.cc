// Any bytes as one or two texts: nothing crashes, every finding lies in its text and names a rule,
// and a key that stands by itself behind them is found.
//
// The pack `injection` is left out: it takes ten times as long to compile as all others together.
// What reads words is driven by rules of the operator's own.
#include <algorithm>
#include <cstdint>
#include <expected>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "controls/content/own_rules.h"
#include "controls/content/testing_scan.h"

namespace {

using namespace tollgate::content;

constexpr Pack kPacks[] = {Pack::kSecrets, Pack::kPii, Pack::kUnicode, Pack::kSpecialTokens,
                           Pack::kOwn};

struct Compiled {
  std::shared_ptr<const Rules> rules;
  std::vector<Action> actions;
};

Compiled compiled() {
  std::vector<OwnRule> own;
  for (OwnSource source :
       {OwnSource{.name = "own.words", .words = {"Blue Harvest", "instructions"}},
        OwnSource{.name = "own.pattern", .pattern = "\\bEMP-[0-9]{4,6}\\b"}}) {
    std::expected<OwnRule, std::string> made = OwnRule::create(std::move(source));
    CHECK(made.has_value());
    own.push_back(*std::move(made));
  }
  Policy policy{.request = {std::begin(kPacks), std::end(kPacks)}};
  const OwnRules shared = std::make_shared<const std::vector<OwnRule>>(std::move(own));
  const auto rules = Rules::compile(kPacks, shared);
  CHECK(rules.has_value());
  resolve(policy, (*rules)->all());
  return {*rules, policy.actions};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view first = input.substr(0, input.find('\0'));
  const std::string_view second = first.size() < size ? input.substr(first.size() + 1) : "";
  static Scanner scanner;
  static const Compiled with = compiled();
  CHECK(scanner.begin(with.rules, with.actions).has_value());
  CHECK(scanner.read(first).has_value());
  CHECK(scanner.read(second).has_value());
  for (const Finding& finding : scanner.found()) {
    const std::string_view text = finding.text == 0 ? first : second;
    CHECK(finding.text < 2 && finding.bytes > 0);
    CHECK(finding.offset < text.size() && finding.bytes <= text.size() - finding.offset);
    CHECK(std::ranges::count(with.rules->all(), finding.rule, &Rule::name) == 1);
  }
  const std::size_t before = scanner.found().size();
  static const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
  const std::string with_key = std::string(first) + " " + kKey;
  CHECK(scanner.read(with_key).has_value());
  CHECK(scanner.found().size() > before || before == Scanner::kFindingsMax);
  // Whoever remembers tells the same.
  for (int request = 0; request < 2; ++request) {
    CHECK(scanner.begin(with.rules, with.actions).has_value());
    scanner.remember("acme");
    CHECK(scanner.read(first).has_value());
    CHECK(scanner.read(second).has_value());
    CHECK(scanner.found().size() == before);
  }
  return 0;
}
