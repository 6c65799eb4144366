// Writes tests/golden/tokens_<vocabulary>.txt: texts and the ids that the reference tokenizer
// (the npm package tiktoken) gives them. A line is the text in base64 and the ids, by spaces.
//
//   npm install --no-save tiktoken@1.0.22 && node tools/tokens_golden.mjs
//   node tools/tokens_golden.mjs CASES SEED FOLDER     more cases, written elsewhere
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(process.env.TIKTOKEN_FROM ?? import.meta.url);
const { get_encoding } = require("tiktoken");

const [cases = "2200", seed = "1", folder] = process.argv.slice(2);
const target = folder ?? fileURLToPath(new URL("../tests/golden", import.meta.url));

// mulberry32: the same cases from the same seed.
let state = Number(seed) >>> 0;
function below(limit) {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
}
const pick = (from) => from[below(from.length)];
const many = (most, make) => Array.from({ length: 1 + below(most) }, make).join("");

const english = ("the quick brown fox jumps over a lazy dog internationalization Washington " +
  "don't I'll we've they're she'd it's O'Neill rock'n'roll naïve café résumé coöperate token " +
  "budget McDonald iPhone HTTPServer XMLHttpRequest " +
  "getElementById snake_case SCREAMING_CASE")
  .split(" ");
const other = ("你好 世界 人工智能 模型 请 总结 东京都 こんにちは カタカナ 한국어 안녕하세요 مرحبا بالعالم العَرَبِيَّة " +
  "שלום עִבְרִית Привет мир ЁЛКА Здравствуйте Γειά σου ΚΌΣΜΕ नमस्ते दुनिया हिन्दी " +
  "ภาษาไทย Tiếng Việt ქართული Հայերեն " +
  "ǅ ǈ ﬁ ß İ ı ſ K Å Ⅷ ⅷ ² ½ ٣٤٥ १२३ 𝐀𝐛 𐐀𐐨 𞤀𞤢 ᲀ Ა ჲ ꙮ Ꟗ 𐵐 𐵰 \u1c89 " +
  "\u1c8a").split(" ");
const emoji = ("😀 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ❤️ ☃ 🫠 \u200d \ufe0f \u20e3 \u0301 \u0308 e\u0301 " +
  "\u0b95\u0bcd").split(" ");
const spaces = ["  ", " ", "\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085",
  "\v", "\f", "\n\n", " \n", "\r", "\u200b"];
const symbols = ("! ? . , ; : - _ / // \\ ' \" ` ~ @ # $ % ^ & * ( ) [ ] { } < > | = + " +
  "=> != :: ... --- === */ <|endoftext|> €").split(" ");
const contractions = ("'s 'S 't 'T 're 'RE 'rE 've 'VE 'm 'M 'll 'LL 'lL 'd 'D 'ſ 'x 'l 'r 'v " +
  "' ''s ’s").split(" ");
const code = ["for (int i = 0; i < n; ++i) {\n", "    return x;\n", "}\n",
  "def f(x):\n\treturn x**2\n",
  "const a = [1, 2, 3];", "SELECT * FROM t WHERE id = 42;\n", "https://example.com/a/b?c=d&e=f#g",
  "{\"role\": \"user\", \"content\": \"hi\"}", "<div class=\"a\">", "0x1F600", "std::vector<int>",
  "        if a:\n            pass\n", "//\n///\r\n", "/\n/\n", "!\n\n", "a@b.org", "v1.2.3-rc4"];
const any = () => {
  let point = below(8) === 0 ? below(0x110000) : below(4) === 0 ? below(0x3000) : below(0x250);
  if (point >= 0xd800 && point < 0xe000) point = 0x41;
  return String.fromCodePoint(point);
};
const letter = () => String.fromCharCode((below(5) ? 97 : 65) + below(26));
const atoms = [
  () => pick(english), () => ` ${pick(english)}`, () => ` ${pick(english)}`, () => pick(other),
  () => pick(emoji), () => pick(spaces), () => many(6, () => pick(spaces)), () => pick(symbols),
  () => many(4, () => pick(symbols)), () => pick(english) + pick(contractions),
  () => pick(other) + pick(contractions), () => pick(contractions),
  () => String(below(10 ** (1 + below(9)))),
  () => pick(code), () => any(), () => many(5, any), () => many(12, letter),
  () => many(6, () => pick(english).slice(below(4))), () => many(4, () => pick(other)),
  () => pick([..."aAZéÉß\u0301中ʰ "]).repeat(1 + below(4)),
];
// Alphabets on which the alternatives of the pattern meet.
const tight = [
  "aA中\u0301", "aA\u0301 !", " \n\r\ta", "'sSltLveRD a", "/\n!a ", "1٣a ²", "Aʰ\u0301'sa",
  "\u00a0 \n!a", "ab", "0", "_-", "中国人", "ſs'S "].map((text) => [...text]);
const runs = ["a", "A", " ", "\n", "_", "=", "ab", "中", "😀",
  "\u0301", "1", "\t", "\r\n", "ha", "/", "aA"];

function text() {
  const kind = below(20);
  if (kind === 0) return many(folder ? 400 : 60, () => pick(runs)).slice(0, 60);
  if (kind === 1) return pick(runs).repeat(1 + below(folder ? 700 : 90));
  if (kind < 6) { const alphabet = pick(tight); return many(14, () => pick(alphabet)); }
  if (kind === 6) return many(folder ? 200 : 40, letter);
  return many(folder ? 14 : 8, () => pick(atoms)());
}

const texts = new Set([english, other, emoji, spaces, symbols, contractions, code].flat());
while (texts.size < Number(cases)) texts.add(text());
for (const name of ["o200k_base", "cl100k_base", "p50k_base", "r50k_base"]) {
  const encoding = get_encoding(name);
  const lines = [...texts].map((each) => {
    const whole = each.toWellFormed();
    return [Buffer.from(whole).toString("base64"), ...encoding.encode_ordinary(whole)].join(" ");
  });
  writeFileSync(`${target}/tokens_${name}.txt`, `${lines.join("\n")}\n`);
  encoding.free();
}
