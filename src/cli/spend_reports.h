// What `tollgate spend` reports beside sums: forecasts, chargeback, an invoice against the books.
#pragma once

#include "cli/commands.h"
#include "storage/database.h"
#include "storage/spend.h"

namespace tollgate::cli {

// Each an exit code; `asked` has the time and the tenant.
int forecast_budgets(const SpendOptions& options);  // Of the whole configuration.
int chargeback(const SpendOptions& options, const storage::SpendQuery& asked,
               storage::Database& database);
int compare_invoice(const SpendOptions& options, const storage::SpendQuery& asked);

}  // namespace tollgate::cli
