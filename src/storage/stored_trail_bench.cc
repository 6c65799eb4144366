// What a record costs: in the request's thread, and all in with sealing and the database.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "storage/stored_keys.h"
#include "storage/stored_trail.h"

namespace tollgate::storage {
namespace {

class StillClock final : public pipeline::Clock {
 public:
  Instant now() const override { return Instant{}; }
  WallTime wall() const override { return WallTime(Duration(1'772'602'200'000'000)); }
};

struct Place {
  Place() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    directory = name;
  }
  ~Place() { std::filesystem::remove_all(directory); }
  std::unique_ptr<Database> connect() const {
    return std::move(Database::open((directory / "tollgate.db").string()).value());
  }
  std::filesystem::path directory;
};

// A group of 256 requests, each with decision, booking and outcome, then its commit.
void trail_group(benchmark::State& state) {
  const Place place;
  const StillClock clock;
  const auto trail = std::move(StoredTrail::open(place.connect(), {}, clock).value());
  audit::Record record;
  authentication::Identity actor;
  actor.tenant = "acme";
  actor.subject = "ada";
  actor.credential_id = "k1k2k3k4k5k6";
  record.time = clock.wall();
  record.actor = &actor;
  record.config_version = "0123456789ab";
  record.listener = "public";
  record.route = "chat";
  record.surface = "chat_completions";
  record.model_asked = record.model_served = "small";
  record.upstream = "vllm";
  record.prompt_bytes = 2048;
  record.input_tokens_counted = 500;
  pipeline::Booking booking;
  booking.tenant = actor.tenant;
  booking.user = actor.subject;
  booking.key_id = actor.credential_id;
  booking.route = record.route;
  booking.model = record.model_served;
  pipeline::Used used;
  used.cost = Money{100};
  std::string text;
  std::int64_t bytes = 0;
  std::int64_t next = 1'000'000'000;
  for (auto _ : state) {
    for (int i = 0; i < 256; ++i) {
      const std::string id = "req_0123456789" + std::to_string(++next);
      record.id = booking.id = id;
      for (const audit::Phase phase : {audit::Phase::kDecision, audit::Phase::kOutcome}) {
        text.clear();
        audit::write(record, phase, text);
        if (phase == audit::Phase::kOutcome) trail->booked(booking, used, {}, record.time);
        if (!trail->append(record, phase, Money{200}, text)) std::abort();
        bytes += static_cast<std::int64_t>(text.size());
      }
    }
    if (!trail->flush()) std::abort();
  }
  // CPU a request is Time / 256; all that a request writes is sealed, packed and checkpointed.
  const auto requests = static_cast<double>(state.iterations() * 256);
  state.SetItemsProcessed(state.iterations() * 256);
  state.counters["text_bytes"] = static_cast<double>(bytes) / requests;
  if (!trail->stop()) std::abort();
  double disk = 0;
  for (const auto& file : std::filesystem::directory_iterator(place.directory)) {
    if (file.path().extension() == ".db") disk += static_cast<double>(file.file_size());
  }
  state.counters["disk_bytes"] = disk / requests;
  state.counters["cpu_per_request"] =
      benchmark::Counter(requests, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(trail_group)->Unit(benchmark::kMicrosecond);

void key_find(benchmark::State& state) {
  const StillClock clock;
  const Place place;
  const auto keys = std::move(StoredKeys::load(place.connect(), clock).value());
  authentication::KeyRecord key;
  key.tenant = "acme";
  key.user = "ada";
  key.roles = {"engineer"};
  for (int i = 0; i < 100; ++i) {
    key.id = "k1k2k3k4k5" + std::to_string(10 + i);
    if (!keys->create({}, key)) std::abort();
  }
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    benchmark::DoNotOptimize(keys->find("k1k2k3k4k542", arena));
  }
}
BENCHMARK(key_find);

}  // namespace
}  // namespace tollgate::storage
