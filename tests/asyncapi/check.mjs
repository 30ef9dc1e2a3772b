// Reads an AsyncAPI document on standard input; prints what the parser finds wrong, and what it understood.
import { Parser } from "@asyncapi/parser";
import { text } from "node:stream/consumers";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const found = diagnostics.map(({ severity, message, path }) => ({ severity, message, path: path.join(".") }));
const channels = document?.channels().all().map((channel) => channel.address()) ?? [];
const bindings = Object.fromEntries(
  document?.operations().all().map((one) => [one.id(), one.bindings().get("mqtt")?.value()]) ?? [],
);
console.log(JSON.stringify({ version: document?.version() ?? null, found, channels, bindings }));
