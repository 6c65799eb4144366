#include "pipeline/upstream_words.h"

#include <string>
#include <string_view>

namespace tollgate::pipeline {

namespace {

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  if (what.empty()) return;
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

void hide(dialects::UpstreamError& error, const Plan& plan) {
  for (std::string* text : {&error.message, &error.param, &error.code, &error.type}) {
    replace_all(*text, plan.upstream->credential.reveal(), "[hidden]");
    for (const config::Endpoint& endpoint : plan.upstream->endpoints) {
      replace_all(*text, endpoint.host, "[hidden]");
    }
    if (plan.model->upstream_name != plan.model->name) {
      replace_all(*text, plan.model->upstream_name, plan.model->name);
    }
    replace_all(*text, plan.kept.previous, plan.kept.previous_sealed);
  }
}

}  // namespace tollgate::pipeline
