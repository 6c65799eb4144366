#include "controls/content/links.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tollgate::content {

namespace {

constexpr std::array<std::string_view, 3> kRules{"links.image", "links.link", "links.script"};
constexpr std::string_view kImage = kRules[0];
constexpr std::string_view kLink = kRules[1];
constexpr std::string_view kScript = kRules[2];

// What carries data: longer than names, numbers and words of ordinary addresses.
struct Bounds {
  std::size_t query;  // All of it…
  std::size_t value;  // …and one value.
  std::size_t path;
  std::size_t part;   // Of the path.
  std::size_t label;  // Of the host.
};
constexpr Bounds kLoaded{.query = 0, .value = 0, .path = 128, .part = 32, .label = 32};
constexpr Bounds kClicked{.query = 64, .value = 16, .path = 256, .part = 64, .label = 40};

constexpr int kGapMax = 64;
constexpr std::size_t kSchemeMax = std::string_view("javascript").size();

constexpr std::string_view kTags[] = {
    "a",      "area",  "audio", "base",  "body",  "button", "embed",  "form",   "frame",
    "iframe", "image", "img",   "input", "link",  "meta",   "object", "script", "source",
    "style",  "svg",   "table", "td",    "track", "use",    "video"};
constexpr std::string_view kSchemes[] = {"http", "https", "javascript", "vbscript", "data"};
constexpr std::string_view kLoading[] = {"src",   "srcset",  "poster",   "background", "data",
                                         "style", "content", "manifest", "longdesc"};
constexpr std::string_view kClicking[] = {"href", "xlink:href", "action", "formaction", "ping"};
constexpr std::size_t kNameMax = 12;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_among(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}
bool begins_one(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view one) { return one.starts_with(name); });
}

bool has_longer(std::string_view text, std::string_view between, std::size_t most) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(between), text.size());
    if (end > most) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

std::string lowered(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), lower);
  return small;
}

// An address as a browser takes it apart.
struct Parts {
  std::string host;
  bool has_user = false;
  std::string_view path;
  std::string_view query;
};

Parts parts_of(std::string_view behind_scheme) {
  Parts parts;
  const std::size_t begin = std::min(behind_scheme.find_first_not_of("/\\"), behind_scheme.size());
  std::string_view rest = behind_scheme.substr(begin);
  const std::size_t authority_end = std::min(rest.find_first_of("/\\?#"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    parts.has_user = true;
    authority.remove_prefix(at + 1);
  }
  if (!authority.starts_with('[')) authority = authority.substr(0, authority.find(':'));
  while (authority.ends_with('.')) authority.remove_suffix(1);
  parts.host = lowered(authority);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t query = rest.find('?');
  parts.path = rest.substr(0, query);
  if (query != std::string_view::npos) parts.query = rest.substr(query + 1);
  return parts;
}

bool carries_data(const Parts& parts, const Bounds& bounds) {
  return parts.has_user || parts.query.size() > bounds.query ||
         has_longer(parts.query, "=&;", bounds.value) || parts.path.size() > bounds.path ||
         has_longer(parts.path, "/\\;,", bounds.part) || has_longer(parts.host, ".", bounds.label);
}

bool is_entity(std::string_view text) {
  const std::string_view name = text.substr(1, std::min(text.find(';'), text.size()) - 1);
  return name.size() + 1 < text.size() && !name.empty() && std::ranges::all_of(name, [](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '#';
         });
}

// An image holds no script, but for what is drawn by one.
bool is_image_data(std::string_view behind_scheme) {
  constexpr std::string_view kKinds[] = {"image/png",  "image/jpeg", "image/jpg",
                                         "image/webp", "image/gif",  "image/avif"};
  return is_among(lowered(behind_scheme.substr(0, behind_scheme.find_first_of(";,"))), kKinds);
}

}  // namespace

std::span<const std::string_view> link_rules() { return kRules; }

void LinkReader::read(std::string_view piece, std::vector<StreamMatch>& found) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    read_markdown(piece[i], size_ + i, found);
    read_html(piece[i], size_ + i, found);
  }
  size_ += piece.size();
}

void LinkReader::end(std::vector<StreamMatch>& found) {
  close(in_markdown_, size_, found);
  close(in_html_, size_, found);
  markdown_ = Markdown::kText;
  html_ = Html::kText;
}

std::size_t LinkReader::decided() const {
  std::size_t decided = size_;
  for (const Address* address : {&in_markdown_, &in_html_}) {
    if (address->is_open) decided = std::min(decided, address->begin);
  }
  if (html_ == Html::kTagName && begins_one(name_, kSchemes)) {
    decided = std::min(decided, tag_begin_ + 1);
  }
  return decided;
}

// Addresses --------------------------------------------------------------------------------

void LinkReader::open(Address& address, Loads loads, std::size_t at) {
  address.is_open = true;
  address.loads = loads;
  address.quote = 0;
  address.is_css = false;
  address.parentheses = 0;
  address.begin = at;
  address.text.clear();
}

