// The device on which a manager makes a scanner may be that scanner itself.
"use strict";

for (const button of document.querySelectorAll("[data-pair]")) {
  const said = document.querySelector("[data-paired]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = vault.supported() && (await vault.pair(button.dataset.pair, button.dataset.name));
    said.textContent = done ? button.dataset.done : button.dataset.failed;
  });
}
