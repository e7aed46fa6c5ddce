// The X-ray: outlines every picture by its kind, and lists the files of the page.
const source = document.querySelector("#xray");
const texts = source.dataset;
const format = new Intl.NumberFormat(document.documentElement.lang, {
  style: "unit",
  unit: "kilobyte",
  maximumFractionDigits: 1,
});
const kilobytes = (bytes) => format.format(bytes / 1000);
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

let end = null; // Aborted to take everything away again.

/** Say whether a URL is of a static file, of a media file, or ("") of neither. */
function findKind(address) {
  const url = new URL(address, document.baseURI);
  if (url.href.startsWith(new URL(texts.staticUrl, document.baseURI).href)) return "static";
  const isElsewhere = url.origin !== location.origin; // A bucket, which has a host of its own.
  const isMedia = isElsewhere || url.pathname.startsWith(texts.mediaUrl);
  return isMedia && url.protocol.startsWith("http") ? "media" : "";
}

/** Outline the pictures, and put a letter or a word on each: colour alone tells nobody. */
function markPictures(marks) {
  marks.replaceChildren();
  for (const picture of document.querySelectorAll("img, svg.avatar")) {
    const address = picture.currentSrc || picture.src;
    const kind = picture.matches("svg") ? "drawn" : address ? findKind(address) : "";
    const box = picture.getBoundingClientRect();
    delete picture.dataset.xray;
    if (!kind || !box.width) continue;
    picture.dataset.xray = kind;
    const mark = document.createElement("span");
    mark.dataset.xray = kind;
    mark.textContent = kind === "drawn" && box.width < 100 ? "–" : texts[kind];
    mark.style.left = `${box.left + scrollX}px`;
    mark.style.top = `${box.top + scrollY}px`;
    mark.style.maxWidth = `${box.width}px`;
    marks.append(mark);
  }
}

/** Ask for the rule a file is cached by: the browser's own cache first, then the server. */
async function askRule(entry) {
  const isOurs = new URL(entry.name).origin === location.origin;
  if (!isOurs && !entry.encodedBodySize) return texts.silent;
  let answer;
  try {
    if (isOurs) answer = await fetch(entry.name, { cache: "only-if-cached", mode: "same-origin" });
  } catch {
    // It is not in the cache.
  }
  try {
    if (!answer?.ok) answer = await fetch(entry.name, { method: "HEAD" });
    return answer.headers.get("Cache-Control") ?? texts.unset;
  } catch {
    return texts.silent;
  }
}

function makeRow(panel, entry, kind) {
  const row = panel.querySelector("template").content.firstElementChild.cloneNode(true);
  const [kindCell, , sizeCell, ruleCell] = row.cells;
  const url = new URL(entry.name);
  const { encodedBodySize: sent, decodedBodySize: whole, transferSize } = entry;
  // Another server that keeps it to itself, or one that ours led on to; a 304 has headers at least.
  const isSilent = !whole && !transferSize;
  const sizes = { sent: kilobytes(sent), whole: kilobytes(whole) };
  const mark = document.createElement("b");
  mark.dataset.xray = kind;
  mark.textContent = texts[kind];
  kindCell.append(mark);
  const button = row.querySelector("button");
  const address = row.querySelector("code");
  button.textContent = url.pathname
    .split("/")
    .at(-1)
    .replace(/[0-9a-f]{20,}/, (token) => `${token.slice(0, 6)}…`);
  address.textContent = isSilent ? url.href : url.href.replace(location.origin, "");
  const size = sent < whole ? fill(texts.sizes, sizes) : sizes.sent;
  // Nought is what browsers say of a file that the server answered with 304 for.
  sizeCell.textContent = isSilent ? texts.silent : whole ? size : texts.same;
  button.addEventListener("click", async () => {
    address.hidden = !address.hidden;
    button.setAttribute("aria-expanded", !address.hidden);
    ruleCell.textContent ||= await askRule(entry);
  });
  return row;
}

/** Switch the X-ray on; take the focus when a person asked for it, not when a tab remembered. */
export async function open({ takeFocus, onClose }) {
  if (end) return;
  end = new AbortController();
  const { signal } = end;
  const panel = source.content.firstElementChild.cloneNode(true);
  const marks = document.createElement("div");
  const sheet = document.createElement("link");
  marks.className = "xray-marks";
  marks.ariaHidden = "true";
  sheet.rel = "stylesheet";
  sheet.href = texts.stylesheet;
  signal.addEventListener("abort", () => {
    for (const picture of document.querySelectorAll("[data-xray]")) delete picture.dataset.xray;
    for (const element of [panel, marks, sheet]) element.remove();
  });
  // All of it appears at once: dressed (bare, if the style sheet does not come), and listed.
  await new Promise((resolve) => {
    sheet.onload = sheet.onerror = resolve;
    document.head.append(sheet);
  });
  if (signal.aborted) return;
  document.body.append(panel, marks);

  const seen = new Map();
  const mark = () => markPictures(marks);
  const list = (entries) => {
    for (const entry of entries) {
      const kind = findKind(entry.name);
      // What a script asks for, such as headers, is no file of the page.
      if (!kind || seen.has(entry.name) || entry.initiatorType === "fetch") continue;
      seen.set(entry.name, { kind, size: entry.encodedBodySize });
      panel.querySelector(`tbody[data-kind=${kind}]`).append(makeRow(panel, entry, kind));
    }
    for (const place of panel.querySelectorAll("[data-total]")) {
      const sizes = [...seen.values()].filter(({ kind }) => kind === place.dataset.total);
      const size = kilobytes(sizes.reduce((sum, file) => sum + file.size, 0));
      place.textContent = fill(texts.total, { count: sizes.length, size });
    }
    mark();
  };
  list(performance.getEntriesByType("resource"));
  const files = new PerformanceObserver((news) => list(news.getEntries()));
  files.observe({ type: "resource", buffered: true });
  const resizes = new ResizeObserver(mark);
  resizes.observe(document.body);
  addEventListener("resize", mark, { signal });
  document.addEventListener("load", mark, { signal, capture: true });

  panel.querySelector("button").addEventListener("click", onClose, { signal });
  const closeByKey = (event) => {
    const isTaken = event.defaultPrevented || document.querySelector("dialog[open]");
    if (event.key === "Escape" && !isTaken) onClose();
  };
  document.addEventListener("keydown", closeByKey, { signal });
  signal.addEventListener("abort", () => {
    files.disconnect();
    resizes.disconnect();
  });
  if (takeFocus) panel.querySelector("h2").focus();
}

/** Switch the X-ray off; a focus that was in the panel goes back to the switch. */
export function close(button) {
  const wasInside = document.querySelector("aside.xray")?.contains(document.activeElement);
  end?.abort();
  end = null;
  if (wasInside) button.focus();
}
