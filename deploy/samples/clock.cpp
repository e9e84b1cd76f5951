/// A stdio server: one JSON-RPC message per line on stdin, one per line on stdout. Its tools answer
/// questions about time zones and dates from the system's tz database.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "support.hpp"

namespace nexus::samples {
namespace {
namespace chrono = std::chrono;

const std::filesystem::path zone_folder = "/usr/share/zoneinfo";

// ---- Time zones ------------------------------------------------------------------------------

/// Makes a zone the one of localtime_r and mktime. That is state of the whole process, which is
/// all right here: this program has one thread.
void enter_zone(const std::string& zone) {
  const bool plain = !zone.empty() && std::all_of(zone.begin(), zone.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '_' || c == '-' ||
           c == '+';
  });
  char magic[4] = {};
  if (plain && zone.front() != '/') // without dots no name leads out of the folder
    std::ifstream(zone_folder / zone, std::ios::binary).read(magic, sizeof magic);
  if (std::string_view(magic, sizeof magic) != "TZif")
    throw tool_failure("there is no time zone '" + zone +
                       "'; names look like Europe/Paris, and list_time_zones has them all");
  ::setenv("TZ", (":" + zone).c_str(), 1);
  ::tzset();
}

std::string format(const std::tm& time, const char* pattern) {
  char text[64];
  return {text, std::strftime(text, sizeof text, pattern, &time)};
}

/// An instant as a clock in that zone shows it.
json describe(std::time_t instant, const std::string& zone) {
  enter_zone(zone);
  std::tm local{};
  ::localtime_r(&instant, &local);
  const std::string digits = format(local, "%z"); // +0530
  const std::string offset = digits.substr(0, 3) + ":" + digits.substr(3);
  return {{"timezone", zone},
          {"time", format(local, "%Y-%m-%dT%H:%M:%S") + offset},
          {"utc_offset", offset},
          {"abbreviation", format(local, "%Z")},
          {"weekday", format(local, "%A")},
          {"daylight_saving", local.tm_isdst > 0},
          {"unix_seconds", instant}};
}

json moment_schema() {
  return {{"type", "object"},
          {"properties",
           {{"timezone", {{"type", "string"}}},
            {"time", {{"type", "string"}, {"description", "ISO 8601, with the offset"}}},
            {"utc_offset", {{"type", "string"}}},
            {"abbreviation", {{"type", "string"}}},
            {"weekday", {{"type", "string"}}},
            {"daylight_saving", {{"type", "boolean"}}},
            {"unix_seconds", {{"type", "integer"}}}}},
          {"required", {"timezone", "time", "utc_offset", "unix_seconds"}}};
}

json zone_argument(const char* what) {
  return {{"type", "string"}, {"description", what}};
}

// ---- Dates -----------------------------------------------------------------------------------

chrono::year_month_day parse_date(const std::string& text) {
  int year = 0, rest = 0;
  unsigned month = 0, day = 0;
  const int fields = std::sscanf(text.c_str(), "%4d-%2u-%2u%n", &year, &month, &day, &rest);
  const chrono::year_month_day date{chrono::year{year}, chrono::month{month}, chrono::day{day}};
  if (fields != 3 || static_cast<std::size_t>(rest) != text.size() || !date.ok())
    throw tool_failure("'" + text + "' is no date; write one like 2026-03-29");
  return date;
}

/// `2026-03-29T09:30` or `2026-03-29T09:30:15`, as a clock in the entered zone shows it.
std::time_t parse_local_time(const std::string& text) {
  const tool_failure wrong("'" + text + "' is no time; write one like 2026-03-29T09:30");
  if (text.size() < 16 || text[10] != 'T')
    throw wrong;
  const chrono::year_month_day date = parse_date(text.substr(0, 10));
  int hour = 0, minute = 0, second = 0, rest = 0;
  const std::string time = text.substr(11);
  std::sscanf(time.c_str(), "%2d:%2d%n:%2d%n", &hour, &minute, &rest, &second, &rest);
  if (static_cast<std::size_t>(rest) != time.size() || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59)
    throw wrong;
  std::tm local{};
  local.tm_year = int{date.year()} - 1900;
  local.tm_mon = static_cast<int>(unsigned{date.month()}) - 1;
  local.tm_mday = static_cast<int>(unsigned{date.day()});
  local.tm_hour = hour;
  local.tm_min = minute;
  local.tm_sec = second;
  local.tm_isdst = -1;
  return std::mktime(&local);
}

// ---- Tools -----------------------------------------------------------------------------------

json current_time(const json& arguments) {
  return describe(std::time(nullptr), arguments.at("timezone"));
}

json convert_time(const json& arguments) {
  enter_zone(arguments.at("from"));
  const std::time_t instant = parse_local_time(arguments.at("time"));
  return {{"from", describe(instant, arguments.at("from"))},
          {"to", describe(instant, arguments.at("to"))}};
}

json list_time_zones(const json& arguments) {
  // zone1970.tab has one line per zone: countries, coordinates, name, remarks.
  std::ifstream table(zone_folder / "zone1970.tab");
  const std::string filter = arguments.value("contains", "");
  std::set<std::string> zones{"UTC"};
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string countries, coordinates, name;
    if (line.front() != '#' && words >> countries >> coordinates >> name)
      zones.insert(name);
  }
  json matching = json::array();
  for (const std::string& zone : zones)
    if (zone.find(filter) != std::string::npos)
      matching.push_back(zone);
  const std::size_t count = matching.size();
  return {{"zones", std::move(matching)}, {"count", count}};
}

