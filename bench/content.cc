// What the content rules find in texts, and what they cost, as JSON: what `./dev bench content`
// asks. A text is a line of FILE, a JSON object with a "text".
//
//   bench_content packs                 the packs that there are
//   bench_content scan PACK[,PACK] FILE each finding: number of the text, pack, rule and place
//   bench_content speed PACK[,PACK] FILE   time of the texts of each "group", one thread: new, and
//                                       where all were read before; beside copying and parsing
//                                       the same bytes
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "content_packs.h"
#include "controls/content/links.h"

namespace {

namespace content = tollgate::content;

[[noreturn]] void fail(const std::string& message) {
  fmt::print(stderr, "bench_content: {}\n", message);
  std::exit(1);
}

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<content::Pack> packs_named(std::string_view names) {
  std::vector<content::Pack> found;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    std::optional<content::Pack> pack;
    for (int i = 0; i < content::kPackCount; ++i) {
      if (content::name_of(static_cast<content::Pack>(i)) == name) {
        pack = static_cast<content::Pack>(i);
      }
    }
    if (!pack) fail(fmt::format("there is no pack '{}' in this build", name));
    found.push_back(*pack);
  }
  return found;
}

struct Line {
  std::string group;
  std::string text;
};

std::vector<Line> lines_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  std::vector<Line> lines;
  simdjson::dom::parser parser;
  for (std::string line; std::getline(file, line);) {
    simdjson::dom::element parsed;
    std::string_view text;
    std::string_view group;
    if (parser.parse(line).get(parsed) != simdjson::SUCCESS ||
        parsed["text"].get(text) != simdjson::SUCCESS) {
      fail(fmt::format("line {} of {} is not an object with a text", lines.size() + 1, path));
    }
    if (parsed["group"].get(group) != simdjson::SUCCESS) group = "";
    lines.push_back({std::string(group), std::string(text)});
  }
  return lines;
}

std::shared_ptr<const content::Rules> rules(const std::vector<content::Pack>& packs) {
  auto compiled = content::Rules::compile(packs);
  if (!compiled) fail(compiled.error().message);
  return *compiled;
}

// ---- Findings ----------------------------------------------------------------------------------

using Told = std::function<void(std::string_view rule, std::size_t offset, std::size_t bytes)>;

void scan_text(content::Scanner& scanner, const tollgate::bench::Asked& asked,
               const std::shared_ptr<const content::Rules>& compiled, std::string_view text,
               const Told& told) {
  if (!asked.begin(scanner, compiled)) fail("no memory to scan with");
  const bool was_read = scanner.read(text).has_value();
  // Refused like what matches a rule, as nothing passes uninspected.
  if (!was_read || scanner.too_deep()) told("not_inspected", 0, 0);
  for (const content::Finding& finding : scanner.found()) {
    if (asked.has(finding.rule)) told(finding.rule, finding.offset, finding.bytes);
  }
}

// As if a model had written it: the pack is for answers alone. No host is allowed.
void scan_links(std::string_view text, const Told& told) {
  content::LinkReader reader({});
  std::vector<content::StreamMatch> found;
  reader.read(text, found);
  reader.end(found);
  for (const content::StreamMatch& match : found)
    told(match.rule, match.extent.begin, match.extent.end - match.extent.begin);
}

// Pack by pack, since a request is told of no more than kFindingsMax.
void scan(const std::vector<content::Pack>& packs, const std::vector<Line>& lines) {
  const auto compiled = rules(packs);
  content::Scanner scanner;
  for (const content::Pack pack : packs) {
    const tollgate::bench::Asked asked({pack});
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const Told told = [&](std::string_view rule, std::size_t offset, std::size_t bytes) {
        fmt::print(R"({{"text":{},"pack":"{}","rule":"{}","offset":{},"bytes":{}}})"
                   "\n",
                   i, content::name_of(pack), rule, offset, bytes);
      };
      if (pack == content::Pack::kLinks) {
        scan_links(lines[i].text, told);
      } else {
        scan_text(scanner, asked, compiled, lines[i].text, told);
      }
    }
  }
}

