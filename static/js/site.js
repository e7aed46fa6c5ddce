// The switch of the X-ray. Its module is loaded when the X-ray is first switched on; the tab
// remembers the choice.
const button = document.querySelector("#xray-switch");

function storeChoice(isOn) {
  try {
    sessionStorage.setItem("xray", isOn ? "on" : "off");
  } catch {
    // A browser that stores nothing: the choice holds for this page.
  }
}

function readChoice() {
  try {
    return sessionStorage.getItem("xray") === "on";
  } catch {
    return false;
  }
}

async function turn(isOn, takesFocus) {
  storeChoice(isOn); // Before the module is loaded: the visitor may leave the page meanwhile.
  let xray;
  try {
    xray = await import(button.dataset.module);
  } catch {
    return storeChoice(false); // It could not be loaded, and the next page should not try again.
  }
  button.setAttribute("aria-pressed", isOn);
  if (isOn) xray.show({ takesFocus, onClose: () => turn(false) });
  else xray.hide(button);
}

button.addEventListener("click", () => turn(button.getAttribute("aria-pressed") !== "true", true));
button.hidden = false;
if (readChoice()) turn(true, false);
