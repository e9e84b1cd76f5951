/// simdjson's first stage validates UTF-8, finds unclosed strings and control characters, and
/// lists where every token starts: brackets, commas, colons, opening quotes and the first byte of
/// each scalar. The walk below then checks the grammar over that list. It stands in for simdjson's
/// own second stages because both of them reject numbers that fit no C++ type, which a gateway must
/// pass on, and because On-Demand does not look into what it skips.
#include "json/scan.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <forward_list>
#include <vector>

#include <simdjson.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "json/lexical.hpp"

namespace nexus::json {
namespace {

static_assert(padding_bytes >= simdjson::SIMDJSON_PADDING);

class error_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "json"; }
  std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
    case errc::malformed:
      return "not valid JSON";
    case errc::too_deep:
      return "JSON nested too deeply";
    case errc::duplicate_key:
      return "duplicate JSON member";
    case errc::too_many_members:
      return "too many JSON members";
    case errc::wrong_type:
      return "unexpected JSON type";
    case errc::refused:
      return "JSON member refused";
    }
    return "unknown JSON error";
  }
};

/// What a value is, by its first byte. `absent` starts no value.
constexpr std::array<kind, 256> kind_of_first_byte = [] {
  std::array<kind, 256> table{};
  table['{'] = kind::object;
  table['['] = kind::array;
  table['"'] = kind::string;
  table['t'] = table['f'] = kind::boolean;
  table['n'] = kind::null;
  table['-'] = kind::number;
  for (unsigned char c = '0'; c <= '9'; ++c)
    table[c] = kind::number;
  return table;
}();

/// Memory that a walk needs for the keys of entered objects.
struct key_memory {
  std::vector<std::string_view> seen;       // of the entered objects that are open, innermost last
  std::forward_list<std::string> unescaped; // what `seen` points into for keys with escapes
};

/// Checks the grammar over the list of token starts. Every method that returns bool says whether
/// to go on; otherwise `failure` tells why.
class walker {
 public:
  walker(std::string_view text, const std::uint32_t* starts, std::size_t count, key_memory& keys)
      : text_(text), starts_(starts), count_(count), keys_(keys), next_backslash_(text.find('\\')) {
  }

  /// The kind of the value at the cursor; absent when none starts there.
  kind next_kind() const noexcept {
    return kind_of_first_byte[static_cast<unsigned char>(next_byte())];
  }

  /// Validates the value at the cursor and moves past it. `depth` counts the containers around it.
  bool value(std::size_t depth) {
    switch (next_kind()) {
    case kind::object:
      return object(depth + 1);
    case kind::array:
      return array(depth + 1);
    case kind::string:
      return string();
    case kind::number:
      return scalar([](std::string_view text) { return lexical::is_number(text); });
    case kind::boolean:
      return scalar([](std::string_view text) { return text == "true" || text == "false"; });
    case kind::null:
      return scalar([](std::string_view text) { return text == "null"; });
    case kind::absent:
      break;
    }
    return fail_at(errc::malformed);
  }

  /// As value() for an object whose members go to the receiver.
  bool entered_object(std::size_t depth, unsigned visitor_depth, visitor& receiver);
  bool elements(element_sink& receiver);

  /// Nothing but white space may follow the root.
  bool at_end() { return cursor_ == count_ || fail_at(errc::malformed); }

  /// The value that was validated last, whose first token started at `from`.
  slice since(std::size_t from, kind type) const noexcept {
    return {text_.substr(from, end_ - from), type};
  }
  std::size_t begin() const noexcept { return cursor_ < count_ ? starts_[cursor_] : text_.size(); }

  std::unexpected<error> failure() const {
    return fail(make_error_code(failure_), make_error_code(failure_).message(),
                "at byte " + std::to_string(failed_at_));
  }
  bool stopped() const noexcept { return stopped_; }
  bool fail_at(errc code) {
    failure_ = code;
    failed_at_ = begin();
    return false;
  }

 private:
  /// The first byte of the token at the cursor, or NUL, which starts no token, after the last.
  char next_byte() const noexcept { return cursor_ < count_ ? text_[starts_[cursor_]] : '\0'; }

  /// The scalar or string at the cursor: up to the next token without the white space before it.
  std::string_view token() const noexcept {
    const std::size_t first = starts_[cursor_];
    std::size_t last = cursor_ + 1 < count_ ? starts_[cursor_ + 1] : text_.size();
    while (lexical::is_space(text_[last - 1]))
      --last;
    return text_.substr(first, last - first);
  }

  template <class Check>
  bool scalar(Check is_valid) {
    const std::string_view text = token();
    if (!is_valid(text))
      return fail_at(errc::malformed);
    end_ = starts_[cursor_] + text.size();
    ++cursor_;
    return true;
  }

  bool string() {
    const std::string_view quoted = token();
    if (quoted.size() < 2 || quoted.back() != '"')
      return fail_at(errc::malformed);
    end_ = starts_[cursor_] + quoted.size();
    escaped_ = next_backslash_ < end_;
    if (escaped_ && !escapes(quoted))
      return fail_at(errc::malformed);
    ++cursor_;
    return true;
  }

