#include "config/price_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "config/build.h"
#include "dialects/paid_tools.h"

namespace tollgate::config {

namespace {

// Dollars a million tokens, in thousandths, by what the name of the model begins with: the longest
// counts. What could not be found in a source is not here.
struct Published {
  std::string_view name;
  std::int64_t input;
  std::optional<std::int64_t> cached_input;
  std::int64_t output;
  std::string_view source;
};
// The provider's own page, platform.claude.com/docs/en/docs/about-claude/pricing.
constexpr std::string_view kAnthropic = "Anthropic's page of prices";
// What others wrote down of developers.openai.com/api/docs/pricing, where two of them agree:
// deploybase.ai/articles/openai-pricing and margindash.com/openai-model-comparison; cached input
// from github/docs, data/tables/copilot/models-and-pricing.yml, and the crate openai-models 0.1.1.
constexpr std::string_view kOpenAi = "copies of OpenAI's page of prices";
constexpr std::array<Published, 18> kPublished{{
    {"gpt-4.1", 2000, 500, 8000, kOpenAi},
    {"gpt-4.1-mini", 400, std::nullopt, 1600, kOpenAi},
    {"gpt-4o", 2500, 1250, 10'000, kOpenAi},
    {"gpt-4o-mini", 150, 75, 600, kOpenAi},
    {"gpt-5", 1250, std::nullopt, 10'000, kOpenAi},
    {"gpt-5-mini", 250, 25, 2000, kOpenAi},
    {"gpt-5-nano", 50, std::nullopt, 400, kOpenAi},
    {"o3", 2000, std::nullopt, 8000, kOpenAi},
    {"o3-mini", 1100, std::nullopt, 4400, kOpenAi},
    {"o4-mini", 1100, std::nullopt, 4400, kOpenAi},
    {"claude-3-5-haiku", 800, 80, 4000, kAnthropic},
    {"claude-3-7-sonnet", 3000, 300, 15'000, kAnthropic},
    {"claude-haiku-4-5", 1000, 100, 5000, kAnthropic},
    {"claude-opus-4", 15'000, 1500, 75'000, kAnthropic},
    {"claude-opus-4-5", 5000, 500, 25'000, kAnthropic},
    {"claude-opus-4-6", 5000, 500, 25'000, kAnthropic},
    {"claude-sonnet-4", 3000, 300, 15'000, kAnthropic},
    {"claude-sonnet-4-6", 3000, 300, 15'000, kAnthropic},
}};

// Off by more than this is no discount and no surcharge for a region.
constexpr std::int64_t kFar = 3;
constexpr std::int64_t kPicoInThousandth = 1000;

// "gpt-4o-2024-08-06" and "claude-sonnet-4-20250514" are gpt-4o and claude-sonnet-4; "gpt-4o-audio"
// is neither.
bool is_version(std::string_view rest) {
  return std::ranges::all_of(rest, [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

const Published* published_of(std::string_view name) {
  const Published* found = nullptr;
  for (const Published& one : kPublished) {
    const bool fits = name.starts_with(one.name) && is_version(name.substr(one.name.size()));
    if (fits && (found == nullptr || found->name.size() < one.name.size())) found = &one;
  }
  return found;
}

Price price_of(std::int64_t thousandths) { return {thousandths * kPicoInThousandth}; }

bool is_far(Price ours, Price theirs) {
  const std::int64_t a = ours.pico_usd_per_token;
  const std::int64_t b = theirs.pico_usd_per_token;
  return a > b * kFar || b > a * kFar;
}

class PriceFindings {
 public:
  PriceFindings(const Config& config, const Node& root) : config_(config), root_(root) {}

  std::vector<Finding> find() {
    for (const Model& model : config_.models) {
      if (model.has_token_prices) tokens(model, model.prices);
      for (const PriceList& later : model.later) {
        if (later.has_token_prices) tokens(model, later.prices);
      }
    }
    for (std::size_t i = 0; i < config_.routes.size(); ++i) tools(i);
    std::ranges::sort(found_, [](const Finding& a, const Finding& b) {
      return std::tie(a.line, a.field, a.id) < std::tie(b.line, b.field, b.id);
    });
    return std::move(found_);
  }

 private:
  void tell(std::string id, const std::string& field, std::string message, std::string mend) {
    const Node* node = find_path(root_, field);
    const int line = node->key_line != 0 ? node->key_line : std::max(1, node->line);
    found_.push_back({Finding::Level::kWarning, std::move(id), line, field, std::move(message),
                      std::move(mend)});
  }

  void tokens(const Model& model, const cost::Prices& prices) {
    const std::string field = fmt::format(
        "models.{}.{}", model.name, model.price_entry.empty() ? "price_per_million" : "prices");
    if (prices.input == Price{} && prices.output == Price{}) {
      const Upstream& upstream = config_.upstreams[static_cast<std::size_t>(model.upstream)];
      if (!upstream.credential.empty() && published_of(model.upstream_name) != nullptr) {
        tell("price-nothing", field,
             fmt::format("`{}` costs nothing here, and its provider charges for it: no budget ever "
                         "ends.",
                         model.name),
             "the prices of the provider");
      }
      return;
    }
    if (prices.output < prices.input) {
      tell("price-output-below-input", field,
           "Output is cheaper than input, as no provider has it: the two may be exchanged.",
           fmt::format("input: {}, output: {}", format_price_per_million(prices.output),
                       format_price_per_million(prices.input)));
    }
    if (prices.cached_input && *prices.cached_input > prices.input) {
      tell("price-cached-above-input", field,
           "Input that was cached is dearer than input, as no provider has it: all input is held "
           "at that price.",
           "cached_input of at most `input`");
    }
    if (const Published* list = published_of(model.upstream_name)) compare(field, prices, *list);
  }

  void compare(const std::string& field, const cost::Prices& prices, const Published& list) {
    figure(field, "input", prices.input, list.input, list);
    // What is cached and has no price of its own is charged as input, which is no mistake.
    if (prices.cached_input && list.cached_input) {
      figure(field, "cached_input", *prices.cached_input, *list.cached_input, list);
    }
    figure(field, "output", prices.output, list.output, list);
  }

  void figure(const std::string& field, std::string_view key, Price ours, std::int64_t listed,
              const Published& list) {
    const Price theirs = price_of(listed);
    if (!is_far(ours, theirs)) return;
    tell("price-far-from-published", fmt::format("{}.{}", field, key),
         fmt::format("{} dollars a million tokens, and {}, as {} had it, says {} of `{}`: budgets "
                     "count {}.",
                     format_price_per_million(ours), list.source, kPublishedPricesOf,
                     format_price_per_million(theirs), list.name,
                     ours < theirs ? "too little" : "too much"),
         fmt::format("{}: {}, or what your contract says", key, format_price_per_million(theirs)));
  }

  // A tool that the route lets in is refused on a model that has no price for it.
  void tools(std::size_t at) {
    constexpr std::string_view kType = "type:";
    const Route& route = config_.routes[at];
    if (!dialects::makes_output(route.surface)) return;
    for (const std::string& entry : route.tools.allow.entries()) {
      const bool is_family = entry.starts_with(kType);
      const std::string_view type =
          is_family ? std::string_view(entry).substr(kType.size()) : entry;
      if (!is_family && tools::family_of(type).empty()) continue;
      const auto tool = dialects::paid_tool_of(type);
      if (!tool) continue;
      for (const int index : route.models) {
        const Model& model = config_.models[static_cast<std::size_t>(index)];
        const auto has_price = [&](const PriceList& list) {
          return list.made.tool_call[static_cast<std::size_t>(*tool)].has_value();
        };
        if (has_price(model) && std::ranges::all_of(model.later, has_price)) continue;
        tell("tool-without-price", fmt::format("routes[{}].tools.allow", at),
             fmt::format("`{}` may be offered on `{}`, which has no price for a call of it: such "
                         "requests are refused.",
                         entry, model.name),
             fmt::format("models.{}.price_per_tool_call: {{ {}: 0.01 }}", model.name,
                         dialects::name_of(*tool)));
      }
    }
  }

  const Config& config_;
  const Node& root_;
  std::vector<Finding> found_;
};

}  // namespace

std::vector<Finding> price_findings(const Config& config, std::string_view text) {
  std::vector<Problem> problems;
  const Node root = parse_tree(text, config.file, problems);
  return PriceFindings(config, root).find();
}

}  // namespace tollgate::config
