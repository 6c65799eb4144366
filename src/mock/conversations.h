// Conversations that the mock keeps, as OpenAI's Conversations API has them: made, told, changed
// and forgotten, with items that turns add to. In memory, a bounded number of each; all loops' at
// once.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::mock {

class Conversations {
 public:
  static constexpr std::size_t kConversationsMax = 4096;
  static constexpr std::size_t kItemsMax = 4096;  // Of each.

  struct Reply {
    int status = 200;
    std::string body;
  };
  // `path` is what stands behind "/v1/conversations".
  Reply serve(std::string_view method, std::string_view path, std::string_view body);

  // All its items, as JSON, one behind the other; nothing: there is none of that id.
  std::optional<std::string> texts_of(std::string_view id) const;
  // Adds what `body`, a request of responses, brings, and what it was answered.
  void add_turn(std::string_view id, std::string_view body, std::string_view answer);

 private:
  struct Item {
    std::string id;
    std::string json;
  };
  struct Conversation {
    std::string metadata = "{}";
    std::vector<Item> items;
  };

  Reply make(std::string_view body);
  Reply serve_items(Conversation& of, std::string_view id, std::string_view method,
                    std::string_view item, std::string_view body);
  // Whether there was room for them.
  bool add(Conversation& to, std::string_view body, std::string_view field,
           std::vector<Item>& added);
  static std::string told(std::string_view id, const Conversation& of);

  mutable std::mutex mutex_;
  std::map<std::string, Conversation, std::less<>> all_;
  std::uint64_t serial_ = 0;
};

}  // namespace tollgate::mock
