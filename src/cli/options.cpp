#include "cli/options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "cli/help.hpp"
#include "config/address.hpp"

namespace nexus::cli {
namespace {

struct command_entry {
  std::string_view name;
  command what;
};
constexpr std::array<command_entry, 11> commands = {{{"serve", command::serve},
                                                     {"stdio", command::stdio},
                                                     {"check", command::check},
                                                     {"import", command::import},
                                                     {"search", command::search},
                                                     {"servers", command::servers},
                                                     {"tools", command::tools},
                                                     {"call", command::call},
                                                     {"vmcp", command::vmcp},
                                                     {"duplicates", command::duplicates},
                                                     {"pins", command::pins}}};
struct action_entry {
  std::string_view name, brief;
  vmcp_action action;
};
constexpr std::array<action_entry, 6> vmcp_actions = {
    {{"list", "Show all", vmcp_action::list},
     {"show", "Show one with its definition", vmcp_action::show},
     {"create", "Make one", vmcp_action::create},
     {"update", "Give one another definition", vmcp_action::update},
     {"delete", "Let one finish its calls and close it", vmcp_action::remove},
     {"events", "Show what has happened to them", vmcp_action::events}}};

/// `; did you mean a or b?`, or nothing.
std::string near_miss(std::string_view name, const std::vector<std::string>& known) {
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  const auto near = nearest_names(name, candidates, 2);
  return near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, " or "));
}

/// CLI11's layout with a line between the description and the usage.
class help_formatter final : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return app->get_description() + "\n\n";
  }
};

std::shared_ptr<CLI::Formatter> make_formatter() {
  auto out = std::make_shared<help_formatter>();
  out->column_width(26);
  out->label("Positionals", "Arguments");
  out->label("SUBCOMMAND", "COMMAND");
  return out;
}

/// CLI11's parser with one subcommand for each command, filling a command_line.
class parser {
 public:
  parser() {
    app_.name("nexus");
    app_.formatter(make_formatter());
    app_.footer(std::string(trim(help::program_footer)));
    app_.set_help_flag("-h,--help", "Show this help");
    app_.set_version_flag("--version", "nexus " NEXUS_VERSION, "Show the version");
    app_.require_subcommand(1);
    add_serve();
    add_stdio();
    add_check();
    add_import();
    add_search();
    add_servers();
    add_tools();
    add_call();
    add_vmcp();
    add_duplicates();
    add_pins();
  }

