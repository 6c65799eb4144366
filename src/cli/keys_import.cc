#include "cli/keys_import.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

#include "admin/forms.h"
#include "admin/key_grants.h"
#include "admin/key_wish.h"
#include "cli/author.h"
#include "cli/pepper.h"
#include "cli/wall_time.h"
#include "storage/key_import.h"
#include "storage/key_rows.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

using authentication::KeyRecord;
using std::chrono::steady_clock;
using storage::Imported;

// A key and all that it is for take less.
constexpr std::size_t kLineBytesMax = 1 << 20;

class Import {
 public:
  Import(const KeysOptions& options, const config::Config& config, storage::Database& database,
         const authentication::Pepper& pepper)
      : options_(options),
        config_(config),
        database_(database),
        reader_(pepper, wall_now(), [this](const KeyRecord& key) { return may(key); }) {}

  int run(std::istream& in) {
    std::string line;
    while (std::getline(in, line)) {
      if (line.size() > kLineBytesMax) return stop("a line is longer than 1 MiB");
      if (const admin::OrWords<void> taken = reader_.take(line); !taken) {
        const std::string why = taken.error();
        // What stands before it is good.
        if (const int result = commit(); result != kDone) return result;
        return stop(why);
      }
      if (!reader_.is_full()) continue;
      if (const int result = commit(); result != kDone) return result;
      // Half of the time the store is for the gateways that serve from it.
      std::this_thread::sleep_for(took_);
    }
    if (in.bad()) return stop("it cannot be read to its end");
    if (const int result = commit(); result != kDone) return result;
    wait_until_in_force(database_, config_.store);
    tell();
    return kDone;
  }

 private:
  admin::OrWords<void> may(const KeyRecord& key) const {
    if (admin::tenant_of(config_, key.tenant) != nullptr) return {};
    return std::unexpected(fmt::format("no tenant `{}` is configured", key.tenant));
  }

  int commit() {
    const admin::ImportBatch batch = reader_.take_batch();
    if (batch.keys.empty()) return kDone;
    const storage::ImportTerms terms{.now = wall_now(), .of_tenant = [this](std::string_view name) {
                                       return admin::room_of(config_, name).of_tenant;
                                     }};
    const steady_clock::time_point begun = steady_clock::now();
    const FaultOr<Imported> done =
        storage::import_keys(database_, command_author(), batch.keys, terms);
    took_ = steady_clock::now() - begun;
    if (!done) {
      const int result = faulty(done.error());
      tell_before();
      return result;
    }
    if (done->refused != Imported::Refused::kNo) {
      return stop(fmt::format("line {}: {}", batch.lines[done->at],
                              admin::why_not_imported(done->refused)));
    }
    made_ += done->made;
    known_before_ += batch.keys.size() - done->made;
    for (const KeyRecord& key : batch.keys) {
      if (options_.json) ids_.push_back(key.id);
    }
    return kDone;
  }

  int stop(const std::string& why) const {
    const int result = wrong_use(fmt::format("{}: {}", options_.file, why));
    tell_before();
    return result;
  }

  void tell_before() const {
    if (made_ + known_before_ == 0) return;
    fmt::print(stderr,
               "tollgate: {} keys were imported before that, and {} were known before; the same "
               "file again goes on behind them\n",
               made_, known_before_);
  }

  void tell() const {
    if (options_.json) {
      fmt::print("{}\n", admin::import_json(ids_, made_));
    } else {
      fmt::print("{} keys imported, {} were known before\n", made_, known_before_);
    }
  }

  const KeysOptions& options_;
  const config::Config& config_;
  storage::Database& database_;
  admin::ImportReader reader_;
  steady_clock::duration took_{};
  std::size_t made_ = 0;
  std::size_t known_before_ = 0;
  std::vector<std::string> ids_;
};

}  // namespace

// Within two seconds or not at all: a gateway looks for changes at least five times a second.
void wait_until_in_force(storage::Database& database, const config::Store& where) {
  const FaultOr<std::int64_t> made = storage::key_changes(database);
  const steady_clock::time_point end = steady_clock::now() + std::chrono::seconds(2);
  while (storage::gateway_runs(database, where).value_or(false)) {
    const FaultOr<std::int64_t> seen = storage::key_changes_in_force(database);
    if (made && seen && *seen >= *made) return;
    if (steady_clock::now() >= end) {
      fmt::print(stderr,
                 "tollgate: the change is kept, but the running gateway has not yet "
                 "confirmed that it has it in force\n");
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int import_keys(const KeysOptions& options, const config::Config& config,
                storage::Database& database) {
  std::ifstream file(options.file, std::ios::binary);
  const bool from_input = options.file == "-";
  if (!from_input && !file) return wrong_use(fmt::format("`{}` cannot be read", options.file));
  const FaultOr<authentication::Pepper> pepper = pepper_of(config, database);
  if (!pepper) return faulty(pepper.error());
  return Import(options, config, database, *pepper).run(from_input ? std::cin : file);
}

}  // namespace tollgate::cli
