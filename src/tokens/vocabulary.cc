#include "tokens/vocabulary.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "tokens/tables.h"
#include "tokens/tokenizer_json.h"

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

// Pattern and all else that is not in the ranks is said in a tokenizer.json itself.
constexpr Known tokenizer_json(std::string_view name, std::string_view file,
                               std::string_view sha256) {
  return {name, file, Pattern::kGpt2, sha256};
}

// Special tokens are text, so names that differ in these alone have the same counts.
constexpr std::array<Known, 13> kKnown{{
    {"o200k_base", "o200k_base.tiktoken", Pattern::kO200k, kSumO200k},
    {"o200k_harmony", "o200k_base.tiktoken", Pattern::kO200k, kSumO200k},
    {"cl100k_base", "cl100k_base.tiktoken", Pattern::kCl100k, kSumCl100k},
    {"p50k_base", "p50k_base.tiktoken", Pattern::kGpt2, kSumP50k, 50256},
    {"p50k_edit", "p50k_base.tiktoken", Pattern::kGpt2, kSumP50k, 50256},
    {"r50k_base", "r50k_base.tiktoken", Pattern::kGpt2, kSumR50k},
    {"gpt2", "r50k_base.tiktoken", Pattern::kGpt2, kSumR50k},
    tokenizer_json("llama3", "llama3.json",
                   "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78"),
    tokenizer_json("qwen2_5", "qwen2_5.json",
                   "c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539"),
    tokenizer_json("deepseek_v3", "deepseek_v3.json",
                   "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41"),
    tokenizer_json("mistral_nemo", "mistral_nemo.json",
                   "e11c71726323d33da7b8d6f6f269f1988931c0a52b7122bcdd8c05042974e0db"),
    tokenizer_json("llama2", "llama2.json",
                   "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc"),
    tokenizer_json("gemma3", "gemma3.json",
                   "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795"),
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

FaultOr<std::string> read_file(const std::string& path, std::string_view what_to_do) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("cannot read {}: {}; {}", path, std::strerror(errno), what_to_do));
  }
  std::string bytes;
  std::array<char, 64 * 1024> part;
  // A little more than the largest that is taken, so that a device without an end has one.
  while (bytes.size() <= kTokenizerJsonBytesMax) {
    file.read(part.data(), part.size());
    if (file.gcount() == 0) break;
    bytes.append(part.data(), static_cast<std::size_t>(file.gcount()));
  }
  return bytes;
}

FaultOr<std::unique_ptr<const Vocabulary>> made(FaultOr<std::unique_ptr<const Tables>> tables) {
  if (!tables) return std::unexpected(std::move(tables.error()));
  return std::make_unique<const Vocabulary>(std::move(*tables));
}

}  // namespace

bool names_file(std::string_view name) { return name.ends_with(".json"); }

FileStamp stamp_of(std::string_view name) {
  struct stat found{};
  if (!names_file(name) || ::stat(std::string(name).c_str(), &found) != 0) return {};
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {found.st_dev, found.st_ino, found.st_size, nanoseconds(found.st_mtim),
          nanoseconds(found.st_ctim)};
}

FaultOr<std::unique_ptr<const Vocabulary>> Vocabulary::load(std::string_view name,
                                                            std::string_view directory) {
  if (names_file(name)) {
    FaultOr<std::string> json = read_file(std::string(name), "name a tokenizer.json that is there");
    if (!json) return std::unexpected(std::move(json.error()));
    return made(Tables::parse_json(std::string(name), *json));
  }
  const Known* known = nullptr;
  for (const Known& candidate : kKnown) {
    if (candidate.name == name) known = &candidate;
  }
  if (known == nullptr) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("vocabulary {} is not known; known are {}, and the path of a "
                             "tokenizer.json",
                             name, fmt::join(known_vocabularies(), ", ")));
  }

  const std::string path = fmt::format("{}/{}", directory, known->file);
  const FaultOr<std::string> bytes = read_file(path, "run ./dev setup to fetch it");
  if (!bytes) return std::unexpected(bytes.error());
  const std::string sha256 = sha256_hex(*bytes);
  if (sha256 != known->sha256) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{} has SHA-256 {} where {} is expected; run ./dev setup to fetch it "
                             "again",
                             path, sha256, known->sha256));
  }
  if (names_file(known->file)) return made(Tables::parse_json(std::string(name), *bytes));
  return made(Tables::parse(std::string(name), known->pattern, *bytes, known->rank_left_out));
}

Vocabulary::Vocabulary(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Vocabulary::~Vocabulary() = default;

const std::string& Vocabulary::name() const { return tables_->name(); }

bool Vocabulary::is_within_bytes() const { return tables_->splits_whole(); }

std::vector<std::string_view> known_vocabularies() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  return names;
}

}  // namespace tollgate::tokens
