// The table of prices that models name: by name, and within that by the day on which each list of
// prices begins.
//
// Pure, but that load_price_table() reads the file. One thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/binder.h"
#include "config/config.h"

namespace tollgate::config {

// Ascending by `from`, each day once.
using PriceTable = std::map<std::string, std::vector<PriceList>, std::less<>>;

// What one entry, or a model itself, says of prices.
PriceList build_price_list(const View& view, Report& report);

// Adds the entries under `prices` of `owner`.
void build_price_table(const View& owner, PriceTable& table, Report& report);

// Adds the entries of a file that has nothing else, and no variables in it; what is wrong with it
// is told, with its lines. Returns its text.
std::string load_price_table(const std::string& path, PriceTable& table,
                             std::vector<Problem>& problems);

// Gives a model its own prices, or those of the entry that it names.
void model_prices(const View& view, const PriceTable& table, Model& model, Report& report);

}  // namespace tollgate::config
