// Finds metadata in the file of a photo: in a JPEG, PNG, WebP, HEIC or AVIF; and the colours of a
// JPEG.
//
// Not read are IPTC in a JPEG; in a PNG, compressed texts (zTXt, compressed iTXt) and EXIF that is
// written as a text ("Raw profile type exif").
//
// A file may be damaged, or made to keep a reader busy. So only bounded parts of it are read, and a
// number past its end is NaN.

const MAX_PARTS = 4096; // of a file: segments, chunks or boxes
const MAX_BLOCKS = 32; // of metadata
const MAX_BYTES = 2 ** 18; // of one of them
const MAX_HEAD = 32; // bytes of a part that say what it is
const WINDOW = 2 ** 18; // bytes that are read at once while parts are listed
const XMP_START = "http://ns.adobe.com/xap/1.0/";

/** Yield each block: its format (exif, xmp, text of a PNG, frame of a JPEG), and its bytes. */
export async function* findBlocks(file) {
  let count = 0;
  for await (const block of listBlocks(file)) {
    yield block;
    if (++count === MAX_BLOCKS) return;
  }
}

async function* listBlocks(file) {
  const start = await Bytes.read(file, 0, 12);
  if (start.number(0, 2) === 0xffd8) yield* findInJpeg(file);
  else if (start.text(1, 3) === "PNG") yield* findInPng(file);
  else if (start.text(8, 4) === "WEBP") yield* findInWebp(file);
  else if (start.text(4, 4) === "ftyp") yield* findInHeif(file);
}

/** Yield the parts of a file, one after the other: kind, what gives the content, and its start. */
async function* listParts(blob, at, readHead) {
  let [start, window] = [-Infinity, null];
  for (let n = 0; n < MAX_PARTS && at < blob.size; n++) {
    if (at + MAX_HEAD > start + WINDOW) {
      [start, window] = [at, await Bytes.read(blob, at, WINDOW)];
    }
    const bytes = window.from(at - start);
    const { kind, head, size, next = head + size } = readHead(bytes);
    const content = at + head;
    yield [kind, () => blob.slice(content, content + size), bytes.from(head)];
    at += next;
  }
}

/** The segments of a JPEG (ITU T.81, B.1.1.3 and B.1.1.4). */
async function* findInJpeg(file) {
  const readHead = (bytes) => {
    const kind = bytes.number(0, 2);
    if (kind === 0xffff) return { head: 1, size: 0 }; // padding
    return { kind, head: 4, size: Math.max(0, bytes.number(2, 2) - 2) };
  };
  for await (const [kind, content, head] of listParts(file, 2, readHead)) {
    if (kind === 0xffda) return; // The picture begins.
    if (kind >> 4 === 0xffc && ![0xffc4, 0xffc8, 0xffcc].includes(kind)) yield ["frame", head];
    if (kind !== 0xffe1) continue;
    const bytes = await Bytes.read(content());
    if (bytes.text(0, 4) === "Exif") yield ["exif", bytes.from(6)];
    if (bytes.text(0, XMP_START.length) === XMP_START) yield ["xmp", bytes];
  }
}

/** The chunks of a PNG (PNG 3, 5.3 and 11.3). */
async function* findInPng(file) {
  const readHead = (bytes) => {
    const size = bytes.number(0, 4);
    return { kind: bytes.text(4, 4), head: 8, size, next: 12 + size };
  };
  for await (const [kind, content] of listParts(file, 8, readHead)) {
    if (kind === "eXIf") yield ["exif", await Bytes.read(content())];
    if (kind === "tEXt" || kind === "iTXt") yield ["text", await Bytes.read(content())];
  }
}

/** The chunks of a WebP (RFC 9649, 2.3). */
async function* findInWebp(file) {
  const readHead = (bytes) => {
    const size = bytes.number(4, 4, true);
    return { kind: bytes.text(0, 4), head: 8, size, next: 8 + size + (size % 2) };
  };
  for await (const [kind, content] of listParts(file, 12, readHead)) {
    if (kind === "EXIF") {
      const bytes = await Bytes.read(content());
      yield ["exif", bytes.text(0, 4) === "Exif" ? bytes.from(6) : bytes];
    }
    if (kind === "XMP ") yield ["xmp", await Bytes.read(content())];
  }
}

