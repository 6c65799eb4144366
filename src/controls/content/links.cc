#include "controls/content/links.h"

#include <algorithm>
#include <array>
#include <utility>

#include "controls/content/escapes.h"

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

constexpr std::size_t kSchemeMax = std::string_view("javascript").size();

// Those that have an attribute which loads, or may have a style.
constexpr std::string_view kTags[] = {
    "a",       "animate", "applet", "area",   "article",    "aside",  "audio",  "b",       "base",
    "bgsound", "body",    "button", "center", "blockquote", "code",   "dd",     "details", "div",
    "dl",      "dt",      "em",     "embed",  "figure",     "font",   "footer", "form",    "frame",
    "h1",      "h2",      "h3",     "h4",     "h5",         "h6",     "header", "hr",      "html",
    "i",       "iframe",  "image",  "img",    "input",      "label",  "li",     "link",    "main",
    "mark",    "meta",    "nav",    "object", "ol",         "p",      "pre",    "rect",    "script",
    "section", "set",     "small",  "source", "span",       "strong", "style",  "summary", "svg",
    "table",   "tbody",   "td",     "th",     "tr",         "track",  "u",      "ul",      "use",
    "video",   "feimage", "picture"};
// Those that load what they name by `href`.
constexpr std::string_view kHrefLoads[] = {"link", "base", "image", "use", "feimage", "script"};
constexpr std::string_view kSchemes[] = {"http", "https", "javascript", "vbscript", "data"};
constexpr std::string_view kLoading[] = {
    "src",    "srcset",   "imagesrcset", "poster", "background", "data",    "style", "content",
    "srcdoc", "manifest", "longdesc",    "lowsrc", "dynsrc",     "archive", "fill",  "filter",
    "mask",   "cursor",   "codebase",    "from",   "to",         "values"};
// Of these, what has addresses among other words.
constexpr std::string_view kOfWords[] = {"srcset", "imagesrcset", "style",  "content",
                                         "srcdoc", "fill",        "filter", "mask",
                                         "cursor", "archive",     "values"};
constexpr std::string_view kClicking[] = {"href", "xlink:href", "action", "formaction", "ping"};
constexpr std::size_t kNameMax = 12;
// White space beyond ASCII, which Markdown may leave out before an address (ECMA-262, WhiteSpace).
constexpr std::string_view kSpaces[] = {"\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
                                        "\u2003", "\u2004", "\u2005", "\u2006", "\u2007",
                                        "\u2008", "\u2009", "\u200a", "\u2028", "\u2029",
                                        "\u202f", "\u205f", "\u3000", "\ufeff"};

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
// What a browser leaves out before an address.
constexpr bool is_left_out(char c) { return static_cast<unsigned char>(c) <= ' '; }

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
  return name.size() + 1 < text.size() && !name.empty() &&
         std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c) || c == '#'; });
}

// The entity at `at`, read once: where it ends, with what it stands for in `read`; `at`: none.
std::size_t entity_end(std::string_view text, std::size_t at, std::string& read) {
  constexpr std::string_view kAmpersand = "&amp;";
  if (text.substr(at).starts_with(kAmpersand)) {
    read = "&";
    return at + kAmpersand.size();
  }
  if (!text.substr(at).starts_with("&#")) return at + entity_at(text, at, read);
  // However many zeros its number begins with.
  const std::size_t digits = at + (text.substr(at + 2, 1).find_first_of("xX") == 0 ? 3 : 2);
  const std::size_t number = std::min(text.find_first_not_of('0', digits), text.size());
  constexpr std::size_t kNumberMax = 16;
  const std::string shorter =
      std::string(text.substr(at, digits - at)) + std::string(text.substr(number, kNumberMax));
  const std::size_t size = entity_at(shorter, 0, read);
  return size == 0 ? at : size + at + number - digits;
}

