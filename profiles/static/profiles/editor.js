// The picture editor: enhances the form of avatar.html, which works without it.
//
// The photo lies under a fixed square window. What is in the window is cut out here, so that the
// rest never leaves the device; where the browser cannot do that, it says so before anything is
// sent. All texts are in the page (#words), where they are translated.

const at = (id) => document.getElementById(id);
const page = at("picture");
const form = at("editor");
const stage = at("stage");
const save = at("save");
const file = form.elements.avatar;
const description = form.elements.description;

// ---- Words and numbers -------------------------------------------------------------------------

const language = document.documentElement.lang;
const words = Object.fromEntries(
  [...at("words").content.children].map((word) => [word.dataset.key, word.textContent]),
);
const isTouch = matchMedia("(pointer: coarse)").matches;
const device = isTouch && Math.min(screen.width, screen.height) < 600 ? "phone" : "device";

function say(key, facts = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => facts[name]);
}

function tellSize(bytes) {
  const [value, unit, digits] = bytes < 1e6 ? [bytes / 1e3, "kilobyte", 0] : [bytes / 1e6, "megabyte", 1];
  const style = { style: "unit", unit, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, style).format(value).replace(" ", "\u00a0");
}

const tellNumber = (value) => new Intl.NumberFormat(language, { useGrouping: false }).format(value);
const tellPart = (value) => new Intl.NumberFormat(language, { style: "percent" }).format(value);
const tellList = (keys) =>
  new Intl.ListFormat(language).format(keys.map((key) => say(key)));

// ---- The photo ---------------------------------------------------------------------------------

// Formats that the server reads, by their first bytes: names and declared types may lie.
const READABLE = /^(?:\xff\xd8\xff|.PNG|GIF8|RIFF[^]{4}WEBP|[^]{4}ftyp(?:hei|hev|mif1|msf1|avi))/;
// EXIF in a JPEG or HEIC, in a PNG, and in a WebP, up to the byte order that it begins with.
const EXIF = /(?:Exif\0\0|eXIf|EXIF[^]{4})(?=II\*\0|MM\0\*)/;
const ORIENTATION = 0x0112;
const TRACES = {
  place: [0x0002],
  camera: [0x010f, 0x0110, 0x927c, 0xa431, 0xa434],
  date: [0x0132, 0x9003, 0x9004],
};
const HEAD_BYTES = 2 ** 22; // The profile of a printing house alone has some 2 MB.
const MAX_MEGABYTES = 20; // as the server has it

// Returns what is known of a file; without `image` where the browser cannot decode it, and
// nothing where the server could not either.
async function open(blob) {
  try {
    const head = await blob.slice(0, HEAD_BYTES).arrayBuffer();
    const text = new TextDecoder("latin1").decode(head);
    const tags = readExif(head, text);
    const url = URL.createObjectURL(blob);
    const decoded = await decode(url);
    // Browsers do not agree on these: some turn a WebP or a PNG by its EXIF, some do not; and all
    // but Chromium are far off with the colours of a CMYK JPEG.
    const isTurned = /^(?:RIFF|.PNG)/.test(text) && tags.get(ORIENTATION) > 1;
    const image = isTurned || isCmyk(head) ? null : decoded;
    if (!image) URL.revokeObjectURL(url);
    if (!decoded && !READABLE.test(text)) return null;
    const traces = Object.keys(TRACES).filter((kind) => TRACES[kind].some((tag) => tags.has(tag)));
    const isOpaque = text.startsWith("\xff\xd8\xff");
    const isExact = /^(?:.PNG|GIF8)/.test(text);
    return { blob, url, image, isOpaque, isExact, traces };
  } catch {
    return null; // A folder, or a file that has gone.
  }
}

// Whether a JPEG has four colours: as the first segment that begins a frame says (ITU T.81, B.2.2).
function isCmyk(head) {
  const view = new DataView(head);
  const byte = (at) => (at < head.byteLength ? view.getUint8(at) : 0);
  for (let at = 2; byte(0) === 0xff && byte(at) === 0xff; ) {
    const marker = byte(at + 1);
    const beginsFrame = marker >> 4 === 0xc && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (beginsFrame) return byte(at + 9) === 4;
    at += marker === 0xff ? 1 : 2 + 256 * byte(at + 2) + byte(at + 3); // 0xff: it is padded.
  }
  return false;
}