  parsed_line run(std::span<const std::string> arguments, console& io) {
    // CLI11 takes them from the end.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
      app_.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      io.out << app_.help();
      return {};
    } catch (const CLI::CallForVersion&) {
      io.out << "nexus " NEXUS_VERSION "\n";
      return {};
    } catch (const CLI::ExtrasError&) {
      return usage(extras_problem(arguments), io);
    } catch (const CLI::RequiredError& problem) {
      return usage(missing_problem(arguments, problem), io);
    } catch (const CLI::ParseError& problem) {
      return usage(problem.what(), io);
    }
    const std::string name = app_.get_subcommands().front()->get_name();
    line_.what = std::ranges::find(commands, name, &command_entry::name)->what;
    line_.gateway.config_path = line_.config_path;
    return {std::move(line_), exit_ok};
  }

 private:
  CLI::App& add(std::string_view name, std::string_view brief, std::string_view footer) {
    CLI::App& out = *app_.add_subcommand(std::string(name), std::string(brief));
    out.footer(std::string(trim(footer)));
    out.group("Commands");
    return out;
  }

  CLI::Option* add_config(CLI::App& to, const std::string& brief) {
    return to.add_option("-c,--config", line_.config_path, brief)->option_text("FILE");
  }

  void add_json(CLI::App& to) { to.add_flag("--json", line_.json, "Print JSON, for programs"); }

  /// What servers, tools and call have in common.
  void add_target(CLI::App& to) {
    auto* const config = add_config(to, "Start the servers of this file for this command alone");
    add_running_target(to)->excludes(config);
  }

  /// The same of a command that is for a running gateway only. @returns the address
  CLI::Option* add_running_target(CLI::App& to) {
    auto* const address = to.add_option("-a,--address,--url", line_.address,
                                        "Where the gateway is (default: NEXUS_ADDRESS, or "
                                        "127.0.0.1:3000)")
                              ->option_text("HOST:PORT");
    add_json(to);
    to.add_option_function<std::string>(
          "--timeout",
          [this](const std::string& text) {
            line_.timeout = parse_duration(text);
            if (!line_.timeout)
              throw CLI::ValidationError("--timeout", "expected a time such as 30, 1.5s, 500ms or "
                                                      "2m, found '" +
                                                          text + "'");
          },
          "Give up after this time")
        ->option_text("TIME");
    return address;
  }

  void add_gateway_flags(CLI::App& to) {
    to.add_option("--workers", line_.gateway.workers, "Threads that serve (default: one a core)")
        ->option_text("N")
        ->check(CLI::Range(std::size_t{1}, limits::workers_max));
    to.add_option("--reactor", line_.gateway.reactor, "How to wait for input and output")
        ->option_text("auto|io_uring|epoll")
        ->check(CLI::IsMember({"auto", "io_uring", "epoll"}));
    to.add_option("--exposure", line_.gateway.exposure, "What /mcp shows of many tools")
        ->option_text("tools|meta|hybrid|auto")
        ->check(CLI::IsMember({"tools", "meta", "hybrid", "auto"}));
  }

  void add_serve() {
    CLI::App& to = add("serve", "Run the gateway", help::serve_footer);
    add_config(to, "The configuration (default: ./nexus.json)");
    to.add_option("--listen", line_.gateway.listen, "Where clients connect")
        ->option_text("HOST:PORT")
        ->check([](const std::string& text) {
          const auto found = config::listen_problem(text, true);
          return found ? fmt::format("'{}': {} ({})", text, found->message, found->hint) : "";
        });
    add_gateway_flags(to);
    to.add_flag("-q,--quiet", line_.gateway.quiet, "No progress line while servers connect");
  }

  void add_stdio() {
    CLI::App& to = add("stdio", "Serve one client over stdin and stdout", help::stdio_footer);
    add_config(to, "The configuration (default: MCP_SERVER_LIST, or ./nexus.json)");
    add_gateway_flags(to);
  }

  void add_check() {
    CLI::App& to = add("check", "Tell whether a configuration is right", help::check_footer);
    add_config(to, "The configuration (default: ./nexus.json)");
    add_json(to);
  }

  void add_import() {
    CLI::App& to = add("import", "Turn any client's configuration into ours", help::import_footer);
    to.add_option("FILE", line_.import_path, "A client's configuration; - reads stdin")
        ->required()
        ->option_text(" ");
    to.add_option("-o,--output", line_.output_path, "Write here (default: stdout)")
        ->option_text("FILE");
    to.add_flag("--force", line_.force, "Overwrite the output when it exists");
  }

  void add_search() {
    CLI::App& to = add("search", "Rank a catalogue's tools for queries", help::search_footer);
    to.add_option("--catalogue", line_.catalogue_path, "The tools, one JSON object a line")
        ->required()
        ->option_text("FILE");
    to.add_option("--queries", line_.queries_path, "The queries, likewise; - reads stdin")
        ->required()
        ->option_text("FILE");
    to.add_option("--top", line_.top, "Tools for each query (default: 10)")
        ->option_text("N")
        ->check(CLI::Range(std::size_t{1}, limits::search_results_max));
  }

  void add_servers() {
    add_target(add("servers", "Show the servers behind a gateway", help::servers_footer));
  }

  void add_duplicates() {
    add_target(add("duplicates", "Show tools that are the same or alike", help::duplicates_footer));
  }

  void add_pins() {
    CLI::App& to = add("pins", "Show what changed of the tools, or accept it", help::pins_footer);
    auto* const action = to.add_option("ACTION", line_.pins_action, "accept: what is held back")
                             ->option_text(" ")
                             ->check(CLI::IsMember({"accept"}));
    auto* const server = to.add_option("SERVER", line_.server, "Whose")->option_text(" ");
    to.add_option("TOOL", line_.tool, "Which one; all of them without")->option_text(" ");
    action->needs(server);
    add_target(to);
  }

  void add_tools() {
    CLI::App& to = add("tools", "List the tools, or find those for a task", help::tools_footer);
    to.add_option("QUERY", line_.query, "What tools are needed for: the best ones, best first")
        ->option_text(" ");
    to.add_option("-n,--top", line_.top, "At most so many hits of a QUERY (default: 10)")
        ->option_text("N")
        ->check(CLI::Range(std::size_t{1}, limits::search_results_max));
    to.add_option("-s,--server", line_.server, "Those of one server, by the server's own names")
        ->option_text("NAME");
    add_target(to);
  }

  void add_call() {
    CLI::App& to = add("call", "Call a tool", help::call_footer);
    to.add_option("SERVER", line_.server, "The server's name in the configuration")
        ->required()
        ->option_text(" ");
    to.add_option("TOOL", line_.tool, "The tool's name on that server")
        ->required()
        ->option_text(" ");
    to.add_option("JSON", line_.arguments, "Its arguments, an object; - reads stdin (default: {})")
        ->option_text(" ");
    add_target(to);
  }

  void add_vmcp() {
    CLI::App& to = add("vmcp", "Show and change the virtual MCPs of a gateway", help::vmcp_footer);
    to.require_subcommand(1);
    for (const action_entry& entry : vmcp_actions) {
      CLI::App& one = *to.add_subcommand(std::string(entry.name), std::string(entry.brief));
      one.footer(std::string(trim(help::vmcp_footer)));
      one.group("Commands");
      add_vmcp_words(one, entry.action);
      add_running_target(one);
      one.callback([this, action = entry.action] { line_.action = action; });
    }
  }

  void add_vmcp_words(CLI::App& to, vmcp_action action) {
    const bool sends = action == vmcp_action::create || action == vmcp_action::update;
    if (action != vmcp_action::list && action != vmcp_action::events &&
        action != vmcp_action::create)
      to.add_option("ID", line_.id, "The virtual MCP's id")->required()->option_text(" ");
    if (sends)
      to.add_option("FILE", line_.definition_path, "Its definition, JSON; - reads stdin")
          ->required()
          ->option_text(" ");
    if (action == vmcp_action::update)
      to.add_option("--generation", line_.generation, "Only if it is of this generation still")
          ->option_text("N");
    if (action == vmcp_action::events)
      to.add_option("--after", line_.after, "Only events behind this sequence number")
          ->option_text("N");
  }

  /// The command on the line, or the program.
  [[nodiscard]] const CLI::App& chosen() const {
    const CLI::App* at = &app_;
    for (auto used = at->get_subcommands(); !used.empty(); used = at->get_subcommands())
      at = used.front();
    return *at;
  }

  /// `nexus vmcp show`
  [[nodiscard]] std::string chosen_name() const {
    std::string out = "nexus";
    for (auto used = app_.get_subcommands(); !used.empty(); used = used.front()->get_subcommands())
      out += " " + used.front()->get_name();
    return out;
  }

  /// What is wrong with a line that has a word too many.
  [[nodiscard]] std::string extras_problem(std::span<const std::string> arguments) const {
    const auto extras = app_.remaining(true);
    const std::string word = extras.empty() ? std::string(arguments.back()) : extras.front();
    if (!word.starts_with('-')) {
      return fmt::format("one argument too many: '{}'{}", word,
                         chosen().get_name() == "call" ? "; quote the JSON as one argument" : "");
    }
    const std::string name = word.substr(0, word.find('='));
    std::vector<std::string> known;
    for (const CLI::Option* option : chosen().get_options()) {
      for (const std::string& text : option->get_lnames())
        known.push_back("--" + text);
    }
    return fmt::format("there is no option {}{}", name, near_miss(name, known));
  }

  /// What is wrong with a line that lacks something.
  [[nodiscard]] std::string missing_problem(std::span<const std::string> arguments,
                                            const CLI::RequiredError& problem) const {
    if (arguments.empty())
      return "a command is missing";
    if (chosen().get_name() != "vmcp")
      return problem.what();
    std::vector<std::string> known;
    for (const action_entry& entry : vmcp_actions)
      known.emplace_back(entry.name);
    const auto extras = app_.remaining(true);
    if (extras.empty() || extras.front().starts_with('-'))
      return fmt::format("what to do is missing: {}", fmt::join(known, ", "));
    return fmt::format("there is no command 'vmcp {}'{}; there is {}", extras.front(),
                       near_miss(extras.front(), known), fmt::join(known, ", "));
  }

  [[nodiscard]] parsed_line usage(std::string_view problem, console& io) const {
    print_error(io, problem);
    io.err << fmt::format("Try: {} --help\n", chosen_name());
    return {std::nullopt, exit_usage};
  }

  command_line line_;
  CLI::App app_{std::string(help::program_brief)};
};

