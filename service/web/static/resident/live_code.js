// Shows the code of each half minute from those made ahead, by the server's clock; asks for more
// while there is a network, so that the page goes on in a cellar for half an hour.
"use strict";

(() => {
  const place = document.getElementById("live");
  const image = place.querySelector("img");
  const left = document.getElementById("left");
  const stale = document.getElementById("stale");
  const SVG = "http://www.w3.org/2000/svg";
  const ENOUGH = 40;
  let ahead = null;
  let shown = null;

  async function ask() {
    try {
      const sent = performance.now();
      const answer = await fetch(place.dataset.next, { credentials: "same-origin" });
      const found = answer.ok ? await answer.json() : null;
      if (!found || !found.codes.length) return;
      const fromNetwork = Math.abs(found.now_ms - Date.now()) < 120000 || !ahead;
      // Of an answer that was kept, only the phone's own clock says how old it is by now.
      const offset = fromNetwork ? found.now_ms - (sent + performance.now()) / 2 : Date.now() - performance.now();
      ahead = { ...found, offset };
    } catch {
      // No network: what was made ahead goes on.
    }
  }

  function draw(code) {
    const [size, hex] = code.split(":");
    const lines = Number(size);
    let path = "";
    for (let at = 0; at < lines * lines; at += 1) {
      if ((parseInt(hex[at >> 2], 16) >> (3 - (at & 3))) & 1) path += `M${at % lines} ${Math.floor(at / lines)}h1v1h-1z`;
    }
    const picture = document.createElementNS(SVG, "svg");
    const border = 4;
    picture.setAttribute("viewBox", `${-border} ${-border} ${lines + 2 * border} ${lines + 2 * border}`);
    picture.setAttribute("class", "qr");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", image.alt);
    picture.setAttribute("shape-rendering", "crispEdges");
    const dots = document.createElementNS(SVG, "path");
    dots.setAttribute("d", path);
    picture.append(dots);
    place.querySelector(".dots").replaceChildren(picture);
  }

  async function tick() {
    if (!ahead) return;
    const now = performance.now() + ahead.offset;
    const step = Math.floor(now / ahead.step_ms);
    left.textContent = Math.ceil(((step + 1) * ahead.step_ms - now) / 1000);
    if (step === shown) return;
    shown = step;
    const code = ahead.codes[step - ahead.first_step];
    stale.hidden = Boolean(code);
    if (code) draw(code);
    else place.querySelector(".dots").replaceChildren();
    if (ahead.codes.length - (step - ahead.first_step) < ENOUGH) await ask();
  }

  ask().then(tick);
  setInterval(tick, 500);
  document.addEventListener("visibilitychange", () => document.hidden || ask().then(tick));
})();