// An <img>, not createImageBitmap: it turns a JPEG by its EXIF in every browser.
async function decode(url) {
  const image = new Image();
  image.alt = "";
  image.src = url;
  try {
    await image.decode();
  } catch {
    return null;
  }
  return image.naturalWidth && image.naturalHeight ? image : null;
}

// The tags of the EXIF (Exif 2.32, 4.6), each with its value as far as that is one small number.
function readExif(head, text) {
  const tags = new Map();
  const match = EXIF.exec(text);
  if (!match) return tags;
  const view = new DataView(head, match.index + match[0].length);
  const isLittle = text[match.index + match[0].length] === "I";
  const read = (directory) => {
    for (let n = 0; n < view.getUint16(directory, isLittle); n++) {
      const entry = directory + 2 + 12 * n;
      const tag = view.getUint16(entry, isLittle);
      const isNew = !tags.has(tag);
      tags.set(tag, view.getUint16(entry + 8, isLittle));
      if (isNew && (tag === 0x8769 || tag === 0x8825)) read(view.getUint32(entry + 8, isLittle));
    }
  };
  try {
    read(view.getUint32(4, isLittle));
  } catch {
    // A broken block has the tags up to where it breaks.
  }
  return tags;
}

// ---- The square --------------------------------------------------------------------------------

const MIN_SIDE = 32; // as the server has it
const MIN_ZOOMED = 64; // Smaller is a square only where the photo is.
const MIN_SHARP = 128;
const MAX_ZOOM = 8;
const windows = document.querySelectorAll("#picture .window");
let photo = null;
let square = { x: 0, y: 0, size: 1 }; // in pixels of the upright photo

const shortSide = () => Math.min(photo.image.naturalWidth, photo.image.naturalHeight);
const getZoom = () => shortSide() / square.size;
const maxZoom = () => Math.max(1, Math.min(MAX_ZOOM, shortSide() / MIN_ZOOMED));
const clamp = (value, least, most) => Math.max(least, Math.min(value, most));

// Where the server would cut: the middle (avatar.py, Crop).
function centre() {
  const { naturalWidth, naturalHeight } = photo.image;
  const size = shortSide();
  place(Math.floor((naturalWidth - size) / 2), Math.floor((naturalHeight - size) / 2), size);
}

function place(x, y, size = square.size) {
  const { naturalWidth, naturalHeight } = photo.image;
  size = clamp(size, shortSide() / maxZoom(), shortSide());
  x = clamp(x, 0, naturalWidth - size);
  y = clamp(y, 0, naturalHeight - size);
  square = { x, y, size };
  render();
}

// The square in whole pixels, as it is cut.
function roundSquare() {
  const { naturalWidth, naturalHeight } = photo.image;
  const size = Math.round(square.size);
  const x = clamp(Math.round(square.x), 0, naturalWidth - size);
  const y = clamp(Math.round(square.y), 0, naturalHeight - size);
  return { x, y, size };
}

// Zooms to a square of `size`; the point of the photo at `px`, `py` of the window stays there.
function zoomTo(size, px = 0.5, py = 0.5) {
  size = clamp(size, shortSide() / maxZoom(), shortSide());
  const gain = square.size - size;
  place(square.x + px * gain, square.y + py * gain, size);
}

function render() {
  for (const window of windows) {
    const scale = window.clientWidth / square.size;
    const [image] = window.children;
    image.style.transform = `translate(${-square.x * scale}px, ${-square.y * scale}px) scale(${scale})`;
  }
  const zoom = getZoom();
  at("zoom").value = maxZoom() > 1 ? (100 * Math.log(zoom)) / Math.log(maxZoom()) : 0;
  at("zoom").setAttribute("aria-valuetext", tellPart(zoom));
  const { naturalWidth, naturalHeight } = photo.image;
  renderSlider("x", 1 - square.x / (naturalWidth - square.size));
  renderSlider("y", square.y / (naturalHeight - square.size));
  renderBlur();
}

