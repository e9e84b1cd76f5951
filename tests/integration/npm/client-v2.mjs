// client-v2.mjs URL TOOL ARGUMENTS SLOW_TOOL SLOW_ARGUMENTS MODE
// Uses a gateway as the official TypeScript SDK 2.x does, with MODE legacy, auto or a version to
// pin; prints one JSON object.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url, tool, toolArguments, slowTool, slowArguments, mode] = process.argv.slice(2);
const client = new Client(
  { name: 'integration-v2', version: '1' },
  { versionNegotiation: { mode: ['legacy', 'auto'].includes(mode) ? mode : { pin: mode } } },
);
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
  { onprogress: (note) => progress.push(note.progress) },
);
let unknown;
try {
  await client.callTool({ name: 'no_such_tool_anywhere', arguments: {} });
} catch (error) {
  unknown = error.code;
}
const report = {
  version: client.getNegotiatedProtocolVersion(),
  era: client.getProtocolEra(),
  session: transport.sessionId !== undefined,
  tools: tools.map((t) => t.name),
  called: called.content,
  slow: slow.content,
  progress,
  unknown,
};
await client.close();
console.log(JSON.stringify(report));
