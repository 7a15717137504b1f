// Drives the official JavaScript SDK: `node script_driver.mjs FOLDER_OF_THE_SDK`.
//
// One command per line of JSON on standard input; each is answered by one line with its id:
//
//     {"id": 1, "do": "start", "name": "a", "ip": "127.0.0.1", "port": 33333, "ssl": false, "key": ""}
//     {"id": 2, "do": "call", "name": "a", "method": "GetGlobalState", "request": {…}}
//     {"id": 3, "do": "send", "name": "a", "cmd": 3004, "body": "base64"}
//     {"id": 4, "do": "close", "name": "a"}
//     {"id": 5, "do": "nothing"}
//
//     {"id": 2, "result": …} or {"id": 2, "error": …}
//
// What happens without being asked for comes as lines of its own: {"name": "a", "event": "login" |
// "push" | "packet" | "close" | "failure", …}; a packet is a push that the SDK keeps to itself.
// Messages are what the SDK decoded, 64-bit numbers as text and bytes as base64. Whatever the SDK
// prints goes to standard error.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

console.log = console.debug = console.error;
process.on("unhandledRejection", (reason) => console.error("unhandled:", reason));

const folder = path.resolve(process.argv[2]);
globalThis.WebSocket ??= createRequire(path.join(folder, "main.js"))("ws");
const { default: OfficialSDK } = await import(pathToFileURL(path.join(folder, "main.js")));

const sessions = new Map();

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

/** A decoded message as JSON can carry it, with the fields that are present; others as they are. */
function plain(value) {
  if (value?.$type === undefined) {
    return value instanceof Error ? String(value) : value;
  }
  return value.$type.toObject(value, { longs: String, bytes: String, json: true });
}

function start({ name, ip, port, ssl, key }) {
  const sdk = new OfficialSDK();
  sessions.set(name, sdk);
  sdk.onlogin = (granted, message) => {
    const connection = String(sdk.getConnID());
    const error = granted ? message.error : message;
    say({ name, event: "login", granted, error, connection });
  };
  sdk.onPush = (cmd, message) => say({ name, event: "push", cmd, message: plain(message) });
  sdk.start(ip, port, ssl, key);
  sdk.websock.regPushCallback("driver", ({ cmd, error, errmsg, buff }) => {
    if (error !== 0 || buff === undefined) {
      say({ name, event: "packet", cmd, error, errmsg });
    }
  });
  sdk.websock.onclose = ({ code, reason }) => say({ name, event: "close", code, reason });
  sdk.websock.onerror = ({ message }) => say({ name, event: "failure", message: message ?? "" });
}

function base64(buffer) {
  return buffer === undefined ? null : Buffer.from(buffer).toString("base64");
}

const commands = {
  start,
  call: async ({ name, method, request }) => plain(await sessions.get(name)[method](request)),
  send: async ({ name, cmd, body }) => {
    const answer = await sessions.get(name).websock.sendBuff(cmd, Buffer.from(body, "base64"));
    return { ...answer, buff: undefined, body: base64(answer.buff) };
  },
  close: ({ name }) => {
    sessions.get(name).websock.close();
    sessions.delete(name);
  },
  nothing: () => null,
};

async function obey({ id, do: command, ...details }) {
  try {
    say({ id, result: (await commands[command](details)) ?? null });
  } catch (error) {
    say({ id, error: plain(error) });
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  void obey(JSON.parse(line));
}
process.exit(0);
