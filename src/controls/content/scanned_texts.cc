#include "controls/content/scanned_texts.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <limits>

namespace tollgate::content {

namespace {

using Block = std::array<unsigned char, 16>;

// The tag of one message is never told, so that all may have the same.
constexpr std::array<unsigned char, 12> kNonce{};

bool add(EVP_CIPHER_CTX* cipher, std::string_view bytes) {
  int size = 0;
  return EVP_EncryptUpdate(cipher, nullptr, &size,
                           reinterpret_cast<const unsigned char*>(bytes.data()),
                           static_cast<int>(bytes.size())) == 1;
}

}  // namespace

void ScannedTexts::Free::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

bool ScannedTexts::begin() {
  Block secret;
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1) return false;
  cipher_.reset(EVP_CIPHER_CTX_new());
  if (cipher_ != nullptr && EVP_EncryptInit_ex(cipher_.get(), EVP_aes_128_gcm(), nullptr,
                                               secret.data(), kNonce.data()) != 1) {
    cipher_.reset();
  }
  OPENSSL_cleanse(secret.data(), secret.size());
  if (cipher_ == nullptr) return false;
  places_.assign(kTextsMax, Place{});
  return true;
}

auto ScannedTexts::tag(std::string_view context, std::string_view text) -> std::optional<Tag> {
  if (cipher_ == nullptr && !begin()) return std::nullopt;
  constexpr std::size_t kMost = std::numeric_limits<int>::max();
  if (context.size() > kMost || text.size() > kMost) return std::nullopt;
  EVP_CIPHER_CTX* const cipher = cipher_.get();
  const std::uint64_t size = context.size();
  std::array<char, sizeof size> of_context;
  std::memcpy(of_context.data(), &size, sizeof size);
  Block made;
  int none = 0;
  if (EVP_EncryptInit_ex(cipher, nullptr, nullptr, nullptr, kNonce.data()) != 1 ||
      !add(cipher, {of_context.data(), of_context.size()}) || !add(cipher, context) ||
      !add(cipher, text) || EVP_EncryptFinal_ex(cipher, made.data(), &none) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(made.size()),
                          made.data()) != 1) {
    forget();
    return std::nullopt;
  }
  Tag tag;
  std::memcpy(&tag.low, made.data(), sizeof tag.low);
  std::memcpy(&tag.high, made.data() + sizeof tag.low, sizeof tag.high);
  // It would be taken for an empty place.
  if (tag == Tag{}) return std::nullopt;
  return tag;
}

auto ScannedTexts::find(const Tag& tag) const -> const Found* {
  const std::size_t first = home(tag);
  for (std::size_t i = first; i < first + 2; ++i) {
    if (places_[i].tag == tag) return &places_[i].found;
  }
  return nullptr;
}

void ScannedTexts::keep(const Tag& tag, const Found& found) {
  if (found.count > kMatchesMax) return;
  const std::size_t first = home(tag);
  places_[first + 1] = places_[first];
  places_[first] = {tag, found};
}

void ScannedTexts::forget() {
  cipher_.reset();
  places_.clear();
}

}  // namespace tollgate::content
