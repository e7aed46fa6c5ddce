// A photo that was chosen: what its first bytes say, and how this browser shows it.

import { server } from "./page.js";

// Where EXIF begins: in a JPEG or HEIC, in a PNG, and in a WebP. Its byte order follows.
const EXIF = /(?:Exif\0\0|eXIf|EXIF[^]{4})(?=II\*\0|MM\0\*)/;
const ORIENTATION = 0x0112;
const DIRECTORIES = [0x8769, 0x8825]; // tags that point to more tags
const HEAD_BYTES = 2 ** 22; // EXIF may follow a colour profile, which may have 2 MB.

export class Photo {
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
export async function loadImage(url) {
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
