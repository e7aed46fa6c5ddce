// The picture editor. It enhances the form of avatar.html, which works without it.
//
// A square window stays in place, and the photo moves under it. The editor cuts out what the window
// shows, so that the rest of the photo never leaves the device. A browser that cannot do that says
// so before anything is sent. All texts are in the page (#words), where they are translated.
//
// All of it is one file: collectstatic hashes the names in templates, but not those in imports, so
// a browser could take an old module from its cache.

const byId = (id) => document.getElementById(id);
const page = byId("picture");
const form = byId("editor");
const stage = byId("stage");
const save = byId("save");
const bar = save.closest(".bar");
const { avatar: fileInput, description } = form.elements;
const server = JSON.parse(fileInput.dataset.server); // editor.py

// ---- Texts and numbers -------------------------------------------------------------------------

const language = document.documentElement.lang;
const texts = Object.fromEntries(
  [...byId("words").content.children].map((text) => [text.dataset.key, text.textContent]),
);
const isTouch = matchMedia("(pointer: coarse)").matches;
const device = isTouch && Math.min(screen.width, screen.height) < 600 ? "phone" : "device";

function getText(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, placeholder) => values[placeholder]);
}

function formatSize(bytes) {
  const isSmall = bytes < 1e6;
  const [value, unit] = isSmall ? [bytes / 1e3, "kilobyte"] : [bytes / 1e6, "megabyte"];
  const text = format(value, { style: "unit", unit, maximumFractionDigits: isSmall ? 0 : 1 });
  return text.replace(" ", "\u00a0");
}

const format = (value, style) => new Intl.NumberFormat(language, style).format(value);
const formatNumber = (value) => format(value, { useGrouping: false });
const formatPercent = (value) => format(value, { style: "percent" });
const formatList = (keys) => new Intl.ListFormat(language).format(keys.map((key) => getText(key)));
const clamp = (value, least, most) => Math.max(least, Math.min(value, most));

// ---- The photo ---------------------------------------------------------------------------------

// Where EXIF begins: in a JPEG or HEIC, in a PNG, and in a WebP. Its byte order follows.
const EXIF = /(?:Exif\0\0|eXIf|EXIF[^]{4})(?=II\*\0|MM\0\*)/;
const ORIENTATION = 0x0112;
const DIRECTORIES = [0x8769, 0x8825]; // tags that point to more tags
const HEAD_BYTES = 2 ** 22; // EXIF may follow a colour profile, which may have 2 MB.

class Photo {
  #url;

