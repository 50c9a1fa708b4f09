// Checks a receipt against the published log, in this browser (docs/log.md, sections 5 and 6).
// Reads the log's public files and nothing else; what it cannot check it does not call good.
"use strict";

const TILE = 256;
const HEAD = 200; // Index, holder salt, holder id, record salt, record: before the leaf.
const UNITS = [null, "mg_co2e", "point", "fen"];
const ACCOUNTS = [null, "personal", "issued", "redeemed", "expired", "retired", "clearing"];

// Else it is wrong ("no") or cannot be told ("unknown"): why is the name of a text in the page.
function ensure(fits, why, state = "no") {
  if (!fits) throw Object.assign(new Error(why), { state });
}

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const same = (one, other) => hex(one) === hex(other);
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const uuid = (id) => hex(id).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

function unbase64(text, why = "malformed") {
  const raw = /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0 ? atob(text) : "";
  ensure(raw && btoa(raw) === text, why); // There is one way to write it.
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

async function sha256(...parts) {
  const whole = parts.flatMap((part) => Array.from(part));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(whole)));
}

const nodeHash = (left, right) => sha256([1], left, right);

// Receipts and leaves.
function parseReceipt(written) {
  ensure(written.length <= 100000, "malformed");
  if (!written.trim().startsWith("{")) return unpack(written.trim());
  try {
    const read = JSON.parse(written);
    const receipt = unpack(read.qr_text);
    const fits = (name) => read[name] === hex(receipt[name]);
    ensure(["holder_salt", "record_salt", "record", "leaf"].every(fits), "malformed");
    ensure(read.format === "tanhui1" && read.index === receipt.index, "malformed");
    ensure(read.holder_id === uuid(receipt.holder_id), "malformed");
    ensure(read.transfer_id === uuid(receipt.record.slice(0, 16)), "malformed");
    if (read.checkpoint === undefined) return receipt;
    ensure(read.proof.every((hash) => /^[0-9a-f]{64}$/.test(hash)), "malformed");
    const unhex = (hash) => Uint8Array.from(hash.match(/../g), (pair) => parseInt(pair, 16));
    return { ...receipt, note: String(read.checkpoint), proof: read.proof.map(unhex) };
  } catch {
    return ensure(false, "malformed");
  }
}

function unpack(written) {
  const [, packed] = /tanhui1:([A-Za-z0-9_-]+)$/.exec(written) || [];
  ensure(packed, "malformed");
  const padded = packed.padEnd(Math.ceil(packed.length / 4) * 4, "=");
  const bytes = unbase64(padded.replaceAll("-", "+").replaceAll("_", "/"));
  ensure(bytes.length > HEAD, "malformed");
  return {
    index: Number(view(bytes).getBigUint64(0)),
    holder_salt: bytes.slice(8, 24),
    holder_id: bytes.slice(24, 40),
    record_salt: bytes.slice(40, 56),
    record: bytes.slice(56, HEAD),
    leaf: bytes.slice(HEAD),
  };
}

function decodeLeaf(leaf) {
  const kind = String.fromCharCode(...leaf.slice(81));
  const [unit, debit, credit] = [UNITS[leaf[1]], ACCOUNTS[leaf[2]], ACCOUNTS[leaf[3]]];
  ensure(leaf[0] === 1 && unit && debit && credit && leaf[80] === kind.length, "malformed");
  ensure(/^[a-z_]{1,32}$/.test(kind), "malformed");
  const [amount, day] = [view(leaf).getBigUint64(4), view(leaf).getInt32(12)];
  return { unit, debit, credit, kind, amount, day };
}

// Signed notes.
async function readKey(written) {
  const form = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/;
  const [, name, id, material] = form.exec(written.trim()) || [];
  ensure(name, "bad-key");
  const bytes = unbase64(material, "bad-key");
  ensure(bytes.length === 33 && bytes[0] === 1, "bad-key");
  ensure(hex(await sha256(utf8(name + "\n"), bytes)).slice(0, 8) === id, "bad-key");
  const importing = crypto.subtle.importKey("raw", bytes.slice(1), "Ed25519", false, ["verify"]);
  return { name, id, handle: await importing.catch(() => null) }; // Null: too old a browser.
}

