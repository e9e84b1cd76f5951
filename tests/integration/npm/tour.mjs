// tour.mjs SDK ERA TARGET...
// Uses everything that server-everything offers, directly or through a gateway, with the official
// TypeScript SDK: SDK 1 or 2; ERA legacy or modern; TARGET http URL, sse URL, ws URL (SDK 1 only)
// or stdio COMMAND...
// Prints one JSON object that says what came of it.
import { setTimeout as sleep } from 'node:timers/promises';

const [sdk, era, kind, ...target] = process.argv.slice(2);

const CAPABILITIES = { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} };
const asked = [];
const updated = [];

const HANDLERS = {
  'sampling/createMessage': ({ params }) => {
    asked.push(`sampling ${params.maxTokens}`);
    const content = { type: 'text', text: 'a sampled answer' };
    return { role: 'assistant', model: 'model-of-the-test', stopReason: 'endTurn', content };
  },
  'elicitation/create': ({ params }) => {
    asked.push(`elicitation ${params.mode ?? 'form'}`);
    if (params.mode === 'url') return { action: 'accept' };
    return { action: 'accept', content: { name: 'Ada', check: true, integer: 7 } };
  },
  'roots/list': () => {
    asked.push('roots');
    return { roots: [{ uri: 'file:///tour', name: 'tour' }] };
  },
};

async function connect1() {
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const types = await import('@modelcontextprotocol/sdk/types.js');
  const client = new Client({ name: 'tour', version: '1' }, { capabilities: CAPABILITIES });
  const schemas = {
    'sampling/createMessage': types.CreateMessageRequestSchema,
    'elicitation/create': types.ElicitRequestSchema,
    'roots/list': types.ListRootsRequestSchema,
  };
  for (const [method, handler] of Object.entries(HANDLERS)) {
    client.setRequestHandler(schemas[method], handler);
  }
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, ({ params }) => {
    updated.push(params.uri);
  });
  const folder = '@modelcontextprotocol/sdk/client';
  const modules = { http: 'streamableHttp', sse: 'sse', ws: 'websocket', stdio: 'stdio' };
  await client.connect(transport(await import(`${folder}/${modules[kind]}.js`)));
  return {
    client,
    call: (name, args, options) =>
      client.callTool({ name, arguments: args }, types.CallToolResultSchema, options),
  };
}

async function connect2() {
  const packages = await import('@modelcontextprotocol/client');
  const stdio = await import('@modelcontextprotocol/client/stdio');
  const client = new packages.Client(
    { name: 'tour', version: '2' },
    {
      capabilities: CAPABILITIES,
      versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' },
    },
  );
  for (const [method, handler] of Object.entries(HANDLERS)) {
    client.setRequestHandler(method, handler);
  }
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    updated.push(params.uri);
  });
  await client.connect(transport({ ...packages, ...stdio }));
  return {
    client,
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
  };
}

function transport(classes) {
  if (kind === 'stdio') {
    const [command, ...args] = target;
    return new classes.StdioClientTransport({ command, args, stderr: 'ignore' });
  }
  const prefix = { http: 'StreamableHTTP', sse: 'SSE', ws: 'WebSocket' }[kind];
  return new classes[`${prefix}ClientTransport`](new URL(target[0]));
}

async function all(list, member) {
  const found = [];
  let cursor;
  do {
    const page = await list({ cursor });
    found.push(...page[member]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

const texts = (result) => result.content.map((part) => part.text ?? part.type).join('\n');
const codeOf = (promise) =>
  promise.then(
    (result) => (result.isError ? 'isError' : 'none'),
    (error) => error.code,
  );

/** Subscribes, lets the server send updates for a while, and unsubscribes. */
async function subscription({ client, call }, uri) {
  const legacy = era === 'legacy';
  const stream = legacy ? undefined : await client.listen({ resourceSubscriptions: [uri] });
  if (legacy) await client.subscribeResource({ uri });
  await call('toggle-subscriber-updates', {});
  for (let waited = 0; updated.length === 0 && waited < 6000; waited += 20) await sleep(20);
  await call('toggle-subscriber-updates', {});
  if (legacy) await client.unsubscribeResource({ uri });
  else await stream.close();
  return [...new Set(updated)];
}

async function lists({ client }) {
  const names = (list) => list.map((entry) => entry.name).sort();
  const templates = await all((page) => client.listResourceTemplates(page), 'resourceTemplates');
  return {
    tools: names(await all((page) => client.listTools(page), 'tools')),
    resources: (await all((page) => client.listResources(page), 'resources')).map((r) => r.uri),
    templates: templates.map((entry) => entry.uriTemplate),
    prompts: names(await all((page) => client.listPrompts(page), 'prompts')),
  };
}

async function prompts({ client }) {
  const complete = async (ref, name, value, context) => {
    const { completion } = await client.complete({ ref, argument: { name, value }, context });
    return completion.values;
  };
  const prompt = { type: 'ref/prompt', name: 'completable-prompt' };
  const template = { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' };
  const got = await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Oslo' } });
  return {
    prompt: got.messages,
    completed: await complete(prompt, 'department', 'S'),
    completedInContext: await complete(prompt, 'name', '', { arguments: { department: 'Sales' } }),
    completedTemplate: await complete(template, 'resourceId', '7'),
  };
}

async function resources({ client, call }) {
  const read = async (uri) => (await client.readResource({ uri })).contents[0];
  const text = await read('demo://resource/dynamic/text/5');
  const links = await call('get-resource-links', { count: 2 });
  const linked = links.content.find((part) => part.type === 'resource_link').uri;
  return {
    text: [text.uri, text.mimeType, text.text.slice(0, 11)],
    linked: [linked, (await read(linked)).blob !== undefined],
  };
}

async function calls({ call }) {
  const progress = [];
  const long = await call(
    'trigger-long-running-operation',
    { duration: 0.3, steps: 3 },
    // SDK 2 counts the rounds in which a server asks back as progress too, without a total.
    { onprogress: (step) => step.total === 3 && progress.push(step.progress) },
  );
  const sent = await call('trigger-url-elicitation', { url: 'https://example.com/', message: 'm' });
  return {
    echo: texts(await call('echo', { message: 'round' })),
    structured: (await call('get-structured-content', { location: 'Chicago' })).structuredContent,
    long: texts(long),
    progress,
    sampled: texts(await call('trigger-sampling-request', { prompt: 'p', maxTokens: 9 })),
    elicited: texts(await call('trigger-elicitation-request', {})),
    sent: texts(sent).split('\n')[0],
    roots: texts(await call('get-roots-list', {})).split('\n')[0],
    asked: [...new Set(asked)].sort(),
  };
}

async function tour(peer) {
  const { client, call } = peer;
  const report = {
    instructions: (client.getInstructions() ?? '').length > 0,
    ...(await lists(peer)),
    ...(await prompts(peer)),
    ...(await resources(peer)),
    ...(await calls(peer)),
    updated: await subscription(peer, 'demo://resource/dynamic/text/1'),
    unknown: {
      tool: await codeOf(call('no-such-tool', {})),
      prompt: await codeOf(client.getPrompt({ name: 'no-such-prompt' })),
      resource: await codeOf(client.readResource({ uri: 'demo://no/such' })),
    },
  };
  if (era === 'legacy') {
    await client.setLoggingLevel('warning');
    await client.ping();
  }
  await client.close();
  return report;
}

console.log(JSON.stringify(await tour(sdk === '1' ? await connect1() : await connect2())));
process.exit(0);