json date_difference(const json& arguments) {
  const chrono::sys_days from = parse_date(arguments.at("from"));
  const chrono::sys_days to = parse_date(arguments.at("to"));
  const auto days = (to - from).count();
  std::int64_t working_days = 0; // in [from, to), either way round
  for (chrono::sys_days day = std::min(from, to); day < std::max(from, to); day += chrono::days{1})
    if (chrono::weekday{day}.iso_encoding() <= 5)
      ++working_days;
  return {{"days", days},
          {"weeks", days / 7},
          {"remaining_days", days % 7},
          {"working_days", days < 0 ? -working_days : working_days}};
}

std::vector<tool> make_tools() {
  const json integer{{"type", "integer"}};
  const json date{{"type", "string"}, {"description", "a date like 2026-03-29"}};
  return {
      {"current_time", "Current time",
       "Tells the current date and time in a time zone, with its offset and daylight saving.",
       object_schema({{"timezone", zone_argument("an IANA name like Europe/Paris, or UTC")}},
                     {"timezone"}),
       moment_schema(), read_only(), current_time},
      {"convert_time",
       "Convert a time between zones",
       "Tells what a clock in one time zone shows when a clock in another shows the given time.",
       object_schema({{"time", {{"type", "string"}, {"description", "like 2026-03-29T09:30"}}},
                      {"from", zone_argument("zone of the given time")},
                      {"to", zone_argument("zone to convert to")}},
                     {"time", "from", "to"}),
       {{"type", "object"},
        {"properties", {{"from", moment_schema()}, {"to", moment_schema()}}},
        {"required", {"from", "to"}}},
       read_only(),
       convert_time},
      {"list_time_zones",
       "List time zones",
       "Lists the names of the time zones, all or those that contain a text.",
       object_schema({{"contains", {{"type", "string"}, {"description", "like Europe/"}}}}, {}),
       {{"type", "object"},
        {"properties",
         {{"zones", {{"type", "array"}, {"items", {{"type", "string"}}}}}, {"count", integer}}},
        {"required", {"zones", "count"}}},
       read_only(),
       list_time_zones},
      {"date_difference",
       "Difference of two dates",
       "Counts days, weeks and working days (Monday to Friday) from one date to another.",
       object_schema({{"from", date}, {"to", date}}, {"from", "to"}),
       {{"type", "object"},
        {"properties",
         {{"days", integer},
          {"weeks", integer},
          {"remaining_days", integer},
          {"working_days", integer}}},
        {"required", {"days", "weeks", "remaining_days", "working_days"}}},
       read_only(),
       date_difference},
  };
}

std::optional<json> answer(const server& self, const std::string& line) {
  const json message = json::parse(line, nullptr, false);
  if (message.is_discarded())
    return make_error(nullptr, parse_error, "not JSON");
  return answer_legacy(self, message);
}

int run() {
  const server self{"nexus-sample-clock", "Clock", "1.0.0",
                    "Time zones and dates. Zones have IANA names such as Europe/Paris.",
                    make_tools()};
  log_line("clock: serving on stdin and stdout");
  for (std::string line; std::getline(std::cin, line);)
    if (const auto reply = answer(self, line))
      std::cout << reply->dump() << '\n' << std::flush;
  return 0; // stdin is closed: the client is done
}

} // namespace
} // namespace nexus::samples

int main() {
  return nexus::samples::run();
}
