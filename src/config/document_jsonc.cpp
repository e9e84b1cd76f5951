#include <json/json.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/limits.hpp"
#include "config/document.hpp"
#include "config/jsonc_scan.hpp"

namespace nexus::config::detail {
namespace {

using offsets = std::vector<std::pair<std::size_t, std::size_t>>;

std::size_t offset_of(const Json::Value& value) {
  return static_cast<std::size_t>(std::max<ptrdiff_t>(value.getOffsetStart(), 0));
}

/// As JavaScript's String(number): clients turn numbers of `env` and `args` into strings so.
std::string number_text(double number, std::string_view written) {
  constexpr double exact = 9007199254740992.0; // 2^53
  if (number == static_cast<double>(static_cast<std::int64_t>(std::clamp(number, -exact, exact)))) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  return std::string(written);
}

class converter {
 public:
  converter(std::string_view text, const offsets& keys) : text_(text), keys_(keys), lines_(text) {}

  node convert(const Json::Value& value) {
    node out;
    out.at = lines_.at(offset_of(value));
    switch (value.type()) {
    case Json::nullValue:
      break;
    case Json::booleanValue:
      out.kind = node_kind::boolean;
      out.truth = value.asBool();
      break;
    case Json::intValue:
    case Json::uintValue:
    case Json::realValue:
      out.kind = node_kind::number;
      out.number = value.asDouble();
      out.text = number_text(out.number, written(value));
      break;
    case Json::stringValue: {
      out.kind = node_kind::string;
      const char* begin = nullptr;
      const char* end = nullptr;
      if (value.getString(&begin, &end))
        out.text.assign(begin, end);
      break;
    }
    case Json::arrayValue:
      out.kind = node_kind::array;
      out.items.reserve(value.size());
      for (const Json::Value& item : value)
        out.items.push_back(convert(item));
      break;
    case Json::objectValue:
      out.kind = node_kind::object;
      convert_members(value, out);
      break;
    }
    return out;
  }

 private:
  [[nodiscard]] std::string_view written(const Json::Value& value) const {
    const std::size_t begin = offset_of(value);
    const auto end = static_cast<std::size_t>(value.getOffsetLimit());
    return begin < end && end <= text_.size() ? text_.substr(begin, end - begin) : "0";
  }

  /// jsoncpp sorts members by name; the file's order is that of their offsets.
  void convert_members(const Json::Value& value, node& out) {
    std::vector<std::pair<std::string, const Json::Value*>> ordered;
    for (auto entry = value.begin(); entry != value.end(); ++entry) {
      ordered.emplace_back(entry.name(), &*entry);
    }
    std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
      return offset_of(*a.second) < offset_of(*b.second);
    });
    out.members.reserve(ordered.size());
    for (auto& [name, child] : ordered) {
      const auto key = std::lower_bound(keys_.begin(), keys_.end(),
                                        std::pair{offset_of(*child), std::size_t{0}});
      const place at = lines_.at(key != keys_.end() ? key->second : offset_of(*child));
      out.members.push_back({std::move(name), at, convert(*child)});
    }
  }

  std::string_view text_;
  const offsets& keys_;
  line_index lines_;
};

/// jsoncpp reports "* Line 3, Column 7\n  Message\n": the first finding.
syntax_error from_jsoncpp(const std::string& report) {
  syntax_error error{{1, 1}, "this is not JSON", {}};
  const auto number_after = [&](std::string_view label, std::size_t& out) {
    const std::size_t at = report.find(label);
    if (at == std::string::npos)
      return;
    const char* begin = report.data() + at + label.size();
    std::from_chars(begin, report.data() + report.size(), out);
  };
  number_after("Line ", error.at.line);
  number_after("Column ", error.at.column);
  const std::size_t begin = report.find("\n  ");
  if (begin != std::string::npos) {
    const std::size_t end = std::min(report.find('\n', begin + 1), report.size());
    error.message = report.substr(begin + 3, end - begin - 3);
  }
  return error;
}

} // namespace

document parse_jsonc(std::string_view text) {
  document out;
  // A byte order mark is no part of the text.
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (text.substr(0, mark.size()) == mark)
    text.remove_prefix(mark.size());
  const jsonc_scan scan = scan_jsonc(text);
  if (scan.failed) {
    out.error = {line_index(text).at(scan.error_offset), scan.message, scan.hint};
    return out;
  }
  Json::CharReaderBuilder builder;
  Json::CharReaderBuilder::strictMode(&builder.settings_);
  builder["strictRoot"] = false;
  builder["stackLimit"] = static_cast<Json::UInt>(limits::json_depth_max + 2);
  const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
  try {
    Json::Value root;
    std::string report;
    const char* begin = scan.strict.data();
    if (!reader->parse(begin, begin + scan.strict.size(), &root, &report)) {
      out.error = from_jsoncpp(report);
      return out;
    }
    out.root = converter(text, scan.keys).convert(root);
  } catch (const Json::Exception& problem) {
    out.error = {{1, 1}, problem.what(), {}};
  }
  return out;
}

} // namespace nexus::config::detail
