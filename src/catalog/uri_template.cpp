#include "catalog/uri_template.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <tuple>

#include "base/limits.hpp"
#include "catalog/uri_text.hpp"

namespace nexus::catalog {
namespace {

constexpr std::uint32_t unbounded = std::numeric_limits<std::uint32_t>::max();

using byte_table = std::array<bool, 256>;

constexpr byte_table all_but(std::string_view excluded) {
  byte_table table{};
  table.fill(true);
  for (const char c : excluded)
    table[static_cast<unsigned char>(c)] = false;
  return table;
}

/// By charset.
constexpr std::array<byte_table, 6> allowed_bytes{all_but("/?#"),  all_but("?#"), all_but(""),
                                                  all_but(";/?#"), all_but("&#"), all_but("#")};

} // namespace

/// The positions of a URI at which the parts so far may end: at[first] to at[last] and none beyond.
struct uri_template::reach {
  std::vector<std::uint8_t> at;
  std::size_t first = 0, last = 0;
  std::vector<std::uint32_t> scratch{};

  [[nodiscard]] bool empty() const noexcept { return first > last; }
  /// Makes the bounds tight again.
  void narrow() noexcept {
    while (first <= last && at[first] == 0)
      ++first;
    while (last > first && at[last] == 0)
      --last;
  }
};

void uri_template::pass_literal(const part& p, std::string_view uri, reach& at) {
  const std::size_t bytes = p.text.size();
  const std::size_t end = std::min(at.last + bytes, uri.size());
  // Downwards, so that what is overwritten has been read.
  for (std::size_t to = end; to >= at.first + bytes; --to) {
    const std::size_t from = to - bytes;
    // The first byte settles most of it without a call.
    at.at[to] = at.at[from] != 0 && uri[from] == p.text[0] &&
                (bytes == 1 || std::memcmp(uri.data() + from, p.text.data(), bytes) == 0);
  }
  const std::size_t cleared = std::min(at.first + bytes, end + 1);
  std::fill(at.at.begin() + static_cast<std::ptrdiff_t>(at.first),
            at.at.begin() + static_cast<std::ptrdiff_t>(cleared), std::uint8_t{0});
  at.first += bytes;
  at.last = end;
}

/// Both kinds of run. While it goes on, `left` is the number of characters that it may still take;
/// of several runs that overlap the one with the most left reaches whatever the others do.
void uri_template::pass_run(const part& p, std::string_view uri, reach& at) {
  const byte_table& allowed = allowed_bytes[static_cast<std::size_t>(p.allowed)];
  const bool bounded = p.characters_max != unbounded;
  bool running = false;
  std::uint32_t left = 0;
  bool before = false; // whether the parts so far may end one byte earlier
  std::size_t i = at.first;
  for (; i <= uri.size() && (running || i <= at.last + 1); ++i) {
    const bool here = i <= at.last && at.at[i] != 0;
    if (running) {
      running = allowed[static_cast<unsigned char>(uri[i - 1])];
      if (bounded && running && uri_text::begins_character(uri, i - 1)) {
        running = left > 0;
        left -= running ? 1 : 0;
      }
    }
    const bool entered = p.form == shape::run ? here : before && uri[i - 1] == p.first;
    if (entered) {
      running = true;
      left = p.characters_max;
    }
    before = here;
    at.at[i] = here || running;
  }
  at.last = i - 1;
}

/// One pass over the URI: where a parameter begins, its name reaches ahead to where the name ends;
/// there, and anywhere in the value behind a `=`, the parameter may end.
void uri_template::pass_named(const part& p, std::string_view uri, reach& at) {
  const byte_table& allowed = allowed_bytes[static_cast<std::size_t>(p.allowed)];
  auto& named = at.scratch; // at the end of a name, 1 + characters of its value; elsewhere 0
  named.assign(uri.size() + 1, 0);
  bool running = false;
  std::uint32_t left = 0;
  bool before = false, ended = false; // as of one byte earlier
  for (std::size_t i = at.first; i <= uri.size(); ++i) {
    const bool here = i <= at.last && at.at[i] != 0;
    if (i > at.first) {
      const char c = uri[i - 1];
      if (running) {
        const bool begins = left != unbounded && uri_text::begins_character(uri, i - 1);
        running = allowed[static_cast<unsigned char>(c)] && !(begins && left == 0);
        left -= begins && running ? 1 : 0;
      }
      if (c == '=' && named[i - 1] != 0) {
        left = running ? std::max(left, named[i - 1] - 1) : named[i - 1] - 1;
        left = left == unbounded - 1 ? unbounded : left;
        running = true;
      }
      if ((c == p.first && before) || (c == p.separator && ended)) {
        for (const name& each : p.names)
          if (uri.substr(i).starts_with(each.text)) {
            const std::uint32_t mark =
                each.characters_max == unbounded ? unbounded : each.characters_max + 1;
            named[i + each.text.size()] = std::max(named[i + each.text.size()], mark);
          }
      }
    }
    before = here;
    ended = running || named[i] != 0;
    at.at[i] = here || ended;
  }
  at.last = uri.size();
}

bool uri_template::matches(std::string_view uri) const {
  if (uri.size() > limits::resource_uri_bytes_max)
    return false;
  return uri_text::is_plain(uri) ? matches_normalised(uri)
                                 : matches_normalised(uri_text::normalised(uri));
}

bool uri_template::matches_normalised(std::string_view uri) const {
  if (!uri.starts_with(literal_prefix()))
    return false;
  if (!parts_.empty() && parts_.back().form == shape::literal && !uri.ends_with(parts_.back().text))
    return false;
  reach at{std::vector<std::uint8_t>(uri.size() + 1, 0)};
  at.at[0] = 1;
  for (const part& each : parts_) {
    switch (each.form) {
    case shape::literal:
      pass_literal(each, uri, at);
      break;
    case shape::run:
    case shape::group:
      pass_run(each, uri, at);
      break;
    case shape::named:
      pass_named(each, uri, at);
      break;
    }
    at.narrow();
    if (at.empty())
      return false;
  }
  return at.last == uri.size() && at.at[at.last] != 0;
}

std::size_t uri_template::work(std::string_view uri) const noexcept {
  std::size_t per_byte = parts_.size();
  for (const part& each : parts_)
    per_byte += each.names.size();
  return (uri.size() + 1) * per_byte;
}

std::string_view uri_template::literal_prefix() const noexcept {
  return !parts_.empty() && parts_.front().form == shape::literal ? parts_.front().text
                                                                  : std::string_view{};
}

bool uri_template::more_specific_than(const uri_template& other) const noexcept {
  const auto rank = [](const uri_template& t) {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    return std::tuple{most - t.literal_bytes_, t.greedy_expressions_, t.expressions_,
                      most - t.literal_prefix().size()};
  };
  return rank(*this) < rank(other);
}

template_table::template_table(std::vector<entry> entries) : entries_(std::move(entries)) {
  std::stable_sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) {
    return a.pattern.more_specific_than(b.pattern);
  });
}

std::optional<std::uint32_t> template_table::find(std::string_view uri) const {
  if (uri.size() > limits::resource_uri_bytes_max)
    return std::nullopt;
  std::string normal;
  if (!uri_text::is_plain(uri)) {
    normal = uri_text::normalised(uri);
    uri = normal;
  }
  std::size_t work = 0;
  for (const entry& each : entries_) {
    if (!uri.starts_with(each.pattern.literal_prefix()))
      continue;
    work += each.pattern.work(uri);
    if (work > limits::uri_match_work_max)
      return std::nullopt;
    if (each.pattern.matches_normalised(uri))
      return each.owner;
  }
  return std::nullopt;
}

} // namespace nexus::catalog
