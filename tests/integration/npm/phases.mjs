// phases.mjs QUESTION SERVER URL
// phases.mjs QUESTION SERVER COMMAND ARGUMENTS...
// Walks the four phases with the official TypeScript SDK 1.x as a model should: finds the tools that
// may answer QUESTION, takes the one of SERVER, reads its schema, calls it; and skips phases, to see
// what happens. Every structured answer is checked against its tool's output schema. Prints one JSON
// object.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Ajv } from 'ajv';

const [question, server, address, ...args] = process.argv.slice(2);
const client = new Client({ name: 'four-phases', version: '1' }, { capabilities: {} });
await client.connect(
  address.startsWith('http://')
    ? new StreamableHTTPClientTransport(new URL(address))
    : new StdioClientTransport({ command: address, args, env: process.env }),
);

const ajv = new Ajv({ strict: false });
const { tools } = await client.listTools();
const outputs = new Map(
  tools.filter((t) => t.outputSchema).map((t) => [t.name, ajv.compile(t.outputSchema)]),
);
const checked = {};
async function use(name, given = {}) {
  const result = await client.callTool({ name, arguments: given });
  const fits = outputs.get(name);
  if (fits && result.structuredContent) {
    if (!fits(result.structuredContent))
      throw new Error(`${name}: ${ajv.errorsText(fits.errors)}`);
    checked[name] = (checked[name] ?? 0) + 1;
  }
  return result;
}
const text = (result) => result.content.map((part) => part.text).join('\n');

// 1. Discover
let listed = await use('list-tools');
// Over stdio the gateway has just been started, and its servers after it.
for (let tries = 0; tries < 200 && listed.structuredContent.total_tools < 210; ++tries) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  listed = await use('list-tools');
}
const inventory = listed.structuredContent.servers;
await use('get-server-information');
await use('get-server-information', { server_name: server });
await use('list-tools', { query: question, limit: 5 });
await use('list-tools', { server_name: server, limit: 3 });
const found = (await use('search-tools', { query: question })).structuredContent.results;
// 2. Map: the user has named the server.
const chosen = found.find((hit) => hit.server_name === server);
const name = { server_name: server, tool_name: chosen.tool_name };
// Phases skipped and names made up
const skipped = await use('call-tool', { ...name, args: { title: 't' } });
const invented = await use('call-tool', { ...name, tool_name: chosen.tool_name + 's' });
const elsewhere = await use('call-tool', { ...name, server_name: server.toUpperCase() });
// 3. Verify
const servers = [{ server_name: server, tool_names: [chosen.tool_name] }];
const schemas = (await use('get-input-schema-for-tools', { servers })).structuredContent.tools;
const unknown = await use('get-input-schema-for-tools', {
  servers: [{ server_name: server, tool_names: ['none'] }],
});
const proof = { ...name, schema_version: schemas[0].schema_version };
const unfit = await use('call-tool', { ...proof, args: { title: 7 } });
const stale = await use('call-tool', { ...name, schema_version: 'x', args: { title: 't' } });
// 4. Execute
const done = await use('call-tool', { ...proof, args: { title: 'report' } });
const several = await use('call-tools', {
  calls: [
    { ...proof, args: { title: 'one' } },
    { ...name, args: { title: 'two' } },
  ],
});

console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    instructions: client.getInstructions(),
    inventory: inventory.map((one) => [one.server_name, one.tools.length]),
    total: listed.structuredContent.total_tools,
    found: found.map((hit) => [hit.server_name, hit.tool_name]),
    schema: schemas[0],
    refused: [skipped, invented, elsewhere, unknown, unfit, stale].map((one) => [
      one.isError === true,
      text(one),
    ]),
    done: done.structuredContent,
    several: several.structuredContent.results.map((one) => one.result?.isError ?? false),
    checked,
  }),
);
await client.close();
