// A resident's pages can be read without a network: the worker keeps those that say so.
"use strict";

if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/sw.js", { scope: "/" }).catch(() => {}); // Without it pages work all the same.
  // The first page of all came before there was a worker.
  const [page] = performance.getEntriesByType("navigation");
  if (page && !page.workerStart) navigator.serviceWorker.ready.then(({ active }) => active.postMessage("keep"));
}