  /// Checks a string with escapes and looks for the backslash after it.
  bool escapes(std::string_view quoted) {
    if (!lexical::valid_escapes(quoted.substr(1, quoted.size() - 2)))
      return false;
    next_backslash_ = text_.find('\\', end_);
    return true;
  }

  bool object(std::size_t depth);
  bool array(std::size_t depth);
  bool key_of_entered(std::size_t first_seen, std::string_view& found);

  bool punctuation(char expected) {
    if (next_byte() != expected)
      return fail_at(errc::malformed);
    ++cursor_;
    return true;
  }
  /// Past a comma, or past the bracket that ends the container.
  bool comma_or(char closing, bool& closed) {
    const char c = next_byte();
    closed = c == closing;
    if (!closed && c != ',')
      return fail_at(errc::malformed);
    end_ = starts_[cursor_] + 1;
    ++cursor_;
    return true;
  }
  /// Past the opening bracket, and past the closing one when the container is empty.
  bool open(char closing, std::size_t depth, bool& closed) {
    if (depth > limits::json_depth_max)
      return fail_at(errc::too_deep);
    ++cursor_;
    closed = next_byte() == closing;
    if (closed) {
      end_ = starts_[cursor_] + 1;
      ++cursor_;
    }
    return true;
  }

  std::string_view text_;
  const std::uint32_t* starts_;
  std::size_t count_;
  key_memory& keys_;
  /// Strings are visited in order, so one search through the text serves them all. A backslash
  /// outside of strings belongs to a token that is refused.
  std::size_t next_backslash_;
  std::size_t cursor_ = 0;
  std::size_t end_ = 0;  // of the value validated last
  bool escaped_ = false; // whether the string validated last has escapes
  bool stopped_ = false;
  errc failure_ = errc::malformed;
  std::size_t failed_at_ = 0;
};

bool walker::object(std::size_t depth) {
  bool closed = false;
  if (!open('}', depth, closed))
    return false;
  while (!closed) {
    if (next_byte() != '"')
      return fail_at(errc::malformed);
    if (!string() || !punctuation(':') || !value(depth) || !comma_or('}', closed))
      return false;
  }
  return true;
}

bool walker::array(std::size_t depth) {
  bool closed = false;
  if (!open(']', depth, closed))
    return false;
  while (!closed)
    if (!value(depth) || !comma_or(']', closed))
      return false;
  return true;
}

bool walker::entered_object(std::size_t depth, unsigned members_depth, visitor& receiver) {
  const std::size_t first_seen = keys_.seen.size();
  bool closed = false;
  if (!open('}', depth, closed))
    return false;
  while (!closed) {
    member found;
    const std::size_t key_begin = begin();
    if (!key_of_entered(first_seen, found.key))
      return false;
    const std::size_t value_begin = begin();
    const kind type = next_kind();
    if (type == kind::absent)
      return fail_at(errc::malformed);
    const visitor::step step = receiver.on_key(members_depth, found.key, type);
    if (step == visitor::step::refuse)
      return fail_at(errc::refused);
    const bool enters = step == visitor::step::enter && type == kind::object;
    if (!(enters ? entered_object(depth + 1, members_depth + 1, receiver) : value(depth)))
      return false;
    found.value = since(value_begin, type);
    found.span = text_.substr(key_begin, end_ - key_begin);
    receiver.on_member(members_depth, found);
    if (!comma_or('}', closed))
      return false;
  }
  keys_.seen.resize(first_seen);
  return true;
}

bool walker::key_of_entered(std::size_t first_seen, std::string_view& found) {
  if (next_byte() != '"')
    return fail_at(errc::malformed);
  const std::size_t at = begin();
  if (!string())
    return false;
  std::string_view key = text_.substr(at + 1, end_ - at - 2);
  if (escaped_) {
    std::string& text = keys_.unescaped.emplace_front();
    lexical::unescape(key, lexical::lone_surrogate::replace, text);
    key = text;
  }
  // limits::envelope_members_max bounds the search; a set would cost more than it saves.
  for (std::size_t i = first_seen; i < keys_.seen.size(); ++i)
    if (keys_.seen[i] == key)
      return fail_at(errc::duplicate_key);
  if (keys_.seen.size() - first_seen == limits::envelope_members_max)
    return fail_at(errc::too_many_members);
  keys_.seen.emplace_back(key.data(), key.size());
  found = key;
  return punctuation(':');
}

bool walker::elements(element_sink& receiver) {
  bool closed = false;
  if (!open(']', 1, closed))
    return false;
  for (std::size_t index = 0; !closed; ++index) {
    const std::size_t element_begin = begin();
    const kind type = next_kind();
    if (!value(1))
      return false;
    if (!receiver.on_element(index, since(element_begin, type))) {
      stopped_ = true;
      return true;
    }
    if (!comma_or(']', closed))
      return false;
  }
  return true;
}

} // namespace

std::error_code make_error_code(errc code) noexcept {
  static const error_category category;
  return {static_cast<int>(code), category};
}

