// Checks in this browser that a newer checkpoint continues an older one (RFC 9162, 2.1.4.2), and
// that the log's key signed both (C2SP signed note). What it cannot check it does not call good.
"use strict";

(() => {
  const place = document.getElementById("checked");
  if (!place) return;
  const utf8 = (text) => new TextEncoder().encode(text);
  const unbase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const ensure = (fits) => {
    if (!fits) throw new Error("no");
  };

  async function node(left, right) {
    const whole = new Uint8Array([1, ...unhex(left), ...unhex(right)]);
    return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
  }

  async function signed(one, verifier) {
    const [, name, id, material] = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(verifier);
    const key = await crypto.subtle.importKey("raw", unbase64(material).slice(1), "Ed25519", false, ["verify"]);
    const cut = one.note.lastIndexOf("\n\n");
    const text = one.note.slice(0, cut + 1);
    const [origin, size, root] = text.split("\n");
    ensure(origin === name && Number(size) === one.size && hex(unbase64(root)) === one.root);
    for (const line of one.note.slice(cut + 2, -1).split("\n")) {
      const [, by, written] = /^\u2014 ([^\s+]+) (\S+)$/.exec(line) ?? [];
      const bytes = by === name ? unbase64(written) : new Uint8Array();
      if (hex(bytes.slice(0, 4)) !== id) continue;
      ensure(await crypto.subtle.verify("Ed25519", key, bytes.slice(4), utf8(text)));
      return;
    }
    ensure(false);
  }

  // Sizes beyond 2^31 do not fit shifts: halves are taken by division.
  async function continues(older, newer, proof) {
    if (older.size === newer.size) return ensure(older.root === newer.root && !proof.length);
    if (older.size === 0) return ensure(!proof.length);
    const half = (count) => Math.floor(count / 2);
    const path = [...proof];
    let whole = older.size;
    while (whole % 2 === 0) whole /= 2;
    if (whole === 1) path.unshift(older.root);
    ensure(path.length);
    let [at, last] = [older.size - 1, newer.size - 1];
    while (at % 2) [at, last] = [half(at), half(last)];
    let [one, other] = [path[0], path[0]];
    for (const beside of path.slice(1)) {
      ensure(last > 0);
      if (at % 2 || at === last) {
        one = await node(beside, one);
        other = await node(beside, other);
        while (at % 2 === 0 && at) [at, last] = [half(at), half(last)];
      } else other = await node(other, beside);
      [at, last] = [half(at), half(last)];
    }
    ensure(last === 0 && one === older.root && other === newer.root);
  }

  async function check() {
    const { older, newer, proof, verifier } = place.dataset;
    const [before, after] = [JSON.parse(older), JSON.parse(newer)];
    await signed(before, verifier);
    await signed(after, verifier);
    await continues(before, after, JSON.parse(proof));
  }

  check().then(
    () => tell("yes"),
    (error) => tell(error.message === "no" ? "no" : "unknown"),
  );
  function tell(state) {
    place.dataset.state = state;
    place.classList.add({ yes: "done", no: "refused", unknown: "warn" }[state]);
    place.replaceChildren(Object.assign(document.createElement("p"), { textContent: place.dataset[state] }));
  }
})();