// An address with its entities read, as a browser takes it.
std::string with_entities_read(std::string_view address) {
  std::string made;
  for (std::size_t at = 0; at < address.size();) {
    std::string read;
    const std::size_t end = address[at] == '&' ? entity_end(address, at, read) : at;
    if (end == at) read = address[at];
    for (const char c : read) {
      if (c != '\t' && c != '\n' && c != '\r') made += c == '\\' ? '/' : c;
    }
    at = std::max(end, at + 1);
  }
  return made;
}

std::string_view without_spaces_before(std::string_view address) {
  while (!address.empty()) {
    const auto* const space = std::ranges::find_if(
        kSpaces, [&](std::string_view one) { return address.starts_with(one); });
    if (space == std::end(kSpaces) && !is_left_out(address.front())) break;
    address.remove_prefix(space == std::end(kSpaces) ? 1 : space->size());
  }
  return address;
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
  for (Addresses* all : {&in_markdown_, &in_html_}) {
    for (Address& address : *all) close(address, size_, found);
    all->clear();
  }
  markdown_ = Markdown::kText;
  html_ = Html::kText;
}

std::size_t LinkReader::decided() const {
  std::size_t decided = size_;
  for (const Addresses* all : {&in_markdown_, &in_html_}) {
    for (const Address& address : *all) {
      if (address.is_open) decided = std::min(decided, address.begin);
    }
  }
  if (html_ == Html::kTagName && begins_one(name_, kSchemes)) {
    decided = std::min(decided, tag_begin_ + 1);
  }
  return decided;
}

// Addresses --------------------------------------------------------------------------------

void LinkReader::open(Addresses& all, Address address, std::vector<StreamMatch>& found) {
  if (all.size() == kAddressesMax) {
    // What has so many begin within it is as one that is too long.
    Address& eldest = all.front();
    eldest.text.resize(kAddressMax + 1, '/');
    close(eldest, address.begin, found);
    all.erase(all.begin());
  }
  all.push_back(std::move(address));
}

// Whether it goes on with `c`.
bool LinkReader::goes_on(Address& address, char c) {
  const bool is_escaped = std::exchange(address.is_escaped, false);
  const bool is_quoted = address.quote != 0;
  if (c == '\t' || c == '\n' || c == '\r') return is_quoted;  // A browser leaves them out.
  if (c == '\\') {
    // It takes this for a slash; in Markdown it is an escape.
    address.is_escaped = address.is_markdown && !is_escaped;
    if (address.is_markdown) return true;
    c = '/';
  }
  if (!is_quoted && (c == ' ' || c == '\f')) return false;
  if (!is_escaped) {
    if (is_quoted && c == address.quote) return false;
    if (!is_quoted && !address.is_markdown && c == '>') return false;
    if (!is_quoted && address.is_markdown) {
      if (c == '(') ++address.parentheses;
      if (c == ')' && address.parentheses-- == 0) return false;
    }
  }
  if (address.is_open) address.text += c;
  return true;
}

// Each with `c`, but for those that end there.
void LinkReader::go_on(Addresses& all, char c, std::size_t at, std::vector<StreamMatch>& found) {
  std::erase_if(all, [&](Address& address) {
    const bool has_ended = !goes_on(address, c);
    if (has_ended) {
      close(address, at, found);
    } else {
      settle(address, at + 1, found);
    }
    return has_ended;
  });
}

void LinkReader::close(Address& address, std::size_t end, std::vector<StreamMatch>& found) {
  if (!std::exchange(address.is_open, false)) return;
  const std::string_view rule = rule_of(address);
  if (!rule.empty()) found.push_back({rule, {address.begin, end}});
}

// Most of it is left out, so that it has not shown where it leads.
void LinkReader::close_unread(Address& address, std::size_t end, std::vector<StreamMatch>& found) {
  address.is_open = false;
  std::string_view rule = rule_of(address);
  const bool is_image = lowered(address.text).starts_with("data:image/");
  if (rule.empty() && !is_image && !is_harmless(address.text)) {
    rule = address.loads == Loads::kByItself ? kImage : kLink;
  }
  if (!rule.empty()) found.push_back({rule, {address.begin, end}});
}