// The checkpoint of a note. `signed` is false where this browser cannot tell: never where it is
// wrong, and nothing is to be called proved by it.
async function openNote(note, key) {
  const cut = note.lastIndexOf("\n\n");
  ensure(cut > 0 && note.endsWith("\n"), "bad-note");
  const text = note.slice(0, cut + 1);
  let signatures = 0;
  for (const line of note.slice(cut + 2, -1).split("\n")) {
    const [, name, written] = /^\u2014 ([^\s+]+) (\S+)$/.exec(line) || [];
    ensure(name, "bad-note");
    const signature = unbase64(written, "bad-note");
    if (name !== key.name || hex(signature.slice(0, 4)) !== key.id) continue;
    signatures += 1;
    const checked = [key.handle, signature.slice(4), utf8(text)];
    ensure(!key.handle || (await crypto.subtle.verify("Ed25519", ...checked)), "bad-signature");
  }
  const [origin, size, root] = text.split("\n");
  ensure(signatures && origin === key.name, "not-signed");
  ensure(/^(0|[1-9][0-9]{0,14})$/.test(size), "bad-note");
  return { size: Number(size), root: unbase64(root, "bad-note"), signed: key.handle !== null };
}

// The tree.
const half = (count) => 2 ** ((count - 1).toString(2).length - 1);

// The root that a proof leads to from leaf `index` of `size`.
async function climb(hash, index, size, proof) {
  ensure(index < size && (size === 1) === (proof.length === 0), "bad-proof");
  if (size === 1) return hash;
  const [beside, rest, left] = [proof.at(-1), proof.slice(0, -1), half(size)];
  if (index < left) return nodeHash(await climb(hash, index, left, rest), beside);
  return nodeHash(beside, await climb(hash, index - left, size - left, rest));
}

// A file of the log, or null where there is none.
async function read(path, cache = "default") {
  const answer = await fetch(path, { cache }).catch(() => null);
  if (answer && answer.status === 404) return null;
  ensure(answer && answer.ok, "unreachable", "unknown");
  return new Uint8Array(await answer.arrayBuffer());
}

class Published {
  constructor(base, size) {
    Object.assign(this, { base, size, files: new Map() }); // Read once: both roots from one tile.
  }

  async tile(level, index) {
    const digits = String(index).padStart(3 * Math.ceil(String(index).length / 3), "0");
    const path = `${this.base}/tile/${level}/${digits.replace(/(...)(?=.)/g, "x$1/")}`;
    if (!this.files.has(path)) {
      const span = level === "entries" ? 1 : TILE ** level;
      const there = Math.floor(this.size / span) - index * TILE;
      const found = (there < TILE && (await read(`${path}.p/${there}`))) || (await read(path));
      ensure(found, "missing");
      this.files.set(path, found);
    }
    return this.files.get(path);
  }

  async leaf(index) {
    const bundle = await this.tile("entries", Math.floor(index / TILE));
    for (let at = 0, skip = index % TILE; at + 2 <= bundle.length; skip -= 1) {
      const end = at + 2 + view(bundle).getUint16(at);
      if (!skip) return bundle.slice(at + 2, end);
      at = end;
    }
    return ensure(false, "missing");
  }

  // The hash over leaves `start` to `end`. Nothing that a cut falls into comes whole from a tile,
  // and the first cut's leaf is `hash`: so a root made of it is the root of a tree that has it.
  async over(start, end, cuts, hash) {
    const count = end - start;
    if (start === cuts[0] && count === 1) return hash;
    const whole = count === 1 || 2 * half(count) === count;
    if (whole && !cuts.some((cut) => start < cut && cut < end)) return this.subtree(start, count);
    const middle = start + half(count);
    const left = await this.over(start, middle, cuts, hash);
    return nodeHash(left, await this.over(middle, end, cuts, hash));
  }

  async subtree(start, count) {
    let level = 0;
    for (; count >= TILE; count /= TILE) level += 1;
    const first = start / TILE ** level;
    const at = (first % TILE) * 32;
    const tile = await this.tile(level, Math.floor(first / TILE));
    ensure(tile.length >= at + 32 * count, "missing");
    const fold = async (from, n) =>
      n === 1
        ? tile.slice(from, from + 32)
        : nodeHash(await fold(from, n / 2), await fold(from + 16 * n, n / 2));
    return fold(at, count);
  }
}

// The page.
const at = (id) => document.getElementById(id);
const dayOf = (day) => new Date(day * 864e5).toISOString().slice(0, 10);
const said = (name, otherwise = name) =>
  at("texts").querySelector(`[data-text="${name}"]`)?.textContent ?? otherwise;

function show(name, state, why = "") {
  const row = at(`step-${name}`);
  row.hidden = false;
  row.dataset.state = state;
  row.querySelector(".mark").textContent = said(`mark-${state}`);
  row.querySelector(".unseen").textContent = said(`word-${state}`);
  row.querySelector(".why").textContent = why && said(why);
}

