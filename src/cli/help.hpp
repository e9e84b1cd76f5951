#pragma once

#include <string_view>

/// What --help says beside the options: examples, exit codes, environment.
namespace nexus::cli::help {

inline constexpr std::string_view program_brief =
    "A gateway between MCP clients and MCP servers: many servers behind one address.";

inline constexpr std::string_view program_footer = R"(
Examples:
  nexus import ~/.gemini/settings.json -o nexus.json
  nexus check
  nexus serve
  nexus call files list_directory '{"path": "."}'

Exit codes:
  0  done
  1  what was asked for failed: errors in a configuration, a tool's error, a server that is down
  2  the command line is wrong
  3  no gateway answers at the address

Environment:
  NEXUS_ADDRESS    where servers, tools, call and others find the gateway
  MCP_SERVER_LIST  the configuration of stdio
  NO_COLOR         when set, no colour

nexus COMMAND --help says more about a command.
)";

inline constexpr std::string_view serve_footer = R"(
Clients connect to http://HOST:PORT/mcp, or to http://HOST:PORT/s/SERVER/mcp for one server alone.
Flags win over the file. SIGHUP reads the file again; SIGTERM lets calls under way finish.
To listen beyond this machine, the file has to say "insecureListen": true.

Examples:
  nexus serve
  nexus serve -c servers.json --listen 127.0.0.1:8080 --workers 4
)";

inline constexpr std::string_view stdio_footer = R"(
For clients that start their servers themselves: name this command in the client's configuration.
stdout carries the protocol and nothing else; messages go to stderr.

Examples:
  nexus stdio -c nexus.json
  MCP_SERVER_LIST=nexus.json nexus stdio
)";

inline constexpr std::string_view check_footer = R"(
Reads the file as serve does and starts nothing. Warnings leave the exit code at 0, errors make it
1. Any client's configuration can be checked.

Examples:
  nexus check
  nexus check -c ~/.cursor/mcp.json
  nexus check -c nexus.json --json
)";

inline constexpr std::string_view import_footer = R"(
Reads the files of Claude Code, Claude Desktop, Gemini CLI, Cursor, VS Code, Windsurf, Cline, Zed,
Codex (TOML) and others. References such as ${TOKEN} stay as they are written. Findings go to
stderr. Nothing is overwritten without --force.

Examples:
  nexus import ~/.gemini/settings.json > nexus.json
  nexus import ~/.codex/config.toml -o nexus.json
)";

inline constexpr std::string_view search_footer = R"(
Ranks offline, with the ranker that a gateway uses, and starts nothing. A line of the catalogue is a
tool: {"id", "server", "name", "title", "description", "inputSchema"}; only the name is required,
and is the id when there is none. A line of the queries is {"id", "query"}. Each query gives a line
{"id", "ranked": [ids of tools, best first]}.

Examples:
  nexus search --catalogue tools.jsonl --queries queries.jsonl --top 10 > run.jsonl
  echo '{"id": "1", "query": "is it going to rain?"}' |
    nexus search --catalogue tools.jsonl --queries -
)";

inline constexpr std::string_view servers_footer = R"(
States: idle (starts at its first call), connecting, ready, down (calls fail at once), unusable (the
configuration lacks something).

Examples:
  nexus servers
  nexus servers -a 127.0.0.1:8080 --json
  nexus servers -c nexus.json
)";

inline constexpr std::string_view duplicates_footer = R"(
Kinds: named (by the configuration), exact (same description and schema), near (similar name, description
and arguments), same-name (one name for different things). What becomes of a group is said by
"duplicates" and "duplicateGroups" in the configuration, which one is used by "prefer".

Examples:
  nexus duplicates
  nexus duplicates --json
)";

inline constexpr std::string_view pins_footer = R"(
With "pins": "quarantine" in the configuration, a tool that changed is held back until it is accepted.

Examples:
  nexus pins
  nexus pins accept files
  nexus pins accept files read_file
)";

inline constexpr std::string_view tools_footer = R"(
With a QUERY the gateway ranks its tools by how well they fit, over all servers or one.

Examples:
  nexus tools
  nexus tools --server files
  nexus tools "what is the weather tomorrow" --top 5
  nexus tools -c nexus.json --json
)";

inline constexpr std::string_view call_footer = R"(
Prints the text of the result; with --json the result as it came. A tool that reports an error
prints it to stderr and makes the exit code 1.

Examples:
  nexus call files list_directory '{"path": "."}'
  nexus call -c nexus.json clock current_time
  nexus call files write_file - < arguments.json
  nexus call --json --timeout 5s files list_directory '{"path": "."}'
)";

inline constexpr std::string_view vmcp_footer = R"(
A virtual MCP is an address with chosen tools of all servers: /v/ID/mcp. Its definition is that of
a configuration, with the "id" in it. Those of the configuration are changed there and not here.

Examples:
  nexus vmcp list
  echo '{"id": "readers", "select": [{"readOnly": true}]}' | nexus vmcp create -
  echo '{"id": "mail", "select": [{"tags": ["mail"]}], "port": "auto"}' | nexus vmcp create -
  nexus vmcp show readers --json
  nexus vmcp update readers readers.json --generation 1
  nexus vmcp delete readers
  nexus vmcp events --after 17
)";

} // namespace nexus::cli::help
