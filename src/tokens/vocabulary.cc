#include "tokens/vocabulary.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "tokens/tables.h"

namespace tollgate::tokens {
namespace {

struct Known {
  std::string_view name;
  std::string_view file;
  Pattern pattern;
  std::string_view sha256;
  std::uint32_t rank_left_out = kNone;  // A special token has it.
};

constexpr std::string_view kSumO200k =
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d";
constexpr std::string_view kSumCl100k =
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7";
constexpr std::string_view kSumP50k =
    "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069";
constexpr std::string_view kSumR50k =
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930";

// Special tokens are text, so names that differ in these alone have the same counts.
constexpr std::array<Known, 7> kKnown{{
    {"o200k_base", "o200k_base", Pattern::kO200k, kSumO200k},
    {"o200k_harmony", "o200k_base", Pattern::kO200k, kSumO200k},
    {"cl100k_base", "cl100k_base", Pattern::kCl100k, kSumCl100k},
    {"p50k_base", "p50k_base", Pattern::kGpt2, kSumP50k, 50256},
    {"p50k_edit", "p50k_base", Pattern::kGpt2, kSumP50k, 50256},
    {"r50k_base", "r50k_base", Pattern::kGpt2, kSumR50k},
    {"gpt2", "r50k_base", Pattern::kGpt2, kSumR50k},
}};

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

FaultOr<std::unique_ptr<const Vocabulary>> Vocabulary::load(std::string_view name,
                                                            std::string_view directory) {
  const Known* known = nullptr;
  for (const Known& candidate : kKnown) {
    if (candidate.name == name) known = &candidate;
  }
  if (known == nullptr) {
    return fault(FaultKind::kCorrupt, fmt::format("vocabulary {} is not known; known are {}", name,
                                                  fmt::join(known_vocabularies(), ", ")));
  }

  const std::string path = fmt::format("{}/{}.tiktoken", directory, known->file);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fault(
        FaultKind::kUnreachable,
        fmt::format("cannot read {}: {}; run ./dev setup to fetch it", path, std::strerror(errno)));
  }
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const std::string sha256 = sha256_hex(bytes);
  if (sha256 != known->sha256) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{} has SHA-256 {} where {} is expected; run ./dev setup to fetch it "
                             "again",
                             path, sha256, known->sha256));
  }

  FaultOr<std::unique_ptr<const Tables>> tables =
      Tables::parse(std::string(name), known->pattern, bytes, known->rank_left_out);
  if (!tables) return std::unexpected(std::move(tables.error()));
  return std::make_unique<const Vocabulary>(std::move(*tables));
}

Vocabulary::Vocabulary(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Vocabulary::~Vocabulary() = default;

const std::string& Vocabulary::name() const { return tables_->name(); }

std::vector<std::string_view> known_vocabularies() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  return names;
}

}  // namespace tollgate::tokens
