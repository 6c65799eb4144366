// The commented file that `tollgate init` writes and `tollgate run` serves: loopback only, one
// tenant, safe limits and a budget, a route for each surface that the upstreams can serve. It
// loads without a problem and without a finding. No I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tollgate::config {

// What was found on the machine. With nothing found, a vLLM at its usual place is assumed.
struct StarterUpstreams {
  bool openai = false;                     // OPENAI_API_KEY is set.
  bool anthropic = false;                  // ANTHROPIC_API_KEY is set.
  std::optional<std::string> ollama_host;  // As OLLAMA_HOST has it: "127.0.0.1:11434", a URL, "".
  std::vector<std::string> ollama_models;  // Asked of it; empty: "llama3.2".
  std::optional<std::string> vllm_url;     // "http://127.0.0.1:8000/v1"
  std::vector<std::string> vllm_models;    // Asked of it; empty: "local-model".
  std::string address = "127.0.0.1:8080";
  std::string admin_address = "127.0.0.1:9900";
  std::string ledger = "sqlite://tollgate.db";
};

std::string init_yaml(const StarterUpstreams& found);

// Where an OLLAMA_HOST is reached with the OpenAI dialect: "http://127.0.0.1:11434/v1".
std::string ollama_url(const std::string& host);

}  // namespace tollgate::config
