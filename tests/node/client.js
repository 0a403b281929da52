// The official TypeScript clients, both generations of them: connects, lists the tools and calls one of them.
//
// node client.js GENERATION URL TOOL ARGUMENTS COUNT
//
// GENERATION is "sdk" (the first SDK, Streamable HTTP), "sdk-sse" (the same, HTTP+SSE), "client" (its successor, which
// negotiates) or "client-2026-07-28" (the same, this revision alone). It calls COUNT times, one after another, and a user
// who is asked agrees. With COUNT "until-progress" it calls once and gives up at the first news of progress. Written to standard output as JSON: {"version", "tools": [name], "answers": [text], "asked": COUNT,
// "progress": [number]}.
"use strict";

const [generation, url, tool, given, count] = process.argv.slice(2);
const info = { name: `typescript ${generation}`, version: "1" };
const capabilities = { elicitation: { form: {} } };
let asked = 0;
const progress = [];

function agree() {
  asked += 1;
  return { action: "accept", content: {} };
}

function first() {
  const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
  const { ElicitRequestSchema } = require("@modelcontextprotocol/sdk/types.js");
  const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");
  const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const client = new Client(info, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, async () => agree());
  const transport =
    generation === "sdk-sse" ? new SSEClientTransport(new URL(`${url}/sse`)) : new StreamableHTTPClientTransport(new URL(url));
  return { client, transport };
}

function successor() {
  const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
  const mode = generation === "client" ? "auto" : { pin: generation.slice("client-".length) };
  const client = new Client(info, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler("elicitation/create", async () => agree());
  return { client, transport: new StreamableHTTPClientTransport(new URL(url)) };
}

async function callUntilProgress(client) {
  const giving = new AbortController();
  const options = {
    signal: giving.signal,
    onprogress: (news) => {
      progress.push(news.progress);
      giving.abort("enough");
    },
  };
  const params = { name: tool, arguments: JSON.parse(given) };
  const call = generation.startsWith("sdk") ? client.callTool(params, undefined, options) : client.callTool(params, options);
  return call.then(
    () => "answered",
    () => "given up",
  );
}

async function main() {
  const { client, transport } = generation.startsWith("sdk") ? first() : successor();
  await client.connect(transport);
  const { tools } = await client.listTools();
  const answers = [];
  if (count === "until-progress") answers.push(await callUntilProgress(client));
  for (let number = 0; number < Number(count); number += 1) {
    const result = await client.callTool({ name: tool, arguments: JSON.parse(given) });
    answers.push(result.isError ? `error: ${result.content[0].text}` : result.content[0].text);
  }
  const version = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? "";
  process.stdout.write(JSON.stringify({ version, tools: tools.map((each) => each.name), answers, asked, progress }));
  await client.close();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
