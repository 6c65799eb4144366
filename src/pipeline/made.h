// What a request has made that is paid by itself: images, characters that are spoken. Held before
// it leaves, at the dearest that it may come to. Internal to the pipeline.
//
// Pure.
#pragma once

#include "pipeline/forward.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// Completes the plan of a request of such a surface; nothing changes for others. Refuses with
// kUnsupportedParameter an image of a size and quality that has no price on the model.
Expected<void> hold_made(const Facts& facts, Plan& plan, Arena& arena, audit::Record& record);

// The type of a whole answer.
std::string_view type_of_answer(const Plan& plan);
// Reads one, which is JSON, or a text and nothing else: as ReplyReader::read() does.
FaultOr<std::optional<dialects::Usage>> read_whole(dialects::ReplyReader& reader, const Plan& plan,
                                                   std::string_view body,
                                                   dialects::OutputSink& output,
                                                   dialects::AnswerSink* answer = nullptr,
                                                   dialects::CallSink* calls = nullptr);

// Of an answer with `images` and its usage as billed: they are paid by how many came, and what
// their tokens were said to be where that is not far below what any of them can come to.
void bill_images(const Plan& plan, std::int64_t images, Forwarded& result);

}  // namespace tollgate::pipeline
