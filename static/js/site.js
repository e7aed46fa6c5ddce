// The switch of the X-ray. Its module comes when it is first wanted; the tab remembers the choice.
const button = document.querySelector("#xray-switch");

function remember(isOn) {
  try {
    if (isOn !== undefined) sessionStorage.setItem("xray", isOn ? "on" : "off");
    return sessionStorage.getItem("xray") === "on";
  } catch {
    return false; // A browser that keeps nothing: it works, for this page.
  }
}

async function turn(isOn, byHand) {
  remember(isOn); // At once: the page may be left while the module comes.
  let module;
  try {
    module = await import(button.dataset.module);
  } catch {
    return remember(false); // It did not come: the next page does without.
  }
  button.setAttribute("aria-pressed", isOn);
  if (isOn) module.open({ takeFocus: byHand, onClose: () => turn(false) });
  else module.close(button);
}

button.addEventListener("click", () => turn(button.getAttribute("aria-pressed") !== "true", true));
button.hidden = false;
if (remember()) turn(true, false);
