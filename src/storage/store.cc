#include "storage/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "storage/allowances.h"
#include "storage/spend.h"
#include "storage/try.h"

namespace tollgate::storage {

namespace {

std::string lock_file(const std::string& path) { return path + ".lock"; }

// The whole file, of the open file itself: unlike flock(2), such a lock can be asked about
// without being taken, so that a command never stands in the way of a gateway that starts.
struct flock whole_file() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

// Let go by the kernel however the process ends.
class Store::Lock {
 public:
  static FaultOr<std::unique_ptr<Lock>> take(const std::string& path) {
    const std::string file = lock_file(path);
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    std::unique_ptr<Lock> lock(new Lock(descriptor));
    if (descriptor < 0) {
      return fault(FaultKind::kUnreachable,
                   fmt::format("{}: cannot be opened ({}). The directory of store.ledger must "
                               "be there and writable for the gateway's user.",
                               file, std::strerror(errno)));
    }
    struct flock wanted = whole_file();
    if (fcntl(descriptor, F_OFD_SETLK, &wanted) != 0) {
      return fault(FaultKind::kRefusedByPeer,
                   fmt::format("{}: another gateway serves from this database. Stop it, or give "
                               "this one a store.ledger of its own.",
                               path));
    }
    return lock;
  }
  Lock(const Lock&) = delete;
  ~Lock() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  explicit Lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

class Store::Temporary {
 public:
  static FaultOr<std::unique_ptr<Temporary>> make() {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
    std::string name = (parent / "tollgate-XXXXXX").string();
    if (error || mkdtemp(name.data()) == nullptr) {
      return fault(FaultKind::kUnreachable,
                   fmt::format("No directory can be made in {} ({}). Set TMPDIR to one that the "
                               "gateway's user can write.",
                               parent.string(), std::strerror(errno)));
    }
    return std::unique_ptr<Temporary>(new Temporary(name));
  }
  Temporary(const Temporary&) = delete;
  ~Temporary() {
    std::error_code ignored;  // The system empties its own directory of temporary files.
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit Temporary(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Store::Store(const pipeline::Clock& clock) : clock_(clock) {}

Store::~Store() { (void)stop(); }

FaultOr<std::unique_ptr<Store>> Store::open(const config::Store& where, const audit::Policy& audit,
                                            const pipeline::Clock& clock) {
  std::unique_ptr<Store> store(new Store(clock));
  if (where.in_memory) {
    TRY(temporary, Temporary::make());
    store->path_ = temporary->path() + "/tollgate.db";
    store->temporary_ = std::move(temporary);
    store->options_.durability = Durability::kProcess;
  } else {
    store->path_ = where.sqlite_path;
  }
  // Before anything else: opening may change the schema under the feet of another gateway.
  TRY(lock, Lock::take(store->path_));
  store->lock_ = std::move(lock);
  TRY(writing, Database::open(store->path_, store->options_));
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(store->path_, ignored);
  if (!ignored && bytes <= static_cast<std::uintmax_t>(kCheckedBytesMax)) {
    TRY_DO(writing->check_whole());
  }

  TRY(trail, StoredTrail::open(std::move(writing), audit, clock));
  store->trail_ = std::move(trail);
  TRY(keys_database, Database::open(store->path_, store->options_));
  TRY(keys, StoredKeys::load(std::move(keys_database)));
  store->keys_ = std::move(keys);

  MemoryLedger::Options options;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&options.key), sizeof options.key) != 1) {
    return fault(FaultKind::kBroken, "The system gave no random bytes.");
  }
  store->ledger_ = std::make_unique<MemoryLedger>(options, store->trail_.get());
  TRY_DO(store->lend());
  return store;
}

// What an earlier gateway held is in the books by now, so the rest of its leases is free again;
// but for what it held when the power was lost.
FaultOr<void> Store::lend() {
  TRY_DO(trail_->write_with([this](Database& database) -> FaultOr<void> {
    const Allowances::Books books =
        trail_->may_lack() ? Allowances::Books::kMayLack : Allowances::Books::kWhole;
    TRY(rest, Allowances(database, kOnlyGateway).end_leases(books, clock_.wall()));
    if (trail_->may_lack() && rest > Money{}) {
      fmt::print(stderr,
                 "tollgate: {}: {} USD that the last gateway had leased count as spent, as what "
                 "it did with them may be lost\n",
                 path_, format_usd(rest));
    }
    return trail_->may_lack() ? forget_lack(database, kOnlyGateway) : FaultOr<void>();
  }));
  lender_ = std::make_unique<StoreLender>(kOnlyGateway, Sharing::kAlone, *ledger_, clock_,
                                          [trail = trail_.get()] { trail->write_now(); });
  trail_->join(*lender_);
  ledger_->lend_from(*lender_);
  return {};
}

FaultOr<void> Store::count_budgets(const config::Config& config) {
  return trail_->write_with([&](Database& database) -> FaultOr<void> {
    const WallTime now = clock_.wall();
    for (const cost::Policy& budget : config.budgets) {
      const WallTime start = cost::start_of(budget.window, budget.zone, now);
      TRY(subjects, spent_by_subject(database, budget.scope, start));
      for (const SubjectSpent& spent : subjects) {
        TRY_DO(count_budget(database, budget, spent.subject, spent.cost));
      }
    }
    for (std::size_t i = 0; i < config.tenant_budgets.size(); ++i) {
      const cost::Policy& budget = config.tenant_budgets[i];
      const std::string& tenant = config.tenant_budget_of[i];
      const WallTime start = cost::start_of(budget.window, budget.zone, now);
      TRY(spent, spent_since(database, limits::Scope::kTenantId, tenant, start));
      TRY_DO(count_budget(database, budget, tenant, spent));
    }
    return {};
  });
}

FaultOr<void> Store::count_budget(Database& database, const cost::Policy& budget,
                                  std::string_view subject, Money spent) {
  Allowances allowances(database, kOnlyGateway);
  const WallTime now = clock_.wall();
  LeaseAsk ask;
  ask.account = {budget.rule, subject, cost::start_of(budget.window, budget.zone, now)};
  ask.limit = budget.limit;
  TRY_DO(allowances.raise(ask.account, spent, now));
  TRY(lease, allowances.lease(ask, now));
  if (ledger_->know(budget, subject, ask.account.window_start, lease)) return {};
  return fault(FaultKind::kRefusedByPeer,
               fmt::format("{}: the ledger has no room for all that have spent under {}.", path_,
                           budget.rule));
}

void Store::start() {
  keys_->start();
  trail_->start();
}

FaultOr<void> Store::stop() {
  if (keys_) keys_->stop();
  if (!trail_) return {};
  return trail_->stop();
}

FaultOr<std::unique_ptr<Database>> Store::reader() const { return Database::open(path_, options_); }

std::string Store::beside(std::string_view name) const { return storage::beside(path_, name); }

FaultOr<std::unique_ptr<Database>> open_for_command(const config::Store& where) {
  if (where.in_memory) {
    return fault(FaultKind::kRefusedByPeer,
                 "store.ledger is `memory`: what that gateway keeps is seen through its admin "
                 "address only. Name a sqlite:// file to use this command.");
  }
  return Database::open(where.sqlite_path);
}

bool gateway_runs(const std::string& path) {
  const int descriptor = ::open(lock_file(path).c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;  // No gateway ever served from it.
  struct flock found = whole_file();
  const bool asked = fcntl(descriptor, F_OFD_GETLK, &found) == 0;
  close(descriptor);
  return asked && found.l_type != F_UNLCK;
}

std::string beside(std::string_view path, std::string_view name) {
  return (std::filesystem::path(path).parent_path() / name).string();
}

}  // namespace tollgate::storage
