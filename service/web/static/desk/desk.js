// The queue by keys: j and k go on and back, a, r and q say what is decided. Without JavaScript the
// same links and buttons are there.
"use strict";

(() => {
  const typing = (node) => node.closest("input, textarea, select, [contenteditable]") !== null;

  // In a list: j and k choose a row, Enter opens it.
  const rows = [...document.querySelectorAll("table[data-keyed] a.row")];
  const chosen = () => rows.indexOf(document.activeElement);
  function choose(step) {
    const at = chosen();
    const next = rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)];
    for (const row of rows) row.closest("tr").classList.toggle("chosen", row === next);
    next?.focus();
  }

  // At a case: j and k are its neighbours; a, r and q want a reason first.
  const form = document.querySelector("form[data-decide]");
  function decide(action) {
    const button = form?.querySelector(`button[value="${action}"]`);
    const reason = form?.elements.reason ?? form?.elements.text;
    if (!button || !reason) return;
    form.dataset.wanted = action;
    if (reason.value.trim()) form.requestSubmit(button);
    else reason.focus();
  }

  const reasons = [...document.querySelectorAll("[data-reason]")];
  function give(button) {
    const reason = form?.elements.reason ?? form?.elements.text;
    if (reason) reason.value = button.dataset.reason;
    return reason;
  }

  const actions = { a: ["approve", "overturn"], r: ["reject", "uphold"], q: ["ask"] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter" && form?.dataset.wanted && typing(event.target)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector(`button[value="${form.dataset.wanted}"]`));
      return;
    }
    if (event.key === "Escape" && typing(event.target)) event.target.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const rel = { j: "next", k: "prev" }[event.key];
    if (rel && rows.length) choose(rel === "next" ? 1 : -1);
    else if (rel) document.querySelector(`.pager a[rel="${rel}"]`)?.click();
    else for (const action of actions[event.key] ?? []) decide(action);
    const often = reasons[Number(event.key) - 1];
    if (often) give(often);
    if (rel || often || actions[event.key]) event.preventDefault();
  });

  // A reason that is often given, at a tap; by its number the hands stay on the keys that decide.
  for (const button of reasons) {
    button.hidden = false;
    button.addEventListener("click", () => give(button)?.focus());
  }
})();
