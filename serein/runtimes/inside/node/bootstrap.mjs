// The Node.js runtime: reads frames from descriptor 3, imports the handler, answers one event after the other.
// Errors, log lines and the context object are those of AWS's runtime:
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import util from "node:util";
import v8 from "node:v8";

const CHANNEL = 3;
const HEADER_BYTES = 16;
const ASSIGN = 1;
const INVOKE = 2;
const READY = 11;
const RESULT = 12;
const ERROR = 13;
const INIT_ERROR = 14;
const LAST_ERROR = 15;
const STREAM = 16;
const CHUNK = 17;
const CHUNK_BYTES_MAX = 1024 * 1024;
const RESPONSE_BYTES_MAX = 6291556;

const channel = new net.Socket({ fd: CHANNEL, readable: true, writable: true });
// Handlers are called as methods of it, which stack traces show.
class Runtime {
  handler = null;
}
const runtime = new Runtime();
let current = null;
let requestId;
const aside = Promise.resolve();
let rehearsed = Promise.resolve();

// Frames.

let held = Buffer.alloc(0);
let pieces = [];
let piecesBytes = 0;
let wanted = HEADER_BYTES;

channel.on("data", (data) => {
  pieces.push(data);
  piecesBytes += data.length;
  while (piecesBytes >= wanted) {
    held = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    pieces = [held];
    const metaBytes = held.readUInt32LE(4);
    const total = HEADER_BYTES + metaBytes + held.readUInt32LE(8);
    if (held.length < total) {
      wanted = total;
      return;
    }
    const kind = held.readUInt32LE(0);
    const meta = JSON.parse(held.toString("utf8", HEADER_BYTES, HEADER_BYTES + metaBytes));
    const body = held.subarray(HEADER_BYTES + metaBytes, total);
    const rest = held.subarray(total);
    pieces = rest.length ? [rest] : [];
    piecesBytes = rest.length;
    wanted = HEADER_BYTES;
    if (kind === ASSIGN) become(meta);
    else if (kind === INVOKE) aside.then(() => invoke(meta, body)); // a short stack for the function's errors
  }
});
channel.on("close", () => process.exit(0));
channel.on("error", () => process.exit(1));

function send(kind, body, done) {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(kind, 0);
  header.writeUInt32LE(body.length, 8);
  header.writeUInt32LE(process.resourceUsage().maxRSS, 12);
  channel.write(body.length < 65536 ? Buffer.concat([header, body]) : header);
  if (body.length >= 65536) channel.write(body, done);
  else if (done) channel.write("", done);
}

// The log.

