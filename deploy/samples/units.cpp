/// A Streamable HTTP server of revision 2025-11-25: a client says initialize, gets a session id and
/// sends it with every request. Its tools convert units and measure texts.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <random>

#include "http_server.hpp"
#include "support.hpp"

namespace nexus::samples {
namespace {

// ---- Units -----------------------------------------------------------------------------------

/// value in the dimension's base unit = value * factor + offset
struct unit {
  const char *name, *title, *dimension;
  double factor, offset = 0;
};

constexpr unit units[] = {
    {"m", "metre", "length", 1},
    {"km", "kilometre", "length", 1000},
    {"cm", "centimetre", "length", 0.01},
    {"mm", "millimetre", "length", 0.001},
    {"in", "inch", "length", 0.0254},
    {"ft", "foot", "length", 0.3048},
    {"yd", "yard", "length", 0.9144},
    {"mi", "mile", "length", 1609.344},
    {"nmi", "nautical mile", "length", 1852},
    {"kg", "kilogram", "mass", 1},
    {"g", "gram", "mass", 0.001},
    {"t", "tonne", "mass", 1000},
    {"oz", "ounce", "mass", 0.028349523125},
    {"lb", "pound", "mass", 0.45359237},
    {"K", "kelvin", "temperature", 1},
    {"C", "degree Celsius", "temperature", 1, 273.15},
    {"F", "degree Fahrenheit", "temperature", 5.0 / 9.0, 459.67 * 5.0 / 9.0},
    {"l", "litre", "volume", 0.001},
    {"ml", "millilitre", "volume", 1e-6},
    {"m3", "cubic metre", "volume", 1},
    {"gal", "US gallon", "volume", 0.003785411784},
    {"cup", "US cup", "volume", 0.0002365882365},
    {"m2", "square metre", "area", 1},
    {"ha", "hectare", "area", 10000},
    {"acre", "acre", "area", 4046.8564224},
    {"ft2", "square foot", "area", 0.09290304},
    {"m/s", "metre per second", "speed", 1},
    {"km/h", "kilometre per hour", "speed", 1 / 3.6},
    {"mph", "mile per hour", "speed", 0.44704},
    {"kn", "knot", "speed", 1852.0 / 3600.0},
    {"s", "second", "time", 1},
    {"min", "minute", "time", 60},
    {"h", "hour", "time", 3600},
    {"d", "day", "time", 86400},
    {"B", "byte", "data", 1},
    {"kB", "kilobyte", "data", 1e3},
    {"MB", "megabyte", "data", 1e6},
    {"GB", "gigabyte", "data", 1e9},
    {"KiB", "kibibyte", "data", 1024},
    {"MiB", "mebibyte", "data", 1024.0 * 1024},
    {"GiB", "gibibyte", "data", 1024.0 * 1024 * 1024},
    {"J", "joule", "energy", 1},
    {"kWh", "kilowatt hour", "energy", 3.6e6},
    {"kcal", "kilocalorie", "energy", 4184},
};

const unit& find_unit(const std::string& name) {
  for (const unit& each : units)
    if (name == each.name)
      return each;
  throw tool_failure("there is no unit '" + name + "'; list_units has them all");
}

json convert_unit(const json& arguments) {
  const unit& from = find_unit(arguments.at("from"));
  const unit& to = find_unit(arguments.at("to"));
  if (std::string_view(from.dimension) != to.dimension)
    throw tool_failure(std::string(from.name) + " measures " + from.dimension + ", " + to.name +
                       " measures " + to.dimension);
  const double base = arguments.at("value").get<double>() * from.factor + from.offset;
  const double value = (base - to.offset) / to.factor;
  if (!std::isfinite(value))
    throw tool_failure("the value is too large");
  // Twelve digits hide what binary fractions add to 32 F = 0 C.
  char text[32];
  std::snprintf(text, sizeof text, "%.12g", std::fabs(value) < 1e-12 ? 0.0 : value);
  return {{"value", std::strtod(text, nullptr)}, {"unit", to.name}, {"dimension", to.dimension}};
}

json list_units(const json& arguments) {
  const std::string dimension = arguments.value("dimension", "");
  json list = json::array();
  for (const unit& each : units)
    if (dimension.empty() || dimension == each.dimension)
      list.push_back({{"name", each.name}, {"title", each.title}, {"dimension", each.dimension}});
  if (list.empty())
    throw tool_failure("nothing measures '" + dimension + "'");
  return {{"units", std::move(list)}};
}

// ---- Texts -----------------------------------------------------------------------------------

/// Letters and digits are what ASCII calls so and everything beyond ASCII, which keeps words of
/// most scripts together.
bool in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 || c == '\'';
}

/// The words in lower case (ASCII letters only).
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (in_word(c)) {
      word += static_cast<char>(static_cast<unsigned char>(c) < 0x80 ? std::tolower(c) : c);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

std::map<std::string, std::size_t> frequencies(const std::vector<std::string>& words) {
  std::map<std::string, std::size_t> counts;
  for (const std::string& word : words)
    ++counts[word];
  return counts;
}

json text_statistics(const json& arguments) {
  const std::string text = arguments.at("text");
  const std::vector<std::string> words = words_of(text);
  std::size_t characters = 0, lines = text.empty() ? 0 : 1, sentences = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) // not inside a UTF-8 sequence
      ++characters;
    if (text[i] == '\n' && i + 1 < text.size())
      ++lines;
    const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
    if (stop && (i + 1 == text.size() || std::isspace(static_cast<unsigned char>(text[i + 1]))))
      ++sentences;
  }
  constexpr double words_per_minute = 238; // silent reading of English prose
  const double minutes = static_cast<double>(words.size()) / words_per_minute;
  return {{"characters", characters},
          {"words", words.size()},
          {"unique_words", frequencies(words).size()},
          {"sentences", sentences},
          {"lines", lines},
          {"reading_minutes", std::round(minutes * 10) / 10}};
}

