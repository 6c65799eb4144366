// Links and images in the text of an answer that carry data out: whoever shows the text in a
// browser loads an image by itself, and its address can say what the model was talked into saying.
//
// Read are the forms that chats make active: Markdown's inline links and images, the definitions of
// its references, its links in angle brackets, and the attributes of HTML that name an address.
// Found is
//   - links.image: what a browser loads by itself, from a host that is not allowed, with a query,
//     with a name and password, with a long part in its path or host, or with a mask, in whose
//     place its value may be restored;
//   - links.link: the same of what takes a click, where the query or a part of it is long, or there
//     is a mask;
//   - links.script: a scheme that runs or shows what it holds (javascript:, vbscript:, data: but
//     for images).
// A bare address in the text, and one of the page's own host ("/a.png"), is not found. What stands
// in a block of code is read like the rest: who shows it need not know that it is one.
//
// One thread. Linear, whatever the cuts; memory of a few addresses. Sources: CommonMark 0.31,
// "Links", "Images", "Link reference definitions", "Autolinks"; WHATWG HTML, "Attributes"; WHATWG
// URL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/content.h"

namespace tollgate::content {

// "links.image"…
std::span<const std::string_view> link_rules();

class LinkReader {
 public:
  // No address is longer; one that is carries data.
  static constexpr std::size_t kAddressMax = 2'048;
  // With what a browser leaves out of it.
  static constexpr std::size_t kWrittenMax = 2 * kAddressMax;

  // `allow` holds hosts, "*.example.com" for all below one. Borrows them.
  explicit LinkReader(std::span<const std::string> allow) : allow_(allow) {}

  // As StreamScanner's, of the text as it is.
  void read(std::string_view piece, std::vector<StreamMatch>& found);
  void end(std::vector<StreamMatch>& found);
  std::size_t size() const { return size_; }
  std::size_t decided() const;

 private:
  enum class Loads : std::uint8_t { kByItself, kByClick };
  // An address that is being read.
  struct Address {
    bool is_open = true;  // It may still be found; else it is only read to its end.
    bool is_markdown = false;
    Loads loads = Loads::kByClick;
    char quote = 0;           // That ends it; 0: white space does.
    bool is_css = false;      // It may stand within other words.
    bool is_escaped = false;  // The next character, which ends nothing.
    int parentheses = 0;      // Open in it.
    std::size_t begin = 0;
    std::string text;  // Without what a browser leaves out.
  };
  // One may never end, so that others begin within what it seems to be: the eldest first.
  using Addresses = std::vector<Address>;
  static constexpr std::size_t kAddressesMax = 4;
  enum class Markdown : std::uint8_t { kText, kBang, kClosed, kGap };
  enum class Html : std::uint8_t { kText, kTagName, kGap };

  void open(Addresses& all, Address address, std::vector<StreamMatch>& found);
  static bool goes_on(Address& address, char c);
  void go_on(Addresses& all, char c, std::size_t at, std::vector<StreamMatch>& found);
  void close(Address& address, std::size_t end, std::vector<StreamMatch>& found);
  void close_unread(Address& address, std::size_t end, std::vector<StreamMatch>& found);
  void settle(Address& address, std::size_t end, std::vector<StreamMatch>& found);
  bool is_harmless(std::string_view address) const;
  void read_markdown(char c, std::size_t at, std::vector<StreamMatch>& found);
  void read_html(char c, std::size_t at, std::vector<StreamMatch>& found);
  void read_text(char c);
  void open_bracket(Loads loads);
  void close_bracket();
  bool begins_gap(char c);
  bool is_of_gap(char c);
  bool is_of_html_gap(char c);
  void end_tag_name(char c, std::vector<StreamMatch>& found);
  void read_attribute(char c);
  std::string_view rule_of(const Address& address) const;
  std::string_view rule_of(std::string_view address, const Address& of) const;
  std::string_view rule_of(std::string_view address, Loads loads) const;
  bool is_allowed(std::string_view host) const;

  std::span<const std::string> allow_;
  std::size_t size_ = 0;

  static constexpr std::size_t kBracketsMax = 32;
  Markdown markdown_ = Markdown::kText;
  std::array<Loads, kBracketsMax> brackets_{};  // Of those that are open.
  std::size_t open_brackets_ = 0;
  Loads within_ = Loads::kByItself;  // Of the last bracket within an address.
  Loads closed_ = Loads::kByClick;
  bool is_escaped_ = false;
  bool is_angled_ = false;
  bool has_break_ = false;  // In the gap.
  std::string spaces_;      // Of the gap: what may be one that is not ASCII.
  Addresses in_markdown_;

  Html html_ = Html::kText;
  std::size_t tag_begin_ = 0;
  std::string name_;       // Of the tag or attribute that is being read, in small letters.
  bool has_name_ = false;  // It has ended.
  bool has_tags_ = false;
  bool tag_loads_ = false;  // The last of them loads what it names by `href`.
  Loads html_loads_ = Loads::kByClick;
  bool is_css_ = false;
  char html_quote_ = 0;
  Addresses in_html_;
  std::size_t around_tag_ = 0;  // So many of them were open where the last tag began.
};

}  // namespace tollgate::content