function writeEvent(text) {
  const message = Buffer.from(text, "utf8");
  const header = Buffer.alloc(16);
  header.writeUInt32BE(0xa55a0003, 0);
  header.writeUInt32BE(message.length, 4);
  header.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  const data = Buffer.concat([header, message]);
  for (let at = 0; at < data.length; ) {
    try {
      at += fs.writeSync(1, data, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

function logLine(level, text, more) {
  if (process.env.AWS_LAMBDA_LOG_FORMAT === "JSON") {
    const wanted = LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? "INFO");
    if (LEVELS.indexOf(level) < wanted) return;
    const timestamp = new Date().toISOString();
    const told = { timestamp, level, requestId, message: text, ...more };
    let line;
    try {
      line = JSON.stringify(told, (_, value) => (value instanceof Error ? described(value) : value));
    } catch {
      line = JSON.stringify({ ...told, message: util.format(text) });
    }
    writeEvent(`${line}\n`);
    return;
  }
  writeEvent(`${new Date().toISOString()}\t${requestId}\t${level}\t${text}\n`);
}

for (const [name, level] of [
  ["log", "INFO"],
  ["debug", "DEBUG"],
  ["info", "INFO"],
  ["warn", "WARN"],
  ["error", "ERROR"],
  ["fatal", "FATAL"],
]) {
  console[name] = (...args) => {
    if (process.env.AWS_LAMBDA_LOG_FORMAT !== "JSON") {
      logLine(level, util.format(...args));
    } else if (args.length <= 1) {
      logLine(level, args[0]);
    } else {
      const error = args.find((value) => value instanceof Error);
      logLine(level, util.format(...args), error === undefined ? {} : described(error, false));
    }
  };
}
console.trace = (...args) => {
  const error = new Error(util.format(...args));
  error.name = "Trace";
  logLine("TRACE", error.stack);
};

// Becoming a function.

class RuntimeError extends Error {
  constructor(type, message) {
    super(message);
    Object.defineProperty(this, "name", { value: type });
  }
}

async function become(assignment) {
  await rehearsed;
  const environment = assignment.environment;
  // Only what differs: each touch of TZ costs V8 some 5 ms.
  for (const name of Object.keys(process.env)) {
    if (!(name in environment)) delete process.env[name];
  }
  for (const [name, value] of Object.entries(environment)) {
    if (process.env[name] !== value) process.env[name] = value;
  }
  const root = environment.LAMBDA_TASK_ROOT;
  v8.setFlagsFromString(`--max-old-space-size=${assignment.heap_mb}`);
  process.chdir(root);
  process.argv[1] = "/var/runtime/index.mjs";
  try {
    runtime.handler = await findHandler(root, assignment.handler);
  } catch (error) {
    logFailure("Uncaught Exception", error);
    send(INIT_ERROR, Buffer.from(JSON.stringify(answered(error))));
    return;
  }
  send(READY, Buffer.alloc(0));
}

async function findHandler(root, name) {
  const match = /^(.*?)([^/\\]*)$/.exec(name);
  const dot = match[2].indexOf(".");
  if (name.includes("..")) {
    throw new RuntimeError(
      "Runtime.MalformedHandlerName",
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  if (dot < 1) {
    throw new RuntimeError("Runtime.MalformedHandlerName", "Bad handler");
  }
  const moduleName = match[1] + match[2].slice(0, dot);
  const names = match[2].slice(dot + 1).split(".");
  let found = await load(root, moduleName);
  for (const part of names) found = found == null ? undefined : found[part];
  if (found === undefined) {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof found !== "function") {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is not a function`);
  }
  return found;
}

async function load(root, moduleName) {
  const base = path.resolve(root, moduleName);
  const file = [base, `${base}.js`, `${base}.mjs`, `${base}.cjs`].find(isFile);
  try {
    if (file === undefined) {
      const missing = new Error(
        `Cannot find module '${moduleName}'\nRequire stack:\n- /var/runtime/index.mjs`,
      );
      missing.code = "MODULE_NOT_FOUND";
      throw missing;
    }
    if (file.endsWith(".mjs") || (file.endsWith(".js") && isModulePackage(file, root))) {
      const loaded = await import(pathToFileURL(file));
      return loaded;
    }
    return createRequire(path.join(root, "index.js"))(file);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw headed("Runtime.UserCodeSyntaxError", error);
    }
    if (error?.code === "MODULE_NOT_FOUND") {
      throw copied("Runtime.ImportModuleError", error);
    }
    throw error;
  }
}

function copied(type, error) {
  const copy = new RuntimeError(type, String(error));
  copy.stack = `${type}: ${error.stack}`;
  return copy;
}

// The same without the error's own stack, as AWS words what is wrong with a file, or with a promise.
function headed(type, error) {
  const copy = new RuntimeError(type, String(error));
  copy.stack = `${type}: ${error}`;
  return copy;
}

function isFile(name) {
  return fs.statSync(name, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isModulePackage(file, root) {
  for (let folder = path.dirname(file); folder.startsWith(root); folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (isFile(manifest)) return JSON.parse(fs.readFileSync(manifest, "utf8")).type === "module";
  }
  return false;
}

// Streamed answers: https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response";

class ResponseStream extends Writable {
  #invocation;
  #type = "application/octet-stream";
  #begun = false;
  #gathered = [];

  constructor(invocation) {
    super({ highWaterMark: 64 * 1024 });
    this.#invocation = invocation;
  }

  setContentType(type) {
    this.#type = type;
  }

  get gathered() {
    return Buffer.concat(this.#gathered);
  }

  begin() {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#invocation.streams) send(STREAM, Buffer.from(this.#type, "utf8"));
  }

  _write(data, encoding, done) {
    const body = typeof data === "string" ? Buffer.from(data, encoding) : Buffer.from(data);
    if (!this.#invocation.streams) {
      this.#gathered.push(body);
      done();
      return;
    }
    this.begin();
    for (let at = 0; at < body.length; at += CHUNK_BYTES_MAX) {
      const last = at + CHUNK_BYTES_MAX >= body.length;
      send(CHUNK, body.subarray(at, at + CHUNK_BYTES_MAX), last ? () => done() : undefined);
    }
    if (body.length === 0) done();
  }
}

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = true;
    handler.highWaterMark = options?.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType(HTTP_INTEGRATION);
      stream.write(JSON.stringify(prelude));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

function invokeStreaming(invocation, event, context) {
  const stream = new ResponseStream(invocation);
  stream.on("finish", () => {
    if (invocation.over) return;
    stream.begin();
    finish(invocation, RESULT, stream.gathered);
  });
  stream.on("error", (error) => fail(invocation, error));
  const returned = runtime.handler(event, stream, context);
  if (typeof returned?.then === "function") {
    returned.then(
      () => {
        if (!stream.writableEnded) stream.end();
      },
      (error) => fail(invocation, error),
    );
  }
}

// Serving.

function invoke(facts, body) {
  requestId = facts.id;
  if (facts.trace) process.env._X_AMZN_TRACE_ID = facts.trace;
  else delete process.env._X_AMZN_TRACE_ID;
  const invocation = { over: false, result: null, waits: false, streams: facts.stream === true };
  current = invocation;
  // While the handler works, only its own doings keep the event loop alive: see beforeExit.
  channel.unref();
  try {
    const context = makeContext(facts, invocation);
    const event = JSON.parse(body.toString("utf8"));
    if (runtime.handler[STREAMING]) {
      invokeStreaming(invocation, event, context);
      return;
    }
    const returned = runtime.handler(event, context, (error, result) => {
      finishByCallback(invocation, context, error, result);
    });
    if (typeof returned?.then === "function") {
      returned.then(
        (result) => succeed(invocation, result),
        (error) => fail(invocation, error),
      );
    } else if (runtime.handler.length < 3 && returned !== undefined) {
      invocation.result = null;
    }
  } catch (error) {
    fail(invocation, error);
  }
}

function makeContext(facts, invocation) {
  const environment = process.env;
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: facts.client_context ? JSON.parse(facts.client_context) : undefined,
    identity: facts.identity ? JSON.parse(facts.identity) : undefined,
    invokedFunctionArn: facts.arn,
    awsRequestId: facts.id,
    tenantId: undefined,
    getRemainingTimeInMillis: () => Math.max(0, facts.deadline_ms - Date.now()),
  };
  context.done = (error, result) => finishByCallback(invocation, context, error, result);
  context.succeed = (result) => succeed(invocation, result);
  context.fail = (error) => fail(invocation, error ?? "handled");
  return context;
}

function finishByCallback(invocation, context, error, result) {
  if (invocation.over) return;
  if (error !== undefined && error !== null) {
    fail(invocation, error);
  } else if (context.callbackWaitsForEmptyEventLoop) {
    invocation.result = result;
  } else {
    succeed(invocation, result);
  }
}

process.on("beforeExit", () => {
  if (current !== null && !current.over) succeed(current, current.result);
});

function succeed(invocation, result) {
  if (invocation.over) return;
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch {
    fail(invocation, new Error("Unable to stringify response body"));
    return;
  }
  if (text === undefined) {
    fail(invocation, new TypeError("Wrong arguments")); // a function, a symbol: AWS's words
    return;
  }
  const body = Buffer.from(text, "utf8");
  if (body.length > RESPONSE_BYTES_MAX) {
    const message =
      `Response payload size (${body.length} bytes) exceeded maximum allowed payload size` +
      ` (${RESPONSE_BYTES_MAX} bytes).`;
    const payload = { errorType: "Function.ResponseSizeTooLarge", errorMessage: message };
    finish(invocation, ERROR, Buffer.from(JSON.stringify(payload)));
    return;
  }
  finish(invocation, RESULT, body);
}

function fail(invocation, error) {
  if (invocation.over) return;
  error ??= "handled";
  logFailure("Invoke Error", error);
  finish(invocation, ERROR, Buffer.from(JSON.stringify(answered(error))).subarray(0, RESPONSE_BYTES_MAX));
}

function finish(invocation, kind, body, done) {
  invocation.over = true;
  current = null;
  channel.ref();
  send(kind, body, done);
}

function answered(error) {
  if (error instanceof Error || util.types.isNativeError(error)) {
    return {
      errorType: error.name?.replaceAll("\x7F", "%7F") ?? "Error",
      errorMessage: String(error.message),
      trace: String(error.stack ?? "").split("\n"),
    };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function logged(error) {
  const { errorType, errorMessage, trace } = answered(error);
  const extra = error instanceof Error ? { ...error } : {};
  return { errorType, errorMessage, ...extra, stack: trace };
}

// The same for the JSON format of the log.
function described(error, whole = true) {
  const { errorType, errorMessage, trace } = answered(error);
  return { errorType, errorMessage, stackTrace: trace, ...(whole ? { ...error } : {}) };
}

function logFailure(what, error) {
  if (process.env.AWS_LAMBDA_LOG_FORMAT === "JSON") {
    logLine("ERROR", error instanceof Error ? error : answered(error));
    return;
  }
  let text;
  try {
    text = JSON.stringify(logged(error), (_, value) => (value instanceof Error ? logged(value) : value));
  } catch {
    // Something in it leads back to itself, or is no JSON.
    text = JSON.stringify(answered(error));
  }
  logLine("ERROR", `${what} \t${text}`);
}

function crash(type, code, error) {
  const failure = type ? headed(type, error) : error;
  if (type) Object.assign(failure, { reason: error, promise: {} });
  logFailure(type ? "Unhandled Promise Rejection" : "Uncaught Exception", failure);
  if (current === null || current.over) process.exit(code);
  const body = Buffer.from(JSON.stringify(answered(failure)));
  finish(current, LAST_ERROR, body, () => process.exit(code));
}

process.on("uncaughtException", (error) => crash("", 129, error));
process.on("unhandledRejection", (error) => crash("Runtime.UnhandledPromiseRejection", 128, error));

// Before it knows its function: what a first call would have to load and compile is there already.

async function rehearse() {
  const folder = path.join(import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url)), "rehearsal");
  const facts = { id: "0", arn: "", deadline_ms: 0, stream: false, trace: "Root=1" };
  for (const name of ["module.handler", "common.handler"]) {
    const found = await findHandler(folder, name);
    const event = JSON.parse(Buffer.from('{"a": [1, "b"]}').toString("utf8"));
    const result = await found(event, makeContext(facts, { over: true }));
    Buffer.from(JSON.stringify(result), "utf8");
  }
  answered(new RuntimeError("Rehearsal", "of an error"));
  util.format("%s %o", "a", { b: 1 });
  v8.setFlagsFromString("--max-old-space-size=1024");
  process.resourceUsage();
  channel.write(Buffer.concat([Buffer.alloc(0)]));
}

if (process.env._SEREIN_ASSIGNED) {
  // Started by a wrapper, with the environment complete.
  delete process.env._SEREIN_ASSIGNED;
  const memory = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 128);
  const heap_mb = Math.max(32, Math.floor(memory * 0.9));
  become({ environment: { ...process.env }, handler: process.env._HANDLER, heap_mb });
} else {
  rehearsed = rehearse().catch(() => {});
}