json word_frequency(const json& arguments) {
  const auto limit = arguments.value("limit", std::int64_t{10});
  if (limit < 1 || limit > 1000)
    throw tool_failure("limit must lie between 1 and 1000");
  const auto counts = frequencies(words_of(arguments.at("text")));
  std::vector<std::pair<std::string, std::size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  json list = json::array();
  for (const auto& [word, count] : sorted) {
    if (static_cast<std::int64_t>(list.size()) == limit)
      break;
    list.push_back({{"word", word}, {"count", count}});
  }
  return {{"words", std::move(list)}, {"total", counts.size()}};
}

// ---- Tools -----------------------------------------------------------------------------------

json array_of(json item) {
  return {{"type", "array"}, {"items", std::move(item)}};
}

std::vector<tool> make_tools() {
  const json string{{"type", "string"}}, number{{"type", "number"}}, integer{{"type", "integer"}};
  const json unit_name{{"type", "string"}, {"description", "a unit like km, lb, C or GiB"}};
  const json text{{"type", "string"}, {"description", "the text to look at"}};
  return {
      {"convert_unit", "Convert a unit",
       "Converts a value between units of length, mass, temperature, volume, area, speed, time, "
       "data and energy.",
       object_schema({{"value", number}, {"from", unit_name}, {"to", unit_name}},
                     {"value", "from", "to"}),
       output_schema({{"value", number}, {"unit", string}, {"dimension", string}}), read_only(),
       convert_unit},
      {"list_units", "List units", "Lists the units that convert_unit knows.",
       object_schema({{"dimension", {{"type", "string"}, {"description", "like length"}}}}, {}),
       output_schema(
           {{"units", array_of(output_schema(
                          {{"name", string}, {"title", string}, {"dimension", string}}))}}),
       read_only(), list_units},
      {"text_statistics", "Text statistics",
       "Counts characters, words, sentences and lines of a text and estimates its reading time.",
       object_schema({{"text", text}}, {"text"}),
       output_schema({{"characters", integer},
                      {"words", integer},
                      {"unique_words", integer},
                      {"sentences", integer},
                      {"lines", integer},
                      {"reading_minutes", number}}),
       read_only(), text_statistics},
      {"word_frequency", "Word frequency", "Lists the most frequent words of a text.",
       object_schema(
           {{"text", text},
            {"limit", {{"type", "integer"}, {"description", "1 to 1000, 10 by default"}}}},
           {"text"}),
       output_schema({{"words", array_of(output_schema({{"word", string}, {"count", integer}}))},
                      {"total", integer}}),
       read_only(), word_frequency},
  };
}

