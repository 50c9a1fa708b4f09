// The counter without reloading: forms are sent in the background, so that the camera stays on and a
// queue moves on. Without JavaScript the same forms are ordinary ones.
"use strict";

(() => {
  const SOUND = "tanhui-till-sound";
  const PENDING = "tanhui-till-pending";
  const STARTED = "tanhui-till-camera";
  const place = document.querySelector("[data-camera]");
  const counter = () => document.getElementById("counter");
  let sending = false;

  // What was on its way when the line broke keeps its id for the offline page.
  function remember(form) {
    const code = form.elements.code?.value;
    const kept = { code, id: form.elements.id?.value, shop: form.elements.shop_id?.value, at: new Date().toISOString() };
    if ("take" in form.dataset) sessionStorage.setItem(PENDING, JSON.stringify(kept));
  }

  function beep(good) {
    if (localStorage.getItem(SOUND) !== "on") return;
    const sound = new AudioContext();
    for (const [at, pitch] of good ? [[0, 1320]] : [[0, 330], [0.18, 330]]) {
      const tone = sound.createOscillator();
      const loud = sound.createGain();
      loud.gain.value = 0.15;
      tone.frequency.value = pitch;
      tone.connect(loud).connect(sound.destination);
      tone.start(sound.currentTime + at);
      tone.stop(sound.currentTime + at + 0.13);
    }
    window.setTimeout(() => sound.close(), 800);
  }

  function settle() {
    const state = counter().dataset.state;
    if (state !== "ready") beep(state !== "refused");
    const next = counter().querySelector("[data-first]") ?? document.getElementById("code");
    next.focus({ preventScroll: true });
    if (next.select) next.select();
    counter().querySelector(".result")?.scrollIntoView({ block: "nearest" });
  }

  async function show(url, sent) {
    sending = true;
    try {
      const answer = await fetch(url, { method: sent ? "POST" : "GET", body: sent, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("counter");
      if (!fresh) {
        // Signed out, or a page of another kind: as if the form had been sent in the usual way.
        if (answer.redirected) location.assign(answer.url);
        else document.body.replaceChildren(...page.body.children);
        return;
      }
      sessionStorage.removeItem(PENDING);
      sessionStorage.removeItem("tanhui-kept:" + location.pathname); // It has arrived.
      counter().replaceWith(document.adoptNode(fresh));
      settle();
    } catch {
      location.assign(counter().dataset.offline);
    } finally {
      sending = false;
    }
  }

  // After pages.js has asked what is to be asked.
  window.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.closest("#counter") || form.classList.contains("stand")) return;
    event.preventDefault();
    if (sending) return;
    remember(form);
    show(form.action, new URLSearchParams(new FormData(form)));
  });
  window.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-again]");
    if (!link) return;
    event.preventDefault();
    show(link.href);
  });

  const camera = reader(place, {
    busy: () => sending || ["looked", "live"].includes(counter().dataset.state),
    found: (text) => {
      const form = counter().querySelector("[data-look]");
      form.elements.code.value = text;
      form.requestSubmit();
    },
  });
  place.querySelector("[data-start]").addEventListener("click", () => sessionStorage.setItem(STARTED, "yes"));
  place.querySelector("[data-stop]").addEventListener("click", () => sessionStorage.removeItem(STARTED));
  if (sessionStorage.getItem(STARTED) && !place.hidden) camera.open();

  const sound = place.querySelector("[data-sound]");
  const say = () => {
    const on = localStorage.getItem(SOUND) === "on";
    sound.setAttribute("aria-pressed", String(on));
    sound.textContent = on ? sound.dataset.on : sound.dataset.off;
  };
  sound.addEventListener("click", () => {
    localStorage.setItem(SOUND, localStorage.getItem(SOUND) === "on" ? "off" : "on");
    say();
    beep(true);
  });
  say();

  sessionStorage.removeItem(PENDING);
  if ("serviceWorker" in navigator && window.isSecureContext) {
    navigator.serviceWorker.register("/till/worker.js", { scope: "/till" }).catch(() => {});
  }
  settle();
})();
