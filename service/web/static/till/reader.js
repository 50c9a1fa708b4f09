// Reads codes from the camera: by the browser's own detector where it has one, else by jsQR.
"use strict";

const LOOK_EVERY_MS = 120;
const GONE_MS = 1200; // So long a code must be out of sight before the same one counts again.
const WIDTH_PX = 640; // Enough for a code that fills a third of the picture, and quick to look at.

// Calls `found(text)` for each code that comes into sight; `busy()` says when to look away.
function reader(place, { found, busy }) {
  const video = place.querySelector("video");
  const said = place.querySelector("[data-said]");
  const start = place.querySelector("[data-start]");
  const stop = place.querySelector("[data-stop]");
  let stream = null;
  let timer = 0;
  let detect = null;
  let last = null;
  let lastAt = 0;

  async function detector() {
    if ("BarcodeDetector" in window) {
      const known = await window.BarcodeDetector.getSupportedFormats().catch(() => []);
      if (known.includes("qr_code")) {
        const own = new window.BarcodeDetector({ formats: ["qr_code"] });
        return async () => (await own.detect(video))[0]?.rawValue ?? null;
      }
    }
    if (!window.jsQR) {
      await new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = place.dataset.jsqr;
        script.onload = done;
        script.onerror = failed;
        document.head.append(script);
      });
    }
    const canvas = document.createElement("canvas");
    const drawing = canvas.getContext("2d", { willReadFrequently: true });
    return async () => {
      canvas.width = Math.min(WIDTH_PX, video.videoWidth);
      canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
      drawing.drawImage(video, 0, 0, canvas.width, canvas.height);
      const picture = drawing.getImageData(0, 0, canvas.width, canvas.height);
      return window.jsQR(picture.data, picture.width, picture.height)?.data || null;
    };
  }

  // A live code changes while it is shown: another one in its place is the same phone.
  const alike = (text) => last !== null && (text === last || (text.startsWith("TH1.") && last.startsWith("TH1.")));

  async function look() {
    if (!stream) return;
    try {
      const text = video.readyState >= 2 && !document.hidden ? await detect() : null;
      const now = Date.now();
      if (text) {
        const fresh = !alike(text) || now - lastAt > GONE_MS;
        if (fresh && !busy()) {
          last = text;
          found(text.trim());
        }
        if (alike(text)) lastAt = now;
      }
    } catch {
      // A picture that could not be looked at; the next one will be.
    }
    timer = window.setTimeout(look, LOOK_EVERY_MS);
  }

  async function open() {
    start.disabled = true;
    try {
      const wanted = { facingMode: "environment", width: { ideal: 1280 } };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      detect = await detector();
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      said.textContent = place.dataset.started;
      start.hidden = true;
      stop.hidden = false;
      place.dataset.reading = "yes";
      look();
    } catch (error) {
      close();
      said.textContent = error.name === "NotFoundError" ? place.dataset.missing : place.dataset.denied;
    }
    start.disabled = false;
  }

  function close() {
    window.clearTimeout(timer);
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    video.hidden = true;
    said.textContent = "";
    start.hidden = false;
    stop.hidden = true;
    delete place.dataset.reading;
  }

  start.addEventListener("click", open);
  stop.addEventListener("click", close);
  window.addEventListener("pagehide", close);
  if (navigator.mediaDevices?.getUserMedia) place.hidden = false;
  return { open, close };
}
