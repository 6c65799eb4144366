// What a Hugging Face `tokenizer.json` says of how a text becomes tokens, read strictly.
//
// The file is a program in disguise: normalizers, patterns and a model that can be combined at
// will. Here those combinations are known that models are served with, each by its exact text;
// any other is a Fault that names the member, because a count that is nearly right is wrong
// where money hangs on it.
//
// Source: the format of the crate `tokenizers`, read and written by Hugging Face's libraries.
//
// No I/O. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "tokens/vocabulary.h"

namespace tollgate::tokens {

// What becomes of a text before it is split.
enum class NormalForm : std::uint8_t {
  kAsIs,
  kNfc,     // Unicode's composed form.
  kSpaces,  // U+2581, by which such vocabularies write a space, becomes one.
};

// Whether a text is counted as if a space stood before it.
enum class LeadingSpace : std::uint8_t { kNone, kAlways, kUnlessThere };

// How the tokens of a piece are found.
enum class Model : std::uint8_t {
  kMerges,   // From the smallest, by merging.
  kUnigram,  // Those whose scores have the highest sum.
};

struct Rules {
  Model model = Model::kMerges;
  Pattern pattern = Pattern::kGpt2;
  NormalForm normal_form = NormalForm::kAsIs;
  LeadingSpace leading_space = LeadingSpace::kNone;
  bool ignore_merges = false;  // A whole piece that is in the vocabulary is one token.
  bool byte_fallback =
      false;  // Tokens are of characters; one that is in none is told by its bytes.
};

// A token and its id, by the bytes that it stands for.
struct VocabularyEntry {
  std::string bytes;
  std::uint32_t id = 0;
};

// Indices into the vocabulary: the two are merged to the third. The lower the place, the earlier.
struct MergeRule {
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  std::uint32_t merged = 0;
};

// A text that is a token wherever it stands, whatever is around it.
struct AddedToken {
  std::string text;
  std::uint32_t id = 0;
};

struct TokenizerJson {
  Rules rules;
  std::vector<VocabularyEntry> vocabulary;  // Without those that no text can have.
  std::vector<MergeRule> merges;            // Of kMerges.
  std::vector<double> scores;               // Of kUnigram, in the order of the vocabulary.
  // Byte by byte, the ids of what is in no token; of byte_fallback alone.
  std::vector<std::uint32_t> byte_ids;
  std::vector<AddedToken> added;    // Taken out of every text.
  std::vector<AddedToken> special;  // Control a conversation; in a text they are text.
};

inline constexpr std::size_t kTokenizerJsonBytesMax = std::size_t{64} << 20;

// `name` is the file's in messages. Linear in the size of `json`.
FaultOr<TokenizerJson> read_tokenizer_json(std::string_view name, std::string_view json);

}  // namespace tollgate::tokens