// Warns of a square of few pixels. But a small drawing shows its pixels sharply, here and on a page.
function renderBlur() {
  const { size } = roundSquare();
  const hasPixels = () => hasFewColours(read(cut(photo.image, roundSquare())), size ** 2 / 4);
  const isDrawing = photo.isExact && size <= MIN_ZOOMED && hasPixels(); // encoding.py, is_drawing
  page.classList.toggle("drawing", isDrawing);
  const isBlurred = size < MIN_SHARP && !isDrawing;
  const text = isBlurred ? say("blurred", { side: tellNumber(size) }) : "";
  if (text && !at("blurred").textContent) announce(text); // once, not for each pixel less
  at("blurred").textContent = text;
  at("blurred").hidden = !text;
}

// `part` is where the photo lies between its two ends: not a number where it cannot be moved.
function renderSlider(axis, part) {
  const slider = at(`move-${axis}`);
  const isFixed = !Number.isFinite(part);
  slider.value = isFixed ? 50 : 100 * part;
  const step = [0.01, 0.3, 0.48, 0.52, 0.7, 0.99].filter((end) => part > end).length;
  const text = say(isFixed ? `${axis}-all` : `${axis}-${step}`);
  slider.setAttribute("aria-valuetext", text);
  at(`move-${axis}-words`).value = text;
}

// Everything moves the photo, not the window: right is right, and up is up.
function move(right, down) {
  place(square.x - right * square.size, square.y - down * square.size);
}

let gliding = 0;

function glideTo(x, y) {
  const from = { ...square };
  const start = performance.now();
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  cancelAnimationFrame(gliding);
  const step = (now) => {
    const part = isStill ? 1 : clamp((now - start) / 200, 0, 1);
    const eased = 1 - (1 - part) ** 3;
    place(from.x + eased * (x - from.x), from.y + eased * (y - from.y));
    if (part < 1) gliding = requestAnimationFrame(step);
  };
  step(start);
}

// ---- Hands on the photo ------------------------------------------------------------------------

const TAP_PIXELS = 8;
const pointers = new Map();
let travelled = 0;

// The middle of all fingers, as a part of the window, and how far the first two are apart.
function feel() {
  const box = at("window").getBoundingClientRect();
  const [one, two] = pointers.values();
  const [x, y] = two
    ? [(one.clientX + two.clientX) / 2, (one.clientY + two.clientY) / 2]
    : [one.clientX, one.clientY];
  const span = two ? Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) : 0;
  return { x: (x - box.left) / box.width, y: (y - box.top) / box.height, span, width: box.width };
}

stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  stage.setPointerCapture(event.pointerId);
  cancelAnimationFrame(gliding);
  travelled = pointers.size ? Infinity : 0; // Two fingers are no tap.
  pointers.set(event.pointerId, event);
});

stage.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId)) return;
  const before = feel();
  pointers.set(event.pointerId, event);
  const after = feel();
  travelled += Math.hypot(after.x - before.x, after.y - before.y) * after.width;
  if (travelled < TAP_PIXELS) return;
  move(after.x - before.x, after.y - before.y);
  if (before.span && after.span) zoomTo((square.size * before.span) / after.span, after.x, after.y);
});

stage.addEventListener("pointerup", (event) => {
  if (pointers.has(event.pointerId) && travelled < TAP_PIXELS) {
    const { x, y } = feel();
    glideTo(square.x + (x - 0.5) * square.size, square.y + (y - 0.5) * square.size);
  }
});

// Fires after pointerup, and where the system takes the fingers away.
stage.addEventListener("lostpointercapture", (event) => pointers.delete(event.pointerId));

stage.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const box = at("window").getBoundingClientRect();
    // Firefox counts in lines; and a pinch on a touchpad comes as small turns with Ctrl.
    const turned = event.deltaY * (event.deltaMode ? 16 : 1) * (event.ctrlKey ? 0.01 : 0.0015);
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    zoomTo(square.size * Math.exp(turned), x, y);
  },
  { passive: false },
);