async function step(name, work) {
  try {
    const found = await work();
    show(name, ...(found?.signed === false ? ["unknown", "no-ed25519"] : ["yes"]));
    return found;
  } catch (error) {
    show(name, error.state ?? "unknown", error.state ? error.message : "broken");
  }
}

function tell({ index, record }, { unit, debit, credit, kind, amount, day }) {
  const [per, digits] = { mg_co2e: [1000n, 3], point: [1n, 0], fen: [100n, 2] }[unit];
  const rest = digits ? `.${String(amount % per).padStart(digits, "0")}` : "";
  const sign = ["−", "", "+"][1 + (credit === "personal") - (debit === "personal")];
  const figure = `${sign}${(amount / per).toLocaleString("en")}${rest} ${said(`unit-${unit}`)}`;
  const [instant, last] = [Number(view(record).getBigInt64(84) / 1000n), view(record).getInt32(92)];
  const clock = { timeZone: "Asia/Shanghai", timeZoneName: "short" };
  const facts = {
    says: `${figure} · ${said(`kind-${kind}`, kind)} · ${dayOf(day)}`,
    transfer: uuid(record.slice(0, 16)),
    index: index.toLocaleString("en"),
    instant: new Date(instant).toLocaleString(document.documentElement.lang, clock),
    last: last === 0x7fffffff ? said("no-end") : dayOf(last),
  };
  for (const [name, value] of Object.entries(facts)) at(`fact-${name}`).textContent = value;
}

async function check(receipt, writtenKey, base) {
  const { index, leaf, note, record, holder_salt, holder_id, record_salt } = receipt;
  const hash = await sha256([0], leaf);
  const proves = (name, work, why) => step(name, async () => ensure(await work(), why));
  const commits = async (to, ...hidden) => same(await sha256(...hidden), leaf.slice(to - 32, to));
  await proves("holder", () => commits(48, holder_salt, holder_id), "other-holder");
  await proves("record", () => commits(80, record_salt, record), "other-record");
  const proveOwn = async () => {
    const found = await openNote(note, await readKey(writtenKey));
    ensure(same(await climb(hash, index, found.size, receipt.proof), found.root), "bad-proof");
    return found;
  };
  const own = note === undefined ? null : await step("own", proveOwn);
  const published = await step("signature", async () => {
    const found = await read(`${base}/checkpoint`, "no-store");
    ensure(found, "no-checkpoint");
    return openNote(new TextDecoder().decode(found), await readKey(writtenKey));
  });
  const log = new Published(base, published?.size);
  const leads = async ({ size, root }) =>
    same(await log.over(0, size, [index, index + 1, own?.size], hash), root);
  const reached = (work) => () => {
    ensure(published, "nothing-to-compare", "unknown");
    ensure(index < published.size, "not-published", "unknown");
    return work();
  };
  await proves("leaf", reached(async () => same(await log.leaf(index), leaf)), "other-leaf");
  await proves("tree", reached(() => leads(published)), "other-root");
  if (!own || !published) return;
  const kept = own.size <= published.size;
  await proves("grown", async () => kept && leads(own), kept ? "not-grown" : "rolled-back");
}

async function run() {
  if (at("check").disabled) return; // Two at once would mix their marks.
  const rows = Array.from(at("steps").children);
  for (const row of rows) row.hidden = true;
  at("check").disabled = at("facts").hidden = true;
  at("verdict").textContent = "";
  let verdict;
  try {
    ensure(crypto.subtle, "no-crypto", "unknown");
    const receipt = parseReceipt(at("receipt").value);
    tell(receipt, decodeLeaf(receipt.leaf));
    at("facts").hidden = false;
    await check(receipt, at("key").value, at("steps").dataset.log);
    const states = rows.filter((row) => !row.hidden).map((row) => row.dataset.state);
    verdict = ["no", "unknown"].find((state) => states.includes(state)) ?? "yes";
    at("verdict").textContent = said(`verdict-${verdict}`);
  } catch (error) {
    verdict = error.state ?? "no";
    at("verdict").textContent = said(error.state ? error.message : "malformed");
  }
  at("verdict").dataset.state = verdict;
  at("check").disabled = false;
}

function take(text) {
  at("receipt").value = text;
  return run();
}

const takeFragment = () => location.hash.includes("tanhui1:") && take(location.hash.slice(1));
at("file").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (file) take(file.size > 100000 ? "" : await file.text());
});
at("form").addEventListener("submit", (event) => [event.preventDefault(), run()]);
addEventListener("hashchange", takeFragment);
takeFragment();