  /** Open a file; return null where neither the browser nor the server can read it. */
  static async open(blob) {
    let head;
    try {
      head = await blob.slice(0, HEAD_BYTES).arrayBuffer();
    } catch {
      return null; // a folder, or a file that was deleted
    }
    const photo = new Photo(blob, head);
    const image = await loadImage(photo.#url);
    if (image && !photo.isAmbiguous) photo.image = image;
    else photo.release();
    return image || photo.isReadable ? photo : null;
  }

  constructor(blob, head) {
    const start = String.fromCharCode(...new Uint8Array(head.slice(0, 12)));
    const brand = start.slice(4, 8) === "ftyp" && start.slice(8);
    const tags = readExif(head);
    const hasTag = (tag) => tags.has(tag);
    const isTurned = /^(?:RIFF|.PNG)/.test(start) && tags.get(ORIENTATION) > 1;
    this.blob = blob;
    this.image = null; // where the browser cannot show the photo as the server would
    this.#url = URL.createObjectURL(blob);
    // The first bytes decide, because a file's name and type may be wrong.
    const hasSignature = server.signatures.some((signature) => start.startsWith(signature));
    this.isReadable = hasSignature || server.brands.includes(brand);
    // Some browsers turn a WebP or a PNG by its EXIF, and some do not. Most show wrong colours of
    // a CMYK JPEG.
    this.isAmbiguous = isTurned || isCmyk(head);
    this.isOpaque = start.startsWith("\xff\xd8\xff");
    this.isLossless = /^(?:.PNG|GIF8)/.test(start);
    this.traces = Object.keys(server.exifTags).filter((kind) => server.exifTags[kind].some(hasTag));
  }

  get width() {
    return this.image.naturalWidth;
  }

  get height() {
    return this.image.naturalHeight;
  }

  /** Give up the URL, which keeps the whole file in memory. */
  release() {
    URL.revokeObjectURL(this.#url);
  }
}

/** Load an image; return null where the browser cannot decode it. */
async function loadImage(url) {
  // Not createImageBitmap: only an <img> turns a JPEG by its EXIF in every browser.
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

/** Return whether a JPEG has four colours, by its first frame header (ITU T.81, B.2.2). */
function isCmyk(head) {
  const view = new DataView(head);
  const readByte = (offset) => (offset < head.byteLength ? view.getUint8(offset) : 0);
  for (let offset = 2; readByte(0) === 0xff && readByte(offset) === 0xff; ) {
    const marker = readByte(offset + 1);
    const isFrame = marker >> 4 === 0xc && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return readByte(offset + 9) === 4;
    const bytes = 256 * readByte(offset + 2) + readByte(offset + 3);
    offset += marker === 0xff ? 1 : 2 + bytes; // 0xff is padding.
  }
  return false;
}

/** Return the EXIF tags (Exif 2.32, 4.6), each with its value where that is one small number. */
function readExif(head) {
  const tags = new Map();
  const text = new TextDecoder("latin1").decode(head);
  const match = EXIF.exec(text);
  if (!match) return tags;
  const start = match.index + match[0].length;
  const view = new DataView(head, start);
  const isLittle = text[start] === "I";
  const readDirectory = (offset) => {
    for (let n = 0; n < view.getUint16(offset, isLittle); n++) {
      const entry = offset + 2 + 12 * n;
      const tag = view.getUint16(entry, isLittle);
      const isNew = !tags.has(tag);
      tags.set(tag, view.getUint16(entry + 8, isLittle));
      if (isNew && DIRECTORIES.includes(tag)) readDirectory(view.getUint32(entry + 8, isLittle));
    }
  };
  try {
    readDirectory(view.getUint32(4, isLittle));
  } catch {
    // The block is damaged: the tags before the damage count.
  }
  return tags;
}

// ---- The frame ---------------------------------------------------------------------------------

const MIN_SQUARE = 64; // in pixels of the photo; a smaller photo cannot be zoomed at all
const MIN_SHARP = 128;
const MAX_ZOOM = 8;
const MAX_TAP = 8; // in pixels that the pointer moves
const KEY_STEP = 0.04; // of the window's width
const KEY_ZOOM = 1.1;
const BUTTON_ZOOM = 1.2;
const GLIDE = 200; // milliseconds
const KEYS_PAUSE = 500; // milliseconds after the last key until the place is announced

/** The square of the photo that is in the window; the visitor moves the photo and zooms it. */
class Frame {
  #photo = null;
  #square = null; // x, y and size, in pixels of the upright photo
  #pointers = new Map(); // the last event of each pointer that is down
  #travelled = 0; // pixels that the pointers have moved
  #gestureSize = 0; // the square's size when a pinch on a touchpad began
  #animation = 0;
  #announcement = 0; // a timer
  #windows = page.querySelectorAll(".window"); // first the large one, then the previews
  #keys = {
    ArrowLeft: () => this.#move(-KEY_STEP, 0),
    ArrowRight: () => this.#move(KEY_STEP, 0),
    ArrowUp: () => this.#move(0, -KEY_STEP),
    ArrowDown: () => this.#move(0, KEY_STEP),
    "+": () => this.#zoomTo(this.#square.size / KEY_ZOOM),
    "=": () => this.#zoomTo(this.#square.size / KEY_ZOOM), // the key of + without Shift
    "-": () => this.#zoomTo(this.#square.size * KEY_ZOOM),
  };

  constructor() {
    this.#listenToStage();
    this.#listenToControls();
    new ResizeObserver(() => this.render()).observe(this.#windows[0]);
  }

  /** Show another photo, and the middle of it, as the server would cut it (avatar.py, Crop). */
  setPhoto(photo) {
    this.stop();
    byId("blurred").textContent = "";
    page.classList.remove("drawing");
    this.#photo = photo.image && photo;
    if (!photo.image) return;
    for (const box of this.#windows) box.replaceChildren(photo.image.cloneNode());
    const { width, height } = photo;
    const size = this.#shortSide;
    this.#place(Math.floor((width - size) / 2), Math.floor((height - size) / 2), size);
  }

  /** Stop the animation, and the announcement that waits. */
  stop() {
    cancelAnimationFrame(this.#animation);
    clearTimeout(this.#announcement);
  }

  /** The square in whole pixels, as it is cut. */
  get square() {
    const size = Math.round(this.#square.size);
    const x = clamp(Math.round(this.#square.x), 0, this.#photo.width - size);
    const y = clamp(Math.round(this.#square.y), 0, this.#photo.height - size);
    return { x, y, size };
  }

  get #shortSide() {
    return Math.min(this.#photo.width, this.#photo.height);
  }

  get #zoom() {
    return this.#shortSide / this.#square.size;
  }

  get #maxZoom() {
    return clamp(this.#shortSide / MIN_SQUARE, 1, MAX_ZOOM);
  }

  #clampSize(size) {
    return clamp(size, this.#shortSide / this.#maxZoom, this.#shortSide);
  }

  #place(x, y, size = this.#square.size) {
    size = this.#clampSize(size);
    x = clamp(x, 0, this.#photo.width - size);
    y = clamp(y, 0, this.#photo.height - size);
    this.#square = { x, y, size };
    this.render();
  }

  /** Move the photo by parts of the window: right is right, and down is down. */
  #move(right, down) {
    const { x, y, size } = this.#square;
    this.#place(x - right * size, y - down * size);
  }

  /** Zoom to a square of a size; the photo stays in place under one point of the window. */
  #zoomTo(size, pointX = 0.5, pointY = 0.5) {
    const gain = this.#square.size - this.#clampSize(size);
    this.#place(this.#square.x + pointX * gain, this.#square.y + pointY * gain, size);
  }

  /** Move one point of the window to its middle. */
  #glideTo(pointX, pointY) {
    const { x, y, size } = this.#square;
    const [right, down] = [(pointX - 0.5) * size, (pointY - 0.5) * size];
    const start = performance.now();
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const part = isStill ? 1 : clamp((now - start) / GLIDE, 0, 1);
      const eased = 1 - (1 - part) ** 3;
      this.#place(x + eased * right, y + eased * down);
      if (part < 1) this.#animation = requestAnimationFrame(step);
    };
    cancelAnimationFrame(this.#animation);
    step(start);
  }

  render() {
    if (!this.#photo) return;
    const { x, y, size } = this.#square;
    for (const box of this.#windows) {
      const scale = box.clientWidth / size;
      const [image] = box.children;
      image.style.transform = `translate(${-x * scale}px, ${-y * scale}px) scale(${scale})`;
    }
    const slider = byId("zoom");
    const most = Math.log(this.#maxZoom);
    slider.value = most ? (100 * Math.log(this.#zoom)) / most : 0;
    slider.setAttribute("aria-valuetext", formatPercent(this.#zoom));
    this.#renderSlider("x", 1 - x / (this.#photo.width - size));
    this.#renderSlider("y", y / (this.#photo.height - size));
    this.#renderBlur();
  }

  /** Render where the photo is between its ends, from 0 to 1; NaN where it cannot be moved. */
  #renderSlider(axis, part) {
    const slider = byId(`move-${axis}`);
    const isFixed = !Number.isFinite(part);
    slider.value = isFixed ? 50 : 100 * part;
    const step = [0.01, 0.3, 0.48, 0.52, 0.7, 0.99].filter((end) => part > end).length;
    const text = getText(isFixed ? `${axis}-all` : `${axis}-${step}`);
    slider.setAttribute("aria-valuetext", text);
    byId(`move-${axis}-words`).value = text;
  }

  /** Warn of a square of few pixels, but not of a small drawing: pages show its pixels sharply. */
  #renderBlur() {
    const { size } = this.square;
    const isSmall = this.#photo.isLossless && size <= server.maxPixelArtSide;
    const isDrawing = isSmall && this.#hasFewColours();
    page.classList.toggle("drawing", isDrawing);
    const warning = byId("blurred");
    const isBlurred = size < MIN_SHARP && !isDrawing;
    const text = isBlurred ? getText("blurred", { side: formatNumber(size) }) : "";
    if (text && !warning.textContent) this.#announce(text); // once, not at each step
    warning.textContent = text;
    warning.hidden = !text;
  }

  #hasFewColours() {
    const pixels = readPixels(cut(this.#photo.image, this.square));
    return hasFewColours(pixels, this.square.size ** 2 / server.pixelsPerColour);
  }

  #announce(text) {
    clearTimeout(this.#announcement);
    announce(text);
  }

  #announcePlace() {
    const place = ["move-x-words", "move-y-words"].map((id) => byId(id).value);
    const list = new Intl.ListFormat(language, { type: "unit" });
    this.#announce(list.format([...place, formatPercent(this.#zoom)]));
  }

  #listenToStage() {
    const listen = (type, listener, options) => stage.addEventListener(type, listener, options);
    listen("pointerdown", (pointer) => this.#addPointer(pointer));
    listen("pointermove", (pointer) => this.#movePointer(pointer));
    listen("pointerup", (pointer) => this.#tap(pointer));
    // Fires after pointerup, and where the system ends a touch.
    listen("lostpointercapture", ({ pointerId }) => this.#pointers.delete(pointerId));
    listen("wheel", (wheel) => this.#turnWheel(wheel), { passive: false });
    listen("keydown", (press) => this.#pressKey(press));
    // Only Safari has these events, of a touchpad, and of fingers beside the pointer events.
    for (const type of ["gesturestart", "gesturechange"]) {
      listen(type, (gesture) => this.#pinch(gesture));
    }
  }

  #listenToControls() {
    const listen = (id, type, listener) => byId(id).addEventListener(type, listener);
    const getPart = (slider) => slider.value / 100;
    listen("zoom-out", "click", () => this.#zoomTo(this.#square.size * BUTTON_ZOOM));
    listen("zoom-in", "click", () => this.#zoomTo(this.#square.size / BUTTON_ZOOM));
    listen("zoom", "input", ({ target }) => {
      this.#zoomTo(this.#shortSide / this.#maxZoom ** getPart(target));
    });
    listen("move-x", "input", ({ target }) => {
      const { y, size } = this.#square;
      this.#place((this.#photo.width - size) * (1 - getPart(target)), y);
    });
    listen("move-y", "input", ({ target }) => {
      const { x, size } = this.#square;
      this.#place(x, (this.#photo.height - size) * getPart(target));
    });
  }

  #addPointer(pointer) {
    if (pointer.button) return;
    stage.setPointerCapture(pointer.pointerId);
    cancelAnimationFrame(this.#animation);
    this.#travelled = this.#pointers.size ? Infinity : 0; // Two fingers do not tap.
    this.#pointers.set(pointer.pointerId, pointer);
  }

  #movePointer(pointer) {
    if (!this.#pointers.has(pointer.pointerId)) return;
    const before = this.#measurePointers();
    this.#pointers.set(pointer.pointerId, pointer);
    const after = this.#measurePointers();
    const [right, down] = [after.x - before.x, after.y - before.y];
    this.#travelled += Math.hypot(right, down) * this.#windows[0].clientWidth;
    if (this.#travelled < MAX_TAP) return;
    this.#move(right, down);
    if (before.span && after.span) {
      this.#zoomTo((this.#square.size * before.span) / after.span, after.x, after.y);
    }
  }

  #tap({ pointerId }) {
    if (!this.#pointers.has(pointerId) || this.#travelled >= MAX_TAP) return;
    const { x, y } = this.#measurePointers();
    this.#glideTo(x, y);
  }

  /** Return the middle of the first two pointers, in parts of the window, and their distance. */
  #measurePointers() {
    const [one, two = one] = this.#pointers.values();
    const span = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
    const middle = [(one.clientX + two.clientX) / 2, (one.clientY + two.clientY) / 2];
    return { ...this.#locate(...middle), span };
  }

  #turnWheel(wheel) {
    // Firefox may count in lines. A pinch on a touchpad comes as small turns with Ctrl.
    const turn = wheel.deltaY * (wheel.deltaMode ? 16 : 1) * (wheel.ctrlKey ? 0.01 : 0.0015);
    const size = this.#clampSize(this.#square.size * Math.exp(turn));
    // Where the zoom is at its end, the wheel scrolls the page. A pinch does not: it would zoom it.
    if (size === this.#square.size && !wheel.ctrlKey) return;
    wheel.preventDefault();
    const { x, y } = this.#locate(wheel.clientX, wheel.clientY);
    this.#zoomTo(size, x, y);
  }

  /** Return a point of the screen in parts of the window. */
  #locate(clientX, clientY) {
    const box = this.#windows[0].getBoundingClientRect();
    return { x: (clientX - box.left) / box.width, y: (clientY - box.top) / box.height };
  }

  #pressKey(press) {
    if (!(press.key in this.#keys) || press.ctrlKey || press.metaKey || press.altKey) return;
    press.preventDefault();
    this.#keys[press.key]();
    clearTimeout(this.#announcement);
    this.#announcement = setTimeout(() => this.#announcePlace(), KEYS_PAUSE);
  }

  #pinch(gesture) {
    gesture.preventDefault();
    if (gesture.type === "gesturestart") this.#gestureSize = this.#square.size;
    else if (!this.#pointers.size) this.#zoomTo(this.#gestureSize / gesture.scale);
  }
}

// ---- Cutting -----------------------------------------------------------------------------------

// Larger than the largest file, so that reducing it hides the losses of JPEG.
const MAX_SENT = 1.5 * server.side;
const MAX_CANVAS = 4096; // on a side; an iPhone has no larger canvas
const MAX_LOSSLESS = 500_000; // bytes
const MAX_COLOURS = 64; // With no more, a picture of any format is a drawing.
const QUALITY = 0.92;
const MIN_OPAQUE = 250; // Not 255: some browsers change pixels a little, against fingerprinting.

/** Draw a square of a picture onto a canvas of `side` pixels, which cuts off the rest. */
function draw(source, { x, y, size }, side) {
  const { naturalWidth: width = source.width, naturalHeight: height = source.height } = source;
  const scale = side / size;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  // Without a rectangle of the source: WebKitGTK would take it from the mirror image of a photo
  // that EXIF turns.
  pen.drawImage(source, -x * scale, -y * scale, width * scale, height * scale);
  if (source.getContext) source.width = source.height = 0; // iPhones have little memory for canvases.
  return canvas;
}

/** Return a square of a picture as a canvas. */
function cut(source, square) {
  let side = MAX_SENT;
  while (2 * side <= Math.min(square.size, MAX_CANVAS)) side *= 2;
  side = Math.min(side, square.size);
  let canvas = draw(source, square, side);
  // By halves, because one large step would leave out pixels.
  for (; side > MAX_SENT; side /= 2) canvas = draw(canvas, { x: 0, y: 0, size: side }, side / 2);
  return canvas;
}

const write = (canvas, type) => new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY));

/** Encode a cut square: drawings without loss, photos as JPEG, or as WebP if transparent. */
async function encode(canvas, { isOpaque, isLossless }) {
  const pixels = readPixels(canvas);
  // JPEG would blur the edges of a drawing, and the server would take it for a photo.
  if (isLossless || hasFewColours(pixels, MAX_COLOURS)) {
    const blob = await write(canvas, "image/png");
    if (blob?.size <= MAX_LOSSLESS) return blob; // A photo as PNG is eight times as large.
  }
  if (isOpaque || !isTransparent(pixels)) return write(canvas, "image/jpeg");
  return write(canvas, "image/webp"); // A browser without WebP, such as Safari, writes PNG.
}

function readPixels(canvas) {
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
}

function hasFewColours(pixels, most) {
  const colours = new Set();
  for (const colour of new Uint32Array(pixels.buffer)) {
    if (colours.add(colour).size > most) return false;
  }
  return true;
}

function isTransparent(pixels) {
  for (let n = 3; n < pixels.length; n += 4) if (pixels[n] < MIN_OPAQUE) return true;
  return false;
}

// EXIF that turns a JPEG to the right (Exif 2.32, 4.5.4 and 4.6): one tag, the orientation, is 6.
const TURNED =
  "\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

let trial = null;

/** Return whether this browser cuts as it should: against fingerprinting, some return noise. */
function canCut() {
  trial ??= tryToCut().catch(() => false);
  return trial;
}

/** Cut a square out of a picture that lies on its side, as a phone stores it, and compare. */
async function tryToCut() {
  const square = { x: 128, y: 32, size: 2 * MAX_SENT }; // not in the middle
  const [width, height] = [square.size + 256, square.size + 128];
  // Three slopes, which JPEG keeps. Only numbers, because this runs ten million times.
  const paint = (x, y, n) => ((n === 0 ? x : n === 1 ? y : width - (x + y) / 2) * 252) / width;
  const url = URL.createObjectURL(await paintTurned(width, height, paint));
  const image = await loadImage(url);
  URL.revokeObjectURL(url);
  const pixels = readPixels(cut(image, square));
  let sum = 0;
  let count = 0;
  for (let n = 0; n < pixels.length; n += 4) {
    const right = square.x + 2 * ((n >> 2) % MAX_SENT) + 0.5;
    const down = square.y + 2 * Math.floor((n >> 2) / MAX_SENT) + 0.5;
    let most = 0;
    for (let k = 0; k < 3; k++) {
      // Right and down in the upright picture are up and right in the stored one.
      const difference = Math.abs(paint(down, height - 1 - right, k) - pixels[n + k]);
      most = Math.max(most, difference);
      sum += difference;
    }
    count += most > 8;
  }
  const all = MAX_SENT ** 2;
  return sum / (3 * all) <= 2 && count / all <= 0.01;
}

/** Return a painted JPEG that says that it is to be turned to the right. */
async function paintTurned(width, height, paint) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(width, height);
  const { data } = picture;
  for (let n = 0; n < data.length; n++) {
    data[n] = n % 4 === 3 ? 255 : paint((n >> 2) % width, Math.floor((n >> 2) / width), n % 4);
  }
  pen.putImageData(picture, 0, 0);
  const jpeg = await write(canvas, "image/jpeg");
  const exif = Uint8Array.from(TURNED, (letter) => letter.charCodeAt());
  return new Blob([jpeg.slice(0, 2), exif, jpeg.slice(2)]);
}

// ---- Sending -----------------------------------------------------------------------------------

const MAX_WAIT = 90_000; // milliseconds for an answer; servers give up after 60 s
// A busy server asks for the picture again in 5 s. One that is down asks in a minute: then the
// visitor decides.
const MAX_TRIES = 6;
const MAX_PAUSE = 10; // seconds
const PATIENCE = 400; // milliseconds until the progress is shown

/** Sends data to the form's address, and again where the server is busy. */
class Upload {
  phase = "sending"; // then "making", or "waiting" until it is sent again
  sent = 0; // bytes
  total = 0;
  onchange = () => {};
  #data;
  #request;
  #pause;
  #tries = 0;
  #end;

  constructor(data) {
    this.#data = data;
  }

  /** Send; return how it ended: with an answer, whose JSON is null where it cannot be read. */
  start() {
    return new Promise((resolve) => {
      this.#end = (outcome, code, answer) => resolve({ outcome, code, answer });
      this.#send();
    });
  }

  cancel() {
    clearTimeout(this.#pause);
    if (this.phase === "waiting") this.#end("cancelled");
    if (this.phase === "sending") this.#request.abort();
  }

  #change(phase, sent = 0, total = 0) {
    Object.assign(this, { phase, sent, total });
    this.onchange();
  }

  #send() {
    const request = new XMLHttpRequest(); // fetch does not report the progress of an upload.
    const start = performance.now();
    this.#request = request;
    this.#tries += 1;
    this.#change("sending");
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => this.#change("sending", loaded, total);
    request.upload.onload = () => {
      request.timeout = performance.now() - start + MAX_WAIT;
      this.#change("making");
    };
    request.onabort = () => this.#end("cancelled");
    request.onerror = request.ontimeout = () => {
      this.#end(this.phase === "making" ? "broke-late" : "broke");
    };
    request.onload = () => this.#receive();
    request.send(this.#data);
  }

  #receive() {
    const request = this.#request;
    const seconds = request.status === 503 ? Number(request.getResponseHeader("Retry-After")) : 0;
    const isBusy = seconds && seconds <= MAX_PAUSE;
    if (!isBusy || this.#tries === MAX_TRIES) {
      return this.#end("answered", request.status, request.response);
    }
    this.#change("waiting");
    // Not the same time for everybody, so that they do not all come back at once.
    this.#pause = setTimeout(() => this.#send(), seconds * (1 + Math.random()) * 1000);
  }
}

/** Shows how far an upload is, once it takes longer than a moment. */
class Progress {
  #upload;
  #phase = "sending";
  #timer = setTimeout(() => this.#showFirst(), PATIENCE);

  constructor(upload) {
    this.#upload = upload;
    this.render();
    upload.onchange = () => this.render();
  }

  render() {
    const { phase, sent, total } = this.#upload;
    const values = { sent: formatSize(sent), all: formatSize(total) };
    byId("progress-words").textContent = getText(sent ? "sent-part" : phase, values);
    byId("cancel").hidden = phase === "making";
    if (phase === "sending") byId("progress").value = sent / total || 0;
    else byId("progress").removeAttribute("value");
    const isNew = phase !== this.#phase;
    this.#phase = phase;
    if (!isNew || phase === "sending") return;
    if (phase === "waiting") announce(getText("waiting"));
    if (phase === "waiting" || !byId("sending").hidden) this.#show();
  }

  close() {
    clearTimeout(this.#timer);
    byId("sending").hidden = true;
    byId("buttons").hidden = false;
  }

  #showFirst() {
    announce(getText(state === "describe" ? "saving" : this.#phase));
    this.#show();
  }

  #show() {
    clearTimeout(this.#timer);
    byId("buttons").hidden = true;
    byId("sending").hidden = false;
    byId(this.#phase === "making" ? "sending" : "cancel").focus({ preventScroll: true });
  }
}

/** Fetch the form's token anew: signing in, in another tab, has changed it. */
async function renewToken() {
  try {
    const answer = await fetch(form.action, { signal: AbortSignal.timeout(10_000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const token = fresh.querySelector("#editor [name=csrfmiddlewaretoken]");
    if (token) form.elements.csrfmiddlewaretoken.value = token.value;
  } catch {
    // The connection is broken, which the upload will say.
  }
}

/** Return the data to send, and the facts of a square that was cut here. */
async function collectData() {
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
  const { square } = frame;
  if (isWhole) {
    for (const [key, value] of Object.entries(square)) data.set(`crop_${key}`, value);
    data.set("avatar", photo.blob);
    return { data };
  }
  const canvas = cut(photo.image, square);
  const blob = await encode(canvas, photo);
  if (!blob) throw new Error("This browser cannot encode the square.");
  data.set("avatar", blob, "square");
  const isAll = photo.width === square.size && photo.height === square.size;
  return { data, sent: { side: canvas.width, bytes: blob.size, isAll } };
}

async function send({ data, sent }) {
  const upload = new Upload(data);
  const progress = new Progress(upload);
  byId("cancel").onclick = () => upload.cancel();
  lock(true);
  const { outcome, code, answer } = await upload.start();
  isBusy = false;
  lock(false);
  progress.close();
  if (outcome === "cancelled") {
    announce(getText("cancelled"), true);
    save.focus();
  } else if (outcome === "answered") {
    isSignedOut = code === 401 || code === 403;
    if (code === 201) showSaved(answer, sent);
    else showFailure(listErrors(code, answer), code === 401);
  } else {
    showFailure([getText(outcome)]);
  }
}

/** Let nothing of a picture change while it is sent. */
function lock(isLocked) {
  if (isLocked) save.focus(); // What is inert loses the focus.
  stage.inert = isLocked;
  for (const part of form.querySelectorAll(".controls > :not(.bar)")) part.inert = isLocked;
  save.setAttribute("aria-disabled", isLocked);
}

// ---- The answer --------------------------------------------------------------------------------

function showSaved(answer, sent) {
  previousDescription = "";
  byId("describe").textContent = getText(description.value ? "change" : "add");
  if (state === "describe") {
    announce(getText("saved"));
    return show("done", byId("describe"));
  }
  const receipt = answer?.receipt;
  byId("new-picture").hidden = !receipt;
  byId("receipt-cut").hidden = !receipt || !sent;
  byId("receipt-whole").hidden = !receipt || Boolean(sent);
  byId("receipt-unreadable").hidden = Boolean(receipt);
  if (receipt) renderReceipt(answer, sent);
  announce(""); // The title has the focus, and is read out.
  show("done", byId("receipt-title"));
}

function renderReceipt({ url, receipt }, sent) {
  const { arrived, kept } = receipt;
  byId("new-picture").src = url;
  page.classList.toggle("drawing", receipt.is_pixel_art);
  const describe = ({ side, bytes }) => ({ side: formatNumber(side), size: formatSize(bytes) });
  const facts = {
    sent: sent && getText("square", describe(sent)),
    stayed: formatList([sent?.isAll ? "original" : "rest", ...photo.traces]),
    arrived: getText("arrived", {
      format: arrived.format,
      width: formatNumber(arrived.width),
      height: formatNumber(arrived.height),
      size: formatSize(arrived.bytes),
    }),
    thrown: formatList([...receipt.thrown_away, "outside"]),
    kept: getText("kept", describe(kept)),
  };
  for (const part of page.querySelectorAll("[data-fact]")) {
    part.textContent = facts[part.dataset.fact];
  }
}

/** Return what the server says is wrong; where that cannot be read, a sentence for its status. */
function listErrors(code, answer) {
  const errors = Object.values(answer?.errors ?? {}).flat();
  return errors.length ? errors : [getText(`error-${code}` in texts ? `error-${code}` : "error")];
}

function showFailure(sentences, asksToSignIn) {
  announce(""); // A text that stays the same would not be read out the next time.
  save.textContent = getText(isWhole && state !== "describe" ? "save-whole" : "again");
  showErrors(sentences, asksToSignIn);
}

// ---- The page ----------------------------------------------------------------------------------

const frame = new Frame();
let state = "plain"; // then choose, frame or keep (of a photo), done, describe
let photo = null;
let opening = null; // the last file that was chosen, until it is open
let isWhole = false; // whether the whole photo is to be sent
let isBusy = false; // while something is sent
let isSignedOut = false;
let previousDescription = "";

function show(newState, focused) {
  state = page.dataset.state = newState;
  byId("trouble").hidden = true;
  for (const part of page.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").includes(state);
  }
  const isPhoto = state === "frame" || state === "keep";
  const promise = byId("promise");
  promise.textContent = getText(isWhole ? "whole" : `promise-${device}`);
  promise.classList.toggle("withdrawn", isWhole);
  // The bar stays in view on a small screen, so the warning stands there, beside the button.
  if (isWhole) bar.prepend(promise);
  else form.querySelector(".move").before(promise);
  save.textContent = getText(isPhoto ? (isWhole ? "save-whole" : "save") : "save-description");
  save.classList.toggle("quiet", state === "choose");
  const notes = state === "frame" ? "blurred promise" : "promise";
  if (isPhoto) save.setAttribute("aria-describedby", notes);
  else save.removeAttribute("aria-describedby");
  renderOffer(isPhoto);
  if (state === "frame") frame.render();
  focused?.focus();
}

function showPhoto() {
  if (photo.image) show("frame", stage);
  else show("keep", form.querySelector("[name=crop_keep]:checked"));
}

/** Offer the description that the picture before had. */
function renderOffer(isPhoto) {
  const text = previousDescription;
  byId("offer").hidden = !isPhoto || !text || text === description.value;
  byId("offer").textContent = getText("offer", { text });
}

/** Let a screen reader say a text; show it as well where nothing else on the screen says it. */
function announce(text, isShown = false) {
  byId("news").textContent = text;
  byId("news").classList.toggle("unseen", !isShown);
}

function showErrors(sentences, asksToSignIn = false) {
  const items = sentences.map((sentence) => {
    const item = document.createElement("li");
    item.textContent = sentence;
    return item;
  });
  byId("trouble").querySelector("ul").replaceChildren(...items);
  byId("sign-in").hidden = !asksToSignIn;
  byId("trouble").hidden = false;
  byId("trouble").focus();
}

/** Return why the server would refuse a photo, before it is sent; "" where it would not. */
function findRefusal(opened, isCutHere) {
  if (!opened) return getText("no-picture");
  const { image, blob } = opened;
  if (!(image && isCutHere) && blob.size > server.maxBytes) {
    const [megabytes, limit] = [blob.size, server.maxBytes].map((size) => Math.ceil(size / 1e6));
    return getText("too-large", { megabytes: formatNumber(megabytes), limit: formatNumber(limit) });
  }
  if (!image || Math.min(opened.width, opened.height) >= server.minSide) return "";
  const { width, height } = opened;
  return getText("small", { width, height, limit: server.minSide });
}

async function choosePhoto(blob) {
  if (!blob || isBusy) return;
  opening = blob;
  frame.stop();
  byId("trouble").hidden = true;
  const timer = setTimeout(() => announce(getText("opening")), PATIENCE);
  const [opened, isCutHere] = await Promise.all([Photo.open(blob), canCut()]);
  clearTimeout(timer);
  if (opening !== blob) return opened?.release(); // The visitor has chosen another.
  opening = null;
  announce("");
  const refusal = findRefusal(opened, isCutHere);
  if (refusal) {
    opened?.release();
    return showErrors([refusal]);
  }
  photo?.release();
  photo = opened;
  isWhole = !photo.image || !isCutHere;
  // The description is of the picture before.
  previousDescription = description.value || previousDescription;
  description.value = "";
  byId("file-name").textContent = `${blob.name ?? ""} (${formatSize(blob.size)})`;
  frame.setPhoto(photo);
  showPhoto();
}

/** Take the file out of the form, which would send all of it. */
function takeFile(input) {
  const [blob] = input.files;
  input.value = ""; // An input with the same file in it would not fire when that is chosen again.
  choosePhoto(blob);
}

async function submit() {
  frame.stop();
  isBusy = true;
  byId("trouble").hidden = true;
  let message;
  try {
    message = await collectData();
  } catch {
    // The browser cannot cut this photo: the visitor decides whether to send all of it.
    isBusy = false;
    const refusal = findRefusal(photo, false);
    if (refusal) return showErrors([refusal]);
    isWhole = true;
    return show(state, byId("promise"));
  }
  send(message);
}

// The whole photo is sent by its button, not by Enter in a field. The focus would not show which
// it was: Safari gives none to a button that is clicked.
form.addEventListener("keydown", (press) => {
  const isInField = press.key === "Enter" && press.target.matches("input");
  if (isInField && isWhole && state !== "describe") press.preventDefault();
});

form.addEventListener("submit", (submission) => {
  if (state === "choose" && !opening) {
    fileInput.value = ""; // A browser may have restored it after a reload.
    return; // The form sends the description alone.
  }
  submission.preventDefault();
  if (!isBusy && !opening) submit();
});

const onClick = (id, listener) => byId(id).addEventListener("click", listener);
onClick("choose", () => fileInput.click());
onClick("take", () => byId("camera").click());
onClick("other", () => isBusy || fileInput.click());
onClick("adjust", () => isBusy || showPhoto());
onClick("describe", () => isBusy || show("describe", description));
onClick("offer", () => {
  description.value = previousDescription;
  renderOffer(true);
  description.focus();
});
for (const input of [fileInput, byId("camera")]) {
  input.addEventListener("change", () => takeFile(input));
}

const isTextField = (target) => target.matches?.("input:not([type=range], [type=radio])");
const hasFile = (drag) => drag.dataTransfer.types.includes("Files");

document.addEventListener("paste", (paste) => {
  const [blob] = paste.clipboardData.files;
  if (isTextField(paste.target) || !blob) return;
  paste.preventDefault();
  choosePhoto(blob);
});

// Anywhere on the page: the browser would open a photo that is dropped beside a smaller target.
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (drag) => {
    if (isTextField(drag.target) && !hasFile(drag)) return; // a text, for the field
    drag.preventDefault();
    page.classList.toggle("dropping", type === "dragover" && hasFile(drag));
    if (type === "dragover" || isBusy) return;
    if (drag.dataTransfer.files.length) choosePhoto(drag.dataTransfer.files[0]);
    else showErrors([getText("no-file")]);
  });
}
addEventListener("dragleave", (drag) => drag.relatedTarget || page.classList.remove("dropping"));

// The browser asks before a framed photo is lost. A saved picture and a description are not much.
addEventListener("beforeunload", (leaving) => {
  if (isBusy || state === "frame" || state === "keep") leaving.preventDefault();
});

// The bar stays in view where it leaves room for what is above it.
const stickBar = () => bar.classList.toggle("stuck", 2 * bar.offsetHeight < innerHeight);
new ResizeObserver(stickBar).observe(bar);

for (const title of page.querySelectorAll("[data-say]")) {
  title.textContent = getText(`${title.dataset.say}-${device}`);
}
byId("take").hidden = !isTouch;
byId("ways-of-mouse").hidden = isTouch;
show("choose");
// Errors of the form that was sent without this script.
const refusals = form.querySelectorAll(":scope > .errors li, #id_avatar_error li");
if (refusals.length) showErrors([...refusals].map((refusal) => refusal.textContent));
for (const refusal of refusals) refusal.closest(".errors")?.remove();
takeFile(fileInput); // A file may have been chosen before this ran.
