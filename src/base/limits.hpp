#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every limit of the program, with its unit and its reason. The ones that an operator may change
/// are the defaults of `config::limits`; docs/configuration.md lists those.
namespace nexus::limits {

using std::chrono::milliseconds;
using std::chrono::seconds;

// ---- HTTP, both sides ------------------------------------------------------------------------
/// A browser sends about 20 header fields, an MCP client 10; 100 leaves room for proxies.
inline constexpr std::size_t http_header_count_max = 100;
/// Whole header block, request line included. nginx allows 32 KiB by default.
inline constexpr std::size_t http_header_bytes_max = 32 * 1024;
/// Request line alone.
inline constexpr std::size_t http_target_bytes_max = 8 * 1024;
/// RFC 9110 methods have at most 7 bytes, registered ones 17 (UPDATEREDIRECTREF).
inline constexpr std::size_t http_method_bytes_max = 32;
/// Extensions of one chunk. Nobody uses them but attackers.
inline constexpr std::size_t http_chunk_extension_bytes_max = 256;
/// Chunk framing of one body beyond eight bytes per byte of body.
inline constexpr std::size_t http_chunk_overhead_bytes_max = 16 * 1024;
/// 1xx responses before the real one; a server that sends more never means to answer.
inline constexpr std::size_t http_interim_responses_max = 16;
/// A longer head is not remembered for the next message of its connection: it would take that
/// memory for as long as the connection lives.
inline constexpr std::size_t http_repeated_head_bytes_max = 2 * 1024;
/// Memory that a parser keeps for its next message: 16,384 idle connections keep 1 GiB at most.
inline constexpr std::size_t http_retained_buffer_bytes_max = 64 * 1024;
/// A tool call that carries a document fits; a flood does not.
inline constexpr std::size_t http_request_body_bytes_max = 4 * 1024 * 1024;
/// What a server may answer to one call: images and files travel base64-encoded.
inline constexpr std::size_t http_response_body_bytes_max = 64 * 1024 * 1024;
/// One event of an SSE stream: as large as a response body.
inline constexpr std::size_t sse_event_bytes_max = http_response_body_bytes_max;
/// One line of a stdio stream: as large as a response body.
inline constexpr std::size_t stdio_line_bytes_max = http_response_body_bytes_max;

/// Fragments of one WebSocket message: the largest one in pieces of 512 bytes.
inline constexpr std::size_t websocket_fragments_max = http_request_body_bytes_max / 512;
/// Pings, pongs and closes of one WebSocket per second; a client that is alive sends one or two.
inline constexpr std::size_t websocket_control_frames_per_second = 100;

// ---- JSON-RPC --------------------------------------------------------------------------------
/// Nesting of any message. simdjson's own bound is 1024; real schemas nest below 40.
inline constexpr std::size_t json_depth_max = 128;
/// Scratch memory of a scanner is kept for texts up to this size and given back above it: four
/// bytes of address space for each byte of text.
inline constexpr std::size_t json_scratch_text_bytes_max = http_request_body_bytes_max;
/// A request id as the client wrote it, quotes included.
inline constexpr std::size_t request_id_bytes_max = 256;
/// Tool, prompt and method names.
inline constexpr std::size_t name_bytes_max = 256;
/// Members of one envelope object (message, params, _meta).
inline constexpr std::size_t envelope_members_max = 64;
/// What OpenAI and others accept as a function name.
inline constexpr std::size_t public_name_bytes_max = 64;

// ---- Trace context ----------------------------------------------------------------------------
/// Passed on of one tracestate; W3C wants 512 at least.
inline constexpr std::size_t tracestate_bytes_max = 512;
/// Passed on of one baggage; W3C wants 8,192 at least.
inline constexpr std::size_t baggage_bytes_max = 8'192;

// ---- Sealed state ----------------------------------------------------------------------------
/// What may be sealed for a client to carry: a server's own requestState travels inside, and the
/// client's next request has to have room for it.
inline constexpr std::size_t sealed_payload_bytes_max = 256 * 1024;
/// Configured sealing keys: the current one, and old ones until all that they sealed has expired.
inline constexpr std::size_t sealing_keys_max = 8;

// ---- Connections and queues ------------------------------------------------------------------
/// Client connections per process; each costs a descriptor of the 20,000 that machines allow.
inline constexpr std::size_t client_connections_max = 16'384;
/// Calls that one client connection may have in flight (stdio and pipelining).
inline constexpr std::size_t calls_per_connection_max = 256;
/// Calls in flight in the whole process.
inline constexpr std::size_t calls_in_flight_max = 65'536;
/// Calls in flight on one server unless its configuration says otherwise.
inline constexpr std::size_t server_concurrency_default = 256;
/// Calls that wait for a permit or a connection of one server, per worker.
inline constexpr std::size_t server_queue_max = 1'024;
/// Bytes waiting to be sent on one connection before its source is paused.
inline constexpr std::size_t write_queue_high_bytes = 1024 * 1024;
/// Bytes below which a paused source is resumed.
inline constexpr std::size_t write_queue_low_bytes = write_queue_high_bytes / 2;
/// A reader that lets this much pile up is cut off: the largest answer plus its framing.
inline constexpr std::size_t write_queue_bytes_max =
    http_response_body_bytes_max + 2 * write_queue_high_bytes;
/// TLS contexts kept for further connections: one per set of certificate files in a configuration.
inline constexpr std::size_t tls_contexts_max = 256;
/// What a stream keeps allocated for its next message once a large one is sent.
inline constexpr std::size_t stream_buffer_keep_bytes = 64 * 1024;
/// Threads of one reactor inside the system's resolver, which may block for half a minute each.
inline constexpr std::size_t name_lookup_threads_max = 4;
/// Names of one reactor that wait for such a thread.
inline constexpr std::size_t name_lookups_waiting_max = 1'024;
/// Workers per process; a session id names its worker in one byte.
inline constexpr std::size_t workers_max = 128;
/// Legacy sessions per process.
inline constexpr std::size_t sessions_max = 65'536;

// ---- Catalogue -------------------------------------------------------------------------------
/// Tools of one server, and likewise its prompts and its resources; a server that lists more keeps
/// the first ones and is reported.
inline constexpr std::size_t tools_per_server_max = 20'000;
/// Servers that one merged tool may be called on; more than anybody has replicas of a tool.
inline constexpr std::size_t merged_servers_max = 64;
/// Resource templates of one server: a URI that nobody lists is tried with each of them.
inline constexpr std::size_t resource_templates_per_server_max = 1'000;
/// A URI or a URI template: what fits into a request line elsewhere.
inline constexpr std::size_t resource_uri_bytes_max = http_target_bytes_max;
/// Expressions and variables of one URI template; those of real servers have fewer than ten.
inline constexpr std::size_t uri_template_expressions_max = 32;
inline constexpr std::size_t uri_template_variables_max = 64;
/// Steps of one to three nanoseconds that one URI may cost among all templates.
inline constexpr std::size_t uri_match_work_max = 2'000'000;
/// URIs that results mention, per worker: the oldest are forgotten. About 10 MB.
inline constexpr std::size_t learned_uris_max = 65'536;
/// URIs learnt from one result.
inline constexpr std::size_t learned_uris_per_result_max = 256;
/// What one server says about its use to a model, and what all of them may say together. A model
/// reads it before every conversation.
inline constexpr std::size_t server_instructions_bytes_max = 8 * 1024;
inline constexpr std::size_t joined_instructions_bytes_max = 64 * 1024;
/// What one server declares of the extensions that pass.
inline constexpr std::size_t server_extensions_bytes_max = 8 * 1024;
/// How long a cursor of ours may be used; a client reads its pages within seconds.
inline constexpr seconds list_cursor_lifetime{3'600};
/// Pages followed of one list.
inline constexpr std::size_t list_pages_max = 1'000;
/// Entries on one page of an answer to a list request.
inline constexpr std::size_t list_page_items = 1'000;

// ---- Search ----------------------------------------------------------------------------------
/// Read of a query; what agents ask for is a tenth of that.
inline constexpr std::size_t search_query_bytes_max = 4 * 1024;
/// Different terms of a query that count, the rarest; the longest requests of real users have 50.
inline constexpr std::size_t search_query_terms_max = 64;
/// A word: longer ones are encoded data.
inline constexpr std::size_t search_word_bytes_max = 64;
/// Read of a tool. Descriptions of 4 KiB are common, of 16 rare.
inline constexpr std::size_t search_document_bytes_max = 32 * 1024;
/// Parameters of a tool that are searched, and how deep they may nest.
inline constexpr std::size_t search_parameters_max = 256;
inline constexpr unsigned search_schema_depth_max = 16;
/// Hits of one query; nobody, and no model, reads more.
inline constexpr std::size_t search_results_max = 200;
/// Words of a query that are taken for typing errors, and what each of them may have meant: each
/// one costs a look at every word of the catalogue.
inline constexpr std::size_t search_typos_max = 6;
inline constexpr std::size_t search_typo_readings_max = 4;

// ---- State on disk ---------------------------------------------------------------------------
/// How long a write waits for another process that uses the same file.
inline constexpr milliseconds store_busy_timeout{5'000};
/// How long the first list of tools waits for what is kept of servers that are not connected yet.
inline constexpr milliseconds kept_catalogues_wait{250};
/// One value: a catalogue of one server is as large as the answers it came in.
inline constexpr std::size_t stored_value_bytes_max = http_response_body_bytes_max;
/// Servers whose lists are kept; those that were listed longest ago are forgotten.
inline constexpr std::int64_t stored_servers_max = 4'096;
/// Changed definitions that are remembered, and definitions that a server lists no longer.
inline constexpr std::int64_t pin_changes_max = 2'000;
inline constexpr std::int64_t gone_pins_per_server_max = 1'000;
/// What is told of one change: members that differ, and the bytes of a value before and after.
inline constexpr std::size_t pin_differences_max = 16;
inline constexpr std::size_t pin_shown_bytes = 160;
/// Kept of a definition; of a larger one only the digest of its text is. One of 100 KiB is rare.
inline constexpr std::size_t pinned_definition_bytes_max = 256 * 1024;

// ---- Schemas of arguments --------------------------------------------------------------------
/// Subschemas of one tool; real ones have a few hundred at most.
inline constexpr std::size_t schema_nodes_max = 20'000;
/// References of one schema; each costs a walk through it.
inline constexpr std::size_t schema_references_max = 1'000;
/// Steps of checking one call: a rule, a member or a hundred bytes. About 20 ms.
inline constexpr std::size_t schema_work_max = 200'000;
/// Rules within rules, references that lead to themselves included.
inline constexpr unsigned schema_depth_max = 256;
/// A pattern, and the memory that matching it may take.
inline constexpr std::size_t schema_pattern_text_bytes_max = 4 * 1024;
inline constexpr std::int64_t schema_pattern_bytes = 1024 * 1024;
/// Told about one call; a model mends a few at a time.
inline constexpr std::size_t schema_violations_max = 8;
/// Shown of a value that is wrong.
inline constexpr std::size_t schema_shown_bytes = 80;
/// Told to the log about one schema.
inline constexpr std::size_t schema_notes_max = 8;
/// A generated example; what needs more says too little.
inline constexpr std::size_t schema_example_bytes_max = 16 * 1024;

// ---- Subscriptions ---------------------------------------------------------------------------
/// Resources that one session or one listening stream is subscribed to.
inline constexpr std::size_t subscriptions_per_client_max = 1'024;
/// Resources of one server that anyone is subscribed to. A modern server gets all of them in one
/// request.
inline constexpr std::size_t subscribed_uris_per_server_max = 8'192;
/// Subscriptions that a legacy server is asked for at a time; a new link is asked for all.
inline constexpr std::size_t subscribe_requests_max = 16;

// ---- Resumption of event streams -------------------------------------------------------------
/// Events that one legacy session can be told again: some minutes of a busy agent's.
inline constexpr std::size_t replay_events_per_session_max = 1'000;
/// Bytes of these: a long document fits. A larger answer is told once only.
inline constexpr std::size_t replay_bytes_per_session_max = 4 * 1024 * 1024;
/// Bytes of all sessions together; where these are reached, sessions forget their oldest events.
inline constexpr std::size_t replay_bytes_max = 256 * 1024 * 1024;
/// What an event costs besides its text.
inline constexpr std::size_t replay_event_overhead_bytes = 64;
/// How long an event is kept: clients come back within seconds, people who change trains in two
/// minutes.
inline constexpr seconds replay_age_max{300};
/// The id of a server's event, which is sent back to it in a header field.
inline constexpr std::size_t event_id_bytes_max = 1'024;

// ---- Dialogues within calls -------------------------------------------------------------------
/// What one call may ask its client for at a time.
inline constexpr std::size_t questions_per_call_max = 32;
/// A client's progress with one question is passed on this often at most: over HTTP each message is
/// a request to the server.
inline constexpr milliseconds client_progress_interval_min{10};
/// How often one call may ask a legacy client, and with it the server be called again.
inline constexpr unsigned question_rounds_max = 8;
/// Calls of modern clients that wait for a retry with answers, per worker. Each holds a permit.
inline constexpr std::size_t parked_calls_max = 1'000;

/// A task's own id, which the client's id of it carries.
inline constexpr std::size_t task_id_bytes_max = 1'024;
/// Tasks that one listening stream follows.
inline constexpr std::size_t tasks_per_listen_max = 256;
/// Listening streams that follow tasks of one server: each is a request of ours that stays open,
/// over HTTP with a connection of its own.
inline constexpr std::size_t task_listens_per_server_max = 1'024;
/// How long a task can be followed. Most servers forget their tasks earlier.
inline constexpr std::chrono::hours task_lifetime{24 * 7};

/// Sessions with one server beside the shared one: over stdio each is a process.
inline constexpr std::size_t branches_per_server_max = 256;
/// How often a worker forgets sessions that ended on others.
inline constexpr std::chrono::seconds session_sweep_interval{30};
/// After that time without a call such a session is ended.
inline constexpr std::chrono::minutes branch_idle_timeout{10};

// ---- Times -----------------------------------------------------------------------------------
/// From the first byte of a request to the end of its header block.
inline constexpr seconds http_header_timeout{10};
/// From the end of the header block to the end of the body.
inline constexpr seconds http_body_timeout{30};
/// A keep-alive connection without a request.
inline constexpr seconds http_idle_timeout{75};
/// A peer that takes no byte of what is queued for it.
inline constexpr seconds write_stall_timeout{30};
/// A client has this long to answer what a server asks in the middle of a call: people may be
/// asked.
inline constexpr seconds question_timeout{600};
/// Questions of one call that come within this time of the first go to a modern client together.
inline constexpr milliseconds question_coalesce{15};
/// A modern server that answers with nothing but a state is asked again after this time.
inline constexpr milliseconds input_retry_delay{250};
/// How long a worker in a conversation with one peer looks for the next message before it sleeps:
/// about what falling asleep and being woken takes.
inline constexpr std::chrono::microseconds spin_max{100};
/// How long close_after_flush() discards what the peer still sends, lest a reset eat the answer.
inline constexpr seconds linger_timeout{2};
/// How long a listener waits for descriptors to come free before it accepts again.
inline constexpr milliseconds accept_retry_delay{50};
/// Every call has a deadline; this is the default.
inline constexpr seconds call_timeout_default{60};
/// The longest deadline that a configuration may ask for.
inline constexpr seconds call_timeout_max{3600};
inline constexpr seconds connect_timeout_default{10};
/// Handshake of a server, from spawn or connect to the end of its tools list.
inline constexpr seconds handshake_timeout_default{30};
/// Comment lines on a silent SSE stream, so that no proxy closes it.
inline constexpr seconds sse_keepalive_interval{15};
/// A call without an answer for this long is answered by a stream, which can be resumed when its
/// connection breaks. That costs one more packet, and most calls are answered before.
inline constexpr milliseconds resumable_after{75};
/// What clients are told to wait before they take a broken stream up again.
inline constexpr milliseconds client_retry_delay{1'000};
/// The same for streams of servers that do not say, and the bounds for those that do: none is
/// asked more often than ten times a second.
inline constexpr milliseconds server_retry_delay_default{1'000};
inline constexpr milliseconds server_retry_delay_min{100};
inline constexpr milliseconds server_retry_delay_max{3'600'000};
/// A legacy session without a request or an open stream.
inline constexpr seconds session_idle_timeout{3600};
/// Time that calls in flight get when the process is told to stop.
inline constexpr seconds drain_timeout{10};
/// A child gets this long after its stdin closes, and again after SIGTERM.
inline constexpr milliseconds child_stop_grace{2000};
/// Bursts of list changes are told once, and so are bursts of updates of one resource.
inline constexpr milliseconds list_changed_coalesce{50};
/// What a server may take to agree to a subscription; its client waits meanwhile.
inline constexpr seconds subscribe_timeout{10};
/// Tools are shown without the server's other lists when these take longer than that.
inline constexpr seconds other_lists_wait{2};
/// How long clients may keep the lists of a server that does not say.
inline constexpr milliseconds list_ttl_default{5'000};
/// The longest that a client is told to keep a list, whatever its server says.
inline constexpr milliseconds list_ttl_max{24 * 3'600'000};
/// How often lists are fetched from modern servers that do not tell changes: at the end of their
/// time to live, within these bounds.
inline constexpr milliseconds list_refresh_min{10'000};
inline constexpr milliseconds list_refresh_max{3'600'000};

// ---- Restart of servers ----------------------------------------------------------------------
inline constexpr milliseconds restart_delay_min{200};
inline constexpr seconds restart_delay_max{30};
/// Restarts within `restart_window` after which a server is left down for `restart_delay_max`.
inline constexpr std::size_t restarts_in_window_max = 5;
inline constexpr seconds restart_window{60};

// ---- Meta-tools ------------------------------------------------------------------------------
/// Tools beyond which `auto` shows the meta-tools: models choose worse among more.
inline constexpr std::size_t exposure_threshold_default = 20;
/// Most used tools that `auto` pins: half of the above leaves room for the meta-tools.
inline constexpr std::size_t most_used_pinned_max = 8;
/// How often `auto` looks which tools these are.
inline constexpr seconds usage_review_interval{60};
/// Uses before a tool counts as used often.
inline constexpr std::uint64_t most_used_least = 3;
/// Entries of one list-tools answer unless it is asked for fewer: about 6,000 tokens.
inline constexpr std::size_t meta_list_tools_max = 250;
/// Bytes of a description there: a sentence, in most servers.
inline constexpr std::size_t meta_description_bytes = 120;
/// Tools whose schemas one request may ask for.
inline constexpr std::size_t meta_schemas_max = 100;
/// Calls in one call-tools: as many as a model writes in one message, and some.
inline constexpr std::size_t meta_calls_max = 32;
/// Hits of one search unless more are asked for.
inline constexpr std::size_t meta_search_default = 10;
/// Sets of visible tools that a worker keeps for searches: a bit per tool each.
inline constexpr std::size_t search_selections_kept = 64;
/// Compiled schemas that a worker keeps.
inline constexpr std::size_t compiled_schemas_max = 4'096;

// ---- Embeddings ------------------------------------------------------------------------------
/// What a search waits for the embedding of its query before words alone answer it.
inline constexpr milliseconds embedding_deadline_default{300};
inline constexpr milliseconds embedding_deadline_max{10'000};
/// One request for the embeddings of tools; nobody waits for it.
inline constexpr seconds embedding_request_timeout{60};
/// Texts in one such request: its answer is read in two milliseconds, in which nobody is served.
inline constexpr std::size_t embedding_batch_max = 16;
/// Bytes of one text: beyond it small models cut off in any case.
inline constexpr std::size_t embedding_text_bytes_max = 4 * 1024;
/// Numbers of one embedding; the largest models in use have 4,096.
inline constexpr std::size_t embedding_dimensions_max = 8'192;
/// Bytes of all tools' embeddings, a byte a number: 43,000 tools of 1,536 numbers. Those beyond
/// are found by their words.
inline constexpr std::size_t embedding_bytes_max = 64 * 1024 * 1024;
/// An answer of the provider: a batch of the largest embeddings, 16 bytes a number.
inline constexpr std::size_t embedding_response_bytes_max = 4 * 1024 * 1024;
/// Embeddings of queries that a worker keeps, and searches of a worker that wait for one.
inline constexpr std::size_t embedding_queries_kept = 256;
inline constexpr std::size_t embedding_queries_waiting_max = 256;
/// How long a provider that failed is left alone; doubles up to the second.
inline constexpr milliseconds embedding_retry_delay_min{1'000};
inline constexpr milliseconds embedding_retry_delay_max{60'000};

// ---- Virtual MCPs ----------------------------------------------------------------------------
/// An id stands in an address and in metrics.
inline constexpr std::size_t vmcp_id_bytes_max = 64;
/// Virtual MCPs of one gateway: at 8 KiB each they stay within 1 GiB.
inline constexpr std::size_t vmcps_max = 100'000;
/// A definition: 550 tools named one by one are about 40 KiB.
inline constexpr std::size_t vmcp_definition_bytes_max = 256 * 1024;
/// Longest life and idleness that a definition may ask for.
inline constexpr seconds vmcp_time_max{365 * 24 * 3600};
/// Calls of one virtual MCP at the same time.
inline constexpr std::size_t vmcp_concurrency_default = 256;
/// What it may keep of results.
inline constexpr std::size_t vmcp_cache_bytes_default = 10 * 1024 * 1024;
/// Bytes of rendered lists that a worker keeps for virtual MCPs; those used longest ago go first
/// and are made again in a fraction of a millisecond.
inline constexpr std::size_t vmcp_views_bytes_max = 16 * 1024 * 1024;
/// How late a virtual MCP that has expired may close.
inline constexpr seconds vmcp_sweep_interval{1};
/// Ports of virtual MCPs that want any, unless the configuration says otherwise: below those that
/// kernels give to outgoing connections.
inline constexpr std::uint16_t vmcp_port_first_default = 9'100;
inline constexpr std::uint16_t vmcp_port_last_default = 9'199;
/// Tags of one tool that are looked at, and the bytes of one: a longer one is no tag.
inline constexpr std::size_t tags_per_tool_max = 64;
inline constexpr std::size_t tag_bytes_max = 128;
/// Events that are kept for GET /api/v1/vmcps/events.
inline constexpr std::size_t vmcp_events_kept = 10'000;

// ---- Metrics ---------------------------------------------------------------------------------
/// Servers with series of their own; a scrape of so many is about 10 MB. The rest share one.
inline constexpr std::size_t metric_servers_max = 4'096;

// ---- Logs ------------------------------------------------------------------------------------
/// Lines of one child's stderr per second that reach the log.
inline constexpr std::size_t child_stderr_lines_per_second = 20;
inline constexpr std::size_t child_stderr_line_bytes_max = 4 * 1024;

// ---- Configuration ---------------------------------------------------------------------------
/// A configuration file, or a file that it names; a client's state file grows to a few MiB.
inline constexpr std::size_t config_file_bytes_max = 32 * 1024 * 1024;
/// Server names stand in tool names and paths: what a provider accepts as a whole name.
inline constexpr std::size_t server_name_bytes_max = public_name_bytes_max;
/// Highest value of a tunable count: above it descriptors and ports run out first.
inline constexpr std::size_t tunable_count_max = 1'000'000;
/// Highest value of a tunable size: what one message may take of the memory of a small machine.
inline constexpr std::size_t tunable_bytes_max = std::size_t{1024} * 1024 * 1024;
/// Highest value of a tunable time.
inline constexpr seconds tunable_time_max{24 * 3600};

static_assert(write_queue_low_bytes < write_queue_high_bytes);
static_assert(http_target_bytes_max < http_header_bytes_max);
static_assert(server_concurrency_default <= calls_in_flight_max);
static_assert(calls_per_connection_max <= calls_in_flight_max);
static_assert(json_depth_max <= 1024, "simdjson's own bound");
static_assert(call_timeout_default <= call_timeout_max);
static_assert(embedding_response_bytes_max >= embedding_batch_max * embedding_dimensions_max * 16);
static_assert(embedding_deadline_default <= embedding_deadline_max);

} // namespace nexus::limits
