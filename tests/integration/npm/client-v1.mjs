// client-v1.mjs URL TOOL ARGUMENTS SLOW_TOOL SLOW_ARGUMENTS
// Uses a gateway as the official TypeScript SDK 1.x does; prints one JSON object.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';

const [url, tool, toolArguments, slowTool, slowArguments] = process.argv.slice(2);
const client = new Client({ name: 'integration-v1', version: '1' }, { capabilities: {} });
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);

const tools = [];
let cursor;
do {
  const page = await client.listTools({ cursor });
  tools.push(...page.tools);
  cursor = page.nextCursor;
} while (cursor !== undefined);

const called = await client.callTool({ name: tool, arguments: JSON.parse(toolArguments) });
const progress = [];
const slow = await client.callTool(
  { name: slowTool, arguments: JSON.parse(slowArguments) },
  CallToolResultSchema,
  { onprogress: (note) => progress.push(note.progress) },
);
let unknown;
try {
  await client.callTool({ name: 'no_such_tool_anywhere', arguments: {} });
} catch (error) {
  unknown = error.code;
}
await client.ping();
const report = {
  version: transport.protocolVersion,
  session: transport.sessionId !== undefined,
  server: client.getServerVersion().name,
  tools: tools.map((t) => t.name),
  called: called.content,
  slow: slow.content,
  progress,
  unknown,
};
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(report));
