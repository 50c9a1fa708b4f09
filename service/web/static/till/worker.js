// Keeps the offline page of the till, and shows it when a page below /till cannot be reached.
"use strict";

const NAME = "tanhui-till-1";
const PAGE = "/till/offline";
const STATIC = [
  "/static/tanhui.css",
  "/static/app.css",
  "/static/pages.js",
  "/static/favicon.svg",
  "/static/jsqr/jsQR.js",
  "/static/till/till.css",
  "/static/till/reader.js",
  "/static/till/vault.js",
  "/static/till/offline.js",
];

async function keepPage() {
  const answer = await fetch(PAGE, { credentials: "same-origin", cache: "no-store" });
  if (answer.ok && !answer.redirected) await (await caches.open(NAME)).put(PAGE, answer);
}

async function fromLine(request, key) {
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected && key) (await caches.open(NAME)).put(key, answer.clone());
    return answer;
  } catch (error) {
    const kept = await caches.match(key ?? PAGE);
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(NAME).then((cache) => Promise.all([cache.addAll(STATIC), keepPage()])));
});
self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("tanhui-till-") && name !== NAME;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = new URL(request.url).pathname;
  if (request.mode === "navigate" && path.startsWith("/till")) {
    event.respondWith(fromLine(request, request.method === "GET" && path === PAGE ? PAGE : null));
  } else if (request.method === "GET" && STATIC.includes(path)) {
    event.respondWith(fromLine(request, path));
  }
});
