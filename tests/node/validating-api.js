// An API on the loopback interface that checks each request against a description, with the validator of Prism.
//
// Two ports, written to standard output as JSON when both are open: {"api": PORT, "control": PORT}.
// - control: `PUT /description` takes a description in JSON; `PUT /operation` takes {"method", "path"}, the operation of
//   it that requests are checked against from now on; both answer 422 with {"refused": REASON} where Prism cannot.
//   `GET /verdicts` answers the verdicts since the last time, in the order of the requests.
// - api: answers 200 {"ok":true} to whatever comes, so that only requests are judged.
//
// A verdict: {method, target, headers, body, errors: [{code, location, message}], unchecked: [reason]}. A request
// that is not one of the operation at all has the error that Prism's router gives. `unchecked` names schemas that Prism
// cannot compile: it leaves what they say unchecked in silence, which is not the same as valid.
"use strict";

const http = require("node:http");
const { createRequire } = require("node:module");

const { createInstance, getHttpOperationsFromSpec } = require("@stoplight/prism-http");

const ofPrism = createRequire(require.resolve("@stoplight/prism-http"));
const Ajv = ofPrism("ajv/dist/core").default;
const { right, isRight } = ofPrism("fp-ts/Either");
const typeIs = ofPrism("type-is");

const ERROR = 0; // DiagnosticSeverity.Error; what is milder, like a deprecated parameter, is no fault of a request
const SHOWN = 100_000;

let operations = [];
let operation = [];
let verdicts = [];
let unchecked = [];

const compile = Ajv.prototype.compile;
Ajv.prototype.compile = function (...all) {
  try {
    return compile.apply(this, all);
  } catch (error) {
    unchecked.push(String(error.message).slice(0, 200));
    throw error;
  }
};

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, success() {}, child: () => silent };
const prism = createInstance(
  { isProxy: false, validateRequest: true, validateResponse: false, checkSecurity: false, errors: false, mock: {} },
  {
    logger: silent,
    mock: () => () => () => right({ statusCode: 200, headers: {}, body: "" }),
  },
);

// As Prism's own server reads a request.
function inputOf(request, raw) {
  const { searchParams, pathname } = new URL(request.url, "http://api.invalid");
  const query = {};
  for (const key of searchParams.keys()) {
    const values = searchParams.getAll(key);
    query[key] = values.length === 1 ? values[0] : values;
  }
  let body = null;
  if (raw.length > 0) {
    body = raw.toString("utf8");
    if (typeIs(request, ["application/json", "application/*+json"])) {
      body = JSON.parse(body);
    }
  }
  return { method: request.method.toLowerCase(), url: { path: pathname, query }, headers: request.headers, body };
}

async function errorsOf(request, raw) {
  const judged = await prism.request(inputOf(request, raw), operation)();
  if (!isRight(judged)) {
    return [{ code: judged.left.name, location: "", message: judged.left.detail || judged.left.message }];
  }
  return judged.right.validations.input
    .filter((each) => each.severity === ERROR)
    .map((each) => ({ code: String(each.code ?? ""), location: (each.path || []).join("/"), message: each.message }));
}

async function judge(request, raw) {
  unchecked = [];
  let errors;
  try {
    errors = await errorsOf(request, raw);
  } catch (error) {
    errors = [{ code: "oracle-failed", location: "", message: String(error.message) }];
  }
  verdicts.push({
    method: request.method,
    target: request.url,
    headers: request.headers,
    body: raw.toString("utf8").slice(0, SHOWN),
    errors,
    unchecked,
  });
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(response, value, status = 200) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

// One after the other: what is written down while judging belongs to one request.
let turn = Promise.resolve();
const api = http.createServer({ maxHeaderSize: 131_072 }, async (request, response) => {
  const raw = await read(request);
  turn = turn.then(() => judge(request, raw));
  await turn;
  answer(response, { ok: true });
});

async function described(raw) {
  operations = await getHttpOperationsFromSpec(JSON.parse(raw));
  operation = [];
}

async function chosen(raw) {
  const { method, path } = JSON.parse(raw);
  operation = operations.filter((each) => each.method.toUpperCase() === method && each.path === path);
  if (operation.length !== 1) {
    throw new Error(`Prism has ${operation.length} operations ${method} ${path}`);
  }
}

const control = http.createServer(async (request, response) => {
  if (request.method === "GET") {
    answer(response, verdicts);
    verdicts = [];
    return;
  }
  try {
    await (request.url === "/description" ? described : chosen)((await read(request)).toString("utf8"));
    answer(response, {});
  } catch (error) {
    answer(response, { refused: String(error.message) }, 422);
  }
});

api.listen(0, "127.0.0.1", () => {
  control.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ api: api.address().port, control: control.address().port })}\n`);
  });
});