bool LinkReader::goes_on(Address& address, char c, bool is_markdown) {
  if (address.quote != 0 && c == address.quote) return false;
  if (c == '\t' || c == '\n' || c == '\r' || c == '\\') {
    // A browser leaves these out of an address, or takes them for a slash.
    if (address.quote == 0 && c != '\\') return false;
    if (c == '\\' && !is_markdown) address.text += '/';
    return true;
  }
  if (address.quote == 0 && (c == ' ' || c == '>' || c == '<')) return false;
  if (is_markdown) {
    if (c == '(') ++address.parentheses;
    if (c == ')' && address.parentheses-- == 0) return false;
  }
  if (address.text.size() <= kAddressMax) address.text += c;
  return true;
}

void LinkReader::close(Address& address, std::size_t end, std::vector<StreamMatch>& found) {
  if (!std::exchange(address.is_open, false)) return;
  const std::string_view rule = rule_of(address);
  if (!rule.empty()) found.push_back({rule, {address.begin, end}});
}

// Once enough of it is there: one that can carry nothing out need not wait for its end, and none is
// waited for that is longer than all.
void LinkReader::settle(Address& address, std::size_t end, std::vector<StreamMatch>& found) {
  if (!address.is_open) return;
  if (address.text.size() > kAddressMax) return close(address, end, found);
  constexpr std::string_view kTelling = ":/?#&";
  const bool tells = address.text.size() == kSchemeMax + 1 ||
                     (!address.text.empty() &&
                      (kTelling.contains(address.text.back()) || address.text.size() == 2));
  if (tells && !address.is_css && is_harmless(address.text)) address.is_open = false;
}

bool LinkReader::is_harmless(std::string_view address) const {
  const std::size_t end = address.find_first_of(":/?#&");
  if (end == std::string_view::npos) return address.size() > kSchemeMax;
  std::string_view rest = address;
  if (address[end] == '&') return false;
  if (address[end] == ':') {
    const std::string scheme = lowered(address.substr(0, end));
    if (!is_among(scheme, kSchemes)) return true;
    if (!scheme.starts_with("http")) return false;
    rest = address.substr(end + 1);
  } else if (end > 0 || address[end] != '/') {
    return true;
  } else if (address.size() < 2 || address[1] != '/') {
    return address.size() >= 2;
  }
  const std::size_t host = rest.find_first_not_of('/');
  if (host == std::string_view::npos || rest.find_first_of("/?#", host) == std::string_view::npos) {
    return false;
  }
  const Parts parts = parts_of(rest);
  return !parts.has_user && is_allowed(parts.host);
}

std::string_view LinkReader::rule_of(const Address& address) const {
  const std::string_view text = address.text;
  if (address.is_css && text.size() > kAddressMax) return kImage;
  if (!address.is_css) return rule_of(text, address.loads);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != ':' && !text.substr(at).starts_with("//")) continue;
    // Of each scheme that stands in it, from where its letters begin.
    std::size_t begin = at;
    while (text[at] == ':' && begin > 0 && is_letter(text[begin - 1])) --begin;
    const std::size_t end = std::min(text.find_first_of("\"' )", begin), text.size());
    const auto rule = rule_of(text.substr(begin, end - begin), address.loads);
    if (!rule.empty()) return rule;
  }
  return {};
}

std::string_view LinkReader::rule_of(std::string_view address, Loads loads) const {
  while (!address.empty() && static_cast<unsigned char>(address.front()) <= ' ') {
    address.remove_prefix(1);
  }
  const bool is_loaded = loads == Loads::kByItself;
  const std::string_view rule = is_loaded ? kImage : kLink;
  const std::size_t scheme_end = address.find_first_of(":/?#&");
  std::string_view rest = address;
  if (scheme_end != std::string_view::npos && address[scheme_end] == '&') {
    // Of a scheme that is written with entities only a browser knows what they make.
    return is_entity(address.substr(scheme_end)) ? kScript : std::string_view();
  }
  if (scheme_end != std::string_view::npos && address[scheme_end] == ':') {
    const std::string scheme = lowered(address.substr(0, scheme_end));
    rest = address.substr(scheme_end + 1);
    if (scheme == "javascript" || scheme == "vbscript") return kScript;
    if (scheme == "data") {
      return is_loaded && is_image_data(rest) ? std::string_view() : kScript;
    }
    if (scheme != "http" && scheme != "https") return {};
  } else if (!address.starts_with("//") && !address.starts_with("\\\\")) {
    return {};  // Of the page's own host.
  }
  const Parts parts = parts_of(rest);
  if (parts.host.empty() || (is_allowed(parts.host) && !parts.has_user)) return {};
  // In the place of a mask its value may be told to the caller, whose browser has it then.
  if (address.size() > kAddressMax || address.contains(kMaskBegin)) return rule;
  return carries_data(parts, is_loaded ? kLoaded : kClicked) ? rule : std::string_view();
}