// ---- Sessions and HTTP -----------------------------------------------------------------------

/// The sessions that clients have open. When there are too many, the one that was used longest ago
/// makes room: its client gets 404 and starts again, as the specification asks it to.
class session_table {
 public:
  std::string open() {
    const std::lock_guard lock(mutex_);
    if (last_use_.size() >= sessions_max)
      last_use_.erase(
          std::min_element(last_use_.begin(), last_use_.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; }));
    std::string id;
    for (int i = 0; i < 32; ++i)
      id += "0123456789abcdef"[random_() % 16];
    last_use_[id] = ++uses_;
    return id;
  }
  bool use(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = last_use_.find(id);
    if (found == last_use_.end())
      return false;
    found->second = ++uses_;
    return true;
  }
  bool close(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return last_use_.erase(id) != 0;
  }

 private:
  static constexpr std::size_t sessions_max = 1000;
  std::mutex mutex_;
  std::random_device random_;
  std::map<std::string, std::uint64_t> last_use_;
  std::uint64_t uses_ = 0;
};

http_response error_response(unsigned status, const json& id, int code, const std::string& text) {
  return {status, make_error(id, code, text).dump(), {}};
}

http_response post(const server& self, session_table& sessions, const http_request& request) {
  const json message = json::parse(request.body, nullptr, false);
  if (message.is_discarded())
    return error_response(400, nullptr, parse_error, "not JSON");
  message_kind kind{};
  try {
    kind = classify(message);
  } catch (const protocol_failure& failure) {
    return error_response(400, id_of(message), failure.code, failure.what());
  }
  const bool begins = kind == message_kind::request && message.at("method") == "initialize";
  if (!begins) {
    const std::string session = request.header("mcp-session-id");
    const std::string version = request.header("mcp-protocol-version");
    const auto& known = legacy_versions();
    if (session.empty())
      return error_response(400, id_of(message), invalid_request, "Mcp-Session-Id is missing");
    if (!sessions.use(session))
      return error_response(404, id_of(message), invalid_request, "no such session");
    if (!version.empty() && std::find(known.begin(), known.end(), version) == known.end())
      return error_response(400, id_of(message), invalid_request, "unsupported protocol version");
  }
  const auto reply = answer_legacy(self, message);
  if (!reply)
    return {202, "", {}};
  http_response response{200, reply->dump(), {}};
  if (begins && reply->contains("result"))
    response.headers["Mcp-Session-Id"] = sessions.open();
  return response;
}

http_response handle(const server& self, session_table& sessions, const http_request& request) {
  if (request.method == "POST")
    return post(self, sessions, request);
  if (request.method == "DELETE")
    return {sessions.close(request.header("mcp-session-id")) ? 204U : 404U, "", {}};
  return {405, "", {{"Allow", "POST, DELETE"}}}; // GET would be a stream, and there is no news
}

int run(int argc, char** argv) {
  const std::uint16_t port = port_from_arguments(argc, argv);
  const server self{"nexus-sample-units", "Units and texts", "1.0.0",
                    "Converts units and measures texts.", make_tools()};
  session_table sessions;
  try {
    serve_http(port, [&](const http_request& request) { return handle(self, sessions, request); });
  } catch (const std::exception& error) {
    log_line(std::string("units: ") + error.what());
    return 1;
  }
}

} // namespace
} // namespace nexus::samples

int main(int argc, char** argv) {
  return nexus::samples::run(argc, argv);
}
