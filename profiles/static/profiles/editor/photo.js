// A photo that was chosen: what its file says, and how this browser shows it.

import { server } from "./page.js";

export class Photo {
  #url;
  #isWebpOrPng;

  /** Open a file; return null where neither the browser nor the server can read it. */
  static async open(blob) {
    let start;
    try {
      start = await blob.slice(0, 12).arrayBuffer();
    } catch {
      return null; // a folder, or a file that was deleted
    }
    const photo = new Photo(blob, String.fromCharCode(...new Uint8Array(start)));
    photo.image = await loadImage(photo.#url);
    if (!photo.image) photo.release();
    return photo.image || photo.isReadable ? photo : null;
  }

  constructor(blob, start) {
    const brand = start.slice(4, 8) === "ftyp" && start.slice(8);
    this.blob = blob;
    this.image = null; // where the browser cannot show the photo as the server would
    this.details = null; // of each kind, as tells.js reads them
    this.#url = URL.createObjectURL(blob);
    // The first bytes decide, because a file's name and type may be wrong.
    const hasSignature = server.signatures.some((signature) => start.startsWith(signature));
    this.isReadable = hasSignature || server.brands.includes(brand);
    this.isOpaque = start.startsWith("\xff\xd8\xff");
    this.isLossless = /^(?:.PNG|GIF8)/.test(start);
    this.#isWebpOrPng = /^(?:RIFF|.PNG)/.test(start);
  }

  /** Keep what the file says; give up the image where browsers show such a file differently. */
  applyDetails({ details, orientation, colours }) {
    this.details = details;
    // Some turn a WebP or a PNG by its EXIF. Most show wrong colours of a CMYK JPEG.
    if (colours !== 4 && !(this.#isWebpOrPng && orientation > 1)) return;
    this.image = null;
    this.release();
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
