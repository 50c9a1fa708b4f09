// Shows how far an audit is, asked for every second; the page is loaded anew as its state
// changes.
"use strict";

(() => {
  const place = document.getElementById("progress");
  const bar = document.getElementById("bar");
  const said = document.getElementById("said");
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  async function follow() {
    for (;;) {
      await wait(document.hidden ? 5000 : 1000);
      try {
        const answer = await fetch(place.dataset.url, { credentials: "same-origin", cache: "no-store" });
        // Whoever has been signed out meanwhile gets the page, which says so.
        if (answer.redirected || [401, 403, 404].includes(answer.status)) return location.reload();
        if (!answer.ok) throw new Error(answer.status);
        const told = await answer.json();
        if (told.state !== place.dataset.state) return location.reload();
        bar.value = told.permille;
        if (said.textContent !== told.said) said.textContent = told.said;
      } catch {
        said.textContent = place.dataset.lost;
        await wait(4000);
      }
    }
  }
  follow();
})();
