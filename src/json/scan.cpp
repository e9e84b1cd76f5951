/// simdjson's first stage validates UTF-8, finds unclosed strings and control characters, and
/// lists where every token starts: brackets, commas, colons, opening quotes and the first byte of
/// each scalar. walker then checks the grammar over that list. It stands in for simdjson's
/// own second stages because both of them reject numbers that fit no C++ type, which a gateway must
/// pass on, and because On-Demand does not look into what it skips.
#include "json/scan.hpp"

#include <algorithm>
#include <bit>
#include <charconv>

#include <simdjson.h>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "json/lexical.hpp"
#include "json/walker.hpp"

namespace nexus::json {
namespace {

using detail::walker;

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
  detail::key_memory keys;
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