bool LinkReader::is_allowed(std::string_view host) const {
  return std::ranges::any_of(allow_, [&](std::string_view allowed) {
    if (!allowed.starts_with("*.")) return host == allowed;
    return host.ends_with(allowed.substr(1)) && host.size() > allowed.size() - 1;
  });
}

// Markdown ---------------------------------------------------------------------------------

void LinkReader::read_text(char c) {
  const bool is_image = markdown_ == Markdown::kBang;
  markdown_ = c == '!' ? Markdown::kBang : Markdown::kText;
  if (c == '[') {
    // What is deeper than anybody writes is taken for an image.
    const std::size_t at = std::min(open_brackets_++, kBracketsMax - 1);
    brackets_[at] = is_image ? Loads::kByItself : Loads::kByClick;
  } else if (c == ']' && open_brackets_ > 0) {
    --open_brackets_;
    closed_ = open_brackets_ < kBracketsMax ? brackets_[open_brackets_] : Loads::kByItself;
    markdown_ = Markdown::kClosed;
  } else if (c == ']') {
    closed_ = Loads::kByItself;
    markdown_ = Markdown::kClosed;
  }
}

// Behind the brackets: whether what names an address follows.
bool LinkReader::begins_gap(char c) {
  if (c != '(' && c != ':') return false;
  // An image may be of a reference.
  if (c == ':') closed_ = Loads::kByItself;
  gap_ = 0;
  is_angled_ = false;
  markdown_ = Markdown::kGap;
  return true;
}

void LinkReader::read_markdown(char c, std::size_t at, std::vector<StreamMatch>& found) {
  switch (markdown_) {
    case Markdown::kText:
    case Markdown::kBang:
      return read_text(c);
    case Markdown::kClosed:
      if (!begins_gap(c)) read_text(c);
      return;
    case Markdown::kGap:
      is_angled_ = is_angled_ || c == '<';
      if ((is_space(c) || c == '<') && gap_++ < kGapMax) return;
      open(in_markdown_, closed_, at);
      if (is_angled_) in_markdown_.quote = '>';
      markdown_ = Markdown::kAddress;
      [[fallthrough]];
    case Markdown::kAddress:
      if (goes_on(in_markdown_, c, true)) return settle(in_markdown_, at + 1, found);
      close(in_markdown_, at, found);
      markdown_ = Markdown::kText;
      return read_text(c);
  }
}

// HTML -------------------------------------------------------------------------------------

void LinkReader::end_tag_name(char c) {
  html_ = Html::kText;
  if (c == ':' && is_among(name_, kSchemes)) {
    open(in_html_, Loads::kByClick, tag_begin_ + 1);
    in_html_.text = name_;
    html_ = Html::kAddress;
    (void)goes_on(in_html_, c, false);
  } else if (is_among(name_, kTags) && (is_space(c) || c == '/')) {
    has_tags_ = true;
    tag_loads_ = name_ == "link" || name_ == "base" || name_ == "image" || name_ == "use";
  }
  name_.clear();
  has_name_ = false;
}

// Where tags begin and end is for a browser to say, which is more lenient than any rule: behind the
// first of them every attribute counts.
void LinkReader::read_attribute(char c) {
  if (c == '=') {
    const bool loads = is_among(name_, kLoading) || (tag_loads_ && name_ == "href");
    if (loads || is_among(name_, kClicking)) {
      html_loads_ = loads ? Loads::kByItself : Loads::kByClick;
      is_css_ = name_ == "style" || name_ == "content" || name_ == "srcset";
      html_ = Html::kGap;
      html_gap_ = 0;
    }
    name_.clear();
  } else if (is_letter(c) || c == ':') {
    if (std::exchange(has_name_, false)) name_.clear();
    // Of a longer one no part is the name.
    if (name_.size() <= kNameMax) name_ += lower(c);
  } else if (is_space(c)) {
    has_name_ = true;
  } else {
    name_.clear();
  }
}

void LinkReader::read_html(char c, std::size_t at, std::vector<StreamMatch>& found) {
  if (html_ == Html::kAddress) {
    if (goes_on(in_html_, c, false)) return settle(in_html_, at + 1, found);
    close(in_html_, at, found);
    html_ = Html::kText;
  } else if (html_ == Html::kGap) {
    if (is_space(c) && html_gap_++ < kGapMax) return;
    const bool is_quoted = c == '"' || c == '\'';
    open(in_html_, html_loads_, is_quoted ? at + 1 : at);
    in_html_.is_css = is_css_;
    html_ = Html::kAddress;
    if (!is_quoted) return read_html(c, at, found);
    in_html_.quote = c;
    return;
  } else if (html_ == Html::kTagName) {
    if (!is_letter(c) || name_.size() > kNameMax) {
      end_tag_name(c);
    } else {
      name_ += lower(c);
    }
    if (c != '<') return;
  }
  if (c == '<') {
    html_ = Html::kTagName;
    tag_begin_ = at;
    name_.clear();
  } else if (has_tags_) {
    read_attribute(c);
  }
}

}  // namespace tollgate::content
