#include "sim/world.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>

#include "storage/gateway_name.h"
#include "storage/try.h"

namespace tollgate::sim {
namespace {

using std::chrono::hours;

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kHourUs = 3600 * kSecondUs;
constexpr std::int64_t kTurnUs = kSecondUs / 5;
constexpr int kRoundsUntilBack = 2 * kSecondUs / kTurnUs;
constexpr std::size_t kRoomForAll = 1000;
// The journal keeps half a minute for what a standby may lack.
constexpr std::int64_t kReplicaLag = 5 * kSecondUs;
constexpr std::int64_t kGatherAtMost = 15 * kSecondUs;

}  // namespace

World::World(std::uint64_t seed, const std::string& directory)
    : World(
          seed,
          [seed] {
            Chance chance(seed ^ 0x9e3779b97f4a7c15);
            return Plan::of(chance);
          }(),
          directory) {}

World::World(std::uint64_t seed, const Plan& plan, const std::string& directory)
    : chance_(seed),
      plan_(plan),
      server_(directory + "/sim.db", plan_, chance_, now_us_),
      redis_(plan_, chance_, now_us_),
      settings_(Settings::of(chance_, plan)) {
  history_.push_back(settings_);
  for (const cost::Policy& budget : settings_->budgets) oracle_.enforce(budget);
  for (int i = 0; i < plan_.gateways; ++i) {
    Gateway::Parts parts;
    parts.number = i;
    parts.plan = &plan_;
    parts.chance = &chance_;
    parts.story = &story_;
    parts.oracle = &oracle_;
    parts.server = &server_;
    if (plan_.redis) parts.redis = &redis_;
    parts.now_us = &now_us_;
    parts.requests = &requests_;
    gateways_.push_back(std::make_unique<Gateway>(parts));
    Gateway& gateway = *gateways_.back();
    if (plan_.clock_jump_in > 0) gateway.clock.skew_us = any_skew();
    gateway.meanwhile = [this] { meanwhile(); };
    gateway.counted_by_books = [this] { return counted_by_books(); };
  }
}

World::~World() = default;

// ---- Steps ----------------------------------------------------------------------------------

void World::run(std::int64_t steps) {
  for (std::int64_t i = 0; i < steps; ++i) step();
}

void World::step() {
  pass_time();
  server_.end_late(Server::Late::kWhenDue);
  for (const auto& gateway : gateways_) {
    if (gateway->up()) gateway->run();
  }
  trouble();
  beat();
  Gateway& gateway = any_gateway();
  if (!gateway.up()) {
    // Who starts before anybody knows that Redis lost its data, does not know it either.
    const bool unnoticed = now_us_ - redis_lost_us_ < 2 * kSecondUs;
    if (!unnoticed && !chance_.one_in(4)) gateway.start(settings_);
  } else {
    trouble_gateway(gateway);
    if (gateway.up()) act(gateway);
  }
  if (chance_.one_in(4)) gateway.haunt();
  check();
}

Gateway& World::any_gateway() {
  return *gateways_[chance_.below(static_cast<std::int64_t>(gateways_.size()))];
}

// While one waits for the store, its own requests go on and so does everybody else.
void World::meanwhile() {
  if (nested_ || !chance_.one_in(4)) return;
  nested_ = true;
  for (std::int64_t some = chance_.between(1, 4); some > 0; --some) {
    Gateway& gateway = any_gateway();
    if (gateway.up()) act(gateway);
  }
  nested_ = false;
}

// Where limits are shared everybody asks Redis all the time.
void World::pass_time() {
  std::int64_t most = 20'000;
  if (chance_.one_in(8)) most = 2 * kSecondUs;
  if (plan_.clock_jump_in > 0 && !plan_.redis && chance_.one_in(100)) most = kHourUs;
  std::int64_t left = chance_.between(1, most);
  while (plan_.redis && left > kTurnUs) {
    now_us_ += kTurnUs;
    left -= kTurnUs;
    turn_all();
  }
  now_us_ += left;
  if (plan_.redis) turn_all();
}

void World::turn_all() {
  redis_.deliver_late();
  for (const auto& gateway : gateways_) {
    if (gateway->up()) gateway->turn();
  }
}

void World::act(Gateway& gateway) {
  const std::int64_t what = chance_.below(10);
  if (what < 3) {
    gateway.ask();
  } else if (what < 8) {
    gateway.go_on();
  } else {
    const bool deadly = plan_.kill_in > 0 && chance_.one_in(20);
    gateway.work(deadly ? Gateway::Group::kDeadly : Gateway::Group::kSafe);
  }
}

// Gateways that share a store decide nothing while their clock is far from the store's.
std::int64_t World::any_skew() {
  const bool far = plan_.shape == Shape::kOwnStore || chance_.one_in(6);
  const std::int64_t most = far ? kHourUs : 3 * kSecondUs;
  return chance_.between(-most, most);
}

void World::trouble() {
  if (chance_.one_in(server_.away ? 10 : plan_.store_away_in)) {
    server_.away = !server_.away;
    story_.tell(server_.away ? "the store is away" : "the store is back");
  }
  if (chance_.one_in(4 * plan_.clock_jump_in)) server_.skew_us = any_skew();
  if (chance_.one_in(plan_.reload_in)) reload();
  if (plan_.redis) trouble_redis();
  if (plan_.fail_over_in > 0) trouble_standby();
}

// Where it matters who is alive, gateways say so every second, as they do.
void World::beat() {
  if (plan_.fail_over_in == 0) return;
  for (const auto& gateway : gateways_) {
    if (gateway->up() && gateway->beat_is_due()) gateway->work(Gateway::Group::kSafe);
  }
}

// A standby is behind by seconds.
void World::trouble_standby() {
  const std::optional<std::int64_t> before = server_.replicated_us();
  if (!before || now_us_ - *before > kReplicaLag || chance_.one_in(6)) server_.replicate();
  if (chance_.one_in(plan_.fail_over_in)) fail_over();
  look_who_asserted();
}

void World::fail_over() {
  const std::int64_t standby_us = server_.replicated_us().value_or(0);
  story_.tell(fmt::format("the store fails over and lacks {} us", now_us_ - standby_us));
  auto before = leased_by_gateway();
  server_.fail_over();
  auto after = leased_by_gateway();
  for (const auto& gateway : gateways_) {
    gateway->end_ghosts();
    Lost lost{gateway.get(), gateway->starts(), now_us_, {}};
    for (const auto& [account, leased] : before[gateway->name]) {
      const std::int64_t left = after[gateway->name][account];
      if (leased > left) lost.leased[account] = leased - left;
    }
    for (const auto& [account, left] : after[gateway->name]) {
      const std::int64_t leased = before[gateway->name][account];
      if (left > leased) idle_[account] += left - leased;
    }
    // Who started in what is lost is known to nobody.
    if (gateway->started_us() >= standby_us) lost.start = -1;
    if (!lost.leased.empty()) lost_.push_back(std::move(lost));
  }
}

// Who cannot say in time what it had been lent, may go on from it while others
// are lent the same.
void World::look_who_asserted() {
  std::erase_if(lost_, [this](const Lost& lost) {
    const auto asserted =
        must(storage::read_mark(server_.reader(), storage::mark_of(lost.gateway->name, "asserted")),
             "read_mark");
    const bool is_there = lost.gateway->up() && lost.gateway->starts() == lost.start;
    if (is_there && asserted == server_.timeline()) return true;
    if (is_there && now_us_ - lost.since_us < kGatherAtMost) return false;
    for (const auto& [account, leased] : lost.leased) oracle_.may_be_lent_twice(account, leased);
    return true;
  });
}

void World::trouble_redis() {
  if (chance_.one_in(redis_.away ? 10 : plan_.store_away_in)) {
    redis_.away = !redis_.away;
    story_.tell(redis_.away ? "Redis is away" : "Redis is back");
  }
  if (!chance_.one_in(plan_.redis_flushed_in)) return;
  story_.tell("Redis forgets everything");
  redis_.flush();
  redis_lost_us_ = now_us_;
  for (const auto& gateway : gateways_) gateway->redis_lost();
}

void World::reload() {
  settings_ = settings_->edited(chance_);
  history_.push_back(settings_);
  for (const cost::Policy& budget : settings_->budgets) oracle_.enforce(budget);
  // One after another, and some later or never.
  for (const auto& gateway : gateways_) {
    if (gateway->up() && !chance_.one_in(4)) gateway->reload(settings_);
  }
}

void World::trouble_gateway(Gateway& gateway) {
  for (bool* cut_off : {&gateway.cut_off, &gateway.redis_cut_off}) {
    if (chance_.one_in(*cut_off ? 10 : plan_.cut_off_in)) *cut_off = !*cut_off;
  }
  if (chance_.one_in(plan_.clock_jump_in)) {
    if (plan_.shape == Shape::kSharedStore) gateway.clock.skew_us = server_.skew_us + any_skew();
    if (plan_.shape == Shape::kOwnStore) {
      const std::int64_t most = chance_.one_in(4) ? 50 * kHourUs : kHourUs;
      gateway.clock.skew_us += chance_.between(-most, most);
    }
    if (!plan_.redis && chance_.one_in(4))
      gateway.clock.ahead_us += chance_.between(0, 600 * kSecondUs);
  }
  if (chance_.one_in(plan_.kill_in)) return gateway.die(Gateway::Death::kKill);
  if (chance_.one_in(plan_.power_loss_in)) return gateway.die(Gateway::Death::kPowerLoss);
  if (chance_.one_in(plan_.stop_in)) (void)gateway.stop(Gateway::Stop::kMayFail);
}

// ---- At rest --------------------------------------------------------------------------------

bool World::everybody_refuses(std::int64_t in_a_row) const {
  return std::ranges::all_of(
      gateways_, [in_a_row](const auto& gateway) { return gateway->refused_in_a_row >= in_a_row; });
}

void World::heal() {
  server_.heal();
  redis_.heal();
  nested_ = true;  // Nobody asks any more.
  for (const auto& gateway : gateways_) {
    gateway->cut_off = gateway->redis_cut_off = false;
    if (plan_.shape == Shape::kSharedStore) gateway->clock.skew_us = server_.skew_us;
  }
  story_.tell("everything heals");
}

// False: somebody is not done.
bool World::finish_all(int round) {
  bool all = true;
  now_us_ += kTurnUs;
  server_.end_late(Server::Late::kWhenDue);
  if (plan_.redis) turn_all();
  for (const auto& gateway : gateways_) {
    if (!gateway->up()) {
      gateway->start(settings_);
      all = false;
      continue;
    }
    gateway->run();
    // One that may not decide any more is started anew by whoever looks after
    // it.
    const bool is_out = plan_.fail_over_in > 0 && round > 50 && !gateway->healthy();
    if (is_out) gateway->die(Gateway::Death::kKill);
    for (int i = 0; i < 8 && gateway->up(); ++i) gateway->go_on();
    if (gateway->up()) gateway->work(Gateway::Group::kSafe);
    gateway->haunt();
    if (plan_.fail_over_in > 0) look_who_asserted();
    all = all && gateway->up() && gateway->idle();
    // Who has lost his seat finds it out when he says that he is there.
    if (plan_.fail_over_in > 0) all = all && gateway->healthy() && round > 10;
  }
  check();
  return all;
}

// Two seconds after the last trouble whoever serves admits requests again: nobody is refused for
// want of a store. (After a failover gateways wait until all have said what they were lent; where
// there is no room for a subject, no store is missing.)
void World::check_back() {
  if (plan_.fail_over_in > 0 || plan_.accounts_max < kRoomForAll) return;
  for (const auto& gateway : gateways_) {
    if (!gateway->up()) continue;
    const std::int64_t before = gateway->refused_unavailable;
    gateway->ask();
    for (int turn = 0; turn < 4; ++turn) gateway->work(Gateway::Group::kSafe);
    if (gateway->refused_unavailable > before) {
      throw Violation{gateway->name + " is not back two seconds after its stores"};
    }
  }
}

void World::rest() {
  heal();
  int quiet = 0;  // Rounds; a start may be cut short still, and leave a commit that has the lock.
  for (int round = 1;; ++round) {
    const bool rests = finish_all(round);
    quiet = server_.has_late() ? 0 : quiet + 1;
    if (quiet == kRoundsUntilBack) check_back();
    if (rests && quiet > kRoundsUntilBack) break;
    if (round > 5'000) throw Violation{"nothing comes to rest"};
  }
  // What killed gateways had in hand of limits lapses meanwhile.
  for (int turns = 0; plan_.redis && turns < 45; ++turns) {
    now_us_ += kTurnUs;
    turn_all();
  }
  for (const auto& gateway : gateways_) {
    if (!gateway->stop(Gateway::Stop::kClean)) throw Violation{"a gateway does not stop"};
  }
  check_tables(true);
  check_trail();
  check_slots();
}

// ---- Whole runs -----------------------------------------------------------------------------

RunResult run_seed(std::uint64_t seed, std::int64_t steps, std::size_t lines_kept) {
  const Directory directory;
  RunResult result;
  World world(seed, directory.path());
  world.story().lines_kept = lines_kept;
  try {
    world.run(steps);
    world.rest();
  } catch (const Violation& violation) {
    result.violation = violation.what;
  }
  result.digest = world.story().digest();
  result.last_lines.assign(world.story().last_lines().begin(), world.story().last_lines().end());
  return result;
}

Directory::Directory() {
  std::error_code none;
  const std::string memory = "/dev/shm";
  const bool is_there = std::filesystem::is_directory(memory, none);
  path_ = (is_there ? memory : std::filesystem::temp_directory_path().string()) + "/sim-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) throw Violation{"no directory can be made: " + path_};
}

Directory::~Directory() {
  std::error_code ignored;  // The system empties its own directory of temporary files.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tollgate::sim