// Once enough of it is there: one that can carry nothing out need not wait for its end, and none is
// waited for that is longer than all.
void LinkReader::settle(Address& address, std::size_t end, std::vector<StreamMatch>& found) {
  if (!address.is_open) return;
  if (address.text.size() > kAddressMax) return close(address, end, found);
  if (end - address.begin > kWrittenMax) return close_unread(address, end, found);
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
    return address.size() >= 2 && address[1] != '&';
  }
  const std::size_t host = rest.find_first_not_of('/');
  if (host == std::string_view::npos) return false;
  // What an entity stands for may end the host.
  const std::size_t host_end = rest.find_first_of("/?#&", host);
  if (host_end == std::string_view::npos || rest[host_end] == '&') return false;
  const Parts parts = parts_of(rest);
  return !parts.has_user && is_allowed(parts.host);
}

// As it is written, and with its entities read.
std::string_view LinkReader::rule_of(const Address& address) const {
  const std::string_view rule = rule_of(address.text, address);
  if (!rule.empty() || !address.text.contains('&')) return rule;
  return rule_of(with_entities_read(address.text), address);
}

std::string_view LinkReader::rule_of(std::string_view text, const Address& of) const {
  if (of.is_css && text.size() > kAddressMax) return kImage;
  if (!of.is_css) return rule_of(text, of.loads);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != ':' && !text.substr(at).starts_with("//")) continue;
    // Of each scheme that stands in it, from where its letters begin.
    std::size_t begin = at;
    while (text[at] == ':' && begin > 0 && is_letter(text[begin - 1])) --begin;
    const std::size_t end = std::min(text.find_first_of("\"' )", begin), text.size());
    const auto rule = rule_of(text.substr(begin, end - begin), of.loads);
    if (!rule.empty()) return rule;
  }
  return {};
}