/** The boxes of a HEIC or AVIF (ISO/IEC 14496-12, 4.2). */
function listBoxes(blob, at) {
  return listParts(blob, at, (bytes) => {
    const isLong = bytes.number(0, 4) === 1;
    const head = isLong ? 16 : 8;
    // A size of 0 means up to the end.
    const next = (isLong ? bytes.number(8, 8) : bytes.number(0, 4)) || Infinity;
    return { kind: bytes.text(4, 4), head, size: Math.max(0, next - head), next };
  });
}

async function findBox(blob, wanted, at = 0) {
  for await (const [kind, content] of listBoxes(blob, at)) if (kind === wanted) return content();
  return new Blob();
}

/** The items of a HEIC or AVIF: `iinf` has their types, and `iloc` their places in the file. */
async function* findInHeif(file) {
  const meta = await findBox(file, "meta");
  const types = await readItemTypes(await findBox(meta, "iinf", 4));
  const places = readItemPlaces(await Bytes.read(await findBox(meta, "iloc", 4)));
  for (const [id, start, size] of places) {
    const type = types.get(id);
    if (type !== "Exif" && type !== "mime") continue;
    const bytes = await Bytes.read(file, start, Math.min(size, MAX_BYTES));
    if (type === "mime") yield ["xmp", bytes];
    else yield ["exif", bytes.from(4 + bytes.number(0, 4))];
  }
}

async function readItemTypes(iinf) {
  const types = new Map();
  const version = (await Bytes.read(iinf, 0, 1)).number(0, 1);
  for await (const [, , bytes] of listBoxes(iinf, version ? 8 : 6)) {
    const idSize = bytes.number(0, 1) === 3 ? 4 : 2;
    types.set(bytes.number(4, idSize), bytes.text(6 + idSize, 4));
  }
  return types;
}

/** Yield id, start and size of the first piece of each item; not of those in the box `idat`. */
function* readItemPlaces(iloc) {
  const version = iloc.number(0, 1);
  const idSize = version === 2 ? 4 : 2;
  const [offsetSize, lengthSize] = [iloc.number(4, 1) >> 4, iloc.number(4, 1) & 15];
  const [baseSize, indexSize] = [iloc.number(5, 1) >> 4, version ? iloc.number(5, 1) & 15 : 0];
  let at = 6 + idSize;
  for (let left = iloc.number(6, idSize); left > 0; left--) {
    const id = iloc.number(at, idSize);
    at += idSize;
    const isInFile = !version || (iloc.number(at, 2) & 15) === 0;
    at += version ? 4 : 2;
    const base = iloc.number(at, baseSize);
    const pieces = iloc.number(at + baseSize, 2);
    at += baseSize + 2;
    const start = base + iloc.number(at + indexSize, offsetSize);
    const size = iloc.number(at + indexSize + offsetSize, lengthSize);
    at += pieces * (indexSize + offsetSize + lengthSize);
    if (Number.isNaN(at)) return;
    if (isInFile) yield [id, start, size];
  }
}

class Bytes {
  #bytes;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  static async read(blob, start = 0, count = MAX_BYTES) {
    return new Bytes(new Uint8Array(await blob.slice(start, start + count).arrayBuffer()));
  }

  from(start) {
    return new Bytes(this.#bytes.subarray(start));
  }

  number(at, size, isLittle = false) {
    let value = 0;
    for (let n = 0; n < size; n++) {
      value = 256 * value + this.#bytes[at + (isLittle ? size - 1 - n : n)];
    }
    return value;
  }

  text(at, size = Infinity) {
    const bytes = this.#bytes.subarray(at, at + size);
    try {
      // As a stream, because the last letter may be cut off.
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    } catch {
      return new TextDecoder("latin1").decode(bytes);
    }
  }
}
