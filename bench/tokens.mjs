// The reference beside bench/tokens.cc: npm's tiktoken (WASM) on the same files, in parts of 20,000
// characters, since it is quadratic in a long run. A line of JSON for each file.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../tests/sdk/package.json", import.meta.url));
const { get_encoding } = require("tiktoken");
const kPart = 20_000;

const [vocabulary, ...files] = process.argv.slice(2);
const encoding = get_encoding(vocabulary);

function counted(text) {
  let tokens = 0;
  const before = process.cpuUsage();
  for (let at = 0; at < text.length; at += kPart) {
    tokens += encoding.encode_ordinary(text.slice(at, at + kPart)).length;
  }
  const used = process.cpuUsage(before);
  return { tokens, seconds: (used.user + used.system) / 1e6 };
}

counted("Warm up. ".repeat(50_000));
for (const file of files) {
  const text = readFileSync(file, "utf8");
  const { tokens, seconds } = counted(text);
  const megabytes = Buffer.byteLength(text) / 1e6;
  console.log(JSON.stringify({ file, tokens, rate: megabytes / seconds }));
}
const { seconds } = counted("a".repeat(kPart));
console.log(JSON.stringify({ file: "20,000 letters", ms: seconds * 1000 }));
