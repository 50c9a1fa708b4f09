// What this browser keeps for offline moments: the scanner's key, which no script can read out again,
// and what was signed by it and is not sent yet.
"use strict";

const vault = (() => {
  const PAIRING = /^TANHUI-SCANNER\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{43})$/;
  let opened = null;

  function open() {
    opened ??= new Promise((done, failed) => {
      const asked = indexedDB.open("tanhui-till", 1);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore("device");
        asked.result.createObjectStore("queue", { keyPath: "id" });
      };
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => failed(asked.error);
    });
    return opened;
  }

  async function on(store, mode, work) {
    const stores = (await open()).transaction(store, mode);
    const asked = work(stores.objectStore(store));
    return new Promise((done, failed) => {
      stores.oncomplete = () => done(asked?.result);
      stores.onerror = stores.onabort = () => failed(stores.error);
    });
  }

  const supported = () => window.isSecureContext && Boolean(window.crypto?.subtle) && "indexedDB" in window;

  async function pair(text, name = "") {
    const found = PAIRING.exec(text.trim());
    if (!found) return false;
    const bytes = Uint8Array.from(atob(`${found[2].replaceAll("-", "+").replaceAll("_", "/")}=`), (one) => one.charCodeAt(0));
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    await on("device", "readwrite", (store) => store.put({ scanner_id: found[1], key, name }, "own"));
    navigator.storage?.persist?.().catch(() => {});
    return true;
  }

  // As docs/merchants.md writes it: four lines, parted by one line feed.
  async function sign(device, item) {
    const text = ["consumption", item.id, item.code, item.scanned_at].join("\n");
    const mac = await crypto.subtle.sign("HMAC", device.key, new TextEncoder().encode(text));
    return Array.from(new Uint8Array(mac), (one) => one.toString(16).padStart(2, "0")).join("");
  }

  return {
    supported,
    pair,
    sign,
    device: () => on("device", "readonly", (store) => store.get("own")),
    unpair: () => on("device", "readwrite", (store) => store.delete("own")),
    items: () => on("queue", "readonly", (store) => store.getAll()),
    put: (item) => on("queue", "readwrite", (store) => store.put(item)),
    remove: (id) => on("queue", "readwrite", (store) => store.delete(id)),
  };
})();
