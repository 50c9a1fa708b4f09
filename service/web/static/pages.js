// What pages can do better with JavaScript; without it every form and link works all the same.
"use strict";

const KEPT = "tanhui-kept:";
const ENTERED = "tanhui-entered";
const ENTRY = /^\/(staff\/)?sign-(in|up)/;

// A form that was sent is not sent twice by a second tap; what asks first, asks.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method === "post") {
    form.dataset.sent = "yes";
    keep(form);
  }
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// What was typed is kept in this tab while a form is on its way: for who has to sign in first, and for
// who goes back after the line broke. Any other page shows that the form has arrived, and forgets it.
const formsKept = () => [...document.querySelectorAll("form[data-kept]")];
const picked = (field) => ["checkbox", "radio"].includes(field.type);
function fields(form) {
  const unkept = ["hidden", "password", "file", "submit", undefined];
  return [...form.elements].filter((one) => one.name && !unkept.includes(one.type));
}
function keep(form) {
  if (!("kept" in form.dataset)) return;
  const typed = fields(form).map((one) => [one.name, one.value, picked(one) && one.checked]);
  sessionStorage.setItem(KEPT + location.pathname, JSON.stringify({ at: formsKept().indexOf(form), typed }));
}
function restore() {
  if (document.querySelector("a[data-back]")) return; // What was refused is gone back to.
  const kept = JSON.parse(sessionStorage.getItem(KEPT + location.pathname));
  if (ENTRY.test(location.pathname)) {
    sessionStorage.setItem(ENTERED, "yes");
    sessionStorage.removeItem(KEPT + location.pathname);
    return;
  }
  const again = performance.getEntriesByType("navigation")[0]?.type !== "navigate";
  if (kept && (again || sessionStorage.getItem(ENTERED))) fill(formsKept()[kept.at], kept.typed);
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(KEPT) || key === ENTERED) sessionStorage.removeItem(key);
}
function fill(form, typed) {
  for (const field of form ? fields(form) : []) {
    const at = typed.findIndex(([name, value]) => name === field.name && (!picked(field) || value === field.value));
    if (at < 0) continue;
    const [[, value, checked]] = typed.splice(at, 1);
    if (picked(field)) field.checked = checked;
    else field.value = value;
  }
}
restore();

// A refusal is there from the beginning, of which screen readers say nothing by themselves.
const refusal = document.querySelector("main .note.refused[role=alert]");
if (refusal && !document.querySelector("[autofocus]")) {
  refusal.tabIndex = -1;
  refusal.focus();
}

// In a menu that is wider than a phone, the page that one is on is in sight.
document.querySelector(".links a[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

for (const link of document.querySelectorAll("a[data-back]")) {
  link.addEventListener("click", (event) => {
    if (history.length > 1) {
      event.preventDefault();
      history.back();
    }
  });
}

// Charts are loaded where there is one.
if (document.querySelector("[data-chart]")) {
  const here = document.currentScript?.src ?? document.querySelector('script[src*="pages.js"]').src;
  const load = (name) =>
    new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL(name, here).href;
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
  load("echarts/echarts.simple.min.js")
    .then(() => load("charts.js"))
    .catch(() => {
      for (const figure of document.querySelectorAll("[data-chart]")) figure.querySelector(".canvas").textContent = figure.dataset.failed;
    });
}
