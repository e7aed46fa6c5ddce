// What the modules of the editor read from the page, and how they speak on it.

export const byId = (id) => document.getElementById(id);
export const page = byId("picture");
export const form = byId("editor");
export const stage = byId("stage");
export const server = JSON.parse(form.elements.avatar.dataset.server); // editor.py

export const PATIENCE = 400; // milliseconds until the page says that something takes long

export const isTextField = (target) => target.matches?.("input:not([type=range], [type=radio])");

const language = document.documentElement.lang;
const texts = Object.fromEntries(
  [...byId("words").content.children].map((text) => [text.dataset.key, text.textContent]),
);

export const hasText = (key) => key in texts;

export function getText(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, placeholder) => values[placeholder]);
}

export function formatSize(bytes) {
  const isSmall = bytes < 1e6;
  const [value, unit] = isSmall ? [bytes / 1e3, "kilobyte"] : [bytes / 1e6, "megabyte"];
  const text = format(value, { style: "unit", unit, maximumFractionDigits: isSmall ? 0 : 1 });
  return text.replace(" ", "\u00a0");
}

const format = (value, style) => new Intl.NumberFormat(language, style).format(value);
export const formatNumber = (value) => format(value, { useGrouping: false });
export const formatPercent = (value) => format(value, { style: "percent" });
export const formatList = (words, style) => new Intl.ListFormat(language, style).format(words);

/** Let a screen reader say a text; show it as well where nothing else on the screen says it. */
export function announce(text, isShown = false) {
  byId("news").textContent = text;
  byId("news").classList.toggle("unseen", !isShown);
}