/// `help [COMMAND]` is `[COMMAND] --help`.
std::vector<std::string> without_help_word(std::span<const std::string> arguments) {
  std::vector<std::string> out(arguments.begin(), arguments.end());
  if (out.empty() || out.front() != "help")
    return out;
  out.erase(out.begin());
  out.emplace_back("--help");
  return out;
}

} // namespace

parsed_line parse_command_line(std::span<const std::string> given, console& io) {
  const std::vector<std::string> arguments = without_help_word(given);
  if (!arguments.empty() && !arguments.front().starts_with('-') &&
      std::ranges::find(commands, arguments.front(), &command_entry::name) == commands.end()) {
    std::vector<std::string> known;
    for (const command_entry& entry : commands)
      known.emplace_back(entry.name);
    print_error(io, fmt::format("there is no command '{}'{}", arguments.front(),
                                near_miss(arguments.front(), known)));
    io.err << fmt::format("The commands are {}. Try: nexus --help\n", fmt::join(known, ", "));
    return {std::nullopt, exit_usage};
  }
  return parser().run(arguments, io);
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (code != std::errc{})
    return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::array<std::pair<std::string_view, double>, 5> units = {
      {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60'000}, {"h", 3'600'000}}};
  const auto* const known =
      std::ranges::find(units, unit, &std::pair<std::string_view, double>::first);
  if (known == units.end())
    return std::nullopt;
  const double total = number * known->second;
  constexpr auto most = std::chrono::duration_cast<milliseconds>(limits::tunable_time_max);
  if (!(total >= 1) || total > static_cast<double>(most.count()))
    return std::nullopt;
  return milliseconds(static_cast<milliseconds::rep>(total));
}

} // namespace nexus::cli