void ensure_padding(std::string& text) {
  text.reserve(text.size() + padding_bytes);
}

struct scanner::impl {
  using first_stage = simdjson::internal::dom_parser_implementation;
  class use;

  std::unique_ptr<first_stage> stage;
  key_memory keys;
  bool busy = false;

  /// Runs simdjson's first stage, so that `stage` lists the token starts of `text`.
  result<> find_tokens(std::string_view text);
  /// `walk(walker&)` over the tokens of `text`, up to its end.
  template <class Walk>
  result<> run(std::string_view text, Walk walk);
};

/// One use of a scanner: leaves no views into the text and no unusually large memory behind.
class scanner::impl::use {
 public:
  explicit use(impl& owner) : owner_(owner) {
    NEXUS_ASSERT(!owner_.busy && "a callback must not use the scanner that calls it");
    owner_.busy = true;
  }
  ~use() {
    owner_.keys.seen.clear();
    owner_.keys.unescaped.clear();
    if (owner_.stage && owner_.stage->capacity() > limits::json_scratch_text_bytes_max)
      owner_.stage.reset();
    owner_.busy = false;
  }
  use(const use&) = delete;
  use& operator=(const use&) = delete;

 private:
  impl& owner_;
};

result<> scanner::impl::find_tokens(std::string_view text) {
  constexpr std::size_t capacity_min = 16 * 1024;
  if (!stage || stage->capacity() < text.size()) {
    stage.reset(); // before its successor exists, so that only one is in memory
    const std::size_t capacity = std::bit_ceil(std::max(text.size(), capacity_min));
    // simdjson's depth bounds only the stages that are not used.
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(
            std::min(capacity, simdjson::SIMDJSON_MAXSIZE_BYTES), 1, stage) != simdjson::SUCCESS) {
      stage.reset();
      return fail(std::make_error_code(std::errc::not_enough_memory), "message too large to parse");
    }
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto code = text.empty()
                        ? simdjson::EMPTY
                        : stage->stage1(bytes, text.size(), simdjson::stage1_mode::regular);
  if (code == simdjson::SUCCESS)
    return {};
  return fail(make_error_code(errc::malformed), "not valid JSON", simdjson::error_message(code));
}

template <class Walk>
result<> scanner::impl::run(std::string_view text, Walk walk) {
  const use this_use(*this);
  if (auto found = find_tokens(text); !found)
    return found;
  walker tokens(text, stage->structural_indexes.get(), stage->n_structural_indexes, keys);
  const bool valid = walk(tokens) && (tokens.stopped() || tokens.at_end());
  if (!valid)
    return tokens.failure();
  return {};
}

scanner::scanner() : impl_(std::make_unique<impl>()) {}
scanner::~scanner() = default;
scanner::scanner(scanner&&) noexcept = default;
scanner& scanner::operator=(scanner&&) noexcept = default;

namespace {

/// A root of another type is wrong_type only if it is JSON at all.
bool refuse_root(walker& tokens) {
  return tokens.value(0) && tokens.at_end() && tokens.fail_at(errc::wrong_type);
}

} // namespace

result<> scanner::scan_object(std::string_view text, visitor& receiver) {
  return impl_->run(text, [&](walker& tokens) {
    if (tokens.next_kind() != kind::object)
      return refuse_root(tokens);
    return tokens.entered_object(1, 0, receiver);
  });
}

result<> scanner::scan_array(std::string_view text, element_sink& receiver) {
  return impl_->run(text, [&](walker& tokens) {
    if (tokens.next_kind() != kind::array)
      return refuse_root(tokens);
    return tokens.elements(receiver);
  });
}

result<slice> scanner::validate(std::string_view text) {
  slice root;
  auto valid = impl_->run(text, [&](walker& tokens) {
    const std::size_t begin = tokens.begin();
    const kind type = tokens.next_kind();
    if (!tokens.value(0))
      return false;
    root = tokens.since(begin, type);
    return true;
  });
  if (!valid)
    return std::unexpected(std::move(valid.error()));
  return root;
}

std::string unquote(slice value) {
  std::string text;
  const std::string_view inner = unquote(value, text);
  if (inner.data() != text.data())
    text.assign(inner);
  return text;
}

std::string_view unquote(slice value, std::string& scratch) {
  NEXUS_ASSERT(value.is(kind::string) && value.raw.size() >= 2);
  const std::string_view inner = value.raw.substr(1, value.raw.size() - 2);
  if (inner.find('\\') == std::string_view::npos)
    return inner;
  scratch.clear();
  lexical::unescape(inner, lexical::lone_surrogate::replace, scratch);
  return scratch;
}

result<std::int64_t> to_int64(slice value) {
  std::int64_t number = 0;
  const char* end = value.raw.data() + value.raw.size();
  const auto [stop, code] = std::from_chars(value.raw.data(), end, number);
  if (!value.is(kind::number) || code != std::errc{} || stop != end)
    return fail(make_error_code(errc::wrong_type), "not an integer");
  return number;
}

} // namespace nexus::json
