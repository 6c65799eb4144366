// Where a JSON pointer leads to in a document, for many pointers into one.
//
// An object or array that a pointer leads through is gone through once, however many do: all
// together take work that is linear in the document and in the pointers.
//
// Pure. One thread. Borrows the document.
//
// Source: RFC 6901.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tollgate::tools {

class JsonPointers {
 public:
  explicit JsonPointers(simdjson::dom::element root) : places_{{root}}, inner_(1) {}

  // Empty, or begins with a slash. Nothing: it is no pointer, or nothing stands there. Of two
  // fields of one name the first.
  std::optional<simdjson::dom::element> at(std::string_view pointer);

  // So many values were gone through, each once.
  std::size_t places() const { return places_.size(); }

 private:
  struct Place {
    simdjson::dom::element value;
    std::size_t inner = 0;  // Which of `inner_` is what is in it; 0: it was not gone through yet.
  };
  // As places.
  struct Inner {
    std::unordered_map<std::string_view, std::size_t> fields;
    std::vector<std::size_t> items;
  };

  Inner& inner_of(std::size_t place);
  std::optional<std::size_t> in(std::size_t place, std::string_view name);

  std::vector<Place> places_;
  std::vector<Inner> inner_;
};

}  // namespace tollgate::tools
