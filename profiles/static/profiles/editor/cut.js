// Cuts a square out of a photo, and encodes it; finds out whether this browser can do that.

import { server } from "./page.js";
import { loadImage } from "./photo.js";
import { getMatrix } from "./square.js";

// Larger than the largest file, so that reducing it hides the losses of JPEG.
const MAX_SENT = 1.5 * server.side;
const MAX_CANVAS = 4096; // on a side; an iPhone has no larger canvas
const MAX_LOSSLESS = 500_000; // bytes
const MAX_COLOURS = 64; // With no more, a picture of any format is a drawing.
const QUALITY = 0.92;
const MIN_OPAQUE = 250; // Not 255: some browsers change pixels a little, against fingerprinting.

/** Draw a square of a picture onto a canvas of `side` pixels, which cuts off the rest. */
function draw(source, square, side) {
  const { naturalWidth: width = source.width, naturalHeight: height = source.height } = source;
  const scale = side / square.size;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.setTransform(...getMatrix(square, scale));
  // Without a rectangle of the source: WebKitGTK would take it from the mirror image of a photo
  // that EXIF turns.
  pen.drawImage(source, 0, 0, width * scale, height * scale);
  if (source.getContext) source.width = source.height = 0; // iPhones have little memory for canvases.
  return canvas;
}

/** Return a square of a picture as a canvas. */
export function cut(source, square) {
  let side = MAX_SENT;
  while (2 * side <= Math.min(square.size, MAX_CANVAS)) side *= 2;
  side = Math.min(side, square.size);
  let canvas = draw(source, square, side);
  // By halves, because one large step would leave out pixels.
  for (; side > MAX_SENT; side /= 2) {
    canvas = draw(canvas, { x: 0, y: 0, size: side, turns: 0 }, side / 2);
  }
  return canvas;
}

const write = (canvas, type) => new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY));

/** Encode a cut square: drawings without loss, photos as JPEG, or as WebP if transparent. */
export async function encode(canvas, { isOpaque, isLossless }) {
  const pixels = readPixels(canvas);
  // JPEG would blur the edges of a drawing, and the server would take it for a photo.
  if (isLossless || hasFewColours(pixels, MAX_COLOURS)) {
    const blob = await write(canvas, "image/png");
    if (blob?.size <= MAX_LOSSLESS) return blob; // A photo as PNG is eight times as large.
  }
  if (isOpaque || !isTransparent(pixels)) return write(canvas, "image/jpeg");
  return write(canvas, "image/webp"); // A browser without WebP, such as Safari, writes PNG.
}

export function readPixels(canvas) {
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
}

export function hasFewColours(pixels, most) {
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
export function canCut() {
  trial ??= tryToCut().catch(() => false);
  return trial;
}

/** Cut a square out of a picture that lies on its side, as a phone stores it, and compare. */
async function tryToCut() {
  const square = { x: 128, y: 32, size: 2 * MAX_SENT, turns: 0 }; // not in the middle
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
