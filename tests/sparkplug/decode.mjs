// Decodes Sparkplug B payloads (and encodes commands) with a library that is not ours; JSON lines out.
import { createInterface } from "node:readline";
import sparkplug from "sparkplug-payload";

const { decodePayload, encodePayload } = sparkplug.get("spBv1.0");
const plain = (_, value) => (typeof value?.toNumber === "function" ? value.toNumber() : value);

for await (const line of createInterface({ input: process.stdin })) {
  const { decode, encode } = JSON.parse(line);
  if (decode !== undefined) console.log(JSON.stringify(decodePayload(Buffer.from(decode, "hex")), plain));
  else console.log(JSON.stringify(Buffer.from(encodePayload(encode)).toString("hex")));
}