const KEYS = {
  ArrowLeft: () => move(-0.04, 0),
  ArrowRight: () => move(0.04, 0),
  ArrowUp: () => move(0, -0.04),
  ArrowDown: () => move(0, 0.04),
  "+": () => zoomTo(square.size / 1.1),
  "=": () => zoomTo(square.size / 1.1), // the same key without Shift
  "-": () => zoomTo(square.size * 1.1),
};

stage.addEventListener("keydown", (event) => {
  if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
  clearTimeout(telling);
  telling = setTimeout(() => announce(tellPlace()), 500);
});

let telling = 0; // What many keys did is said once.

function tellPlace() {
  const facts = [at("move-x-words").value, at("move-y-words").value, tellPart(getZoom())];
  return new Intl.ListFormat(language, { type: "unit" }).format(facts);
}

// A pinch on a Mac's touchpad, which Safari tells in its own way; of fingers, pointers tell.
let gestured = 0;
for (const name of ["gesturestart", "gesturechange"]) {
  stage.addEventListener(name, (event) => {
    event.preventDefault();
    if (name === "gesturestart") gestured = square.size;
    else if (!pointers.size) zoomTo(gestured / event.scale);
  });
}

at("zoom-out").addEventListener("click", () => zoomTo(square.size * 1.2));
at("zoom-in").addEventListener("click", () => zoomTo(square.size / 1.2));
at("zoom").addEventListener("input", (event) =>
  zoomTo(shortSide() / maxZoom() ** (event.target.value / 100)),
);
at("move-x").addEventListener("input", (event) => {
  place((photo.image.naturalWidth - square.size) * (1 - event.target.value / 100), square.y);
});
at("move-y").addEventListener("input", (event) => {
  place(square.x, (photo.image.naturalHeight - square.size) * (event.target.value / 100));
});
new ResizeObserver(() => photo?.image && render()).observe(at("window"));

// ---- Cutting -----------------------------------------------------------------------------------

const MAX_SENT = 768;
const MAX_CANVAS = 4096; // on a side; iPhones have no larger ones
const MAX_EXACT = 500_000; // bytes
const MAX_COLOURS = 64; // of what is surely a drawing, whatever its format

// Draws a square of a picture onto a canvas of `side` pixels, which cuts off the rest. Not by the
// form of drawImage that takes a rectangle of the source: of a photo that EXIF turns, WebKitGTK
// takes it from the mirror image.
function draw(source, { x, y, size }, side) {
  const { naturalWidth: width = source.width, naturalHeight: height = source.height } = source;
  const scale = side / size;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, -x * scale, -y * scale, width * scale, height * scale);
  if (source.getContext) source.width = source.height = 0; // iPhones run out of canvas memory.
  return canvas;
}

// Returns a square of a picture as a canvas, reduced by halves: one large step would alias.
function cut(source, square) {
  let side = MAX_SENT;
  while (2 * side <= Math.min(square.size, MAX_CANVAS)) side *= 2;
  side = Math.min(side, square.size);
  let canvas = draw(source, square, side);
  for (; side > MAX_SENT; side /= 2) canvas = draw(canvas, { x: 0, y: 0, size: side }, side / 2);
  return canvas;
}

const write = (canvas, type) => new Promise((resolve) => canvas.toBlob(resolve, type, 0.92));

// Without loss goes what came without loss, or is drawn in few colours: JPEG would blur its edges,
// and the server would not see that it is a drawing. A photo saved as PNG would take eight times as
// long to send.
async function encode(canvas, { isOpaque, isExact }) {
  const data = read(canvas);
  if (isExact || hasFewColours(data)) {
    const blob = await write(canvas, "image/png");
    if (blob?.size <= MAX_EXACT) return blob;
  }
  if (isOpaque || !isTransparent(data)) return write(canvas, "image/jpeg");
  const blob = await write(canvas, "image/webp");
  // Safari writes PNG when it is asked for WebP, and says so.
  return blob?.type === "image/webp" ? blob : write(canvas, "image/png");
}

function read(canvas) {
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
}

function hasFewColours(data, most = MAX_COLOURS) {
  const colours = new Set();
  for (const colour of new Uint32Array(data.buffer)) {
    if (colours.add(colour).size > most) return false;
  }
  return true;
}

