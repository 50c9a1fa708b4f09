// What pages can do better with JavaScript; without it every form and link works all the same.
"use strict";

const KEPT = "tanhui-kept:";

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

// What was typed is kept in this tab while a form is on its way, in case one has to sign in first.
function keep(form) {
  if (!("kept" in form.dataset)) return;
  const typed = {};
  for (const [name, value] of new FormData(form)) {
    const field = form.elements[name];
    if (typeof value === "string" && field.type !== "password" && field.type !== "hidden") typed[name] = value;
  }
  sessionStorage.setItem(KEPT + location.pathname, JSON.stringify(typed));
}
function restore() {
  const typed = sessionStorage.getItem(KEPT + location.pathname);
  sessionStorage.removeItem(KEPT + location.pathname);
  if (!typed) return;
  for (const form of document.querySelectorAll("form[data-kept]")) {
    for (const [name, value] of Object.entries(JSON.parse(typed))) {
      const field = form.elements[name];
      if (field && "value" in field && !field.value) field.value = value;
    }
  }
}
restore();

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
  load("echarts/echarts.simple.min.js").then(() => load("charts.js"));
}
