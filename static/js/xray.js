// The X-ray: outlines every picture by its kind, and lists the files of the page.
const answer = await fetch(document.querySelector("#xray-switch").dataset.panel);
const source = new DOMParser()
  .parseFromString(await answer.text(), "text/html")
  .querySelector("#xray"); // null for an error: then the module is not loaded
const texts = source.dataset;
const format = new Intl.NumberFormat(document.documentElement.lang, {
  style: "unit",
  unit: "kilobyte",
  maximumFractionDigits: 1,
});
const kilobytes = (bytes) => format.format(bytes / 1000);
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, key) => values[key]);

let end = null; // aborted to remove everything again

/** Return whether a URL is of a static file, of a media file, or of neither (""). */
function findKind(address) {
  const url = new URL(address, document.baseURI);
  if (url.href.startsWith(new URL(texts.staticUrl, document.baseURI).href)) return "static";
  const isElsewhere = url.origin !== location.origin; // a bucket, which has its own host
  const isMedia = isElsewhere || url.pathname.startsWith(texts.mediaUrl);
  return isMedia && url.protocol.startsWith("http") ? "media" : "";
}

/** Outline the pictures, and name the kind of each: not everybody can tell the colours apart. */
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
    mark.textContent = texts[kind] ?? "–";
    mark.style.left = `${box.left + scrollX}px`;
    mark.style.top = `${box.top + scrollY}px`;
    mark.style.maxWidth = `${box.width}px`;
    marks.append(mark);
  }
}

/** Return the files that the document uses, of which a browser may report nothing. */
function findFiles() {
  const isLoaded = (element) => element.naturalWidth || element.sheet || element.matches("script");
  return [...document.querySelectorAll("img, link[rel=stylesheet], script[src]")]
    .filter(isLoaded)
    .map((element) => element.currentSrc || element.href || element.src);
}

/** Return the Cache-Control of a file: from the browser's cache, else from the server. */
async function fetchRule(entry) {
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
  // Another server may hide the times and sizes, also one that ours redirects to.
  const isSilent = entry.requestStart === 0;
  // Of a file in memory, Firefox reports nothing, and WebKit no sizes. A 304 has a transferSize.
  const isInMemory = !whole && !transferSize;
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
  // Browsers report no size of a file for which the server answered 304.
  const reason = isSilent ? texts.silent : isInMemory ? texts.memory : texts.same;
  sizeCell.textContent = whole ? size : reason;
  button.addEventListener("click", async () => {
    address.hidden = !address.hidden;
    button.setAttribute("aria-expanded", !address.hidden);
    ruleCell.textContent ||= await fetchRule(entry);
  });
  return row;
}

/** Show the X-ray; take the focus where the visitor asked for it, not where the tab remembered. */
export async function show({ takesFocus, onClose }) {
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
  // Show everything at once, when the style sheet is loaded or has failed.
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
      // What a script fetches, such as headers, is not shown on the page.
      if (!kind || entry.initiatorType === "fetch") continue;
      const { encodedBodySize: size } = entry; // undefined where there is no report
      const before = seen.get(entry.name);
      if (before && (before.size !== undefined || size === undefined)) continue;
      const row = makeRow(panel, entry, kind);
      // A report may follow the file.
      if (before) before.row.replaceWith(row);
      else panel.querySelector(`tbody[data-kind=${kind}]`).append(row);
      seen.set(entry.name, { kind, size, row });
    }
    for (const place of panel.querySelectorAll("[data-total]")) {
      const sizes = [...seen.values()].filter(({ kind }) => kind === place.dataset.total);
      const known = sizes.filter(({ size }) => size).length;
      const size = kilobytes(sizes.reduce((sum, file) => sum + (file.size ?? 0), 0));
      const text = known === sizes.length ? texts.total : known ? texts.partly : texts.unsized;
      place.textContent = fill(text, { count: sizes.length, known, size });
    }
    mark();
  };
  const look = () => {
    list(performance.getEntriesByType("resource"));
    list(findFiles().map((name) => ({ name })));
  };
  look();
  const files = new PerformanceObserver((news) => list(news.getEntries()));
  files.observe({ type: "resource", buffered: true });
  const resizes = new ResizeObserver(mark);
  resizes.observe(document.body);
  addEventListener("resize", mark, { signal });
  document.addEventListener("load", look, { signal, capture: true });

  panel.querySelector("button").addEventListener("click", onClose, { signal });
  const closeByKey = (press) => {
    const isUsed = press.defaultPrevented || document.querySelector("dialog[open]");
    if (press.key === "Escape" && !isUsed) onClose();
  };
  document.addEventListener("keydown", closeByKey, { signal });
  signal.addEventListener("abort", () => {
    files.disconnect();
    resizes.disconnect();
  });
  if (takesFocus) panel.querySelector("h2").focus();
}

/** Remove the X-ray; a focus that was in its panel goes back to the switch. */
export function hide(button) {
  const wasInside = document.querySelector("aside.xray")?.contains(document.activeElement);
  end?.abort();
  end = null;
  if (wasInside) button.focus();
}
