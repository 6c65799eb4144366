// Strings that are used again from request to request, so that the steady state allocates none.
// One thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tollgate::pipeline {

class BufferPool {
 public:
  // A large buffer is not kept for the next request, and no more than a burst's worth of
  // others is.
  static constexpr std::size_t kKeptBytesMax = 64 << 10;
  static constexpr std::size_t kKept = 256;

  // Gives its buffer back, emptied, when it goes. The pool outlives it.
  class Lease {
   public:
    Lease(BufferPool& pool, std::string text) : pool_(&pool), text_(std::move(text)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_->give_back(std::move(text_)); }
    std::string& operator*() { return text_; }
    std::string* operator->() { return &text_; }

   private:
    BufferPool* pool_;
    std::string text_;
  };

  Lease lease() {
    if (free_.empty()) return {*this, std::string()};
    std::string text = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(text)};
  }

 private:
  void give_back(std::string text) {
    if (text.capacity() > kKeptBytesMax || free_.size() >= kKept) return;
    text.clear();
    free_.push_back(std::move(text));
  }

  std::vector<std::string> free_;
};

}  // namespace tollgate::pipeline
