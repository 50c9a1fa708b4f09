// Keeps a resident's last seen pages for reading without a network. Only pages whose answer names a
// reader (Tanhui-Keep) are kept, and only of one reader: another one's page, signing out or being
// sent to sign in throws away what was kept. Nothing is answered from here while there is a network,
// but files whose address is named by their content.
"use strict";

const PAGES = "tanhui-pages";
const FILES = "tanhui-files";
const READER = "/reader"; // Under this address lies who the pages in PAGES are of.
const OFFLINE = "/my/offline";
const KEPT_MAX = 30;
const FILES_MAX = 60;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const files = await caches.open(FILES);
      const page = await fetch(OFFLINE);
      await files.put(OFFLINE, page.clone());
      // What that page needs is kept too: the same files as of every other page.
      const found = (await page.text()).matchAll(/(?:href|src)="(\/static\/[^"]+)"/g);
      const addresses = Array.from(found, (one) => one[1].replaceAll("&amp;", "&"));
      await Promise.all(addresses.map((address) => files.add(address).catch(() => {})));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.mode === "navigate" && ["/sign-in", "/sign-out"].includes(url.pathname)) {
    event.waitUntil(caches.delete(PAGES));
  } else if (request.method !== "GET") {
    return;
  } else if (url.pathname === "/my" || url.pathname.startsWith("/my/")) {
    if (request.mode === "navigate" || url.pathname === "/my/code/next.json") event.respondWith(page(event, url));
  } else if (url.pathname.startsWith("/static/") && url.searchParams.has("v")) {
    event.respondWith(file(request));
  }
});

self.addEventListener("message", (event) => {
  if (event.data !== "keep") return;
  const url = new URL(event.source.url);
  const kept = fetch(url, { credentials: "same-origin" }).then((answer) => answer.ok && !answer.redirected && keep(url, answer));
  event.waitUntil(kept.catch(() => {}));
});

async function page(event, url) {
  let answer;
  try {
    answer = await fetch(event.request);
  } catch {
    return keptPage(url, event.request.mode === "navigate");
  }
  if (answer.ok && !answer.redirected) event.waitUntil(keep(url, answer.clone()));
  return answer;
}

async function keep(url, answer) {
  const reader = answer.headers.get("Tanhui-Keep");
  if (!reader) return;
  let pages = await caches.open(PAGES);
  const before = await pages.match(READER);
  if (before && (await before.text()) !== reader) {
    await caches.delete(PAGES);
    pages = await caches.open(PAGES);
  }
  await pages.put(READER, new Response(reader));
  await pages.put(url.pathname, answer);
  await shorten(pages, KEPT_MAX);
}

// As it was kept, but for saying so: the page has the note, with its date, ready.
async function keptPage(url, isPage) {
  const pages = await caches.open(PAGES);
  const found = (await pages.match(url.pathname)) ?? (isPage ? await caches.match(OFFLINE) : undefined);
  if (!found) return Response.error();
  if (!isPage) return found;
  const html = (await found.text()).replaceAll('data-state="online"', 'data-state="offline"');
  return new Response(html, { headers: found.headers });
}

async function file(request) {
  const files = await caches.open(FILES);
  const known = await files.match(request);
  if (known) return known;
  const answer = await fetch(request);
  if (answer.ok) {
    await files.put(request, answer.clone());
    await shorten(files, FILES_MAX);
  }
  return answer;
}

// The oldest go first; who it is of, and the page for those that are not kept, stay.
async function shorten(cache, most) {
  const stay = [READER, OFFLINE];
  const keys = (await cache.keys()).filter((key) => !stay.includes(new URL(key.url).pathname));
  await Promise.all(keys.slice(0, Math.max(0, keys.length - most)).map((key) => cache.delete(key)));
}
