// A host on an official TypeScript SDK: its stdin says which calls to make and to abort, its stdout what came of them.
// Arguments: the folder of the packages, the SDK's major version, how to negotiate, and the server's command.
// Other than in Python a time-out can be given twice: as the SDK's option, and by an AbortSignal of the caller's.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, version, mode, command, ...args] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const sdk = version === "1" ? "@modelcontextprotocol/sdk/client" : "@modelcontextprotocol/client";
const { Client } = require(version === "1" ? `${sdk}/index.js` : sdk);
const { StdioClientTransport } = require(version === "1" ? `${sdk}/stdio.js` : `${sdk}/stdio`);

const client = new Client({ name: "caller", version: "1" }, { versionNegotiation: { mode } });
await client.connect(new StdioClientTransport({ command, args }));

const controllers = new Map();

function call({ call: number, tool, arguments: given, option, clock }) {
  const controller = new AbortController();
  controllers.set(number, controller);
  const signal = clock ? AbortSignal.timeout(clock * 1000) : controller.signal;
  const options = option ? { signal, timeout: option * 1000 } : { signal };
  const asked = { name: tool, arguments: given };
  const answer = version === "1" ? client.callTool(asked, undefined, options) : client.callTool(asked, options);
  answer.then(
    (result) => tell({ call: number, result: result.structuredContent }),
    (error) => tell({ call: number, error: String(error) }),
  );
}

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if ("call" in told) call(told);
  else controllers.get(told.abort).abort(told.words);
}
await client.close();