// Not 255: a browser that guards against fingerprints makes some noise.
function isTransparent(data) {
  for (let n = 3; n < data.length; n += 4) if (data[n] < 250) return true;
  return false;
}

let trial = null;

// Whether this browser cuts pictures truly: some give back noise, or white, on purpose.
function canCut() {
  trial ??= tryCut().catch(() => false);
  return trial;
}

// EXIF that turns a JPEG to the right (Exif 2.32, 4.5.4 and 4.6): one tag, the orientation, is 6.
const TURNED = "\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

// Cuts a square, off the centre, out of a picture that lies on its side, as a phone stores it.
async function tryCut() {
  const [width, height] = [1792, 1664];
  const square = { x: 128, y: 32, size: 2 * MAX_SENT };
  const known = document.createElement("canvas");
  [known.width, known.height] = [width, height];
  const pen = known.getContext("2d");
  const picture = pen.createImageData(width, height);
  // Three soft slopes, which JPEG keeps; numbers only, as there are twelve million of them.
  const paint = (x, y, k) => (k === 0 ? x : k === 1 ? y : width - (x + y) / 2) / 7.1;
  const { data: painted } = picture;
  for (let n = 0; n < painted.length; n++) {
    painted[n] = n % 4 === 3 ? 255 : paint((n >> 2) % width, Math.floor((n >> 2) / width), n % 4);
  }
  pen.putImageData(picture, 0, 0);
  const jpeg = await write(known, "image/jpeg");
  const exif = Uint8Array.from(TURNED, (letter) => letter.charCodeAt());
  const url = URL.createObjectURL(new Blob([jpeg.slice(0, 2), exif, jpeg.slice(2)]));
  const back = cut(await decode(url), square);
  URL.revokeObjectURL(url);
  const data = read(back);
  let sum = 0;
  let far = 0;
  for (let n = 0; n < data.length; n += 4) {
    // What is to the right, and down, in the upright picture is up, and to the right, as it lies.
    const right = square.x + 2 * ((n >> 2) % MAX_SENT) + 0.5;
    const down = square.y + 2 * Math.floor((n >> 2) / MAX_SENT) + 0.5;
    let most = 0;
    for (let k = 0; k < 3; k++) {
      const wrong = Math.abs(paint(down, height - 1 - right, k) - data[n + k]);
      most = Math.max(most, wrong);
      sum += wrong;
    }
    far += most > 8;
  }
  const pixels = MAX_SENT ** 2;
  return sum / (3 * pixels) <= 2 && far / pixels <= 0.01;
}

// ---- States ------------------------------------------------------------------------------------

let state = "plain"; // choose, frame or keep (a photo), done, describe
let isWhole = false; // whether the whole photo is to be sent
let isBusy = false; // while something is sent
let opening = null; // the last file that was chosen, until it is a photo
let offered = ""; // the description of the picture before

function show(name, focus) {
  state = page.dataset.state = name;
  at("trouble").hidden = true;
  for (const part of page.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").includes(name);
  }
  const isPhoto = name === "frame" || name === "keep";
  at("promise").textContent = say(isWhole ? "whole" : `promise-${device}`);
  at("promise").classList.toggle("withdrawn", isWhole);
  // On a small screen the bar stays in sight, and with it the button: the words go there, too.
  if (isWhole) bar.prepend(at("promise"));
  else form.querySelector(".move").before(at("promise"));
  save.textContent = say(isPhoto ? (isWhole ? "save-whole" : "save") : "save-description");
  save.classList.toggle("quiet", name === "choose");
  if (isPhoto) save.setAttribute("aria-describedby", name === "frame" ? "blurred promise" : "promise");
  else save.removeAttribute("aria-describedby");
  offerDescription(isPhoto);
  if (name === "frame") render();
  focus?.focus();
}

function offerDescription(isPhoto) {
  at("offer").hidden = !isPhoto || !offered || offered === description.value;
  at("offer").textContent = say("offer", { text: offered });
}

// In sight all the time, where it leaves room for what is above it.
const bar = save.closest(".bar");
new ResizeObserver(() => bar.classList.toggle("stuck", 2 * bar.offsetHeight < innerHeight)).observe(bar);

