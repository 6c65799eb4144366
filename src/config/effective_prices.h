// What models cost, of `tollgate check --print-effective`. Internal to the folder.
#pragma once

#include <boost/json.hpp>

#include "config/config.h"

namespace tollgate::config {

// The members of a model, or of an entry of the table.
void put_prices(boost::json::object& made, const PriceList& list);

// The entries that models name, in the order of those.
boost::json::array effective_price_table(const Config& config);

// `service_tiers` of a route, where there are any.
void put_service_tiers(boost::json::object& route, ServiceTiers tiers);

}  // namespace tollgate::config
