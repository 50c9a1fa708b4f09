// Takes vouchers while there is no line: signs, keeps, and sends when the line is back.
"use strict";

(() => {
  const PENDING = "tanhui-till-pending";
  const root = document.getElementById("offline");
  const words = JSON.parse(root.dataset.words);
  const form = root.querySelector("[data-take-offline]");
  const input = document.getElementById("code");
  const result = root.querySelector("[data-result]");
  const said = root.querySelector("[data-sending]");
  let sending = false;

  const made = (tag, text, kind) => {
    const one = document.createElement(tag);
    if (text) one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };
  const plain = (code) => code.toUpperCase().replace(/[\s-]/g, "");

  function show(kind, title, more, what = "") {
    const box = made("section", "", `result ${kind}`);
    box.setAttribute("role", kind === "bad" ? "alert" : "status");
    const mark = made("p", { good: "✓", bad: "✕" }[kind] ?? "!", "mark");
    mark.setAttribute("aria-hidden", "true");
    box.append(mark, made("h2", title));
    if (what) box.append(made("p", what, "what"));
    if (more) box.append(made("p", more));
    result.replaceChildren(box);
  }

  async function list() {
    const device = vault.supported() ? await vault.device() : null;
    const name = device && (device.name || device.scanner_id);
    root.querySelector("[data-device]").textContent = !vault.supported()
      ? words.insecure
      : device
        ? `${words.paired} · ${name}`
        : words.unpaired;
    root.querySelector("[data-unpair]").hidden = !device;
    const items = vault.supported() ? await vault.items() : [];
    items.sort((a, b) => b.scanned_at.localeCompare(a.scanned_at));
    root.querySelector("[data-queue]").replaceChildren(
      ...items.map((item) => {
        const row = made("li");
        const line = made("div", "", "line");
        const state = item.answer ? (item.answer.problem ? "refused" : "taken") : "waiting";
        const kind = { waiting: "badge warn", taken: "badge good", refused: "badge bad" }[state];
        line.append(made("b", item.answer?.consumption?.title ?? item.code), made("span", words[state], kind));
        const at = new Date(item.scanned_at).toLocaleString(document.documentElement.lang);
        const why = item.answer?.problem ? ` · ${item.answer.problem.title}` : "";
        row.append(line, made("p", at + why, "why"));
        if (item.answer?.problem?.detail) row.append(made("p", item.answer.problem.detail, "why"));
        return row;
      }),
    );
    const waiting = items.filter((item) => !item.answer);
    if (!waiting.length && !sending && !said.textContent) said.textContent = words.none;
    return waiting;
  }

  async function take(code, id = crypto.randomUUID()) {
    if (!vault.supported()) return show("bad", words.unpaired, words.insecure);
    if (code.startsWith("TANHUI-SCANNER.")) {
      if (!(await vault.pair(code))) return show("bad", words.badPair, words.badPairMore);
      show("good", words.nowPaired, words.nowPairedMore);
      return list();
    }
    const device = await vault.device();
    if (!device) return show("bad", words.pairFirst, words.pairMore);
    if (code.toUpperCase().startsWith("TH1.")) return show("bad", words.live, words.liveMore);
    const items = await vault.items();
    if (items.some((item) => item.id !== id && plain(item.code) === plain(code) && !item.answer?.problem)) {
      return show("bad", words.again, words.againMore, code);
    }
    const item = { id, code, scanner_id: device.scanner_id, scanned_at: new Date().toISOString() };
    item.signature = await vault.sign(device, item);
    await vault.put(item);
    said.textContent = "";
    show("good", words.kept, words.keptMore, code);
    await list();
    return send();
  }

  // A fresh page has a form token that counts; one that the browser kept may be of another day.
  async function token() {
    const answer = await fetch(root.dataset.page, { credentials: "same-origin", cache: "no-store" });
    if (answer.redirected) throw new Error("sign in");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.querySelector("[name=form_token]").value;
  }

  async function send() {
    const waiting = await list();
    if (sending || !waiting.length || !navigator.onLine) return;
    sending = true;
    said.textContent = words.sending;
    try {
      const form_token = await token();
      const most = Number(root.dataset.most);
      waiting.reverse();
      for (let from = 0; from < waiting.length; from += most) {
        const part = waiting.slice(from, from + most);
        const queue = JSON.stringify(
          part.map(({ id, code, scanner_id, scanned_at, signature }) => ({ id, code, scanner_id, scanned_at, signature })),
        );
        const body = new URLSearchParams({ form_token, queue });
        const answer = await fetch(root.dataset.send, { method: "POST", body, credentials: "same-origin" });
        if (answer.redirected) throw new Error("sign in");
        if (answer.status === 429) throw new Error("later");
        if (!answer.ok) throw new Error("failed");
        for (const told of (await answer.json()).consumptions) {
          const item = part.find((one) => one.id === told.id);
          // A clock that is ahead: the same again later is taken.
          if (told.problem?.type.endsWith("/scan-in-future")) continue;
          await vault.put({ ...item, answer: told });
        }
      }
      said.textContent = words.sent;
    } catch (error) {
      said.textContent = { "sign in": words.signIn, later: words.later }[error.message] ?? words.failed;
    }
    sending = false;
    await list();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const code = input.value.trim();
    const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
    sessionStorage.removeItem(PENDING);
    input.value = "";
    input.focus();
    if (code) take(code, pending?.id && pending.code === code ? pending.id : undefined);
  });
  root.querySelector("[data-send-now]").addEventListener("click", send);
  root.querySelector("[data-clear]").addEventListener("click", async () => {
    for (const item of await vault.items()) if (item.answer) await vault.remove(item.id);
    list();
  });
  root.querySelector("[data-unpair]").addEventListener("click", async () => {
    if (window.confirm(words.unpair)) await vault.unpair();
    list();
  });
  window.addEventListener("online", send);
  window.setInterval(send, 30_000);

  reader(root.querySelector("[data-camera]"), { busy: () => false, found: (text) => take(text) });
  root.hidden = false;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  if (pending?.code) {
    input.value = pending.code;
    show("calm", words.pending, words.pendingMore, pending.code);
  }
  if (vault.supported()) send();
  else list();
})();
