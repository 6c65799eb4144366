// What an attempt tells of how much its upstream can do at once.
#include <gtest/gtest.h>

#include "pipeline/attempts_world_test.h"

namespace tollgate::pipeline::testing {
namespace {

using namespace of_attempts;
using Samples = std::vector<LoadSample>;

// `one` is asked in turn.
std::string in_turn() {
  std::string text(kDoors);
  const std::string_view place = "10.0.0.7:8000/v1\", speaks: openai";
  text.insert(text.find(place) + place.size(),
              ", adaptive_concurrency: true, queue: { length: 8, wait: 2s }");
  return text;
}

struct InTurn : World {
  InTurn() : World(load_settings(in_turn()), shared_vocabularies()), ada(add_key("acme", "ada")) {}
  std::unique_ptr<Caller> ask_by(Script script) {
    upstreams.samples.clear();
    upstreams.script = std::move(script);
    Ask made;
    made.target = "/v1/chat/completions";
    made.headers = {{"Authorization", "Bearer " + ada}};
    made.body = R"({"model":"alone","messages":[{"role":"user","content":"Hello there"}]})";
    return serve(std::move(made));
  }
  std::string ada;
};

TEST(LoadSample, IsOfWhatWasAnswered) {
  InTurn gateway;
  Script answers;
  answers.pieces = {kText};
  EXPECT_EQ(gateway.ask_by(answers)->status, 200);
  EXPECT_EQ(gateway.upstreams.samples, Samples{LoadSample::kAnswered});
  gateway.ask_by(failing(400));
  EXPECT_EQ(gateway.upstreams.samples, Samples{LoadSample::kAnswered});
  gateway.ask_by(failing(503));
  EXPECT_EQ(gateway.upstreams.samples, Samples{LoadSample::kOverloaded});
  gateway.ask_by(silent());
  EXPECT_EQ(gateway.upstreams.samples, Samples{LoadSample::kOverloaded});
}

TEST(LoadSample, IsNothingWhereNothingWasAnswered) {
  InTurn gateway;
  gateway.ask_by(unreachable());
  EXPECT_EQ(gateway.upstreams.samples, Samples{LoadSample::kNothing});
  Script hangs;
  hangs.hangs_before_head = true;
  const auto caller = gateway.ask_by(hangs);
  caller->leave();
  EXPECT_EQ(gateway.trail.records.back().code, "caller_gone");
  EXPECT_EQ(gateway.upstreams.samples, Samples{LoadSample::kNothing});
}

}  // namespace
}  // namespace tollgate::pipeline::testing