function announce(text, isForAll = false) {
  clearTimeout(telling);
  at("news").textContent = text;
  at("news").classList.toggle("unseen", !isForAll); // What the screen shows anyway is only said.
}

function complain(sentences, asksToSignIn = false) {
  at("trouble").querySelector("ul").replaceChildren(
    ...sentences.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }),
  );
  at("sign-in").hidden = !asksToSignIn;
  at("trouble").hidden = false;
  at("trouble").focus();
}

// Takes the file away from the form, which would send all of it, and which does not tell when the
// same file is chosen again.
function take(input) {
  const [blob] = input.files;
  input.value = "";
  choose(blob);
}

// What the server would refuse is said now, before it is framed or sent.
function findFault(opened, isTrue) {
  if (!opened) return say("no-picture");
  const { image, blob } = opened;
  const megabytes = Math.ceil(blob.size / 1e6);
  if (!(image && isTrue) && megabytes > MAX_MEGABYTES) {
    return say("too-large", { megabytes: tellNumber(megabytes), limit: tellNumber(MAX_MEGABYTES) });
  }
  const { naturalWidth: width, naturalHeight: height } = image ?? {};
  return Math.min(width, height) < MIN_SIDE ? say("small", { width, height }) : "";
}

async function choose(blob) {
  if (!blob || isBusy) return;
  opening = blob;
  at("trouble").hidden = true;
  const slow = setTimeout(() => announce(say("opening")), 400);
  const [opened, isTrue] = await Promise.all([open(blob), canCut()]);
  clearTimeout(slow);
  if (opening !== blob) return; // Another was chosen meanwhile.
  opening = null;
  announce("");
  const fault = findFault(opened, isTrue);
  if (fault) return complain([fault]);
  if (photo?.image) URL.revokeObjectURL(photo.url);
  photo = opened;
  isWhole = !photo.image || !isTrue;
  // Another picture has another description.
  offered = description.value || offered;
  description.value = "";
  page.classList.remove("drawing");
  at("blurred").textContent = "";
  at("file-name").textContent = `${photo.blob.name ?? ""} (${tellSize(photo.blob.size)})`;
  if (!photo.image) return show("keep", form.querySelector("[name=crop_keep]:checked"));
  for (const window of windows) window.replaceChildren(photo.image.cloneNode());
  centre();
  show("frame", stage);
}

// ---- Sending -----------------------------------------------------------------------------------

const PATIENCE = 400; // milliseconds until progress is worth a word
const MAX_WAIT = 90_000; // milliseconds for an answer; servers give up after 60 s
// Where too many pictures come at once, the server asks to come again in 5 s; while it is down, in
// a minute, which is for the visitor to decide.
const MAX_TRIES = 6;
const MAX_PAUSE = 10; // seconds

let isSignedOut = false;