std::string_view LinkReader::rule_of(std::string_view address, Loads loads) const {
  address = without_spaces_before(address);
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

void LinkReader::open_bracket(Loads loads) {
  // Where the address ends as it should, what stands in it opens nothing.
  if (!in_markdown_.empty()) {
    within_ = loads;
    return;
  }
  // What is deeper than anybody writes is taken for an image.
  const std::size_t at = std::min(open_brackets_++, kBracketsMax - 1);
  brackets_[at] = loads;
}

void LinkReader::close_bracket() {
  closed_ = Loads::kByItself;
  if (!in_markdown_.empty()) {
    closed_ = within_;
  } else if (open_brackets_ > 0) {
    --open_brackets_;
    if (open_brackets_ < kBracketsMax) closed_ = brackets_[open_brackets_];
  }
}

void LinkReader::read_text(char c) {
  const bool is_image = markdown_ == Markdown::kBang;
  const bool is_escaped = std::exchange(is_escaped_, c == '\\' && !is_escaped_);
  if (in_markdown_.empty()) within_ = Loads::kByItself;
  markdown_ = c == '!' ? Markdown::kBang : Markdown::kText;
  if (c == '[' && !is_escaped) {
    open_bracket(is_image ? Loads::kByItself : Loads::kByClick);
  } else if (c == ']') {
    closed_ = Loads::kByItself;
    if (!is_escaped) close_bracket();
    markdown_ = Markdown::kClosed;
  }
}

// Behind the brackets: whether what names an address follows.
bool LinkReader::begins_gap(char c) {
  if (c != '(' && c != ':') return false;
  // An image may be of a reference, and one that is open may be what has been closed.
  const std::span open = std::span(brackets_).first(std::min(open_brackets_, kBracketsMax));
  const bool is_image = std::ranges::find(open, Loads::kByItself) != open.end();
  if (c == ':' || is_image) closed_ = Loads::kByItself;
  is_angled_ = false;
  has_break_ = false;
  spaces_.clear();
  markdown_ = Markdown::kGap;
  return true;
}

// Before an address: white space, what a line of a quotation begins with, and `<`.
bool LinkReader::is_of_gap(char c) {
  has_break_ = has_break_ || c == '\n' || c == '\r';
  if (is_space(c) || (c == '>' && has_break_)) return true;
  if (c == '<') return !std::exchange(is_angled_, true);
  spaces_ += c;
  if (!begins_one(spaces_, kSpaces)) return false;
  if (is_among(spaces_, kSpaces)) spaces_.clear();
  return true;
}

void LinkReader::read_markdown(char c, std::size_t at, std::vector<StreamMatch>& found) {
  const bool is_gap = markdown_ == Markdown::kGap && is_of_gap(c);
  if (markdown_ == Markdown::kGap && !is_gap) {
    Address address{.is_markdown = true, .loads = closed_, .begin = at};
    if (is_angled_) address.quote = '>';
    if (!spaces_.empty()) address.text = spaces_.substr(0, spaces_.size() - 1);
    open(in_markdown_, std::move(address), found);
    markdown_ = Markdown::kText;
  }
  go_on(in_markdown_, c, at, found);
  if (is_gap || (markdown_ == Markdown::kClosed && begins_gap(c))) return;
  read_text(c);
}

// HTML -------------------------------------------------------------------------------------

void LinkReader::end_tag_name(char c, std::vector<StreamMatch>& found) {
  html_ = Html::kText;
  if (c == ':' && is_among(name_, kSchemes)) {
    open(in_html_, {.begin = tag_begin_ + 1, .text = name_ + c}, found);
  } else if (is_among(name_, kTags) && (is_space(c) || c == '/')) {
    has_tags_ = true;
    tag_loads_ = is_among(name_, kHrefLoads);
    around_tag_ = in_html_.size();
  }
  name_.clear();
  has_name_ = false;
}

// Where tags begin and end is for a browser to say, which is more lenient than any rule: behind the
// first of them every attribute counts.
void LinkReader::read_attribute(char c) {
  if (c == '=') {
    const bool loads =
        is_among(name_, kLoading) || (tag_loads_ && (name_ == "href" || name_ == "xlink:href"));
    if (loads || is_among(name_, kClicking)) {
      html_loads_ = loads ? Loads::kByItself : Loads::kByClick;
      is_css_ = is_among(name_, kOfWords);
      html_ = Html::kGap;
      html_quote_ = 0;
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

// Before an address: white space, and what it is quoted by.
bool LinkReader::is_of_html_gap(char c) {
  if (is_left_out(c)) return true;
  if (html_quote_ != 0 || (c != '"' && c != '\'')) return false;
  html_quote_ = c;
  return true;
}

void LinkReader::read_html(char c, std::size_t at, std::vector<StreamMatch>& found) {
  const bool is_gap = html_ == Html::kGap && is_of_html_gap(c);
  if (html_ == Html::kGap && !is_gap) {
    open(in_html_, {.loads = html_loads_, .quote = html_quote_, .is_css = is_css_, .begin = at},
         found);
    html_ = Html::kText;
  }
  go_on(in_html_, c, at, found);
  if (is_gap) return;
  if (html_ == Html::kTagName) {
    const bool is_of_name = is_letter(c) || (is_digit(c) && !name_.empty());
    if (is_of_name && name_.size() <= kNameMax) {
      name_ += lower(c);
    } else {
      end_tag_name(c, found);
    }
  } else if (has_tags_ && in_html_.size() <= around_tag_ && c != '<') {
    read_attribute(c);
  }
  if (c != '<') return;
  html_ = Html::kTagName;
  tag_begin_ = at;
  name_.clear();
}

}  // namespace tollgate::content