// ---- Speed -------------------------------------------------------------------------------------

// Seconds of CPU for one pass of `work`, the least of several.
double seconds_of(const std::function<void()>& work) {
  constexpr double kLong = 0.05;
  int passes = 1;
  for (double took = 0; took < kLong; passes *= 2) {
    const double before = cpu_seconds();
    for (int i = 0; i < passes; ++i) work();
    took = cpu_seconds() - before;
  }
  double least = 1e9;
  for (int round = 0; round < 5; ++round) {
    const double before = cpu_seconds();
    for (int i = 0; i < passes; ++i) work();
    least = std::min(least, (cpu_seconds() - before) / passes);
  }
  return least;
}

std::string json_of(std::string_view text) {
  std::string json = R"({"messages":[{"role":"user","content":")";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      json += c;
    }
  }
  return json + R"("}]})";
}

void speed_of(std::string_view group, const std::vector<std::string_view>& texts,
              const tollgate::bench::Asked& asked,
              const std::shared_ptr<const content::Rules>& compiled) {
  std::size_t bytes = 0;
  std::size_t longest = 0;
  std::vector<simdjson::padded_string> bodies;
  for (const std::string_view text : texts) {
    bytes += text.size();
    longest = std::max(longest, text.size());
    bodies.emplace_back(json_of(text));
  }
  content::Scanner scanner;
  std::size_t found = 0;
  const double scanned = seconds_of([&] {
    for (const std::string_view text : texts) {
      if (!asked.begin(scanner, compiled) || !scanner.read(text)) fail("a text was not scanned");
      found += scanner.found().size();
    }
  });
  const double known = seconds_of([&] {
    for (const std::string_view text : texts) {
      if (!asked.begin(scanner, compiled)) fail("a text was not scanned");
      scanner.remember("acme");
      if (!scanner.read(text)) fail("a text was not scanned");
    }
  });
  std::string copy(longest, ' ');
  const double copied = seconds_of([&] {
    for (const std::string_view text : texts) {
      std::memcpy(copy.data(), text.data(), text.size());
      asm volatile("" : : "r"(copy.data()) : "memory");
    }
  });
  simdjson::dom::parser parser;
  const double parsed = seconds_of([&] {
    for (const simdjson::padded_string& body : bodies) {
      if (parser.parse(body).error() != simdjson::SUCCESS) fail("a body was not parsed");
    }
  });
  const auto each = 1e6 / static_cast<double>(texts.size());
  fmt::print(
      R"({{"group":"{}","texts":{},"bytes":{},"us":{:.3f},"known_us":{:.3f},"memcpy_us":{:.3f},"parse_us":{:.3f},)"
      R"("found":{}}})"
      "\n",
      group, texts.size(), bytes, scanned * each, known * each, copied * each, parsed * each,
      found);
}

void speed(const std::vector<content::Pack>& packs, const std::vector<Line>& lines) {
  std::map<std::string, std::vector<std::string_view>> groups;
  for (const Line& line : lines) groups[line.group].push_back(line.text);
  const auto compiled = rules(packs);
  const tollgate::bench::Asked asked(packs);
  for (const auto& [group, texts] : groups) speed_of(group, texts, asked, compiled);
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() == 1 && arguments[0] == "packs") {
    for (int i = 0; i < content::kPackCount; ++i) {
      fmt::print("\"{}\"\n", content::name_of(static_cast<content::Pack>(i)));
    }
  } else if (arguments.size() == 3 && arguments[0] == "scan") {
    scan(packs_named(arguments[1]), lines_of(arguments[2]));
  } else if (arguments.size() == 3 && arguments[0] == "speed") {
    speed(packs_named(arguments[1]), lines_of(arguments[2]));
  } else {
    fail("usage: bench_content packs | scan PACK[,PACK] FILE | speed PACK[,PACK] FILE");
  }
}
