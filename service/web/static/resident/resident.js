// A resident's pages can be read without a network: the worker keeps those that say so.
"use strict";

if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/sw.js", { scope: "/" }).catch(() => {}); // Without it pages work all the same.
}