// Signing in, in another tab, has made the form's token worthless.
async function renewToken() {
  try {
    const answer = await fetch(form.action, { signal: AbortSignal.timeout(10_000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const token = fresh.querySelector("#editor [name=csrfmiddlewaretoken]");
    if (token) form.elements.csrfmiddlewaretoken.value = token.value;
  } catch {
    // Offline, or as good as: sending says so.
  }
}

// Returns the fields to send, and of a cut square what to tell of it.
async function gather() {
  const data = new FormData();
  if (isSignedOut) await renewToken();
  data.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.set("description", description.value);
  if (state === "describe") return { data };
  if (!photo.image) {
    data.set("crop_keep", form.elements.crop_keep.value);
    data.set("avatar", photo.blob);
    return { data };
  }
  const box = roundSquare();
  if (isWhole) {
    for (const [name, value] of Object.entries(box)) data.set(`crop_${name}`, value);
    data.set("avatar", photo.blob);
    return { data };
  }
  const canvas = cut(photo.image, box);
  const blob = await encode(canvas, photo);
  if (!blob) throw new Error("This browser does not encode.");
  data.set("avatar", blob, "square");
  const { naturalWidth, naturalHeight } = photo.image;
  const isAll = naturalWidth === box.size && naturalHeight === box.size;
  return { data, sent: { side: canvas.width, bytes: blob.size, isAll } };
}

// The whole photo goes by its button alone, not by Enter in a field. The focus would not tell:
// Safari gives none to a button that is clicked.
form.addEventListener("keydown", (event) => {
  const isWholePhoto = isWhole && state !== "describe";
  if (event.key === "Enter" && isWholePhoto && event.target.matches("input")) event.preventDefault();
});

form.addEventListener("submit", async (event) => {
  if (state === "choose" && !opening) {
    file.value = ""; // A browser may have put it back after a reload.
    return; // The description alone: the form does that.
  }
  event.preventDefault();
  if (isBusy || opening) return;
  isBusy = true;
  at("trouble").hidden = true;
  let message;
  try {
    message = await gather();
  } catch {
    isBusy = false;
    const fault = findFault(photo, false);
    if (fault) return complain([fault]);
    isWhole = true;
    return show(state, at("promise"));
  }
  send(message);
});

// By XMLHttpRequest: fetch tells nothing of an upload's progress.
function send({ data, sent }) {
  const request = new XMLHttpRequest();
  const showing = setTimeout(() => showProgress(true), PATIENCE);
  let isAllSent, start, pause;
  let triesLeft = MAX_TRIES;
  const showProgress = (isFirst) => {
    if (isFirst) announce(say(state === "describe" ? "saving" : isAllSent ? "making" : "sending"));
    at("buttons").hidden = true;
    at("sending").hidden = false;
    at("cancel").hidden = isAllSent;
    if (isAllSent) at("progress-words").textContent = say("making");
    if (isAllSent) at("progress").removeAttribute("value");
    (isAllSent ? at("sending") : at("cancel")).focus({ preventScroll: true });
  };
  const begin = () => {
    isAllSent = false;
    start = performance.now();
    pause = 0;
    triesLeft -= 1;
    at("progress").value = 0;
    at("progress-words").textContent = say("sending");
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.send(data);
  };
  // The server makes as many pictures as it can. Not all who were refused come back at once.
  const sendAgainIn = (seconds) => {
    clearTimeout(showing);
    isAllSent = false;
    request.timeout = 0;
    pause = setTimeout(begin, seconds * (1 + Math.random()) * 1000);
    at("progress").removeAttribute("value");
    at("progress-words").textContent = say("waiting");
    announce(say("waiting"));
    showProgress(false);
  };
  const end = () => {
    clearTimeout(showing);
    clearTimeout(pause);
    isBusy = false;
    lock(false);
    at("sending").hidden = true;
    at("buttons").hidden = false;
  };
  const fail = (sentences, asksToSignIn) => {
    end();
    announce(""); // so that it is said again when it is sent again
    save.textContent = say(isWhole && state !== "describe" ? "save-whole" : "again");
    complain(sentences, asksToSignIn);
  };
  lock(true);
  request.upload.onprogress = ({ loaded, total }) => {
    at("progress").value = loaded / total;
    const facts = { sent: tellSize(loaded), all: tellSize(total) };
    at("progress-words").textContent = say("sent-part", facts);
  };
  request.upload.onload = () => {
    isAllSent = true;
    request.timeout = performance.now() - start + MAX_WAIT;
    if (!at("sending").hidden) showProgress(false);
  };
  request.onerror = request.ontimeout = () => fail([say(isAllSent ? "broke-late" : "broke")]);
  request.onabort = () => {
    end();
    announce(say("cancelled"), true);
    save.focus();
  };
  request.onload = () => {
    const { status, response } = request;
    const seconds = status === 503 ? Number(request.getResponseHeader("Retry-After")) : 0;
    if (seconds && seconds <= MAX_PAUSE && triesLeft) return sendAgainIn(seconds);
    if (status === 201) {
      isSignedOut = false;
      end();
      return finish(response, sent);
    }
    isSignedOut = status === 401 || status === 403;
    const own = Object.values(response?.errors ?? {}).flat();
    const key = `error-${status}` in words ? `error-${status}` : "error";
    fail(own.length ? own : [say(key)], status === 401);
  };
  at("cancel").onclick = () => {
    if (pause) request.onabort();
    else if (!isAllSent) request.abort();
  };
  begin();
}

// While a picture is sent, nothing of it changes.
function lock(isLocked) {
  if (isLocked) save.focus(); // What is inert has no focus.
  stage.inert = isLocked;
  for (const part of at("editor").querySelectorAll(".controls > :not(.bar)")) part.inert = isLocked;
  save.setAttribute("aria-disabled", isLocked);
}

function finish({ url, receipt }, sent) {
  offered = "";
  at("describe").textContent = say(description.value ? "change" : "add");
  if (!receipt) {
    announce(say("saved"));
    return show("done", at("describe"));
  }
  at("new-picture").src = url;
  page.classList.toggle("drawing", url.includes("-pixels-")); // names.py, PIXEL_ART
  at("receipt-cut").hidden = !sent;
  at("receipt-whole").hidden = Boolean(sent);
  const { arrived, kept } = receipt;
  const stayed = [sent?.isAll ? "original" : "rest", ...photo.traces];
  const facts = {
    sent: sent && say("square", { side: tellNumber(sent.side), size: tellSize(sent.bytes) }),
    stayed: tellList(stayed),
    arrived: say("arrived", {
      format: arrived.format,
      width: tellNumber(arrived.width),
      height: tellNumber(arrived.height),
      size: tellSize(arrived.bytes),
    }),
    thrown: tellList([...receipt.thrown_away, "outside"]),
    kept: say("kept", { side: tellNumber(kept.side), size: tellSize(kept.bytes) }),
  };
  for (const place of page.querySelectorAll("[data-fact]")) {
    place.textContent = facts[place.dataset.fact];
  }
  announce(""); // The title says it, which takes the focus.
  show("done", at("receipt-title"));
}

// ---- Ways in -----------------------------------------------------------------------------------

const isTyping = (target) => target.matches?.("input:not([type=range], [type=radio])");
const bringsFile = (event) => event.dataTransfer.types.includes("Files");

for (const input of [file, at("camera")]) input.addEventListener("change", () => take(input));
at("choose").addEventListener("click", () => file.click());
at("take").addEventListener("click", () => at("camera").click());
at("other").addEventListener("click", () => isBusy || file.click());
at("adjust").addEventListener("click", () => {
  if (isBusy) return;
  if (photo.image) show("frame", stage);
  else show("keep", form.querySelector("[name=crop_keep]:checked"));
});
at("describe").addEventListener("click", () => isBusy || show("describe", description));
at("offer").addEventListener("click", () => {
  description.value = offered;
  offerDescription(true);
  description.focus();
});

document.addEventListener("paste", (event) => {
  if (isTyping(event.target) || !event.clipboardData.files.length) return;
  event.preventDefault();
  choose(event.clipboardData.files[0]);
});

// Anywhere on the page: a drop that misses would open the photo in place of it.
for (const name of ["dragover", "drop"]) {
  addEventListener(name, (event) => {
    if (isTyping(event.target) && !bringsFile(event)) return; // text, into a field
    event.preventDefault();
    page.classList.toggle("dropping", name === "dragover" && bringsFile(event));
    if (name === "dragover" || isBusy) return;
    if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
    else complain([say("no-file")]);
  });
}
// Another question before work is lost; what is up, or typed in one field, can be made again.
addEventListener("beforeunload", (event) => {
  if (isBusy || state === "frame" || state === "keep") event.preventDefault();
});
addEventListener("dragleave", (event) => event.relatedTarget || page.classList.remove("dropping"));

for (const title of page.querySelectorAll("[data-say]")) {
  title.textContent = say(`${title.dataset.say}-${device}`);
}
at("take").hidden = !isTouch;
at("ways-of-mouse").hidden = isTouch;
show("choose");
// What the server has said of the form that came without a script.
const refusals = form.querySelectorAll(":scope > .errors li, #id_avatar_error li");
if (refusals.length) complain([...refusals].map((refusal) => refusal.textContent));
for (const refusal of refusals) refusal.closest(".errors")?.remove();
take(file); // chosen before this ran, or kept by the browser over a reload
